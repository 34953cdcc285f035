from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from router.catalog import Catalog, accounts, invitations, keys, members, roles, sessions
from router.catalog.accounts import Account
from router.catalog.members import Membership
from router.catalog.passwords import PasswordLimits, Passwords
from router.catalog.roles import SHIPPED, Permission
from router.errors import (
    Conflict,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Overloaded,
    Unprocessable,
)
from router.words import Tenant
from tests.catalog.worlds import add_tenant

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def passwords() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


@pytest.fixture(scope="module")
async def known(catalog: Catalog, passwords: Passwords) -> Account:
    password_hash = await passwords.hash(PASSWORD)
    async with catalog.transaction() as connection:
        return await accounts.create(
            connection, email=" Ada@Example.COM ", name="Ada", password_hash=password_hash
        )


@pytest.fixture
async def tenant(catalog: Catalog) -> Tenant:
    return await add_tenant(catalog, f"t-{uuid4().hex[:12]}")


async def test_one_address_has_one_account_whatever_its_capitals(
    catalog: Catalog, known: Account
) -> None:
    assert known.email == "ada@example.com"
    with pytest.raises(Conflict, match=r"ada@example\.com already"):
        async with catalog.transaction() as connection:
            await accounts.create(connection, email="ADA@example.com")
    async with catalog.transaction() as connection:
        assert await accounts.find_by_email(connection, "ada@EXAMPLE.com") == known


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@", "@b", "a b@c.d", "a@b@c", "a@b..c", "a\x00@b.c", "ä@b.c", "a@" + "b" * 300],
)
async def test_what_is_no_address_is_refused(catalog: Catalog, email: str) -> None:
    async with catalog.transaction() as connection:
        with pytest.raises(Unprocessable):
            await accounts.create(connection, email=email)


@pytest.mark.parametrize("password", ["", "short", "x" * 201, "🏴" * 201, "\ud800" * 12])
async def test_what_is_no_password_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(Unprocessable):
        await passwords.hash(password)
    assert not await passwords.verify(None, password)


async def test_the_right_password_logs_in_however_it_is_typed(
    catalog: Catalog, passwords: Passwords, known: Account
) -> None:
    found = await accounts.log_in(catalog, passwords, email="ADA@example.com", password=PASSWORD)
    assert found == known
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert await passwords.verify(await passwords.hash(composed), decomposed)


