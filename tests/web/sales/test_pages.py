"""The pages of sales over HTTP: who sees them, what forms keep, what is said beside fields."""

from __future__ import annotations

from datetime import date

import pytest

from tests.gateways import Customer, GatewayWorld, new_slug
from tests.web.surfing import Surfer
from tests.web.test_console import staff

REASON = {"reason": "a test asks for it"}
DRAFT = {
    "due_on": "2099-01-01",
    "legal_name": "Acme Records GmbH",
    "address": "Ringstraße 1",
    "owner_email": "owner@acme.example",
    "billing_email": "bills@acme.example",
}
TERMS = {"starts_on": "2026-01-01", "ends_on": "2099-12-31", "seats": "40", "amount": "1200000"}


@pytest.fixture(scope="module")
async def ada(made: GatewayWorld) -> Surfer:
    return await staff(made, "sales")


async def begun(ada: Surfer, name: str | None = None) -> str:
    """Begin a draft by the page; returns where its stages are."""
    await ada.get("/sales/new")
    filled = {"name": name or new_slug("deal"), **REASON}
    answer = await ada.submit("/sales/new", filled)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).removesuffix("/draft")


async def test_to_a_stranger_sales_are_not_there(surfer: Surfer, shop: Customer) -> None:
    assert (await surfer.get("/sales")).status_code == 303
    await surfer.log_in(shop)
    for path in ("/sales", "/sales/new"):
        assert (await surfer.get(path)).status_code == 404


async def test_an_observer_may_look_and_not_change(made: GatewayWorld, ada: Surfer) -> None:
    root = await begun(ada)
    eve = await staff(made, "observer")
    assert (await eve.get("/sales")).status_code == 200
    assert (await eve.get("/sales/new")).status_code == 403
    assert (await eve.get(f"{root}/draft")).status_code == 200
    assert set(eve.forms) == {"/logout"}
    sent = {"_csrf_token": eve.forms["/logout"]["_csrf_token"], **REASON}
    assert (await eve.post(f"{root}/draft", sent)).status_code == 403
    assert (await eve.post(f"{root}/act/advance", sent)).status_code == 403


async def test_a_form_sent_twice_makes_one_draft(ada: Surfer) -> None:
    await ada.get("/sales/new")
    filled = {**ada.forms["/sales/new"], "name": new_slug("deal"), **REASON}
    first, again = await ada.post("/sales/new", filled), await ada.post("/sales/new", filled)
    assert first.headers["location"] == again.headers["location"]


async def test_what_is_missing_is_said_and_what_was_typed_is_kept(ada: Surfer) -> None:
    root = await begun(ada)
    page = f"{root}/draft"
    await ada.get(page)
    partly = {**DRAFT, "billing_email": "", "then": "advance"}
    answer = await ada.submit(page, partly)
    assert answer.status_code == 422
    assert "Name who gets the invoices." in ada.text
    assert ada.forms[page]["legal_name"] == DRAFT["legal_name"]
    wrong = await ada.submit(page, {"billing_email": "nobody", "then": "advance"})
    assert wrong.status_code == 422
    assert "is no e-mail address" in ada.text
    assert ada.forms[page]["billing_email"] == "nobody"
    sent = await ada.submit(page, {**DRAFT, "then": "advance"})
    assert sent.headers["location"] == f"{root}/contract"


async def test_of_two_tabs_the_second_is_told_and_loses_nothing(ada: Surfer) -> None:
    root = await begun(ada)
    page = f"{root}/draft"
    await ada.get(page)
    tab = dict(ada.forms[page])
    await ada.get(page)
    assert (await ada.submit(page, {"legal_name": "First"})).status_code == 303
    second = await ada.post(page, {**tab, "legal_name": "Second"})
    assert second.status_code == 422
    assert "changed this onboarding meanwhile" in ada.text
    assert ada.forms[page]["legal_name"] == "Second"
    assert (await ada.submit(page)).status_code == 303, "knowingly"


async def test_a_password_is_never_shown_again(ada: Surfer) -> None:
    root = await filled_up_to_place(ada)
    page = f"{root}/provisioning"
    own = {
        "kind": "own",
        "own_cluster": new_slug("own"),
        "region": "eu",
        "host": "db.customer.com",
        "user": "admin",
        "password": "what nobody sees",
        "certificates": "no certificate",
        "then": "stay",
    }
    answer = await ada.submit(page, own)
    assert answer.status_code == 422
    assert "These are no certificates in PEM" in ada.text
    assert "what nobody sees" not in answer.text
    assert ada.forms[page]["host"] == "db.customer.com"
    assert ada.forms[page]["own_cluster"] == own["own_cluster"]
    answer = await ada.submit(page, {"certificates": "", "password": own["password"]})
    assert answer.status_code == 303
    answer = await ada.get(page)
    assert "One is sealed already" in ada.text
    assert "what nobody sees" not in answer.text


