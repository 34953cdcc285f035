"""Deals for tests: who sells, and what is filled in at each stage."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from tests.gateways import Customer, GatewayWorld, bearer, expect, new_slug, ops, sign_up

PATH = "/api/ops/onboardings"
PARTIES = {
    "legal_name": "Acme Records GmbH",
    "address": "Ringstraße 1\n1010 Wien",
    "owner_email": "owner@acme.example",
    "billing_email": "bills@acme.example",
}
TERMS: dict[str, Any] = {
    "starts_on": "2026-01-01",
    "ends_on": "2099-12-31",
    "seats": 40,
    "amount": 1_200_000,
    "storage_bytes": 10**12,
}
PLACE = {"kind": "cluster", "cluster": "dedicated-1"}


class Seller:
    """One of the staff, with one deal at hand."""

    def __init__(self, client: AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers
        self.shown: dict[str, Any] = {}

    @property
    def stage(self) -> str:
        return str(self.shown["line"]["stage"])

    @property
    def path(self) -> str:
        return f"{PATH}/{self.shown['line']['id']}"

    @property
    def missing(self) -> list[str]:
        return [each["field"] for each in self.shown["missing"]]

    async def begin(self, name: str = "Acme", **more: object) -> dict[str, Any]:
        body = {"name": name, "owner": "sales@stepwell.example", **more}
        answer = await self.client.post(PATH, json=body, headers=self.headers)
        self.shown = expect(answer, 201)
        return self.shown

    async def look(self) -> dict[str, Any]:
        self.shown = expect(await self.client.get(self.path, headers=self.headers), 200)
        return self.shown

    async def save(self, section: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        given = {"version": self.shown["line"]["version"], **body}
        if section == "draft":
            line = self.shown["line"]
            head = {"name": line["name"], "owner": line["owner"], "due_on": "2099-01-01"}
            given = {**head, **given}
        answer = await self.client.put(f"{self.path}/{section}", json=given, headers=self.headers)
        return self._kept(expect(answer, status), status)

    async def act(self, act: str, status: int = 200) -> dict[str, Any]:
        body = {"version": self.shown["line"]["version"]}
        answer = await self.client.post(f"{self.path}/{act}", json=body, headers=self.headers)
        return self._kept(expect(answer, status), status)

    async def up_to(self, stage: str, **data: object) -> None:
        """Fill in what is needed until a stage."""
        await self.begin()
        steps: tuple[tuple[str, dict[str, Any]], ...] = (
            ("draft", PARTIES),
            ("contract", TERMS),
            ("place", PLACE),
        )
        for (section, body), reached in zip(
            steps, ("contract", "provisioning", "data"), strict=True
        ):
            if self.stage == stage:
                return
            await self.save(section, body)
            await self.act("advance")
            assert self.stage == reached
        if data:
            await self.save("data", data)

    async def approved_by(self, other: Seller) -> None:
        """Have another one of the staff approve what there is to approve."""
        other.client, other.shown = self.client, self.shown
        self.shown = await other.act("approve")

    def _kept(self, told: dict[str, Any], status: int) -> dict[str, Any]:
        if status == 200:
            self.shown = told
        return told


def by_token(made: GatewayWorld) -> Seller:
    """Whoever holds the operators' token."""
    return Seller(made.client, ops())


async def seller(made: GatewayWorld, role: str = "sales") -> Seller:
    """Make one of the staff, and log in."""
    person = await staff(made, role)
    return Seller(made.client, {**bearer(person.token), "X-Reason": "a test asks for it"})


async def staff(made: GatewayWorld, role: str) -> Customer:
    person = await sign_up(made.client, new_slug(role))
    async with made.platform.catalog.transaction() as connection:
        await connection.execute(
            "UPDATE catalog.account SET staff_role = $1 WHERE email = $2", role, person.email
        )
    login = {"email": person.email, "password": "correct horse battery staple"}
    told = expect(await made.client.post("/api/login", json=login), 200)
    return Customer(
        id=person.id,
        slug=person.slug,
        tier=person.tier,
        email=person.email,
        token=told["token"],
        key=person.key,
    )
