"""Sign-up by its page."""

from __future__ import annotations

from tests.gateways import PASSWORD, Customer, GatewayWorld, bearer, expect, new_slug
from tests.web.surfing import Surfer


async def test_a_person_signs_up_and_stands_in_a_workspace(
    made: GatewayWorld, surfer: Surfer
) -> None:
    slug = new_slug()
    await surfer.get("/signup")
    typed = {"email": f"a@{slug}.example", "password": PASSWORD, "company": "Ann's", "slug": slug}
    answer = await surfer.submit("/signup", typed)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/w/{slug}/welcome"
    opened = await surfer.get(f"/w/{slug}")
    assert opened.status_code == 200
    assert "Ann's" in surfer.text
    me = expect(await made.client.get("/api/me", headers=bearer(surfer.token or "")), 200)
    assert me["tenant"]["slug"] == slug


async def test_a_form_that_is_sent_twice_makes_one_workspace(surfer: Surfer) -> None:
    slug = new_slug()
    await surfer.get("/signup")
    typed = {"email": f"a@{slug}.example", "password": PASSWORD, "company": "Ann's", "slug": slug}
    form = {**surfer.forms["/signup"], **typed}
    first, second = await surfer.post("/signup", form), await surfer.post("/signup", form)
    assert first.headers["location"] == second.headers["location"] == f"/w/{slug}/welcome"
    await surfer.get("/workspaces")
    assert surfer.text.count("Ann's") <= 2  # the card's title, and its button


async def test_what_is_wrong_is_said_beside_its_field_and_the_rest_is_kept(
    surfer: Surfer,
) -> None:
    await surfer.get("/signup?plan=pro")
    typed = {"email": "no address", "password": PASSWORD, "company": "Ann's", "slug": "ann-1"}
    answer = await surfer.submit("/signup", typed)
    assert answer.status_code == 422
    assert 'id="email-wrong"' in answer.text
    assert answer.text.count(" autofocus") == 1, "one is led to what is wrong"
    assert surfer.forms["/signup"]["company"] == "Ann's"
    assert surfer.forms["/signup"]["password"] == ""
    assert surfer.token is None


async def test_an_address_that_is_taken_is_said(surfer: Surfer, shop: Customer) -> None:
    await surfer.get("/signup")
    typed = {
        "email": f"a@{new_slug()}.example",
        "password": PASSWORD,
        "company": "Ann's",
        "slug": shop.slug,
    }
    answer = await surfer.submit("/signup", typed)
    assert answer.status_code == 422
    assert "Traceback" not in answer.text
    assert shop.slug in surfer.text
