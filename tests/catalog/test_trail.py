from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from router.catalog import Catalog, answers, audit
from router.catalog.answers import Answer, Asked
from router.catalog.audit import Deed
from router.errors import BadRequest, Conflict, Unprocessable
from tests.catalog.worlds import SEALER, add_tenant


async def test_the_trail_is_read_from_its_newest_entry(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "trailed")
    deeds = [
        Deed(
            actor="operator:ada",
            action="tenant.suspend",
            target=f"tenant:{number}",
            tenant_id=made.id,
            reason="unpaid",
            detail={"number": number},
            request_id="r-1",
        )
        for number in range(5)
    ]
    async with catalog.transaction() as connection:
        for deed in deeds:
            await audit.write(connection, deed)
        first = await audit.list_page(connection, tenant_id=made.id, items_max=3)
        assert first.next is not None
        rest = await audit.list_page(connection, tenant_id=made.id, before=int(first.next))
    assert [entry.deed for entry in (*first.items, *rest.items)] == deeds[::-1]
    assert rest.next is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalog.audit SET actor = 'nobody'",
        "DELETE FROM catalog.audit",
        "TRUNCATE catalog.audit",
        "DELETE FROM catalog.audit WHERE false",
    ],
)
async def test_nothing_in_the_trail_changes_or_goes(catalog: Catalog, statement: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="append-only"):
        async with catalog.transaction() as connection:
            await connection.execute(statement)


async def test_a_repeated_request_gets_the_first_answer(catalog: Catalog) -> None:
    asked = Asked(actor="account:1", key=uuid4().hex, fingerprint=b"POST /api/keys")
    answer = Answer(status=201, body=b'{"secret": "stw_k_..."}')
    async with catalog.connection() as connection:
        assert await answers.claim(connection, asked, SEALER) is None
        with pytest.raises(Conflict, match="still runs"):
            await answers.claim(connection, asked, SEALER)
        await answers.keep(connection, asked, answer, SEALER)
        assert await answers.claim(connection, asked, SEALER) == answer
        other = Asked(actor=asked.actor, key=asked.key, fingerprint=b"DELETE /api/keys")
        with pytest.raises(Unprocessable, match="another request"):
            await answers.claim(connection, other, SEALER)
        stranger = Asked(actor="account:2", key=asked.key, fingerprint=asked.fingerprint)
        assert await answers.claim(connection, stranger, SEALER) is None
        stored = await connection.fetchval(
            "SELECT body_sealed FROM catalog.answer WHERE key = $1 AND status = 201", asked.key
        )
        assert b"secret" not in stored


async def test_of_ten_equal_requests_one_is_the_first(catalog: Catalog) -> None:
    asked = Asked(actor="account:1", key=uuid4().hex, fingerprint=b"POST /api/keys")

    async def claim() -> Answer | None:
        async with catalog.connection() as connection:
            return await answers.claim(connection, asked, SEALER)

    outcomes = await asyncio.gather(*(claim() for _ in range(10)), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9


async def test_a_request_that_did_nothing_may_be_made_again(catalog: Catalog) -> None:
    released, dropped = (
        Asked(actor="account:1", key=uuid4().hex, fingerprint=b"x") for _ in range(2)
    )
    async with catalog.connection() as connection:
        assert await answers.claim(connection, released, SEALER) is None
        await answers.release(connection, released)
        assert await answers.claim(connection, released, SEALER) is None
        assert await answers.claim(connection, dropped, SEALER) is None
        await connection.execute(
            "UPDATE catalog.answer SET created_at = now() - interval '2 minutes' WHERE key = $1",
            dropped.key,
        )
        assert await answers.claim(connection, dropped, SEALER) is None
        await answers.forget_old(connection)


@pytest.mark.parametrize("key", ["", "x" * 201, "a\x00b", "a\nb"])
async def test_a_key_that_cannot_be_is_refused(catalog: Catalog, key: str) -> None:
    async with catalog.connection() as connection:
        with pytest.raises(BadRequest):
            await answers.claim(connection, Asked(actor="a", key=key, fingerprint=b"x"), SEALER)
