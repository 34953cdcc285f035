"""Two tenants of every kind, canaries in their rows, and everything that an attacker hears."""

from __future__ import annotations

import asyncio
import contextlib
import string
import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from examples.store.models import Artist
from router.capability import sign
from router.database import lock_key
from router.errors import Conflict
from router.names import quote
from router.words import Digest, Isolation, Mode, Placement, Tenant, TenantId, Tier

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from router.connect import Connection
    from router.lease import Lease
    from tests.worlds import World

KINDS = [
    (Tier.ROWS, Isolation.SHARED),
    (Tier.ROWS, Isolation.STRICT),
    (Tier.SCHEMA, Isolation.SHARED),
    (Tier.SCHEMA, Isolation.STRICT),
    (Tier.DATABASE, Isolation.STRICT),
]
STRICT = [kind for kind in KINDS if kind[1] is Isolation.STRICT]
#: How a statement is refused; the last one is asyncpg's, of a type that it can't read.
REFUSALS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_ARTISTS = 12
#: What a lease sets for its transaction, and what makes a connection.
_OURS = {
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
    "gate.stamp",
}
_CHANGED = """
    SELECT name, setting FROM pg_settings WHERE setting IS DISTINCT FROM reset_val
    AND context = 'user' AND name NOT LIKE 'tcp_%'
"""


class Leak(AssertionError):
    """Something of another tenant, or of the platform, was heard."""


