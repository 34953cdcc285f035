"""The numbers of the gates' keys. To rotate: install, use once every gate has it, retire.

The keys themselves are derived from the secret key (capability.py) and are kept nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from router.errors import Conflict
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection

_SQL = load("router.catalog", "gate_keys.sql")


class GateKeyIds(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys gates must hold: routers sign with ``current``; the others are coming or going."""

    current: int
    installing: int | None = None
    retiring: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        """Every key that a gate made now must know."""
        coming = () if self.installing is None else (self.installing,)
        return (self.current, *coming, *self.retiring)


async def read(connection: Connection) -> GateKeyIds:
    """Return the numbers of all keys that are in use."""
    rows = [(row["id"], row["state"]) for row in await connection.fetch(_SQL["list"])]
    return GateKeyIds(
        current=next(key for key, state in rows if state == "current"),
        installing=next((key for key, state in rows if state == "installing"), None),
        retiring=tuple(key for key, state in rows if state == "retiring"),
    )


async def install(connection: Connection) -> int:
    """Begin a rotation, or continue the one that has begun; returns the new key's number."""
    new = await connection.fetchval(_SQL["install"])
    return int(new if new is not None else await connection.fetchval(_SQL["installing"]))


async def use(connection: Connection, key_id: int) -> None:
    """Sign with the installed key from now on; needs a transaction, and every gate must have it."""
    await connection.execute(_SQL["step_down"], key_id)
    if await connection.fetchval(_SQL["take_over"], key_id) is None:
        raise Conflict(f"gate key {key_id} isn't being installed")


async def retire(connection: Connection, key_id: int) -> None:
    """Forget a key that no router signs with any more, once it was removed from every gate."""
    if await connection.fetchval(_SQL["retire"], key_id) is None:
        raise Conflict(f"gate key {key_id} isn't retiring: only a key that was replaced can be")
