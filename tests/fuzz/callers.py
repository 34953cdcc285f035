"""Who calls: one of each kind, each with a credential that no call of another one can end."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from httpx import AsyncClient

from router.catalog import sessions
from tests.gateways import PASSWORD, Customer, GatewayWorld, bearer, expect, make_key, ops, sign_up

NAMED_SHARE = 0.5


#: Rows that every caller's tenant has, and the product's own tables.
_PRODUCT_WORDS = {"key": ("1",), "track_key": ("1",), "table_name": ("genre", "artist")}


class Role(StrEnum):
    """Everybody who may send a request."""

    ANONYMOUS = "anonymous"
    VIEWER = "viewer"
    MEMBER = "member"
    OWNER = "owner"
    OPERATOR = "operator"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """One caller: what it may name of its own, and who it is by the catalog."""

    role: Role
    customer: Customer
    account_id: uuid.UUID | None
    key: str | None
    #: What the tenant has, by the name of the parameter that takes it.
    words: Mapping[str, tuple[str, ...]]
    #: Its own ids, for a parameter that isn't known here.
    own: tuple[str, ...]

    async def headers(self, made: GatewayWorld) -> dict[str, str]:
        """Draw a credential; a new session each time, as the call before may have ended one."""
        if self.role is Role.OPERATOR:
            return ops()
        if self.key is not None:
            return bearer(self.key)
        if self.account_id is None:
            return {}
        async with made.platform.catalog.connection() as connection:
            opened = await sessions.open_session(
                connection, self.account_id, tenant_id=self.customer.id
            )
        return bearer(opened.token)

    def name(self, parameters: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
        """Put names of what there is into half of a path's parameters."""
        named = dict(parameters)
        for parameter in named:
            if dice.random() < NAMED_SHARE:
                named[parameter] = dice.choice(self.words.get(parameter, self.own))
        return named


async def settle(client: AsyncClient) -> dict[Role, Caller]:
    """Make one caller of each role; every one has a tenant of its own to spoil."""
    return {role: await _caller(client, role) for role in Role}


async def _caller(client: AsyncClient, role: Role) -> Caller:
    customer = await sign_up(client, plan="pro")
    owner_id, key = await _account_of(client, customer.token), None
    account_id: uuid.UUID | None = None
    if role is Role.OWNER:
        account_id = owner_id
    elif role is Role.MEMBER:
        account_id = await _member(client, customer)
    elif role is Role.VIEWER:
        key = await make_key(client, customer.token, role="viewer")
    return Caller(
        role=role,
        customer=customer,
        account_id=account_id,
        key=key,
        words={**_PRODUCT_WORDS, "tenant": (customer.slug, str(customer.id))},
        own=await _own_words(client, customer, owner_id),
    )


async def _member(client: AsyncClient, customer: Customer) -> uuid.UUID:
    email = f"member@{customer.slug}.example"
    invited = await client.post(
        "/api/invitations", json={"email": email, "role": "member"}, headers=customer.headers
    )
    token = expect(invited, 201)["token"]
    joined = await client.post(
        "/api/invitations/accept", json={"token": token, "password": PASSWORD}
    )
    return await _account_of(client, expect(joined, 200)["token"])


async def _account_of(client: AsyncClient, token: str) -> uuid.UUID:
    return uuid.UUID(expect(await client.get("/api/me", headers=bearer(token)), 200)["user"]["id"])


async def _own_words(
    client: AsyncClient, customer: Customer, owner_id: uuid.UUID
) -> tuple[str, ...]:
    headers = customer.headers
    key = await client.post("/api/keys", json={"name": "to be named"}, headers=headers)
    invited = await client.post(
        "/api/invitations", json={"email": f"guest@{customer.slug}.example"}, headers=headers
    )
    role = {"permissions": ["rows.read"]}
    expect(await client.put("/api/roles/reader", json=role, headers=headers), 200)
    rows = await client.post("/genres", json={"name": "Fado"}, headers=headers)
    expect(rows, 201)
    ids = (str(expect(key, 201)["id"]), str(expect(invited, 201)["id"]), str(owner_id))
    return (*ids, "reader", customer.email)
