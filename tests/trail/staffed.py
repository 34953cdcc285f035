"""People of ours at a gateway, and what they do with access to a tenant's rows."""

from __future__ import annotations

from typing import Any

import msgspec

from router.catalog import accounts, sessions
from router.catalog.sessions import Opening
from tests.gateways import GatewayWorld, bearer, expect, new_slug

PATH = "/api/ops/access"


class Colleague(msgspec.Struct, frozen=True, kw_only=True):
    """One of the staff, logged in."""

    email: str
    token: str

    def says(self, reason: str = "ticket 4711 asks for it") -> dict[str, str]:
        return {**bearer(self.token), "X-Reason": reason}


async def hire(made: GatewayWorld, role: str) -> Colleague:
    """Make one of the staff, with a session."""
    email = f"{new_slug(role)}@ours.example"
    async with made.platform.catalog.transaction() as connection:
        account = await accounts.create(connection, email=email, password_hash="x")
        await connection.execute(
            "UPDATE catalog.account SET staff_role = $2 WHERE id = $1", account.id, role
        )
        opened = await sessions.open_session(
            connection, account.id, tenant_id=None, opening=Opening(agent="", source="")
        )
    return Colleague(email=email, token=opened.token)


async def ask(
    made: GatewayWorld, who: Colleague, tenant: str, *, mode: str = "read", minutes: int = 10
) -> str:
    """Ask for access; returns its id."""
    body = {"tenant": tenant, "mode": mode, "ticket": "T-4711", "minutes": minutes}
    return str(expect(await made.client.post(PATH, json=body, headers=who.says()), 201)["id"])


async def act(
    made: GatewayWorld, who: Colleague, access_id: str, verb: str, status: int = 200
) -> dict[str, Any]:
    """Approve, deny, enter or end."""
    answer = await made.client.post(f"{PATH}/{access_id}/{verb}", headers=who.says())
    return expect(answer, status)


async def enter(
    made: GatewayWorld,
    who: Colleague,
    tenant: str,
    *,
    approver: Colleague | None = None,
    minutes: int = 10,
) -> tuple[str, dict[str, str]]:
    """Ask, be approved if somebody does, and enter; returns the id and what the token sends."""
    mode = "read" if approver is None else "write"
    access_id = await ask(made, who, tenant, mode=mode, minutes=minutes)
    if approver is not None:
        await act(made, approver, access_id, "approve")
    entered = await act(made, who, access_id, "enter")
    return access_id, bearer(str(entered["token"]))


async def transcript(made: GatewayWorld, who: Colleague, access_id: str) -> list[dict[str, Any]]:
    answer = await made.client.get(f"{PATH}/{access_id}/transcript", headers=bearer(who.token))
    return list(expect(answer, 200)["items"])
