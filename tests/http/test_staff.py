"""Who may enter the console, by the operators' API."""

from __future__ import annotations

import asyncio

from router.catalog import accounts
from tests.gateways import Customer, GatewayWorld, expect, ops, sign_up

PATH = "/api/ops/staff"
DEADLINE_S = 30.0


async def test_a_person_of_the_staff_enters_until_it_is_removed(made: GatewayWorld) -> None:
    person = await proved(made)
    expect(await made.client.get(PATH, headers=person.headers), 401)
    body = {"email": person.email.upper(), "role": "sales"}
    told = expect(await made.client.post(PATH, json=body, headers=ops("a new colleague")), 200)
    assert (told["email"], told["role"]) == (person.email, "sales")
    listed = await until(made, person, 200)
    assert person.email in [each["email"] for each in listed["items"]]
    refused = await made.client.post(PATH, json=body, headers={**person.headers, "X-Reason": "me"})
    assert "sales of the staff" in expect(refused, 403)["detail"]
    trail = expect(await made.client.get("/api/ops/audit", headers=ops()), 200)["items"]
    entry = next(each for each in trail if each["target"] == person.email)
    assert (entry["action"], entry["reason"]) == ("staff.add", "a new colleague")
    assert entry["detail"] == {"role": "sales"}
    path = f"{PATH}/{person.email}"
    expect(await made.client.delete(path, headers=ops("left us")), 204)
    await until(made, person, 401)
    expect(await made.client.delete(path, headers=ops("left us")), 404)


async def test_nobody_becomes_staff_by_an_address_that_nobody_proved(
    made: GatewayWorld, shop: Customer
) -> None:
    body = {"email": shop.email, "role": "observer"}
    refused = await made.client.post(PATH, json=body, headers=ops())
    assert "verify the address" in expect(refused, 409)["detail"]
    nobody = {"email": "nobody@nowhere.example", "role": "observer"}
    expect(await made.client.post(PATH, json=nobody, headers=ops()), 404)
    listed = expect(await made.client.get(PATH, headers=ops()), 200)["items"]
    assert shop.email not in [each["email"] for each in listed]


async def test_every_change_of_the_staff_says_why(made: GatewayWorld) -> None:
    body = {"email": "x@x.example", "role": "observer"}
    expect(await made.client.post(PATH, json=body, headers=ops(None)), 400)
    expect(await made.client.delete(f"{PATH}/x@x.example", headers=ops(None)), 400)
    wrong = {"email": "x@x.example", "role": "king"}
    expect(await made.client.post(PATH, json=wrong, headers=ops()), 422)


async def proved(made: GatewayWorld) -> Customer:
    """Sign somebody up who reads its mail."""
    person = await sign_up(made.client)
    async with made.platform.catalog.transaction() as connection:
        account = await accounts.find_by_email(connection, person.email)
        assert account is not None
        await accounts.confirm(connection, account.id)
    return person


async def until(
    made: GatewayWorld, person: Customer, status: int
) -> dict[str, list[dict[str, object]]]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = await made.client.get(PATH, headers=person.headers)
            if answer.status_code == status:
                return expect(answer, status)
            await asyncio.sleep(0.05)