async def test_whatever_is_wrong_the_answer_is_the_same(
    catalog: Catalog, passwords: Passwords, known: Account
) -> None:
    async with catalog.transaction() as connection:
        invited = await accounts.create(connection, email="no-password@example.com")
        out = await accounts.create(
            connection, email="out@example.com", password_hash=await passwords.hash(PASSWORD)
        )
        await accounts.set_disabled(connection, out.id, is_disabled=True)
    told: set[str] = set()
    for email, password in (
        (known.email, "wrong password"),
        (known.email, ""),
        ("unknown@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("\x00", PASSWORD),
        (invited.email, PASSWORD),
        (invited.email, ""),
        (out.email, PASSWORD),
    ):
        with pytest.raises(NotAuthenticated) as refused:
            await accounts.log_in(catalog, passwords, email=email, password=password)
        told.add(refused.value.detail)
    assert len(told) == 1


async def test_an_unknown_account_takes_as_long_as_a_known_one(
    catalog: Catalog, passwords: Passwords, known: Account
) -> None:
    async def took_s(email: str) -> float:
        started_s = time.perf_counter()
        with pytest.raises(NotAuthenticated):
            await accounts.log_in(catalog, passwords, email=email, password="wrong password")
        return time.perf_counter() - started_s

    pairs = [(await took_s(known.email), await took_s("nobody@example.com")) for _ in range(15)]
    of_known, of_unknown = (statistics.median(side) for side in zip(*pairs, strict=True))
    assert 0.5 < of_unknown / of_known < 2


async def test_a_hash_of_another_cost_is_renewed_at_log_in(
    catalog: Catalog, passwords: Passwords
) -> None:
    cheap = Passwords(PasswordLimits(memory_kib=8 * 1024, passes=1))
    old_hash = await cheap.hash(PASSWORD)
    cheap.close()
    assert passwords.is_outdated(old_hash)
    async with catalog.transaction() as connection:
        await accounts.create(connection, email="old@example.com", password_hash=old_hash)
    await accounts.log_in(catalog, passwords, email="old@example.com", password=PASSWORD)
    async with catalog.connection() as connection:
        stored = await connection.fetchval(
            "SELECT password_hash FROM catalog.account WHERE email = 'old@example.com'"
        )
    assert not passwords.is_outdated(stored)
    await accounts.log_in(catalog, passwords, email="old@example.com", password=PASSWORD)


async def test_a_flood_of_log_ins_is_refused_and_the_next_one_is_served() -> None:
    bounded = Passwords(PasswordLimits(threads=1, waiting_max=2))
    flood = await asyncio.gather(
        *(bounded.verify(None, PASSWORD) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(answer, Overloaded) for answer in flood) == 7
    assert flood.count(False) == 3
    await asyncio.sleep(0)
    assert not await bounded.verify(None, PASSWORD)
    bounded.close()


async def test_a_new_password_ends_every_session(catalog: Catalog, passwords: Passwords) -> None:
    async with catalog.transaction() as connection:
        made = await accounts.create(connection, email="changes@example.com")
        for _ in range(2):
            await sessions.open_session(connection, made.id)
        await accounts.set_password(connection, made.id, await passwords.hash(PASSWORD))
        open_count = await connection.fetchval(
            "SELECT count(*) FROM catalog.session WHERE account_id = $1 AND ended_at IS NULL",
            made.id,
        )
    assert open_count == 0
    await accounts.log_in(catalog, passwords, email=made.email, password=PASSWORD)


async def leave(catalog: Catalog, owner: Membership, *, is_removed: bool) -> None:
    async with catalog.transaction() as connection:
        if is_removed:
            await members.remove(connection, owner.tenant_id, owner.id)
        else:
            await members.set_role(connection, owner.tenant_id, owner.id, role="viewer")


async def test_two_owners_who_demote_each_other_leave_one(catalog: Catalog, tenant: Tenant) -> None:
    for round_number in range(10):
        async with catalog.transaction() as connection:
            owners = [
                await members.add(
                    connection,
                    tenant.id,
                    (await accounts.create(connection, email=_address())).id,
                    role="owner",
                )
                for _ in range(2)
            ]
            for old in await members.list_all(connection, tenant.id):
                if old.id not in {owner.id for owner in owners}:
                    await members.remove(connection, tenant.id, old.id)

        outcomes = await asyncio.gather(
            leave(catalog, owners[0], is_removed=round_number % 2 == 0),
            leave(catalog, owners[1], is_removed=False),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
        async with catalog.connection() as connection:
            left = [one.role for one in await members.list_all(connection, tenant.id)]
        assert left.count("owner") == 1


async def test_a_member_is_in_once_and_only_of_its_own_tenant(
    catalog: Catalog, tenant: Tenant, known: Account
) -> None:
    other = await add_tenant(catalog, f"o-{uuid4().hex[:12]}")
    async with catalog.transaction() as connection:
        member = await members.add(connection, tenant.id, known.id, role="owner")
        with pytest.raises(Conflict, match="member of the tenant already"):
            await members.add(connection, tenant.id, known.id, role="viewer")
        with pytest.raises(NotFound):
            await members.set_role(connection, other.id, member.id, role="viewer")
        with pytest.raises(NotFound):
            await members.remove(connection, other.id, member.id)
        with pytest.raises(Unprocessable, match="no role 'king'"):
            await members.set_role(connection, tenant.id, member.id, role="king")
        assert await members.find(connection, other.id, known.id) is None
        entered = await members.tenants_of(connection, known.id)
        assert [(one.slug, one.role) for one in entered] == [(tenant.slug, "owner")]


async def test_a_custom_role_allows_what_it_says_and_stays_while_it_is_used(
    catalog: Catalog, tenant: Tenant
) -> None:
    async with catalog.transaction() as connection:
        account = await accounts.create(connection, email=_address())
        made = await roles.put(connection, tenant.id, "auditor", ["audit.read", "rows.read"])
        assert made.allows(Permission.AUDIT_READ)
        assert not made.allows(Permission.ROWS_WRITE)
        await members.add(connection, tenant.id, account.id, role="owner")
        issued = await keys.issue(connection, tenant.id, name="audits", role="auditor")
        with pytest.raises(Conflict, match="in use"):
            await roles.remove(connection, tenant.id, "auditor")
        await keys.revoke(connection, tenant.id, issued.key.id)
        await roles.remove(connection, tenant.id, "auditor")
        with pytest.raises(NotFound):
            await roles.remove(connection, tenant.id, "auditor")


@pytest.mark.parametrize(
    ("name", "permissions"),
    [("owner", []), ("Bad Name", []), ("", []), ("9lives", []), ("fine", ["rows.destroy"])],
)
async def test_a_role_that_cannot_be_is_refused(
    catalog: Catalog, tenant: Tenant, name: str, permissions: list[str]
) -> None:
    async with catalog.transaction() as connection:
        with pytest.raises(Unprocessable):
            await roles.put(connection, tenant.id, name, permissions)


def test_nobody_gives_more_than_it_has() -> None:
    owner, admin, viewer = SHIPPED["owner"], SHIPPED["admin"], SHIPPED["viewer"]
    roles.check_grant(owner, owner)
    roles.check_grant(admin, viewer)
    for granter, granted in ((admin, owner), (viewer, SHIPPED["member"])):
        with pytest.raises(NotAllowed):
            roles.check_grant(granter, granted)


async def test_an_invitation_lets_one_address_in_once(
    catalog: Catalog, tenant: Tenant, known: Account
) -> None:
    async with catalog.transaction() as connection:
        invited = await accounts.create(connection, email=_address())
        first = await invitations.invite(connection, tenant.id, email=invited.email, role="member")
        issued = await invitations.invite(
            connection, tenant.id, email=invited.email.upper(), role="viewer"
        )
        with pytest.raises(NotFound):
            await invitations.get(connection, first.token)
        with pytest.raises(NotFound):
            await invitations.accept(connection, issued.token, known)
        assert (await invitations.get(connection, issued.token)).role == "viewer"

    async def accept() -> str:
        async with catalog.transaction() as connection:
            return (await invitations.accept(connection, issued.token, invited)).role

    outcomes = await asyncio.gather(*(accept() for _ in range(5)), return_exceptions=True)
    assert outcomes.count("viewer") == 1
    assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 4


async def test_an_invitation_ends_after_its_time_or_when_withdrawn(
    catalog: Catalog, tenant: Tenant
) -> None:
    async with catalog.transaction() as connection:
        account = await accounts.create(connection, email=_address())
        late = await invitations.invite(connection, tenant.id, email=account.email, role="member")
        await connection.execute(
            "UPDATE catalog.invitation SET expires_at = now() WHERE id = $1", late.invitation.id
        )
        with pytest.raises(NotFound):
            await invitations.accept(connection, late.token, account)
        assert await invitations.list_open(connection, tenant.id) == []
        again = await invitations.invite(connection, tenant.id, email=account.email, role="member")
        await invitations.withdraw(connection, tenant.id, again.invitation.id)
        with pytest.raises(NotFound):
            await invitations.withdraw(connection, tenant.id, again.invitation.id)


async def test_no_token_is_readable_in_the_database(catalog: Catalog, tenant: Tenant) -> None:
    async with catalog.transaction() as connection:
        account = await accounts.create(connection, email=_address())
        shown = [
            (await sessions.open_session(connection, account.id)).token,
            (await keys.issue(connection, tenant.id, name="k", role="member")).secret,
            (await invitations.invite(connection, tenant.id, email="x@y.zz", role="member")).token,
        ]
        for statement in (
            "SELECT t::text AS line FROM catalog.session AS t",
            "SELECT t::text AS line FROM catalog.api_key AS t",
            "SELECT t::text AS line FROM catalog.invitation AS t",
        ):
            rows = await connection.fetch(statement)
            assert rows
            assert not any(token[-43:] in row["line"] for row in rows for token in shown)


def _address() -> str:
    return f"{uuid4().hex}@example.com"
