"""The holes: what each of them is, where it is, and which probes claim to find it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import pytest

from router.lease import Entry, Lease
from router.sql import load
from router.words import Isolation, Tier
from tests.controls.scene import (
    DATABASE,
    SHARED_ROWS,
    SHARED_SCHEMA,
    STRICT_ROWS,
    STRICT_SCHEMA,
    Scene,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    import asyncpg

    from router.statement import Statement

Kind: TypeAlias = tuple[Tier, Isolation]


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is broken for as long as ``open`` lasts; all of ``probes`` must see it."""

    name: str
    probes: tuple[str, ...]
    open: Callable[[Scene], AbstractAsyncContextManager[None]]
    attacker: Kind = SHARED_ROWS
    victim: Kind = SHARED_ROWS


def in_sql(
    name: str, *probes: str, attacker: Kind = SHARED_ROWS, victim: Kind | None = None
) -> Hole:
    """Take a hole from holes.sql."""
    plant, _, undo = load("tests.controls", "holes.sql")[name].partition("-- undo")
    assert undo, f"{name} says how it is undone"

    @contextlib.asynccontextmanager
    async def opened(scene: Scene) -> AsyncGenerator[None]:
        await scene.run(plant)
        try:
            yield
        finally:
            await scene.run(undo)

    return Hole(name=name, probes=probes, open=opened, attacker=attacker, victim=victim or attacker)


def in_gate(
    name: str, probe: str, *changes: tuple[str, str, str], kind: Kind = SHARED_ROWS
) -> Hole:
    """Replace a part of the gate's functions: (function, what it says, what it says instead)."""

    @contextlib.asynccontextmanager
    async def opened(scene: Scene) -> AsyncGenerator[None]:
        async with scene.admin() as connection:
            whole: list[str] = []
            try:
                for function, old, new in changes:
                    made = await connection.fetchval(
                        "SELECT pg_get_functiondef($1::text::regprocedure)", function
                    )
                    assert made.count(old) == 1, f"{function} says {old!r} once"
                    whole.append(made)
                    await connection.execute(made.replace(old, new))
                yield
            finally:
                for made in whole:
                    await connection.execute(made)

    return Hole(name=name, probes=(probe, "doctor"), open=opened, attacker=kind, victim=kind)


def in_opening(name: str, part: str) -> Hole:
    """Leave a part out of the message that begins each transaction."""
    whole = Entry.opening

    def shortened(entry: Entry, given: Mapping[str, str]) -> str:
        text = whole(entry, given)
        assert part in text, f"the opening says {part}"
        return text.replace(part, "")

    @contextlib.asynccontextmanager
    async def opened(_: Scene) -> AsyncGenerator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Entry, "opening", shortened)
            yield

    return Hole(name=name, probes=("poison",), open=opened)


@contextlib.asynccontextmanager
async def simple_protocol(_: Scene) -> AsyncGenerator[None]:
    """Send what has no values as asyncpg's own execute would: any number of statements a call."""
    whole = Lease.fetch

    async def fetch(
        self: Lease, statement: Statement | str, *values: object
    ) -> list[asyncpg.Record]:
        if isinstance(statement, str) and not values:
            await self._link.raw.execute(statement)
            return []
        return await whole(self, statement, *values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lease, "fetch", fetch)
        yield


@contextlib.asynccontextmanager
async def together(scene: Scene, *names: str) -> AsyncGenerator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for name in names:
            await stack.enter_async_context(in_sql(name).open(scene))
        yield


ENTER = "gate.enter(text)"
TENANT = "gate.tenant()"
_BOUND = "|| int4send(pg_backend_pid())\n            || timestamptz_send(transaction_timestamp())"
_SIGNED = (
    "sha256(k.outer_pad || sha256(k.inner_pad || convert_to(left(capability, 65), 'UTF8')))\n"
    "            = decode(substr(capability, 66), 'hex')"
)
BOTH = ("matrix", "doctor")

