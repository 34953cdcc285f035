from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from router.catalog import Catalog, accounts, keys, members, roles, sessions
from router.catalog.roles import Permission
from router.directory import Directory, DirectoryLimits
from router.errors import CatalogUnreachable
from router.words import Tenant
from tests.catalog.test_directory import directory, until
from tests.catalog.worlds import add_cluster, add_tenant, catalog_on, server


async def until_refused(known: Directory, token: str) -> None:
    await until(lambda: known.credentials.by_token(token) is None)


async def open_one(
    catalog: Catalog, tenant: Tenant, *, role: str = "owner", life: timedelta = timedelta(hours=1)
) -> tuple[UUID, str]:
    async with catalog.transaction() as connection:
        account = await accounts.create(connection, email=f"{uuid4().hex}@example.com")
        await members.add(connection, tenant.id, account.id, role=role)
        opened = await sessions.open_session(connection, account.id, life=life)
    return account.id, opened.token


@pytest.fixture(scope="module")
async def tenant(catalog: Catalog) -> Tenant:
    return await add_tenant(catalog, "credited")


async def test_a_session_names_its_account_and_the_roles_it_has(
    catalog: Catalog, tenant: Tenant
) -> None:
    account_id, token = await open_one(catalog, tenant)
    async with directory(catalog) as known:
        assert known.credentials.by_token(token) is None
        credential = await known.credentials.resolve(token)
        assert credential is not None
        assert credential is known.credentials.by_token(token)
        assert (credential.account_id, credential.tenant_id) == (account_id, None)
        assert credential.actor == f"account:{account_id}"
        role = credential.role_in(tenant.id)
        assert role is not None
        assert role.allows(Permission.BILLING_WRITE)
        assert credential.role_in(uuid4()) is None


async def test_a_revoked_key_is_refused_at_once(catalog: Catalog, tenant: Tenant) -> None:
    async with catalog.transaction() as connection:
        issued = await keys.issue(connection, tenant.id, name="program", role="member")
    async with directory(catalog) as known, directory(catalog) as another:
        for one in (known, another):
            credential = await one.credentials.resolve(issued.secret)
            assert credential is not None
            assert credential.tenant_id == tenant.id
            assert credential.actor == f"key:{issued.key.id}"
        async with catalog.transaction() as connection:
            await keys.revoke(connection, tenant.id, issued.key.id)
        for one in (known, another):
            await until_refused(one, issued.secret)
            assert await one.credentials.resolve(issued.secret) is None


async def test_whatever_ends_a_session_ends_it_at_once(catalog: Catalog, tenant: Tenant) -> None:
    async with directory(catalog) as known:
        for ending in ("end", "end_all", "disable"):
            account_id, token = await open_one(catalog, tenant)
            assert await known.credentials.resolve(token) is not None
            async with catalog.transaction() as connection:
                match ending:
                    case "end":
                        await sessions.end(connection, token)
                    case "end_all":
                        await sessions.end_all(connection, account_id)
                    case _:
                        await accounts.set_disabled(connection, account_id, is_disabled=True)
            await until_refused(known, token)
            assert await known.credentials.resolve(token) is None


async def test_a_changed_role_counts_at_once(catalog: Catalog, tenant: Tenant) -> None:
    account_id, token = await open_one(catalog, tenant, role="owner")
    async with catalog.transaction() as connection:
        await roles.put(connection, tenant.id, "custom", ["rows.read"])
        await members.add(
            connection,
            tenant.id,
            (await accounts.create(connection, email=f"{uuid4().hex}@example.com")).id,
            role="owner",
        )
    async with directory(catalog) as known:

        async def allowed() -> frozenset[Permission]:
            credential = await known.credentials.resolve(token)
            role = credential.role_in(tenant.id) if credential else None
            return frozenset() if role is None else role.permissions

        assert Permission.ROWS_WRITE in await allowed()
        async with catalog.transaction() as connection:
            member = await members.find(connection, tenant.id, account_id)
            assert member is not None
            await members.set_role(connection, tenant.id, member.id, role="custom")
        await until(lambda: known.credentials.by_token(token) is None)
        assert await allowed() == {Permission.ROWS_READ}
        async with catalog.transaction() as connection:
            await roles.put(connection, tenant.id, "custom", ["audit.read"])
        await until(lambda: known.credentials.by_token(token) is None)
        assert await allowed() == {Permission.AUDIT_READ}
        async with catalog.transaction() as connection:
            await members.remove(connection, tenant.id, member.id)
        await until(lambda: known.credentials.by_token(token) is None)
        assert await allowed() == frozenset()


