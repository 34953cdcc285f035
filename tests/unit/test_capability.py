"""A capability says exactly what it was made for, and nothing can be changed in it unseen."""

from __future__ import annotations

import hashlib
import hmac
import uuid

import pytest

from router.capability import CAPABILITY_LIFE_MS, derive_gate_key, sign
from router.words import Mode, Placement, Tier

KEY = derive_gate_key(b"k" * 32, key_id=7, cluster="shared-1", database="d")
PLACE = Placement(
    tier=Tier.ROWS, cluster="shared-1", database="d", schema="shared", login="l", epoch=3
)
TENANT = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


@pytest.mark.parametrize("mode", list(Mode))
def test_the_format_is_what_the_gate_reads_by_position(mode: Mode) -> None:
    capability = sign(TENANT, PLACE, mode, key=KEY, now_ms=1_000)
    assert len(capability) == 129
    assert capability[0] == mode.value
    assert uuid.UUID(capability[1:33]) == TENANT
    assert int(capability[33:49], 16) == 3
    assert int(capability[49:61], 16) == 1_000 + CAPABILITY_LIFE_MS
    assert int(capability[61:65], 16) == 7


def test_the_signature_is_rfc_2104_by_the_pads_that_the_gate_stores() -> None:
    capability = sign(TENANT, PLACE, Mode.WRITE, key=KEY, now_ms=0)
    body, signature = capability[:65], capability[65:]
    inner, outer = KEY.pads
    by_pads = hashlib.sha256(outer + hashlib.sha256(inner + body.encode()).digest()).hexdigest()
    assert signature == by_pads == hmac.digest(KEY.secret, body.encode(), "sha256").hex()


def test_each_database_has_a_key_of_its_own() -> None:
    secrets = {
        derive_gate_key(b"k" * 32, key_id=key_id, cluster=cluster, database=database).secret
        for key_id in (1, 2)
        for cluster in ("a", "b")
        for database in ("x", "y")
    }
    assert len(secrets) == 8
