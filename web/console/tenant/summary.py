"""The first page about a tenant: how it is, and what happened to it."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.shapes import List
from router.catalog.timeline import LifeEvent
from web.console.asking import Filter
from web.console.tenant.dossier import open_dossier
from web.visitor import Visitor

TAB: Final = ""
EVENTS_SHOWN_MAX = 20
#: What people read instead of the trail's own words.
TOLD: Final = {
    "access.begin": "Staff entered its rows",
    "access.end": "Staff left its rows",
    "billing.adopt": "The provider's customer found",
    "billing.checkout": "Checkout begun",
    "billing.portal": "The provider's pages opened",
    "billing.resync": "The provider asked again",
    "billing.told": "Its people were told",
    "deletion.hurry": "Erasure brought forward",
    "deletion.request": "Erasure asked for",
    "deletion.take_back": "Erasure taken back",
    "domain.off": "A domain served no more",
    "domain.verify": "A domain proved its own",
    "limits.end": "Limits taken back",
    "limits.expire": "Limits ended at their day",
    "limits.give": "Limits given",
    "move.cancel": "Move to be taken back",
    "move.cancelled": "Move taken back",
    "move.done": "Moved",
    "move.failed": "Move failed",
    "move.record": "Move begun",
    "move.settle": "Move to be settled",
    "move.settled": "Move settled",
    "move.undo": "Move to be undone",
    "move.undone": "Move undone",
    "plan.changed": "Plan changed",
    "provision.done": "Place made",
    "provision.failed": "Its place couldn't be made",
    "sso.put": "Single sign-on set up",
    "sso.remove": "Single sign-on removed",
    "standing.changed": "Standing changed",
    "tenant.contract": "Contract recorded",
    "tenant.create": "Created",
    "tenant.erase": "Erasure begun",
    "tenant.erased": "Erased",
    "tenant.export": "Archive taken",
    "tenant.maintenance": "Maintenance",
    "tenant.pin": "Pinned",
    "tenant.plan": "Plan set by operators",
    "tenant.release": "Contract released",
    "tenant.rename": "Renamed",
    "tenant.restored": "Filled from an archive",
    "tenant.resume": "Served again",
    "tenant.set_slug": "Another slug taken",
    "tenant.suspend": "Suspended",
    "tenant.unpin": "Pins taken away",
}


@get("/console/tenants/{slug:str}", include_in_schema=False)
async def show_summary(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: Filter = ""
) -> Template:
    """The newest event first."""
    await visitor.staff()
    dossier = await open_dossier(visitor, slug, has_size=True)
    asked: dict[str, str | int | None] = {
        "limit": EVENTS_SHOWN_MAX,
        "after": after.strip() or None,
    }
    events = await visitor.api.get(f"{dossier.api}/timeline", List[LifeEvent], asked)
    return dossier.page(TAB, {"events": events, "told": TOLD})
