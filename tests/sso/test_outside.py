"""Whom a provider's address may lead to: nobody in our own house, however it is spelled."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from router.errors import Unprocessable
from router.outside import Outside, is_public
from tests.sso.provider import Provider


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_an_address_of_the_house_isn_t_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111"])
def test_an_address_of_the_internet_is(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        f"https://{'a' * 64}.example",
        "https://a..example",
        "https://.example",
        f"https://xn--{'a' * 80}",
        "https://[::1",
        "https://a b.example",
        "https://a.invalid:99999",
    ],
)
async def test_what_is_no_address_is_refused_in_words(url: str) -> None:
    outside = Outside()
    try:
        with pytest.raises(Unprocessable, match="can't be asked"):
            await outside.get(url)
    finally:
        await outside.close()


async def test_without_the_setting_no_provider_is_in_the_clear_or_on_loopback(
    provider: Provider,
) -> None:
    outside = Outside()
    try:
        for url, said in (
            (provider.issuer, "must begin with https"),
            (provider.issuer.replace("http:", "https:"), "a private one"),
            (f"https://localhost:{provider.port}", "a private one"),
        ):
            with pytest.raises(Unprocessable, match=said):
                await outside.get(url)
        assert provider.asked == []
    finally:
        await outside.close()
