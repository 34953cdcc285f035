"""The upgrade, seen: from the payment to the receipt, as the platform itself has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect, ServerSentEvent, Template

from billing.current import Current
from billing.routes import PlanShown
from router.api.onmoves import OwnMove
from router.api.shapes import List
from router.api.tenant import TenantWhole
from router.catalog.move_words import MoveState
from router.catalog.roles import Permission
from router.errors import NotFound
from web.live import part_of, poll_parts
from web.visitor import NO_SUCH_PAGE, Visitor, Workspace

PART = "workspace/parts/upgrade.html"
WORD_LENGTH_MAX = 100
PlanName = Annotated[str, QueryParameter(name="plan", max_length=WORD_LENGTH_MAX)]
_NOTHING_BOUGHT = "Nothing was bought: the plan stays as it is."
_SOON = "The plan is what was chosen, within some seconds."


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is. ``move`` is the newest one to the plan's tier, if it has begun."""

    plan: PlanShown
    is_paid: bool
    is_granted: bool
    is_there: bool
    move: OwnMove | None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to wait for."""
        runs = self.move is not None and self.move.state is MoveState.RUNNING
        return self.is_granted and self.is_there and not runs


@get("/w/{slug:str}/upgrade/return", include_in_schema=False)
async def come_back(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    *,
    plan: PlanName = "",
    checkout: FromQuery[Literal["paid", "left", "back"]] = "paid",
) -> Template | Redirect:
    """Believes nothing of its address: what was bought, the platform says."""
    room = await visitor.workspace(slug)
    if checkout != "paid":
        return room.to("/billing", said=_NOTHING_BOUGHT if checkout == "left" else _SOON)
    wanted = await _plan(room, plan)
    if wanted is None:
        return room.to("/billing", said=_SOON)
    upgrade = upgrade_of(wanted, room.tenant, await _bought(room), await _moves(room))
    return room.page("workspace/upgrade.html", {"upgrade": upgrade, "root": room.root})


@get("/w/{slug:str}/upgrade/live", include_in_schema=False)
async def watch(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    plan: PlanName,
    request: Request[Any, Any, Any],
) -> ServerSentEvent:
    """What has changed since, until there is nothing left to wait for."""
    room, part = await visitor.workspace(slug), part_of(request, PART)
    wanted = await _plan(room, plan)
    if wanted is None:
        raise NotFound(NO_SUCH_PAGE)

    async def look() -> Upgrade:
        tenant = await room.api.get("/api/tenant", TenantWhole)
        return upgrade_of(wanted, tenant, await _bought(room), await _moves(room))

    return ServerSentEvent(
        poll_parts(
            look,
            lambda upgrade: part.render({"upgrade": upgrade, "root": room.root}),
            lambda upgrade: upgrade.is_done,
        )
    )


def upgrade_of(
    plan: PlanShown, tenant: TenantWhole, bought: str | None, moves: list[OwnMove]
) -> Upgrade:
    """Say how far the upgrade is; whoever may not see the billing sees it by the plan."""
    is_granted = tenant.plan == plan.name
    return Upgrade(
        plan=plan,
        is_paid=is_granted or bought == plan.name,
        is_granted=is_granted,
        is_there=tenant.tier is plan.tier,
        # An earlier one doesn't count: the tenant may have been there before.
        move=moves[0] if moves and moves[0].target is plan.tier else None,
    )


async def _plan(room: Workspace, name: str) -> PlanShown | None:
    listed = (await room.visitor.api.get("/api/plans", List[PlanShown])).items
    return next((plan for plan in listed if plan.name == name), None)


async def _bought(room: Workspace) -> str | None:
    if not room.allows(Permission.BILLING_READ):
        return None
    current = await room.api.get("/api/billing", Current)
    return current.subscription.plan if current.subscription else None


async def _moves(room: Workspace) -> list[OwnMove]:
    return (await room.api.get("/api/moves", List[OwnMove], {"limit": 1})).items
