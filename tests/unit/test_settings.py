"""Settings of billing: what is wrong is named at start, before any money is asked for."""

from __future__ import annotations

import pytest

from deploy.payments import make_provider, site_of
from deploy.settings import load
from router.errors import SettingsWrong

NEEDED = {"STEPWELL_DATABASE_URL": "postgresql://a@b/c", "STEPWELL_SECRET_KEY": "k" * 32}
KEY = {
    "STEPWELL_STRIPE_API_KEY": "sk_test_secret",
    "STEPWELL_STRIPE_WEBHOOK_SECRET": "whsec_secret",
}


def test_without_a_key_nobody_takes_the_money() -> None:
    assert make_provider(load(NEEDED)) is None


def test_a_key_needs_the_webhooks_secret_beside_it() -> None:
    key = {"STEPWELL_STRIPE_API_KEY": "sk_test_secret"}
    with pytest.raises(SettingsWrong, match="STRIPE_API_KEY needs STEPWELL_STRIPE_WEBHOOK_SECRET"):
        load({**NEEDED, **key})


@pytest.mark.parametrize(
    "address",
    [
        "http://stripe.example",
        "http://10.0.0.1:80",
        "http://127.0.0.1.example",
        "http://localhost@stripe.example",
        "ftp://127.0.0.1",
        "127.0.0.1:8080",
    ],
)
def test_a_key_never_leaves_the_machine_in_the_clear(address: str) -> None:
    with pytest.raises(SettingsWrong, match="STEPWELL_STRIPE_API_BASE"):
        load({**NEEDED, **KEY, "STEPWELL_STRIPE_API_BASE": address})


@pytest.mark.parametrize(
    "address",
    ["https://stripe.example/", "http://127.0.0.1:9", "http://localhost", "http://[::1]:9"],
)
async def test_the_provider_is_asked_where_the_settings_say(address: str) -> None:
    provider = make_provider(load({**NEEDED, **KEY, "STEPWELL_STRIPE_API_BASE": address}))
    assert provider is not None
    assert address in repr(provider)
    assert "secret" not in repr(provider)
    await provider.close()


@pytest.mark.parametrize(
    ("domain", "site"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("localhost", "http://localhost"),
        ("shop.localhost:80", "http://shop.localhost:80"),
        ("example.com", "https://example.com"),
        ("example.com:8443", "https://example.com:8443"),
        ("localhost.example.com", "https://localhost.example.com"),
    ],
)
def test_payers_come_back_over_tls_unless_it_is_this_machine(domain: str, site: str) -> None:
    assert site_of(domain) == site