HOLES = (
    in_sql("policy_dropped", "doctor"),
    in_sql("row_security_off", *BOTH),
    Hole(
        name="row_security_off_in_a_strict_schema_that_is_open",
        probes=BOTH,
        open=lambda scene: together(scene, "strict_schema_is_open", "row_security_off"),
        attacker=SHARED_SCHEMA,
        victim=STRICT_SCHEMA,
    ),
    msgspec.structs.replace(
        in_sql("row_security_off", *BOTH, attacker=SHARED_SCHEMA),
        name="row_security_off_in_a_schema",
    ),
    in_sql("not_forced_and_owned_by_the_login", *BOTH),
    in_sql("nothing_checks_what_is_written", *BOTH),
    in_sql("policy_lets_all_through", *BOTH),
    in_sql("second_policy", *BOTH),
    in_sql("policy_believes_a_setting", "forgery", "doctor"),
    in_sql("policy_believes_a_claim", "forgery", "doctor"),
    in_sql("view_reads_as_its_owner", *BOTH),
    in_sql("view_loses_its_invoker", *BOTH),
    in_sql("materialised_view", *BOTH),
    in_sql("table_outside_of_every_schema", *BOTH),
    in_sql("temporary_tables", *BOTH),
    in_sql("tables_in_the_shared_schema", *BOTH),
    in_sql("definer_function", *BOTH),
    in_sql("truncate", *BOTH),
    in_sql("unique_rule_without_the_tenant", *BOTH),
    in_sql("foreign_key_without_the_tenant", *BOTH),
    in_sql("key_is_readable", *BOTH),
    in_sql("home_is_readable", *BOTH),
    in_sql("home_is_writable", *BOTH),
    in_sql("login_bypasses_row_security", *BOTH),
    in_sql("login_is_a_superuser", *BOTH, attacker=STRICT_ROWS),
    in_sql("login_is_a_member_of_the_owner", *BOTH),
    in_sql("login_is_a_member_of_the_gate", *BOTH),
    in_sql("strict_schema_is_open", *BOTH, attacker=SHARED_SCHEMA, victim=STRICT_SCHEMA),
    in_sql("sequence_is_open", *BOTH, attacker=SHARED_SCHEMA, victim=STRICT_SCHEMA),
    in_sql("everybody_may_connect", *BOTH, attacker=DATABASE),
    in_sql("reference_table_is_writable", *BOTH),
    in_gate(
        "tenant_skips_the_signature",
        "forgery",
        (TENANT, "IF is_authentic IS NOT TRUE", "IF false"),
    ),
    in_gate(
        "stamp_is_good_for_every_transaction",
        "forgery",
        (TENANT, _BOUND, ""),
        (ENTER, _BOUND, ""),
    ),
    in_gate("enter_skips_the_signature", "forgery", (ENTER, _SIGNED, "true")),
    in_gate(
        "enter_skips_the_expiry", "forgery", (ENTER, ">= statement_timestamp()", ">= '-infinity'")
    ),
    in_gate(
        "enter_opens_in_mid_transaction",
        "forgery",
        (ENTER, "IF transaction_timestamp() <> statement_timestamp()", "IF false"),
    ),
    in_gate(
        "enter_believes_anybody_to_be_the_platform",
        "forgery",
        (ENTER, "pg_has_role(session_user, 'stepwell_owner', 'MEMBER')", "true"),
    ),
    in_gate(
        "enter_lets_a_reader_write",
        "forgery",
        (ENTER, "current_setting('transaction_read_only') = 'on'", "true"),
    ),
    in_gate(
        "enter_skips_the_login",
        "forgery",
        (ENTER, "h.login = session_user", "true"),
        kind=STRICT_ROWS,
    ),
    in_gate("enter_skips_the_epoch", "stale", (ENTER, "h.epoch =", "0 <")),
    in_gate("enter_skips_the_state", "stale", (ENTER, "h.state = 'active'", "true")),
    in_gate("enter_skips_the_lock", "stale", (ENTER, "IF purpose <> 'm'", "IF false")),
    in_gate("enter_reads_an_old_snapshot", "stale", (ENTER, "FOR SHARE OF h", "")),
    in_opening("opening_keeps_settings", "RESET ALL;"),
    in_opening("opening_keeps_the_role", "RESET ROLE;"),
    in_opening("opening_keeps_cursors", "CLOSE ALL;"),
    Hole(name="a_call_is_many_statements", probes=("poison",), open=simple_protocol),
)
