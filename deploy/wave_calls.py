"""How the gateway begins migrations: it records them, and a worker carries them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy import migrating
from deploy.migrating import Start
from migrations.product.render import render
from router.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.platform import Platform
    from router.catalog.moves import By
    from router.catalog.wave_words import Migration, Rules
    from router.connect import Connection


class Migrating:
    """Begins migrations to a revision of the product that this process was started with."""

    def __init__(self, platform: Platform) -> None:
        self._rendered = render(platform.loaded)

    @property
    def revisions(self) -> Sequence[str]:
        """Return the product's revisions, the oldest first."""
        return [revision.id for revision in self._rendered.revisions]

    async def record(
        self, connection: Connection, rules: Rules, by: By, *, to: str | None
    ) -> Migration:
        """Record a migration to a revision, the newest one unless another is named."""
        if to is not None and to not in self.revisions:
            raise Unprocessable(
                f"the product has no revision {to[:80]!r}: it has {', '.join(self.revisions)}",
                field="to",
            )
        wanted = Start(rules=rules, by=by, to=to)
        return await migrating.record(connection, self._rendered, wanted)
