"""The overview: what there is still to do at first, what is used, and what is going on."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.domains import DomainShown
from router.api.invitations import InvitationShown
from router.api.keys import KeyShown
from router.api.members import Member
from router.api.shapes import List, OperationShown
from router.api.signup import DEFAULT_PLAN
from router.api.tenant import TenantWhole
from router.api.usage import Metric
from router.catalog.move_words import KEEP, MOVE, SETTLE, UNDO
from router.catalog.usage import API_CALLS
from web.visitor import Visitor, Web, Workspace

_OF_MOVES = frozenset({MOVE, KEEP, UNDO, SETTLE})


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is done at first; whether it was, the workspace itself tells."""

    said: str
    path: str | None
    is_done: bool
    is_optional: bool = False


@get("/w/{slug:str}", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """The workspace at a glance."""
    room = await visitor.workspace(slug)
    metrics = (await room.api.get("/api/usage", List[Metric])).items
    calls = next((each.used for each in metrics if each.metric == API_CALLS), 0)
    steps = await _steps(room, calls=calls)
    given = {
        "metrics": metrics,
        # Once what matters is done, what may be left out isn't asked for any more.
        "steps": steps if any(not each.is_done for each in steps if not each.is_optional) else [],
        "operation": _told_of(room.tenant),
        "address": address_of(visitor.web, slug),
    }
    return room.page("workspace/overview.html", given)


def address_of(web: Web, slug: str) -> str:
    """Return where the product answers for a tenant: beside the site, at a host of its own."""
    return f"{urlsplit(web.site_url).scheme}://{slug}.{web.base_domain}"


def is_in_use(keys: Iterable[KeyShown]) -> bool:
    """Tell whether a program can come in: what was revoked opens nothing."""
    return any(key.revoked_at is None for key in keys)


async def _steps(room: Workspace, *, calls: int) -> list[Step]:
    """Say what a new workspace does first, as far as the visitor's role lets it see that."""
    steps: list[Step] = []
    if room.allows("keys.read"):
        keys = (await room.api.get("/api/keys", List[KeyShown])).items
        steps.append(Step(said="Make an API key", path="/keys", is_done=is_in_use(keys)))
        path = "/keys#call" if is_in_use(keys) else None
        steps.append(Step(said="Send the first call with it", path=path, is_done=calls > 0))
    if room.allows("members.write"):
        steps.append(
            Step(said="Invite somebody", path="/members", is_done=await _has_company(room))
        )
    if room.allows("settings.write"):
        domains = (await room.api.get("/api/domains", List[DomainShown])).items
        steps.append(
            Step(
                said="Bring a domain of your own",
                path="/domains",
                is_done=any(each.verified_at is not None for each in domains),
                is_optional=True,
            )
        )
    if room.allows("billing.write"):
        steps.append(
            Step(
                said="Choose a larger plan",
                path="/billing",
                is_done=room.tenant.plan != DEFAULT_PLAN,
                is_optional=True,
            )
        )
    return steps


def _told_of(tenant: TenantWhole) -> OperationShown | None:
    """Return what is being done, but for moves: their strip is on every page."""
    operation = tenant.operation
    return None if operation is None or operation.kind in _OF_MOVES else operation


async def _has_company(room: Workspace) -> bool:
    members = (await room.api.get("/api/members", List[Member])).items
    if len(members) > 1:
        return True
    return bool((await room.api.get("/api/invitations", List[InvitationShown])).items)
