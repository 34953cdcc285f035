"""What a chain of revisions knows of each: here, whether the doctor has to look at what it made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migrations.waves.chain import Chain
from router.catalog.wave_words import Direction
from tests.migrations.test_safe import rendered

if TYPE_CHECKING:
    from pathlib import Path

FIRST = 'op.execute("CREATE TABLE note (tenant_id uuid, id integer, PRIMARY KEY (tenant_id, id))")'


@pytest.mark.parametrize(
    ("body", "ahead", "is_forming"),
    [
        ('op.execute("ALTER TABLE note ADD COLUMN text text")', "", False),
        ('safe.create_index_concurrently("note_by_text", "note", ["id"])', "", False),
        ('safe.backfill("note", "id = 1", where="id IS NULL")', "", False),
        ('op.execute("CREATE VIEW v WITH (security_invoker = true) AS SELECT 1")', "", True),
        ('op.execute("ALTER TABLE note ADD COLUMN text text")', "online = True", True),
    ],
)
def test_what_touches_the_stored_form_is_looked_at(
    tmp_path: Path, body: str, ahead: str, *, is_forming: bool
) -> None:
    chain = Chain(rendered(tmp_path, FIRST, body, ahead=ahead), "0002", Direction.UP)
    assert chain.is_forming(["0001"])
    assert chain.is_forming(["0002"]) is is_forming
