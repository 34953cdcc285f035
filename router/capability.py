"""Capabilities: what the router shows the gate to enter one tenant, signed and short-lived.

The format, hexadecimal, fixed width (gate/gate.sql reads it by position)::

    purpose 1 | tenant 32 | epoch 16 | expiry in Unix ms 12 | key 4 | HMAC-SHA256 64
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.words import Mode, Placement, TenantId

#: Longer than clocks of hosts with NTP differ, shorter than a stolen log line stays useful.
CAPABILITY_LIFE_MS = 20_000
_BLOCK_BYTES = 64


class GateKey:
    """The secret that the router shares with the gates of one database."""

    __slots__ = ("_inner", "_outer", "id", "pads", "secret")

    def __init__(self, *, id: int, secret: bytes) -> None:  # noqa: A002 - the key's own word for it
        assert len(secret) <= _BLOCK_BYTES, "a longer key would have to be hashed first"
        block = secret.ljust(_BLOCK_BYTES, b"\0")
        self.id = id
        self.secret = secret
        #: The key as HMAC's two blocks (RFC 2104), ready for gate.key: inner, outer.
        self.pads = (bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block))
        # Begun once and copied: OpenSSL looks an algorithm up by its name at each new beginning.
        self._inner, self._outer = (hashlib.sha256(pad) for pad in self.pads)

    def mac(self, message: bytes) -> str:
        """Return the HMAC-SHA256 of a message, hexadecimal."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()


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
    return body + key.mac(body.encode("ascii"))