async def test_a_session_ends_by_itself_even_where_it_is_known(
    catalog: Catalog, tenant: Tenant
) -> None:
    _, token = await open_one(catalog, tenant, life=timedelta(seconds=0.5))
    async with directory(catalog) as known:
        assert await known.credentials.resolve(token) is not None
        await asyncio.sleep(0.6)
        assert known.credentials.by_token(token) is None
        assert await known.credentials.resolve(token) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        "stw_s_" + "A" * 43,
        "stw_k_" + "a" * 16 + "." + "A" * 43,
        "stw_s_short",
        "stw_k_AAAA.x",
        "\x00",
        "\ud800",
        "stw_s_" + "é" * 43,
        "Bearer x",
        "x" * 100_000,
    ],
)
async def test_a_token_that_nobody_gave_allows_nothing(catalog: Catalog, token: str) -> None:
    async with directory(catalog) as known:
        assert await known.credentials.resolve(token) is None


async def test_the_right_id_with_the_wrong_secret_allows_nothing(
    catalog: Catalog, tenant: Tenant
) -> None:
    async with catalog.transaction() as connection:
        issued = await keys.issue(connection, tenant.id, name="guessed", role="member")
    async with directory(catalog) as known:
        wrong = issued.secret[:-1] + ("A" if issued.secret[-1] != "A" else "B")
        assert await known.credentials.resolve(wrong) is None
        assert await known.credentials.resolve(issued.secret) is not None
        assert await known.credentials.resolve(wrong) is None


async def test_a_keys_use_is_written_down_once_a_minute(catalog: Catalog, tenant: Tenant) -> None:
    async with catalog.transaction() as connection:
        issued = await keys.issue(connection, tenant.id, name="used", role="member")
    async with directory(catalog) as known:
        await known.credentials.resolve(issued.secret)
        await known.credentials.note_used()
        first = await _last_used(catalog, tenant, issued.key.id)
        assert first is not None
        known.credentials.by_token(issued.secret)
        await known.credentials.note_used()
        assert await _last_used(catalog, tenant, issued.key.id) == first
        assert known.credentials.by_token(issued.secret) is not None


async def test_only_so_many_credentials_are_remembered(catalog: Catalog, tenant: Tenant) -> None:
    opened = [await open_one(catalog, tenant) for _ in range(3)]
    async with directory(catalog, DirectoryLimits(credentials_max=2)) as known:
        for _, token in opened[:2]:
            await known.credentials.resolve(token)
        known.credentials.by_token(opened[0][1])
        await known.credentials.resolve(opened[2][1])
        remembered = [known.credentials.by_token(token) is not None for _, token in opened]
        assert remembered == [True, False, True]


async def test_a_silent_catalog_keeps_known_sessions_and_a_revocation_counts_after_it(
    tmp_path: Path,
) -> None:
    async with server(tmp_path) as running, catalog_on(running) as catalog:
        await add_cluster(catalog)
        tenant = await add_tenant(catalog, "steady")
        (_, kept), (_, ended), (_, unseen) = [await open_one(catalog, tenant) for _ in range(3)]
        async with directory(catalog) as known:
            for token in (kept, ended):
                assert await known.credentials.resolve(token) is not None
            await running.stop(signal.SIGQUIT)
            await until(lambda: not known.is_live)
            assert await known.credentials.resolve(kept) is not None
            with pytest.raises(CatalogUnreachable):
                await known.credentials.resolve(unseen)
            await running.start()
            async with catalog.transaction() as connection:
                await sessions.end(connection, ended)
            await until(lambda: known.is_live)
            await until(lambda: known.credentials.by_token(ended) is None)
            assert known.credentials.by_token(kept) is not None


async def _last_used(catalog: Catalog, tenant: Tenant, key_id: str) -> object:
    async with catalog.connection() as connection:
        listed = await keys.list_all(connection, tenant.id)
    return next(key.last_used_at for key in listed if key.id == key_id)
