"""What a tenant's people ask of billing, and the price list, which everybody may read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

import msgspec
from litestar import MediaType, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from billing import accounts
from billing.current import Current
from billing.desk import Desk, Wanted
from billing.foreseeing import Foreseen, foresee_move
from billing.seen import Charge, Interval, Preview
from router.api import router_behind
from router.api.door import NEEDS, admit_anyone, admit_member
from router.api.errand import MemberErrand
from router.api.shapes import List, Word
from router.catalog.roles import Permission
from router.words import Limits, Tier

if TYPE_CHECKING:
    from litestar import Router

    from billing.price_list import ListedPlan
    from router.api.parts import Parts

SEATS_MAX = 100_000
NAME_LENGTH_MAX = 100
SLUG_LENGTH_MAX = 63
_RETURNED = {
    "paid": "Thank you. The plan of {tenant} changes as soon as the payment has arrived.",
    "left": "Nothing was bought: {tenant} keeps its plan.",
    "back": "The plan of {tenant} is what was chosen, within some seconds.",
}


class PlanWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be bought; without `seats`, what the plan includes."""

    plan: Word
    interval: Interval = Interval.MONTH
    seats: Annotated[int, Meta(ge=1, le=SEATS_MAX)] | None = None

    def wanted(self) -> Wanted:
        """Say it in the desk's word."""
        return Wanted(plan=self.plan, interval=self.interval, seats=self.seats)


class PageAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the payer's browser goes."""

    url: str


class PriceShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan costs. `amount` is in the currency's minor unit."""

    charge: Charge
    currency: str
    amount: int
    interval: Interval
    metric: str | None


class PlanShown(msgspec.Struct, frozen=True, kw_only=True):
    """One plan of the price list. `is_contract`: it is agreed with sales, nobody buys it alone."""

    name: str
    title: str
    tier: Tier
    limits: Limits
    is_contract: bool
    trial_days: int | None
    prices: list[PriceShown]

    @classmethod
    def of(cls, listed: ListedPlan) -> PlanShown:
        """Show a plan."""
        return cls(
            name=listed.name,
            title=listed.title,
            tier=listed.tier,
            limits=listed.limits,
            is_contract=listed.is_contract,
            trial_days=listed.trial_days,
            prices=[
                PriceShown(
                    charge=price.charge,
                    currency=price.currency,
                    amount=price.amount,
                    interval=price.interval,
                    metric=price.metric,
                )
                for price in listed.price
            ],
        )


@get("/plans", tags=["billing"], summary="The price list", security=[{}])
async def list_plans(desk: NamedDependency[Desk]) -> List[PlanShown]:
    """Cheapest first. A limit of null is by contract."""
    return List(items=[PlanShown.of(listed) for listed in desk.listed.values()])


@get(
    "/billing/return",
    tags=["billing"],
    summary="Where a payer's browser comes back to",
    media_type=MediaType.TEXT,
    # The slug is repeated as it came: nobody may take that for a page.
    response_headers={"X-Content-Type-Options": "nosniff"},
    security=[{}],
    sync_to_thread=False,
)
def come_back(
    tenant: Annotated[
        str, QueryParameter(min_length=1, max_length=SLUG_LENGTH_MAX, description="The slug.")
    ],
    checkout: FromQuery[Literal["paid", "left", "back"]] = "back",
) -> str:
    """Changes nothing: what was bought, the provider says."""
    return _RETURNED[checkout].format(tenant=tenant)


@get(
    "/billing",
    tags=["billing"],
    summary="What the tenant pays for, and how that stands",
    opt={NEEDS: Permission.BILLING_READ},
)
async def show_billing(
    errand: NamedDependency[MemberErrand], desk: NamedDependency[Desk]
) -> Current:
    """As we saw it last; the provider isn't asked."""
    return _without_error(await desk.shown(errand.tenant))


