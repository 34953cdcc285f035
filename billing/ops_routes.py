"""The operators' calls about billing: the inbox, both sides of an account, contracts, comparing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from billing import accounts, contracts, inbox
from billing.both_sides import BothSides, both_sides
from billing.contracts import NET_DAYS, Terms
from billing.current import Current
from billing.desk import Desk
from billing.inbox import EventState, InboxEvent, InboxFilter
from billing.routes import SEATS_MAX
from billing.seen import Interval, SeenInvoice
from billing.sweep import Compared, Report
from router.api import router_behind
from router.api.door import admit_operator
from router.api.errand import Errand
from router.api.ops import Reference
from router.api.shapes import Limit, List, Word
from router.catalog import looks, tenants
from router.catalog.looks import LookKind
from router.words import TenantId

if TYPE_CHECKING:
    from litestar import Router

    from router.api.parts import Parts
    from router.words import Tenant

AMOUNT_MAX = 10**12
NET_DAYS_MAX = 365
Filter = Annotated[str | None, QueryParameter(max_length=200)]


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the provider, without its payload. `tenant` is null where it is nobody's yet."""

    id: str
    type: str
    state: EventState
    customer_id: str | None
    tenant: TenantId | None
    deliveries: int
    attempts: int
    error: str | None
    created_at: datetime
    received_at: datetime
    handled_at: datetime | None

    @classmethod
    def of(cls, event: InboxEvent) -> EventLine:
        """Leave the payload out."""
        return cls(
            id=event.id,
            type=event.type,
            state=event.state,
            customer_id=event.customer_id,
            tenant=event.tenant_id,
            deliveries=event.deliveries,
            attempts=event.attempts,
            error=event.error,
            created_at=event.created_at,
            received_at=event.received_at,
            handled_at=event.handled_at,
        )


class NewContract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was agreed. With an `amount`, in minor units, the provider sends invoices for it."""

    plan: Word
    until: Annotated[datetime, Meta(tz=True)] | None = None
    seats: Annotated[int, Meta(ge=1, le=SEATS_MAX)] | None = None
    amount: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] | None = None
    currency: Annotated[str, Meta(pattern="^[a-z]{3}$")] = "usd"
    interval: Interval = Interval.YEAR
    net_days: Annotated[int, Meta(ge=0, le=NET_DAYS_MAX)] = NET_DAYS

    def terms(self, reason: str) -> Terms:
        """Add why."""
        return Terms(
            plan=self.plan,
            reason=reason,
            until=self.until,
            seats=self.seats,
            amount=self.amount,
            currency=self.currency,
            interval=self.interval,
            net_days=self.net_days,
        )


class ContractMade(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant's billing now; `invoice` is the contract's first one, if there is one already."""

    billing: Current
    invoice: SeenInvoice | None


class ComparisonShown(msgspec.Struct, frozen=True, kw_only=True):
    """The newest comparison; both are null until there was one. Its first findings are with it."""

    at: datetime | None
    found: Compared | None


@get("/inbox", tags=["operators"], summary="The provider's events")
async def list_inbox(  # noqa: PLR0913 - each argument is one filter of the query
    errand: NamedDependency[Errand],
    *,
    # Litestar keeps `state` and `type` for itself, or Python does.
    wanted: Annotated[EventState | None, QueryParameter(name="state")] = None,
    kind: Annotated[str | None, QueryParameter(name="type", max_length=200)] = None,
    tenant: Filter = None,
    limit: Limit = 50,
    after: Filter = None,
) -> List[EventLine]:
    """The newest first. `kept` ones were given up: nobody knows their customer."""
    async with errand.parts.catalog.connection() as connection:
        tenant_id = None if tenant is None else (await tenants.get(connection, tenant)).tenant.id
        chosen = InboxFilter(state=wanted, type=kind, tenant_id=tenant_id)
        page = await inbox.list_page(connection, chosen, before=after, items_max=limit)
    return List(items=[EventLine.of(event) for event in page.items], next=page.next)


@get("/inbox/{event_id:str}", tags=["operators"], summary="One event, with its payload")
async def show_event(errand: NamedDependency[Errand], event_id: FromPath[str]) -> InboxEvent:
    """As it came; it is never believed."""
    async with errand.parts.catalog.connection() as connection:
        return await inbox.get(connection, event_id)


@post(
    "/inbox/{event_id:str}/replay",
    status_code=200,
    tags=["operators"],
    summary="Look at an event's customer again",
)
async def replay_event(errand: NamedDependency[Errand], event_id: FromPath[str]) -> EventLine:
    """The provider is asked for what holds now, so a replay can't bring back what was."""
    event = await inbox.replay(await errand.connection(), event_id)
    await errand.note("inbox.replay", event.id, tenant_id=event.tenant_id)
    return EventLine.of(event)


