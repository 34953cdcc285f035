"""The pages of single sign-on, by forms alone."""

from __future__ import annotations

import html
import re

import pytest
from httpx import Response

from tests.gateways import Customer, GatewayWorld
from tests.sso.provider import CLIENT_ID, SECRET, Provider
from tests.sso.test_sign_on import domain_of, invite
from tests.web.surfing import Surfer

BEGIN = "/login/sso"


@pytest.fixture
def surfer(made: GatewayWorld) -> Surfer:
    return Surfer(made.client)


async def set_up(surfer: Surfer, shop: Customer, provider: Provider) -> Response:
    await surfer.log_in(shop)
    page = f"/w/{shop.slug}/security"
    await surfer.get(page)
    assert "None is set yet" in surfer.text
    fields = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "email_domains": domain_of(shop),
    }
    return await surfer.submit(page, fields)


async def leave(surfer: Surfer, email: str) -> str:
    """Begin, and return where the page leads."""
    await surfer.get(BEGIN)
    answer = await surfer.submit(BEGIN, {"email": email})
    assert answer.status_code == 200, answer.text
    found = re.search(r'content="0;url=([^"]+)"', answer.text)
    assert found is not None
    return html.unescape(found[1])


def way_back(back: dict[str, str]) -> str:
    return f"{BEGIN}/return?code={back['code']}&state={back['state']}"


async def test_an_owner_sets_it_and_an_invited_person_comes_by_it(
    made: GatewayWorld, shop: Customer, provider: Provider, surfer: Surfer
) -> None:
    assert (await set_up(surfer, shop, provider)).status_code == 303
    await surfer.get(f"/w/{shop.slug}/security")
    assert "the provider answered" in surfer.text
    assert surfer.forms[f"/w/{shop.slug}/security"]["client_secret"] == ""
    email, guest = f"bob@{domain_of(shop)}", Surfer(made.client)
    await invite(made, shop, email)
    back = provider.authorize(await leave(guest, email), email)
    # In another browser the address is worth nothing, and it is used up by that.
    other = Surfer(made.client)
    assert (await other.get(way_back(back))).status_code == 422
    assert other.token is None
    assert (await guest.get(way_back(back))).status_code == 422
    back = provider.authorize(await leave(guest, email), email)
    answer = await guest.get(way_back(back))
    assert answer.headers["location"] == f"/w/{shop.slug}"
    assert (await guest.get(f"/w/{shop.slug}")).status_code == 200
    assert (await guest.get(f"/w/{shop.slug}/security")).status_code == 403


async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    shop: Customer, provider: Provider, surfer: Surfer
) -> None:
    provider.is_down = True
    page = f"/w/{shop.slug}/security"
    answer = await set_up(surfer, shop, provider)
    assert answer.status_code == 422
    assert "status 503" in surfer.text
    assert surfer.forms[page]["issuer"] == provider.issuer
    assert SECRET not in answer.text
    await surfer.get(BEGIN)
    assert (await surfer.submit(BEGIN, {"email": shop.email})).status_code == 422
    assert surfer.forms[BEGIN]["email"] == shop.email
    refused = await surfer.get(f"{BEGIN}/return?error=access_denied&state=x")
    assert "let nobody in" in surfer.text
    assert refused.status_code == 422


async def test_an_owner_removes_it(shop: Customer, provider: Provider, surfer: Surfer) -> None:
    await set_up(surfer, shop, provider)
    page = f"/w/{shop.slug}/security"
    await surfer.get(page)
    assert (await surfer.submit(f"{page}/remove")).status_code == 303
    await surfer.get(page)
    assert "None is set yet" in surfer.text
