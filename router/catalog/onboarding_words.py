"""Onboardings in words: who is brought in, what was agreed, where it goes, and what is shown."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from router.catalog.accounts import EMAIL_LENGTH_MAX
from router.names import NAME_LENGTH_MAX
from router.words import Tier

#: Operations of this kind fill an acceptance sheet.
ACCEPTANCE = "acceptance"
AMOUNT_MAX = 10**12
NET_DAYS_MAX = 365
SEATS_MAX = 1_000_000
CERTIFICATES_LENGTH_MAX = 20_000

Line = Annotated[str, Meta(max_length=NAME_LENGTH_MAX)]
Lines = Annotated[str, Meta(max_length=2_000)]
EmailLine = Annotated[str, Meta(max_length=EMAIL_LENGTH_MAX)]
#: What every counter of ours can hold exactly.
Number = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Stage(StrEnum):
    """How far an onboarding is. ``closed`` is one that was given up."""

    DRAFT = "draft"
    CONTRACT = "contract"
    PROVISIONING = "provisioning"
    DATA = "data"
    ACCEPTANCE = "acceptance"
    LIVE = "live"
    CLOSED = "closed"

    @property
    def is_ended(self) -> bool:
        """Whether nothing of it changes any more."""
        return self in {Stage.LIVE, Stage.CLOSED}


#: From the first to the last.
STAGES = (
    Stage.DRAFT,
    Stage.CONTRACT,
    Stage.PROVISIONING,
    Stage.DATA,
    Stage.ACCEPTANCE,
    Stage.LIVE,
)


class PlaceKind(StrEnum):
    """Where the tenant goes: to a cluster of ours, or to a server that the customer brings."""

    CLUSTER = "cluster"
    OWN = "own"


class Source(StrEnum):
    """What the tenant begins with: a workspace that is there, nothing, or an archive."""

    WORKSPACE = "workspace"
    NEW = "new"
    ARCHIVE = "archive"


class Parties(msgspec.Struct, frozen=True, kw_only=True):
    """The legal entity, and the people on its side."""

    legal_name: Line = ""
    address: Lines = ""
    vat_id: Annotated[str, Meta(max_length=40)] = ""
    owner_name: Line = ""
    owner_email: EmailLine = ""
    billing_name: Line = ""
    billing_email: EmailLine = ""
    technical_name: Line = ""
    technical_email: EmailLine = ""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed; ``amount`` is in minor units an interval. Null limits are the plan's."""

    plan: Annotated[str, Meta(max_length=100)] = "enterprise"
    starts_on: date | None = None
    ends_on: date | None = None
    purchase_order: Line = ""
    seats: Annotated[int, Meta(ge=1, le=SEATS_MAX)] | None = None
    amount: Annotated[int, Meta(ge=0, le=AMOUNT_MAX)] | None = None
    currency: Annotated[str, Meta(pattern="^[a-z]{3}$")] = "usd"
    interval: Literal["month", "year"] = "year"
    net_days: Annotated[int, Meta(ge=0, le=NET_DAYS_MAX)] = 30
    api_calls_per_month: Number | None = None
    storage_bytes: Number | None = None
    requests_per_second: Number | None = None

    @property
    def amount_a_year(self) -> int:
        """What is paid in a year."""
        return (self.amount or 0) * (12 if self.interval == "month" else 1)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where it shall be. ``cluster`` names one of ours, or is the name that its own server gets."""

    kind: PlaceKind = PlaceKind.CLUSTER
    cluster: Annotated[str, Meta(max_length=40)] = ""
    region: Annotated[str, Meta(max_length=60)] = ""
    host: Annotated[str, Meta(max_length=253)] = ""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 5432
    database: Annotated[str, Meta(max_length=63)] = "postgres"
    user: Annotated[str, Meta(max_length=63)] = ""
    certificates: Annotated[str, Meta(max_length=CERTIFICATES_LENGTH_MAX)] = ""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What it begins with: ``workspace`` and ``slug`` name a tenant, ``archive`` a file."""

    source: Source = Source.WORKSPACE
    workspace: Line = ""
    slug: Annotated[str, Meta(max_length=100)] = ""
    archive: Line = ""


Section: TypeAlias = Parties | Terms | Place | Data


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """Whose second pair of eyes saw it."""

    by: str
    at: datetime


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of an onboarding but its head.

    ``terms_by`` is who wrote the terms last, ``place_by`` who named the place; each has its
    approval, where one is needed. ``is_registered``: the customer's own server is a cluster by now.
    ``begun`` is the operation that brings the tenant to its place, ``checking`` the one that fills
    the acceptance sheet.
    """

    parties: Parties = Parties()
    terms: Terms = Terms()
    terms_by: str = ""
    approval: Approval | None = None
    place: Place = Place()
    place_by: str = ""
    place_approval: Approval | None = None
    data: Data = Data()
    is_registered: bool = False
    begun: UUID | None = None
    checking: UUID | None = None
    invoice: str | None = None


class Onboarding(msgspec.Struct, frozen=True, kw_only=True):
    """One onboarding as it was when it was read. ``secret`` is sealed, and stays so."""

    id: UUID
    name: str
    stage: Stage
    owner: str
    due_on: date | None
    document: Document
    secret: bytes | None
    tenant_id: UUID | None
    version: int
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an acceptance sheet."""

    name: str
    has_passed: bool
    says: str


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """An acceptance sheet: what was tried on this tenant, and what came of it."""

    onboarding: UUID
    tenant: UUID
    slug: str
    tier: Tier
    cluster: str
    at: datetime
    checks: tuple[Check, ...]

    @property
    def has_passed(self) -> bool:
        """Whether every line did."""
        return all(each.has_passed for each in self.checks)


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A sheet as it is kept."""

    id: UUID
    made_at: datetime
    made_by: str
    has_passed: bool
    sheet: Sheet
    sha256: str


class AcceptanceData(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation of that kind was recorded with."""

    onboarding: UUID
    actor: str
    reason: str