@get("/billing/{tenant:str}", tags=["operators"], summary="Both sides of a tenant's account")
async def show_both_sides(
    errand: NamedDependency[Errand], desk: NamedDependency[Desk], tenant: Reference
) -> BothSides:
    """Ours beside the provider's, which is asked now; null where there is none, or no answer."""
    return await both_sides(desk, await _find(errand, tenant))


@post(
    "/billing/reconcile",
    status_code=200,
    tags=["operators"],
    summary="Compare every account with the provider's",
)
async def reconcile(errand: NamedDependency[Errand], desk: NamedDependency[Desk]) -> Report:
    """Repairs every difference and reports it. The worker does the same by the clock."""
    report = await desk.compare()
    detail: dict[str, object] = {"differences": len(report.differences)}
    await errand.note("billing.reconcile", "all accounts", tenant_id=None, detail=detail)
    return report


@get("/comparison", tags=["operators"], summary="What the newest comparison found")
async def show_comparison(errand: NamedDependency[Errand]) -> ComparisonShown:
    """Each difference is an event that was lost; it has been repaired."""
    async with errand.parts.catalog.connection() as connection:
        seen = await looks.last(connection, LookKind.COMPARISON, Compared)
    newest = max(seen, key=lambda each: each.began_at, default=None)
    if newest is None:
        return ComparisonShown(at=None, found=None)
    return ComparisonShown(at=newest.ended_at, found=newest.found)


@post(
    "/tenants/{tenant:str}/contract",
    status_code=200,
    tags=["operators"],
    summary="Record what was agreed with a tenant",
)
async def make_contract(
    errand: NamedDependency[Errand],
    desk: NamedDependency[Desk],
    tenant: Reference,
    data: JSONBody[NewContract],
) -> ContractMade:
    """It stands over whatever the tenant buys, until its end or its release.

    What the tenant paid for by card is cancelled at the end of its period where the provider
    invoices the contract.
    """
    found, terms = await _find(errand, tenant), data.terms(errand.reason or "")
    key = errand.asked.key if errand.asked is not None else uuid4().hex
    invoice = await contracts.invoice(desk, found, terms, key=f"contract {found.id} {key}")
    await contracts.record(await errand.connection(), found, terms, by=errand.actor)
    detail = msgspec.to_builtins(data)
    await errand.note("tenant.contract", found.id, tenant_id=found.id, detail=detail)
    return ContractMade(billing=await _kept(errand, desk, found), invoice=invoice)


@delete(
    "/tenants/{tenant:str}/contract",
    status_code=200,
    tags=["operators"],
    summary="Give the plan back to what the tenant buys",
)
async def release_contract(
    errand: NamedDependency[Errand], desk: NamedDependency[Desk], tenant: Reference
) -> Current:
    """A worker judges it within a second. 409 where nothing was agreed."""
    found = await _find(errand, tenant)
    await accounts.release_contract(await errand.connection(), found.id)
    await errand.note("tenant.release", found.id, tenant_id=found.id)
    return await _kept(errand, desk, found)


@post(
    "/tenants/{tenant:str}/billing/resync",
    status_code=200,
    tags=["operators"],
    summary="Have the provider asked again about a tenant",
)
async def resync(
    errand: NamedDependency[Errand], desk: NamedDependency[Desk], tenant: Reference
) -> Current:
    """A worker makes our side what the provider's says. 409 for a tenant without an account."""
    found, provider = await _find(errand, tenant), desk.provider
    await accounts.ask_again(await errand.connection(), found)
    detail: dict[str, object] = {"provider": provider.name}
    await errand.note("billing.resync", found.slug, tenant_id=found.id, detail=detail)
    return await _kept(errand, desk, found)


def ops_router(parts: Parts, desk: Desk) -> Router:
    """Make the operators' routes."""
    handlers = [
        list_inbox,
        show_event,
        replay_event,
        show_both_sides,
        reconcile,
        show_comparison,
        make_contract,
        release_contract,
        resync,
    ]
    given = {"desk": Provide(lambda: desk, sync_to_thread=False)}
    return router_behind(parts, admit_operator, handlers, path="/api/ops", dependencies=given)


async def _find(errand: Errand, reference: str) -> Tenant:
    async with errand.parts.catalog.connection() as connection:
        return (await tenants.get(connection, reference)).tenant


async def _kept(errand: Errand, desk: Desk, tenant: Tenant) -> Current:
    """Keep what was done, heed it here at once, and show what came of it."""
    await errand.commit()
    changed = await errand.parts.directory.refresh(tenant.id)
    return await desk.shown(changed or tenant)
