"""The calls of sales: an enterprise from the first draft until it is live, saved at every step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeAlias, TypeVar, runtime_checkable
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from router.api import router_behind
from router.api.door import STAFF, admit_operator
from router.api.errand import Errand
from router.api.shapes import Email, Limit, List, Name, OperationShown
from router.catalog import onboardings
from router.catalog.credentials import StaffRole
from router.catalog.moves import By
from router.catalog.onboarding_steps import Ahead, Missing
from router.catalog.onboarding_words import (
    Approval,
    Data,
    Onboarding,
    Parties,
    Place,
    Receipt,
    Section,
    Sheet,
    Stage,
    Terms,
)
from router.catalog.onboardings import Head, OnboardingFilter
from router.errors import NotFound
from router.words import Tenant, TenantStatus, Tier

if TYPE_CHECKING:
    from litestar import Router

    from router.api.parts import Parts
    from router.catalog.onboarding_facts import Seen
    from router.connect import Connection

#: Sales bring customers in; operators may do all that sales may.
SELLERS: dict[str, Any] = {STAFF: frozenset({StaffRole.SALES, StaffRole.OPERATOR})}
PASSWORD_LENGTH_MAX = 1_000
Opened: TypeAlias = "Callable[[], Awaitable[Connection]]"
_SectionT = TypeVar("_SectionT", bound=Section)


class Act(StrEnum):
    """What is done with an onboarding beside filling it in."""

    ADVANCE = "advance"
    BACK = "back"
    APPROVE = "approve"
    BEGIN = "begin"
    CHECK = "check"
    CLOSE = "close"


class NewOnboarding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deal. ``owner`` is the address of who of the staff sees to it."""

    name: Name
    owner: Email
    due_on: date | None = None
    workspace: Annotated[str, Meta(max_length=200)] = ""


