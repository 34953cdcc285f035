"""Only what Stripe signed of late, with a secret of ours, is an event."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.stripe_provider import (
    WEBHOOK_BYTES_MAX,
    StripeProvider,
    StripeSettings,
    make_stripe_provider,
)
from router.errors import BadRequest
from tests.billing.provider.answering import signature

_OLD, _NEW = "whsec_old", "whsec_new"
_TOLERANCE_S = 300
_BODY = json.dumps(
    {
        "id": "evt_1",
        "object": "event",
        "type": "customer.subscription.updated",
        "api_version": "2026-10-28.endive",
        "created": 1_700_000_000,
        "data": {"object": {"object": "subscription", "id": "sub_1", "customer": "cus_1"}},
    }
)


def _provider(*secrets: str) -> StripeProvider:
    return make_stripe_provider(
        StripeSettings(api_key="sk_test_x", webhook_secrets=secrets, tolerance_s=_TOLERANCE_S)
    )


@pytest.fixture(scope="module")
def provider() -> StripeProvider:
    """A provider in the middle of a rotation: it makes no calls, so nothing is to be closed."""
    return _provider(_OLD, _NEW)


@pytest.mark.parametrize("secret", [_OLD, _NEW])
def test_each_secret_of_a_rotation_is_good(provider: StripeProvider, secret: str) -> None:
    event = provider.verify(_BODY.encode(), signature(_BODY, secret))
    assert (event.id, event.type, event.customer_id) == (
        "evt_1",
        "customer.subscription.updated",
        "cus_1",
    )
    assert event.payload == _BODY


def test_one_good_signature_among_several_is_enough(provider: StripeProvider) -> None:
    good = signature(_BODY, _NEW)["Stripe-Signature"]
    at, _, proof = good.partition(",v1=")
    several = {"stripe-signature": f"{at},v1={'0' * 64},v1={proof},v0=x"}
    assert provider.verify(_BODY.encode(), several).id == "evt_1"


def test_an_event_within_the_tolerance_is_good(provider: StripeProvider) -> None:
    headers = signature(_BODY, _NEW, age_s=_TOLERANCE_S - 30)
    assert provider.verify(_BODY.encode(), headers).id == "evt_1"


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (_BODY, {}, "no Stripe-Signature"),
        (_BODY, {"stripe-signature": ""}, "signature is wrong"),
        (_BODY, {"stripe-signature": "t=1,v1=" + "0" * 64}, "signature is wrong"),
        (_BODY, {"stripe-signature": "t=,v1="}, "signature is wrong"),
        (_BODY, {"stripe-signature": "nonsense"}, "signature is wrong"),
        (_BODY, {"stripe-signature": "t=1,v1=\xe9\xe9"}, "signature is wrong"),
        (_BODY, {"stripe-signature": f"t={'9' * 5_000},v1=0"}, "signature is wrong"),
        (_BODY, signature(_BODY, "whsec_foreign"), "signature is wrong"),
        (_BODY, signature(_BODY, ""), "signature is wrong"),
        (_BODY, signature(_BODY, _NEW, age_s=_TOLERANCE_S + 30), "older than 300 s"),
        (_BODY + " ", signature(_BODY, _NEW), "signature is wrong"),
        (_BODY.replace("cus_1", "cus_2"), signature(_BODY, _NEW), "signature is wrong"),
    ],
    ids=[
        "missing",
        "empty",
        "forged",
        "hollow",
        "nonsense",
        "not ASCII",
        "a time of no year",
        "foreign secret",
        "empty secret",
        "old",
        "one byte more",
        "another customer",
    ],
)
def test_what_stripe_did_not_sign_is_refused(
    provider: StripeProvider, body: str, headers: dict[str, str], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        provider.verify(body.encode(), headers)


def test_a_newer_time_does_not_renew_an_old_signature(provider: StripeProvider) -> None:
    old = signature(_BODY, _NEW, age_s=_TOLERANCE_S + 30)["Stripe-Signature"]
    _, _, proof = old.partition(",")
    renewed = {"stripe-signature": f"t={int(time.time())},{proof}"}
    with pytest.raises(BadRequest, match="signature is wrong"):
        provider.verify(_BODY.encode(), renewed)


@pytest.mark.parametrize("secrets", [(), ("",), (" ",)], ids=["none", "empty", "blank"])
def test_without_a_secret_nothing_is_believed(secrets: tuple[str, ...]) -> None:
    for secret in ("", " ", "whsec_x"):
        with pytest.raises(BadRequest):
            _provider(*secrets).verify(_BODY.encode(), signature(_BODY, secret))


def test_a_body_over_the_limit_is_refused_before_it_is_hashed(provider: StripeProvider) -> None:
    body = _BODY + " " * WEBHOOK_BYTES_MAX
    with pytest.raises(BadRequest, match=f"at most {WEBHOOK_BYTES_MAX} bytes"):
        provider.verify(body.encode(), signature(body, _NEW))


def test_a_body_that_is_no_text_is_refused(provider: StripeProvider) -> None:
    with pytest.raises(BadRequest, match="not UTF-8"):
        provider.verify(b"\xff" + _BODY.encode(), signature(_BODY, _NEW))


@pytest.mark.parametrize("body", ["", "[]", "17", "{}", '{"id": "evt_1"}', '{"id": 1, "type": 2}'])
def test_signed_nonsense_is_refused(provider: StripeProvider, body: str) -> None:
    with pytest.raises(BadRequest, match="no event"):
        provider.verify(body.encode(), signature(body, _NEW))


@given(body=st.binary(max_size=300), header=st.text(max_size=200))
def test_nothing_else_ever_comes_of_a_webhook(
    provider: StripeProvider, body: bytes, header: str
) -> None:
    with pytest.raises(BadRequest):
        provider.verify(body, {"stripe-signature": header})