async def test_a_server_of_ours_is_refused_beside_its_field(ada: Surfer) -> None:
    root = await filled_up_to_place(ada)
    page = f"{root}/provisioning"
    for host in ("127.0.0.1", "localhost", "2130706433", "10.0.0.7"):
        answer = await ada.submit(page, {"kind": "own", "host": host, "then": "advance"})
        assert answer.status_code == 422
        assert "This server can't be taken" in ada.text
        assert ada.forms[page]["host"] == host


async def test_a_stage_that_is_not_reached_is_not_there(ada: Surfer) -> None:
    root = await begun(ada)
    for stage in ("contract", "data", "live", "closed", "heaven"):
        assert (await ada.get(f"{root}/{stage}")).status_code == 404
    to_now = await ada.get(root)
    assert to_now.headers["location"] == f"{root}/draft"


async def test_who_closes_types_the_name(ada: Surfer) -> None:
    name = new_slug("deal")
    root = await begun(ada, name)
    await ada.get(f"{root}/draft")
    wrong = await ada.submit(f"{root}/act/close", {"confirm": "x", **REASON})
    assert (wrong.status_code, f"Type {name} to confirm." in ada.text) == (422, True)
    sent = await ada.submit(f"{root}/act/close", {"confirm": name, **REASON})
    assert sent.headers["location"] == f"{root}/closed"
    assert (await ada.get(f"{root}/closed")).status_code == 200
    await ada.get("/sales?stage=closed")
    assert name in ada.text


async def test_the_list_says_what_is_overdue_and_what_to_do_when_it_is_empty(ada: Surfer) -> None:
    owner = f"{new_slug('owner')}@stepwell.example"
    await ada.get(f"/sales?owner={owner}")
    assert "Take a filter away" in ada.text
    await ada.get("/sales/new")
    due = date(2020, 1, 1).isoformat()
    late = {"name": new_slug("deal"), "owner": owner, "due_on": due, **REASON}
    await ada.submit("/sales/new", late)
    await ada.get(f"/sales?owner={owner}")
    assert "overdue" in ada.text
    assert (await ada.get("/sales?stage=heaven")).status_code == 400


async def filled_up_to_place(ada: Surfer) -> str:
    root = await begun(ada)
    for stage, fields in (("draft", DRAFT), ("contract", TERMS)):
        await ada.get(f"{root}/{stage}")
        answer = await ada.submit(f"{root}/{stage}", {**fields, "then": "advance"})
        assert answer.status_code == 303, ada.text
    await ada.get(f"{root}/provisioning")
    return root


async def test_a_workspace_that_is_not_there_is_said_beside_its_field(ada: Surfer) -> None:
    root = await filled_up_to_place(ada)
    page = f"{root}/provisioning"
    await ada.submit(page, {"cluster": "dedicated-1", "then": "advance"})
    page = f"{root}/data"
    await ada.get(page)
    answer = await ada.submit(page, {"workspace": "nobody-has-it", "then": "begin"})
    assert answer.status_code == 422
    assert "There is no tenant 'nobody-has-it'." in ada.text
    assert ada.forms[page]["workspace"] == "nobody-has-it"


async def test_who_wrote_dear_terms_is_sent_to_somebody_else(
    made: GatewayWorld, ada: Surfer
) -> None:
    root = await begun(ada)
    await ada.get(f"{root}/draft")
    await ada.submit(f"{root}/draft", {**DRAFT, "then": "advance"})
    page = f"{root}/contract"
    await ada.get(page)
    dear = {**TERMS, "amount": "9200000", "then": "advance"}
    assert (await ada.submit(page, dear)).status_code == 422
    assert "Terms like these need a second person" in ada.text
    approve = f"{root}/act/approve"
    refused = await ada.submit(approve, {"reason": "me, myself"})
    assert (refused.status_code, "another person of the staff" in ada.text) == (422, True)
    bob = await staff(made, "operator")
    await bob.get(page)
    assert (await bob.submit(approve, {"reason": "it is a good deal"})).status_code == 303
    await bob.get(page)
    assert "Approved by operator:" in bob.text
    await ada.get(page)
    sent = await ada.submit(page, {"then": "advance"})
    assert sent.headers["location"] == f"{root}/provisioning"
