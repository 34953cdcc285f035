"""Forgery: a tenant pretends to be another one, by settings, roles, stamps and capabilities."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import asyncpg

from router.capability import GateKey, sign
from router.names import quote
from router.words import Mode
from tests.controls.scene import attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from router.lease import Lease
    from tests.controls.scene import Scene

#: What articles tell people to compare tenant_id with.
_SETTINGS = ("app.tenant", "app.tenant_id", "gate.tenant")
_COUNT = "SELECT count(*) FROM {}.book WHERE tenant_id = $1"
_NO_PROOF = "0001" + "0" * 64


async def forgery(scene: Scene) -> list[str]:
    """Say every pretence that was believed."""
    found = [each async for each in _inside(scene)]
    if scene.place.database == scene.target.database:
        found += [each async for each in _at_the_gate(scene)]
    return found


async def _inside(scene: Scene) -> AsyncIterator[str]:
    """Statements injected into a lease of the attacker."""
    stolen = await _stamp_of_victim(scene)
    async with scene.lease() as lease:
        own = await lease.fetchrow("SELECT current_setting('gate.stamp') AS stamp")
        assert own is not None
    forged = {
        "a made-up stamp": str(scene.victim.id) + _NO_PROOF,
        "the own stamp with another's id": str(scene.victim.id) + own["stamp"][36:],
        "another's stamp": stolen,
    }
    for told, stamp in forged.items():
        async with scene.lease() as lease:
            if await _sees_after(scene, lease, ("gate.stamp", stamp)):
                yield f"{told} is believed"
    for name in _SETTINGS:
        async with scene.lease() as lease:
            if await _sees_after(scene, lease, (name, str(scene.victim.id))):
                yield f"the setting {name} is believed"
    for name, value in (("row_security", "off"), *_roles(scene)):
        async with scene.lease() as lease:
            if await _sees_after(scene, lease, (name, value)):
                yield f"set {name} = {value}"
    async with scene.lease() as lease:
        answer = await attempt(lease, "SELECT gate.enter($1)", _capability(scene))
        if isinstance(answer, list):
            yield "a capability is accepted in the middle of a transaction"


async def _stamp_of_victim(scene: Scene) -> str:
    """What a transaction of the victim's carries, as an attacker could have overheard it."""
    async with scene.lease(scene.victim) as lease:
        row = await lease.fetchrow("SELECT current_setting('gate.stamp') AS stamp")
        assert row is not None
        return str(row["stamp"])


async def _sees_after(scene: Scene, lease: Lease, setting: tuple[str, str]) -> bool:
    """Set something, and look for the victim's rows."""
    try:
        await lease.fetch("SELECT set_config($1, $2, true)", *setting)
        rows = await lease.fetch(_COUNT.format(quote(scene.target.schema)), scene.victim.id)
    except asyncpg.PostgresError:
        return False
    return bool(rows[0]["count"])


def _roles(scene: Scene) -> list[tuple[str, str]]:
    names = {"stepwell_owner", "stepwell_gate", scene.target.login} - {scene.place.login}
    return [("role", name) for name in sorted(names)]


async def _at_the_gate(scene: Scene) -> AsyncIterator[str]:
    """Capabilities shown by the attacker's own login, on a connection of its own."""
    stranger = GateKey(id=1, secret=b"another secret of thirty-two byte")
    long_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    shown = {
        "signed by a stranger": _capability(scene, key=stranger),
        "an hour old": _capability(scene, now_ms=long_ago_ms),
        "for the platform": _capability(scene, mode=Mode.MOVE),
        "for reading, in a transaction that writes": _capability(scene, mode=Mode.READ),
    }
    if scene.place.login != scene.target.login:
        shown["of another login's tenant"] = _capability(scene)
    for told, capability in shown.items():
        if await _is_admitted(scene, capability):
            yield f"a capability is accepted that is {told}"


def _capability(
    scene: Scene,
    *,
    key: GateKey | None = None,
    now_ms: int | None = None,
    mode: Mode = Mode.WRITE,
) -> str:
    """Sign a capability of the victim's; without options, the one that its router would sign."""
    return sign(
        scene.victim.id,
        scene.target,
        mode,
        key=key or scene.world.fleet.key(scene.target.cluster, scene.target.database),
        now_ms=time.time_ns() // 1_000_000 if now_ms is None else now_ms,
    )


async def _is_admitted(scene: Scene, capability: str) -> bool:
    async with scene.login() as connection:
        try:
            # One message: the gate opens at the start of a transaction only.
            await connection.execute(f"BEGIN; SELECT gate.enter('{capability}')")
        except asyncpg.PostgresError:
            return False
        return True
