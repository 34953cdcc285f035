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
    answer = await surfer.submit(BEGIN, {"company": email})
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
    assert (await surfer.submit(BEGIN, {"company": shop.email})).status_code == 422
    assert surfer.forms[BEGIN]["company"] == shop.email
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


async def test_a_slug_or_a_domain_leads_to_the_company_s_log_in(
    made: GatewayWorld, shop: Customer, provider: Provider, surfer: Surfer
) -> None:
    await set_up(surfer, shop, provider)
    guest = Surfer(made.client)
    await guest.get(f"{BEGIN}?company={shop.slug}")
    assert guest.forms[BEGIN]["company"] == shop.slug
    for company in (shop.slug, domain_of(shop), shop.email):
        assert (await leave(guest, company)).startswith(provider.issuer)


async def test_an_owner_tries_it_in_a_window_of_its_own_and_stays_who_it_is(
    shop: Customer, provider: Provider, surfer: Surfer
) -> None:
    await set_up(surfer, shop, provider)
    page = f"/w/{shop.slug}/security"
    await surfer.get(page)
    assert "never, as it is set now" in surfer.text
    token = surfer.token
    provider.claims = {"groups": ["sales", "Bär <script>"]}
    answer = await surfer.submit(f"{page}/try")
    found = re.search(r'content="0;url=([^"]+)"', answer.text)
    assert found is not None
    back = provider.authorize(html.unescape(found[1]), shop.email)
    answer = await surfer.get(way_back(back))
    assert answer.headers["location"] == f"{page}/trial"
    shown = await surfer.get(f"{page}/trial")
    assert "it works" in surfer.text
    assert '["sales", "Bär <script>"]' in surfer.text
    assert "<script>" not in shown.text.replace('<script src="', "")
    assert f"{shop.email} would enter, as owner." in surfer.text
    assert surfer.token == token
    await surfer.get(page)
    assert "See what happened" in surfer.text


async def test_a_trial_that_fails_says_where_and_what_was_not_reached(
    shop: Customer, provider: Provider, surfer: Surfer
) -> None:
    await set_up(surfer, shop, provider)
    page = f"/w/{shop.slug}/security"
    assert (await surfer.get(f"{page}/trial")).status_code == 303
    await surfer.get(page)
    answer = await surfer.submit(f"{page}/try")
    state = re.search(r"state=([\w-]+)", answer.text)
    assert state is not None
    await surfer.get(f"{BEGIN}/return?error=access_denied&state={state[1]}")
    await surfer.get(f"{page}/trial")
    assert "access_denied" in surfer.text
    assert "not reached" in surfer.text
    # Used up: what is opened again says so, and shows the settings.
    surfer.cookies["__Host-stepwell-sso-trial"] = f"{shop.slug}.{state[1]}.nothing"
    again = await surfer.get(f"{BEGIN}/return?error=access_denied&state={state[1]}")
    assert again.status_code == 422
