"""Capabilities: what the router shows the gate to enter one tenant, signed and short-lived.

The format, hexadecimal, fixed width (gate/gate.sql reads it by position)::

    purpose 1 | tenant 32 | epoch 16 | expiry in Unix ms 12 | key 4 | HMAC-SHA256 64
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from router.words import Mode, Placement, TenantId

#: Longer than clocks of hosts with NTP differ, shorter than a stolen log line stays useful.
CAPABILITY_LIFE_MS = 20_000
_BLOCK_BYTES = 64


class GateKey(msgspec.Struct, frozen=True, kw_only=True):
    """The secret that the router shares with the gates of one database."""

    id: int
    secret: bytes

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """The key as HMAC's two blocks (RFC 2104), ready for gate.key: inner, outer."""
        block = self.secret.ljust(_BLOCK_BYTES, b"\0")
        return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def derive_gate_key(secret_key: bytes, *, key_id: int, cluster: str, database: str) -> GateKey:
    """Make the gate's key of one database: whoever reads one database's key can enter no other."""
    label = f"stepwell gate key {key_id} {cluster} {database}".encode()
    return GateKey(id=key_id, secret=hmac.digest(secret_key, label, hashlib.sha256))


def sign(
    tenant_id: TenantId, placement: Placement, mode: Mode, *, key: GateKey, now_ms: int
) -> str:
    """Make the capability for one transaction; ``now_ms`` is the router's Unix clock."""
    body = (
        f"{mode.value}{tenant_id.hex}{placement.epoch:016x}"
        f"{now_ms + CAPABILITY_LIFE_MS:012x}{key.id:04x}"
    )
    return body + hmac.digest(key.secret, body.encode("ascii"), "sha256").hex()
