"""What an onboarding lacks before it goes on, field by field: a pure decision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from router.catalog.onboarding_words import STAGES, Document, PlaceKind, Source, Stage
from router.words import Tier

if TYPE_CHECKING:
    from router.catalog.onboarding_words import Onboarding, Terms


#: No contract of ours lasts as long.
LAST_DAY = date(2200, 1, 1)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalog says of the things that an onboarding names.

    The ``…_says`` are what speaks against one, None where nothing does. ``tenant_at`` is where the
    tenant's rows are; ``has_receipt`` tells of the newest sheet, None where there is none.
    """

    needs_approval: bool = False
    plan_says: str | None = None
    cluster_says: str | None = None
    source_says: str | None = None
    has_secret: bool = False
    is_registered: bool = False
    tenant_at: tuple[Tier, str] | None = None
    is_served: bool = False
    is_moving: bool = False
    is_checking: bool = False
    trouble: str | None = None
    has_receipt: bool | None = None
    today: date = date.min


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is missing: ``field`` as the calls spell it, and what to do."""

    field: str
    says: str


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """Where it goes next, None at the end; ``missing`` is what is needed before."""

    stage: Stage | None
    missing: tuple[Missing, ...] = ()


def next_stage(onboarding: Onboarding, facts: Facts) -> Ahead:
    """Say what comes next, and what it lacks."""
    if onboarding.stage.is_ended:
        return Ahead(stage=None)
    wanted = STAGES[STAGES.index(onboarding.stage) + 1]
    given = onboarding.document
    match onboarding.stage:
        case Stage.DRAFT:
            found = _draft(onboarding.due_on, given)
        case Stage.CONTRACT:
            found = _terms(given, facts)
        case Stage.PROVISIONING:
            found = _place(given, facts)
        case Stage.DATA:
            found = _data(given, facts)
        case _:
            found = _acceptance(facts)
    return Ahead(
        stage=wanted, missing=tuple(Missing(field=field, says=says) for field, says in found)
    )


def lacks_to_begin(onboarding: Onboarding, facts: Facts) -> tuple[Missing, ...]:
    """Say what is missing before the tenant is brought to its place."""
    if facts.source_says is None:
        return ()
    return (Missing(field=_source_field(onboarding.document), says=facts.source_says),)


def is_there(given: Document, facts: Facts) -> bool:
    """Tell whether the tenant's rows are where they were to go."""
    return facts.tenant_at == (Tier.DATABASE, given.place.cluster)


def previous_stage(stage: Stage) -> Stage | None:
    """Return the stage before, while nothing was done yet that would have to be undone."""
    return {Stage.CONTRACT: Stage.DRAFT, Stage.PROVISIONING: Stage.CONTRACT}.get(stage)


def _draft(due_on: date | None, given: Document) -> Iterator[tuple[str, str]]:
    parties = given.parties
    if due_on is None:
        yield "due_on", "say by when it shall be live"
    if not parties.legal_name.strip():
        yield "legal_name", "name the legal entity that signs"
    if not parties.address.strip():
        yield "address", "say where it has its seat"
    if not parties.owner_email:
        yield "owner_email", "name who will own the workspace: the invitation goes there"
    if not parties.billing_email:
        yield "billing_email", "name who gets the invoices"


def _terms(given: Document, facts: Facts) -> Iterator[tuple[str, str]]:
    terms = given.terms
    if facts.plan_says is not None:
        yield "plan", facts.plan_says
    yield from _dates(terms, facts.today)
    if terms.seats is None:
        yield "seats", "say how many seats were agreed"
    if terms.amount is None:
        yield "amount", "say what is paid: 0 where nothing is"
    if facts.needs_approval and given.approval is None:
        yield "approval", "terms like these need a second person: somebody else approves them"


def _dates(terms: Terms, today: date) -> Iterator[tuple[str, str]]:
    if terms.starts_on is None:
        yield "starts_on", "say when the contract begins"
    if terms.ends_on is None:
        yield "ends_on", "say when the contract ends"
    elif terms.starts_on is not None and terms.ends_on <= terms.starts_on:
        yield "ends_on", "the end must come after the beginning"
    elif not today < terms.ends_on < LAST_DAY:
        yield "ends_on", f"the end must come after today, and before {LAST_DAY.year}"


def _place(given: Document, facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.cluster_says is not None:
        yield "cluster", facts.cluster_says
    if given.place.kind is PlaceKind.OWN and not facts.is_registered:
        yield from _own_server(given, facts)


def _own_server(given: Document, facts: Facts) -> Iterator[tuple[str, str]]:
    place = given.place
    if not place.region.strip():
        yield "region", "say where the server is, in your own words"
    if not place.host:
        yield "host", "name the customer's server"
    if not place.user:
        yield "user", "name the administrator of the server"
    if not place.certificates.strip():
        yield "certificates", "give the certificate of the authority that vouches for the server"
    if not facts.has_secret:
        yield "password", "give the administrator's password: it is sealed, and shown to nobody"
    if given.place_approval is None:
        yield "approval", "a customer's own server needs a second person: somebody else approves it"


def _data(given: Document, facts: Facts) -> Iterator[tuple[str, str]]:
    field = _source_field(given)
    if facts.trouble is not None:
        yield field, facts.trouble
    elif facts.tenant_at is None and not facts.is_moving:
        yield field, facts.source_says or "begin: the tenant isn't on its way yet"
    elif facts.is_moving:
        yield field, "wait: the tenant is on its way to its place"
    elif not is_there(given, facts):
        yield field, "the tenant isn't at its place, nor on its way there: begin again"
    elif not facts.is_served:
        yield field, "the tenant isn't served: an operator resumes it"


def _acceptance(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.is_checking:
        yield "sheet", "wait: the sheet is being filled"
    elif facts.has_receipt is None:
        yield "sheet", facts.trouble or "run the checks: nothing was tried yet"
    elif not facts.has_receipt:
        yield "sheet", "a check failed: mend what it names, and run the checks again"
    elif not facts.is_served:
        yield "sheet", "the tenant isn't served: an operator resumes it"


def _source_field(given: Document) -> str:
    return {Source.WORKSPACE: "workspace", Source.NEW: "slug", Source.ARCHIVE: "archive"}[
        given.data.source
    ]
