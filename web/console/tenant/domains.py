"""The domains that a tenant claims as its own, and whether they are served."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.domains import DomainShown
from router.api.shapes import List
from web.console.tenant.dossier import open_dossier
from web.visitor import Visitor

TAB: Final = "/domains"


@get("/console/tenants/{slug:str}/domains", include_in_schema=False)
async def show_domains(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Those that are served, and those that wait for their record."""
    await visitor.staff()
    dossier = await open_dossier(visitor, slug)
    found = await visitor.api.get(f"{dossier.api}/domains", List[DomainShown])
    return dossier.page(TAB, {"domains": found.items})
