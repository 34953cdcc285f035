"""The part of the audit that is about one tenant."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.audit import AuditLine
from router.api.shapes import List
from web.console.asking import Filter
from web.console.tenant.dossier import open_dossier
from web.visitor import Visitor

TAB: Final = "/audit"


@get("/console/tenants/{slug:str}/audit", include_in_schema=False)
async def show_audit(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: Filter = ""
) -> Template:
    """The newest first."""
    await visitor.staff()
    dossier = await open_dossier(visitor, slug)
    asked = {"tenant": str(dossier.tenant.id), "after": after.strip() or None}
    audit = await visitor.api.get("/api/ops/audit", List[AuditLine], asked)
    return dossier.page(TAB, {"audit": audit})