@post(
    "/billing/checkout",
    status_code=200,
    tags=["billing"],
    summary="Buy a plan",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def check_out(
    errand: NamedDependency[MemberErrand], desk: NamedDependency[Desk], data: JSONBody[PlanWanted]
) -> PageAddress:
    """The plan changes once the payment has arrived. 409 where a subscription is there already."""
    email = await accounts.payer_email(desk.catalog, errand.tenant.id)
    url = await desk.checkout_url(errand.tenant, data.wanted(), email=email, key=_key(errand))
    await errand.record("billing.checkout", errand.tenant.slug, {"plan": data.plan})
    return PageAddress(url=url)


@post(
    "/billing/portal",
    status_code=200,
    tags=["billing"],
    summary="The provider's own page for a customer",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def open_portal(
    errand: NamedDependency[MemberErrand], desk: NamedDependency[Desk]
) -> PageAddress:
    """There the card is changed, the plan too, and invoices are paid."""
    url = await desk.portal_url(errand.tenant)
    await errand.record("billing.portal", errand.tenant.slug)
    return PageAddress(url=url)


@post(
    "/billing/preview",
    status_code=200,
    tags=["billing"],
    summary="What a change of plan would cost",
    opt={NEEDS: Permission.BILLING_READ},
)
async def preview_change(
    errand: NamedDependency[MemberErrand], desk: NamedDependency[Desk], data: JSONBody[PlanWanted]
) -> Preview:
    """Now, and at the next invoice; what was paid already is credited to the second."""
    return await desk.preview(errand.tenant, data.wanted())


@get(
    "/billing/preview",
    tags=["billing"],
    summary="What a plan would cost and bring, the first one too",
    opt={NEEDS: Permission.BILLING_READ},
)
async def foresee_plan(
    errand: NamedDependency[MemberErrand],
    desk: NamedDependency[Desk],
    plan: Annotated[str, QueryParameter(min_length=1, max_length=NAME_LENGTH_MAX)],
    interval: FromQuery[Interval] = Interval.MONTH,
    seats: Annotated[int | None, QueryParameter(ge=1, le=SEATS_MAX)] = None,
) -> Foreseen:
    """What is due now and next, what is given, and the move to another kind of storage."""
    wanted = Wanted(plan=plan, interval=interval, seats=seats)
    bargain = await desk.foresee(errand.tenant, wanted)
    return Foreseen(bargain=bargain, move=await foresee_move(errand, desk.listed[plan].tier))


@post(
    "/billing/change",
    status_code=200,
    tags=["billing"],
    summary="Change the plan",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def change_plan(
    errand: NamedDependency[MemberErrand], desk: NamedDependency[Desk], data: JSONBody[PlanWanted]
) -> Current:
    """A dearer plan holds once what is due for it is paid; the answer is as it stands now."""
    await desk.change(errand.tenant, data.wanted(), key=_key(errand))
    return await _changed(errand, desk, "billing.change", {"plan": data.plan})


@post(
    "/billing/cancel",
    status_code=200,
    tags=["billing"],
    summary="Cancel the subscription",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def cancel_subscription(
    errand: NamedDependency[MemberErrand], desk: NamedDependency[Desk]
) -> Current:
    """It ends when what is paid for ends; then the tenant has the first plan."""
    await desk.cancel(errand.tenant, key=_key(errand))
    return await _changed(errand, desk, "billing.cancel", {})


@post(
    "/billing/resume",
    status_code=200,
    tags=["billing"],
    summary="Take a cancellation back",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def resume_subscription(
    errand: NamedDependency[MemberErrand], desk: NamedDependency[Desk]
) -> Current:
    """Until it has ended. 409 where nothing was cancelled."""
    await desk.resume(errand.tenant, key=_key(errand))
    return await _changed(errand, desk, "billing.resume", {})


def member_routers(parts: Parts, desk: Desk) -> list[Router]:
    """Make the routes of everybody, and those of a tenant's people."""
    given = {"desk": Provide(lambda: desk, sync_to_thread=False)}
    open_to_all = [list_plans, come_back]
    of_members = [
        show_billing,
        check_out,
        open_portal,
        preview_change,
        foresee_plan,
        change_plan,
        cancel_subscription,
        resume_subscription,
    ]
    return [
        router_behind(parts, admit_anyone, open_to_all, dependencies=given),
        router_behind(parts, admit_member, of_members, dependencies=given),
    ]


async def _changed(
    errand: MemberErrand, desk: Desk, action: str, detail: dict[str, object]
) -> Current:
    """Ask the provider what holds now; were this process to end here, a worker would."""
    tenant = errand.tenant
    await accounts.mark_dirty(await errand.connection(), tenant.id)
    await errand.record(action, tenant.slug, detail)
    await errand.commit()
    await desk.sync(tenant)
    changed = await errand.parts.directory.refresh(tenant.id)
    return _without_error(await desk.shown(changed or tenant))


def _without_error(shown: Current) -> Current:
    # It may name our servers; operators read it in theirs.
    return msgspec.structs.replace(shown, error=None)


def _key(errand: MemberErrand) -> str:
    """Name the request to the provider: repeated under one Idempotency-Key, it is one request.

    A person may draw the same key in two tenants.
    """
    if errand.asked is None:
        return uuid4().hex
    told = f"{errand.actor} {errand.tenant.id} {errand.asked.key}"
    return hashlib.sha256(told.encode()).hexdigest()