class Prey(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with rows of which each holds its canary."""

    tenant: Tenant
    canary: str
    stamp: str

    @property
    def place(self) -> Placement:
        assert self.tenant.placement is not None
        return self.tenant.placement

    @property
    def names(self) -> list[str]:
        """What it must find in its own table of artists, whatever others did."""
        return [f"{self.canary} {number}" for number in range(_ARTISTS)]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A world, its tenants, and what nobody may hear."""

    made: World
    tenants: Mapping[tuple[Tier, Isolation], tuple[Prey, Prey]]
    secrets: Mapping[str, str]

    def others(self, attacker: Prey) -> list[Prey]:
        return [each for pair in self.tenants.values() for each in pair if each is not attacker]

    def ear(self, attacker: Prey) -> Ear:
        """Listen for everything but the attacker's own rows."""
        canaries = {each.canary: str(each.tenant.slug) for each in self.others(attacker)}
        return Ear({**canaries, **self.secrets})

    def words(self, attacker: Prey, victim: Prey) -> dict[str, str]:
        """What the statements call $there, $victim and so on."""
        return {
            "here": quote(attacker.place.schema),
            "here_bare": attacker.place.schema,
            "there": quote(victim.place.schema),
            "there_bare": victim.place.schema,
            "victim": str(victim.tenant.id),
            "stamp": victim.stamp,
            "capability": self.capability(victim),
            "lock": str(lock_key(victim.tenant.id)),
            "login": victim.place.login,
        }

    def capability(self, prey: Prey) -> str:
        """Sign what a tenant's router would show the gate now."""
        key = self.made.fleet.key(prey.place.cluster, prey.place.database)
        now_ms = time.time_ns() // 1_000_000
        return sign(prey.tenant.id, prey.place, Mode.WRITE, key=key, now_ms=now_ms)

    async def digests(self, attacker: Prey) -> dict[TenantId, list[Digest]]:
        """Sum up every row of everybody else."""
        found: dict[TenantId, list[Digest]] = {}
        for prey in self.others(attacker):
            store = self.made.stores[prey.place.tier]
            async with store.rows(prey.tenant.id, prey.place) as rows:
                found[prey.tenant.id] = await rows.digests()
        return found

    async def check(self, prey: Prey) -> None:
        """Hold that a tenant still reads its own rows, and can write, in both lanes."""
        lease = await self.made.dispatch.open(prey.tenant, Mode.WRITE)
        try:
            rows = await lease.fetch("SELECT name FROM artist ORDER BY artist_id")
            assert [row["name"] for row in rows] == prey.names
            session = await lease.session()
            session.add(Artist(name="for a moment"))
            await session.flush()
            found = await session.scalars(select(Artist.name).order_by(Artist.artist_id))
            assert sorted(found) == sorted([*prey.names, "for a moment"])
        finally:
            await lease.rollback()

    async def check_settings(self, prey: Prey) -> None:
        """Hold that a tenant's transaction has the settings of a new connection, and its role."""
        lease = await self.made.dispatch.open(prey.tenant, Mode.WRITE)
        try:
            rows = await lease.fetch(_CHANGED)
            assert {row["name"] for row in rows} <= _OURS, rows
            row = await lease.fetchrow(
                "SELECT current_user = session_user AS is_itself,"
                " current_setting('transaction_read_only') AS read_only,"
                " current_setting('transaction_isolation') AS isolation,"
                " current_setting('gate.ids_genre', true) AS ids"
            )
            assert row is not None
            assert tuple(row.values()) in [
                (True, "off", "read committed", ids) for ids in (None, "")
            ]
        finally:
            await lease.rollback()


class Ear:
    """Hears results, errors and notices, and raises a Leak at a word it must not hear."""

    def __init__(self, forbidden: Mapping[str, str]) -> None:
        self._forbidden = forbidden
        self.heard: list[str] = []

    def hear(self, said: object) -> None:
        told = str(said)
        self.heard.append(told[:200])
        for word, whose in self._forbidden.items():
            if word in told:
                raise Leak(f"{whose} was heard: {told[:300]}")

    def hear_error(self, error: BaseException | None) -> None:
        """Hear an error with everything that the server said beside it, and its causes."""
        while error is not None:
            self.hear(repr(error))
            for part in ("detail", "hint", "where", "internal_query"):
                self.hear(getattr(error, part, None))
            error = error.__cause__ or error.__context__


def filled(statement: str, words: Mapping[str, str]) -> str:
    return string.Template(statement).substitute(words)


def raw_of(lease: Lease) -> Connection:
    return lease._link.raw  # noqa: SLF001 - what the attacker's statements would travel on


@contextlib.asynccontextmanager
async def overheard(scene: Scene, attacker: Prey, ear: Ear) -> AsyncGenerator[Lease]:
    """Open a lease of the attacker whose notices are heard too."""
    lease = await scene.made.dispatch.open(attacker.tenant, Mode.WRITE)
    notices: list[str] = []

    def note(_: object, message: asyncpg.PostgresLogMessage) -> None:
        notices.append(str(message.as_dict()))

    raw = raw_of(lease)
    raw.add_log_listener(note)
    try:
        yield lease
        try:
            await lease.commit()
        except (Conflict, SQLAlchemyError, *REFUSALS) as error:
            ear.hear_error(error)
    except BaseException:
        await lease.rollback()
        raise
    finally:
        # A listener is called in the next turn of the loop.
        await asyncio.sleep(0)
        if not raw.is_closed():
            raw.remove_log_listener(note)
        for notice in notices:
            ear.hear(notice)


async def fast(lease: Lease, statement: str, ear: Ear) -> bool:
    """Send a text of the attacker's through the fast lane; answer whether it was accepted."""
    try:
        async with asyncio.timeout(30):
            ear.hear([tuple(row.values()) for row in await lease.fetch(statement)])
    except REFUSALS as error:
        ear.hear_error(error)
        return False
    return True


async def convenient(lease: Lease, statement: str, ear: Ear) -> bool:
    """Send it through the session."""
    try:
        async with asyncio.timeout(30):
            session = await lease.session()
            result = await session.execute(text(statement.replace(":", r"\:")))
            ear.hear(result.all() if getattr(result, "returns_rows", False) else [])
    except DBAPIError as error:
        ear.hear_error(error)
        return False
    return True


async def plant(made: World, kinds: Sequence[tuple[Tier, Isolation]] = KINDS) -> Scene:
    """Provision two tenants of every kind and give them rows."""
    tenants = {kind: (await prey(made, *kind), await prey(made, *kind)) for kind in kinds}
    secrets = dict[str, str]()
    for first, second in tenants.values():
        for each in (first, second):
            place = each.place
            key = made.fleet.key(place.cluster, place.database)
            for told, secret in (
                ("a key", key.secret),
                ("a key's pad", key.pads[0]),
                ("a key's other pad", key.pads[1]),
            ):
                secrets[secret.hex()] = told
            secrets[made.fleet.password(place.cluster, place.login)] = "a password"
    return Scene(made=made, tenants=tenants, secrets=secrets)


async def prey(made: World, tier: Tier, isolation: Isolation) -> Prey:
    tenant = await made.tenant(tier, isolation)
    canary = f"c4n4ry{tenant.id.hex[:16]}"
    async with made.lease(tenant) as lease:
        stamp = await lease.fetchrow("SELECT current_setting('gate.stamp') AS stamp")
        assert stamp is not None
        for number in range(_ARTISTS):
            await lease.execute("INSERT INTO artist (name) VALUES ($1)", f"{canary} {number}")
        await lease.execute("INSERT INTO genre (name) VALUES ($1)", canary)
        await lease.execute("INSERT INTO album (title, artist_id) VALUES ($1, 1)", canary)
    return Prey(tenant=tenant, canary=canary, stamp=stamp["stamp"])