class Version(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version that the caller saw."""

    version: Annotated[int, Meta(ge=1, le=2**53 - 1)]


class DraftChange(Parties, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The head, the legal entity and its people."""

    version: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    name: Name
    owner: Email
    due_on: date | None = None


class ContractChange(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The terms. An approval of earlier ones ends."""

    version: Annotated[int, Meta(ge=1, le=2**53 - 1)]


class PlaceChange(Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The place. ``password`` is sealed and never shown; without one, the one before is kept."""

    version: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    password: Annotated[str, Meta(max_length=PASSWORD_LENGTH_MAX)] = ""


class DataChange(Data, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the tenant begins with."""

    version: Annotated[int, Meta(ge=1, le=2**53 - 1)]


class OnboardingLine(msgspec.Struct, frozen=True, kw_only=True):
    """An onboarding in a list."""

    id: UUID
    name: str
    stage: Stage
    owner: str
    due_on: date | None
    tenant: UUID | None
    version: int
    changed_by: str
    changed_at: datetime

    @classmethod
    def of(cls, found: Onboarding) -> OnboardingLine:
        """Leave the document out."""
        return cls(
            id=found.id,
            name=found.name,
            stage=found.stage,
            owner=found.owner,
            due_on=found.due_on,
            tenant=found.tenant_id,
            version=found.version,
            changed_by=found.changed_by,
            changed_at=found.changed_at,
        )


class BroughtTenant(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant that is brought in; tier and cluster are null until it has a place."""

    id: UUID
    slug: str
    status: TenantStatus
    tier: Tier | None
    cluster: str | None

    @classmethod
    def of(cls, tenant: Tenant) -> BroughtTenant:
        """Show what sales look at."""
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            status=tenant.status,
            tier=tenant.tier,
            cluster=tenant.placement.cluster if tenant.placement else None,
        )


class OnboardingShown(msgspec.Struct, frozen=True, kw_only=True):
    """An onboarding with what it lacks; ``has_password`` is all that is told of a password.

    ``is_busy``: something goes on by itself that the next stage waits for.
    """

    line: OnboardingLine
    parties: Parties
    terms: Terms
    terms_by: str
    approval: Approval | None
    needs_approval: bool
    place: Place
    place_by: str
    place_approval: Approval | None
    has_password: bool
    is_registered: bool
    data: Data
    tenant: BroughtTenant | None
    operation: OperationShown | None
    checking: OperationShown | None
    receipt: Receipt | None
    invoice: str | None
    is_busy: bool
    next: Stage | None
    missing: list[Missing]

    @classmethod
    def of(cls, found: Onboarding, seen: Seen, ahead: Ahead) -> OnboardingShown:
        """Show one, without its secret."""
        given, tenant = found.document, seen.tenant
        return cls(
            line=OnboardingLine.of(found),
            parties=given.parties,
            terms=given.terms,
            terms_by=given.terms_by,
            approval=given.approval,
            needs_approval=seen.facts.needs_approval,
            place=given.place,
            place_by=given.place_by,
            place_approval=given.place_approval,
            has_password=seen.facts.has_secret,
            is_registered=given.is_registered,
            data=given.data,
            tenant=BroughtTenant.of(tenant) if tenant else None,
            operation=OperationShown.of(seen.operation) if seen.operation else None,
            checking=OperationShown.of(seen.checking) if seen.checking else None,
            receipt=seen.receipt,
            invoice=given.invoice,
            is_busy=seen.facts.is_moving or seen.facts.is_checking,
            next=ahead.stage,
            missing=list(ahead.missing),
        )


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Which onboarding, at which version, by whom and why."""

    id: UUID
    version: int
    by: By


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; ``start`` is an operation that may begin at once."""

    shown: OnboardingShown
    start: UUID | None = None


@runtime_checkable
class Onboardings(Protocol):
    """Does what is done with onboardings. ``opened`` opens the transaction, when it is needed."""

    async def show(self, onboarding_id: UUID) -> OnboardingShown:
        """Return one with what it lacks."""
        ...

    async def create(self, head: Head, data: Data, by: By, opened: Opened) -> OnboardingShown:
        """Begin one."""
        ...

    async def save(
        self,
        change: Change,
        section: Section,
        opened: Opened,
        *,
        head: Head | None = None,
        password: str = "",
    ) -> OnboardingShown:
        """Keep one part of what was filled in."""
        ...

    async def act(self, change: Change, act: Act, opened: Opened) -> Acted:
        """Do one thing."""
        ...


@get("/onboardings", tags=["sales"], summary="Enterprises that are brought in")
async def list_onboardings(
    errand: NamedDependency[Errand],
    *,
    stage: Annotated[Stage | None, QueryParameter()] = None,
    owner: Annotated[str | None, QueryParameter(max_length=254)] = None,
    limit: Limit = 50,
    after: Annotated[
        UUID | None, QueryParameter(description="The `next` of the page before.")
    ] = None,
) -> List[OnboardingLine]:
    """The newest first."""
    chosen = OnboardingFilter(stage=stage, owner=owner and owner.strip().lower())
    async with errand.parts.catalog.connection() as connection:
        page = await onboardings.list_page(connection, chosen, before=after, items_max=limit)
    return List(items=[OnboardingLine.of(each) for each in page.items], next=page.next)


@post("/onboardings", status_code=201, tags=["sales"], summary="Begin a draft", opt=SELLERS)
async def create_onboarding(
    errand: NamedDependency[Errand],
    work: NamedDependency[Onboardings],
    data: JSONBody[NewOnboarding],
) -> OnboardingShown:
    """`workspace` is the slug of the trial that they have already, if they have one."""
    head = Head(name=data.name, owner=data.owner, due_on=data.due_on)
    return await work.create(head, Data(workspace=data.workspace), _by(errand), errand.connection)


@get("/onboardings/{onboarding_id:uuid}", tags=["sales"], summary="One onboarding, whole")
async def show_onboarding(
    errand: NamedDependency[Errand],  # noqa: ARG001 - the door asks who it is
    work: NamedDependency[Onboardings],
    onboarding_id: FromPath[UUID],
) -> OnboardingShown:
    """`missing` says, field by field, what the next stage needs. No password is ever shown."""
    return await work.show(onboarding_id)


@get(
    "/onboardings/{onboarding_id:uuid}/receipt",
    tags=["sales"],
    summary="The newest acceptance sheet, for the customer",
)
async def show_receipt(errand: NamedDependency[Errand], onboarding_id: FromPath[UUID]) -> Sheet:
    """To the byte what was kept: the SHA-256 of the answer is the receipt's. 404 before a check."""
    async with errand.parts.catalog.connection() as connection:
        found = await onboardings.get(connection, onboarding_id)
        receipt = await onboardings.newest_receipt(connection, onboarding_id)
    if receipt is None:
        raise NotFound(f"nothing was tried yet for {found.name}: run the checks")
    return receipt.sheet


@put(
    "/onboardings/{onboarding_id:uuid}/draft",
    tags=["sales"],
    summary="Save the entity and its people",
    opt=SELLERS,
)
async def save_draft(
    errand: NamedDependency[Errand],
    work: NamedDependency[Onboardings],
    onboarding_id: FromPath[UUID],
    data: JSONBody[DraftChange],
) -> OnboardingShown:
    """409 where somebody else saved after the `version` that was seen."""
    head = Head(name=data.name, owner=data.owner, due_on=data.due_on)
    change = _change(errand, onboarding_id, data.version)
    return await work.save(change, _part(data, Parties), errand.connection, head=head)


@put(
    "/onboardings/{onboarding_id:uuid}/contract",
    tags=["sales"],
    summary="Save the terms",
    opt=SELLERS,
)
async def save_contract(
    errand: NamedDependency[Errand],
    work: NamedDependency[Onboardings],
    onboarding_id: FromPath[UUID],
    data: JSONBody[ContractChange],
) -> OnboardingShown:
    """Amounts are in minor units. Above a threshold of the installation, two people agree them."""
    change = _change(errand, onboarding_id, data.version)
    return await work.save(change, _part(data, Terms), errand.connection)


@put(
    "/onboardings/{onboarding_id:uuid}/place",
    tags=["sales"],
    summary="Save where the tenant goes",
    opt=SELLERS,
)
async def save_place(
    errand: NamedDependency[Errand],
    work: NamedDependency[Onboardings],
    onboarding_id: FromPath[UUID],
    data: JSONBody[PlaceChange],
) -> OnboardingShown:
    """A cluster of ours, or the customer's own server: never loopback or a private address.

    The own server takes a second person's approval, which ends when it is changed.
    """
    change = _change(errand, onboarding_id, data.version)
    section = _part(data, Place)
    return await work.save(change, section, errand.connection, password=data.password)


@put(
    "/onboardings/{onboarding_id:uuid}/data",
    tags=["sales"],
    summary="Save what the tenant begins with",
    opt=SELLERS,
)
async def save_data(
    errand: NamedDependency[Errand],
    work: NamedDependency[Onboardings],
    onboarding_id: FromPath[UUID],
    data: JSONBody[DataChange],
) -> OnboardingShown:
    """Their trial workspace, nothing yet, or an archive that lies in the archive folder."""
    change = _change(errand, onboarding_id, data.version)
    return await work.save(change, _part(data, Data), errand.connection)


@post(
    "/onboardings/{onboarding_id:uuid}/{act:str}",
    status_code=200,
    tags=["sales"],
    summary="Advance, go back, approve, begin, check or close",
    opt=SELLERS,
)
async def act_on_onboarding(
    errand: NamedDependency[Errand],
    work: NamedDependency[Onboardings],
    onboarding_id: FromPath[UUID],
    act: FromPath[Act],
    data: JSONBody[Version],
) -> OnboardingShown:
    """`advance` names what is missing in a 409. `begin` brings the tenant to its place, `check`
    fills the acceptance sheet: both go on behind the answer. Nobody approves what they wrote.
    """
    change = _change(errand, onboarding_id, data.version)
    acted = await work.act(change, act, errand.connection)
    if (start := acted.start) is not None:
        errand.behind(lambda: errand.parts.provisioning.start(start))
    return acted.shown


def onboarding_router(parts: Parts, work: Onboardings) -> Router:
    """Make the routes of sales."""
    handlers = [
        list_onboardings,
        create_onboarding,
        show_onboarding,
        show_receipt,
        save_draft,
        save_contract,
        save_place,
        save_data,
        act_on_onboarding,
    ]
    given = {"work": Provide(lambda: work, sync_to_thread=False)}
    return router_behind(parts, admit_operator, handlers, path="/api/ops", dependencies=given)


def _part(data: _SectionT, section: type[_SectionT]) -> _SectionT:
    """Return what is kept of a change."""
    return msgspec.convert(data, section, from_attributes=True)


def _change(errand: Errand, onboarding_id: UUID, version: int) -> Change:
    return Change(id=onboarding_id, version=version, by=_by(errand))


def _by(errand: Errand) -> By:
    assert errand.reason is not None, "the door lets no change in without a reason"
    return By(actor=errand.actor, reason=errand.reason, request_id=errand.request_id)
