"""Domains: the record to set for each, where it stands, and what the last look found."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.domains import DomainShown
from router.api.features import CUSTOM_DOMAINS
from router.api.shapes import List
from router.catalog.claims import ClaimState
from router.errors import NotFound
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor, Workspace

NAME_LENGTH_MAX = 200


@get("/w/{slug:str}/domains", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """All of them, with what is to be done next."""
    return await _domains_page(await visitor.workspace(slug))


@post("/w/{slug:str}/domains", status_code=200, include_in_schema=False)
async def claim(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Leads to the list, where the record stands."""
    room, form = await visitor.workspace(slug), await read_form(request)
    name = form.text("name")
    if not name or len(name) > NAME_LENGTH_MAX:
        return await _domains_page(room, form.wrong(name="Write a domain, as shop.example.com."))
    try:
        made = await room.api.change(
            "POST", "/api/domains", {"name": name}, wanted=DomainShown, change=form.change
        )
    except Refused as refused:
        return await _domains_page(room, form.refused(refused))
    said = f"{made.name} waits for its record: set it where the domain's DNS is kept."
    return room.to("/domains", said=said)


@post("/w/{slug:str}/domains/{name:str}/check", status_code=200, include_in_schema=False)
async def check(
    visitor: NamedDependency[Visitor], slug: FromPath[str], name: FromPath[str]
) -> Template | Redirect:
    """Looks now; workers look by themselves, too."""
    room = await visitor.workspace(slug)
    try:
        told = await room.api.change("POST", f"{_path(name)}/check", wanted=DomainShown)
    except Refused as refused:
        return await _domains_page(room, EMPTY.refused(refused))
    return room.to("/domains", said=_said(told))


@get("/w/{slug:str}/domains/{name:str}/remove", include_in_schema=False)
async def ask_removal(
    visitor: NamedDependency[Visitor], slug: FromPath[str], name: FromPath[str]
) -> Template:
    """Asks once more: whoever uses the address is turned away."""
    room = await visitor.workspace(slug)
    return room.page("workspace/remove_domain.html", {"domain": await _domain(room, name)})


@post("/w/{slug:str}/domains/{name:str}/remove", status_code=200, include_in_schema=False)
async def remove(
    visitor: NamedDependency[Visitor], slug: FromPath[str], name: FromPath[str]
) -> Template | Redirect:
    """It leads nowhere within a second."""
    room = await visitor.workspace(slug)
    domain = await _domain(room, name)
    try:
        await room.api.do("DELETE", _path(domain.name))
    except Refused as refused:
        return await _domains_page(room, EMPTY.refused(refused))
    return room.to("/domains", said=f"{domain.name} is removed.")


async def _domains_page(room: Workspace, form: Form = EMPTY) -> Template:
    found = await room.api.get("/api/domains", List[DomainShown])
    given = {
        "domains": found.items,
        "has_feature": CUSTOM_DOMAINS in room.tenant.limits.features,
        # Without a port: records name hosts.
        "host": f"{room.tenant.slug}.{room.visitor.web.base_domain.partition(':')[0]}",
    }
    return room.page("workspace/domains.html", given, form=form)


async def _domain(room: Workspace, name: str) -> DomainShown:
    found = await room.api.get("/api/domains", List[DomainShown])
    for each in found.items:
        if each.name == name:
            return each
    raise NotFound(NO_SUCH_PAGE)


def _said(domain: DomainShown) -> str:
    if domain.state is ClaimState.VERIFIED and domain.problem is None:
        return f"{domain.name} is verified, and the product answers there."
    return f"{domain.name} isn't verified now: {domain.problem}."


def _path(name: str) -> str:
    return f"/api/domains/{quote(name, safe='')}"
