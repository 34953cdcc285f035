"""What is done with onboardings: filled in, approved, brought to their place, tried, made live.

What touches servers or the provider comes before the transaction, and may be repeated; what is kept
of it names the version that its author saw, so of two who do the same thing at once one is told.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from billing import accounts as billing_accounts
from billing import contracts, overrides
from billing.overrides import Grant, LimitChanges
from billing.seen import Interval
from deploy import own_servers
from deploy.archiving import WantedRestore, record_restore
from deploy.platform import site_url
from deploy.provisioning import HEAD_START
from deploy.terms import archive_terms
from promotion.archive_file import opened as open_archive
from promotion.archive_form import assert_fits
from router.api.invitations import letter_of
from router.api.onboarding import Act, Acted, Change, OnboardingShown
from router.catalog import (
    accounts,
    audit,
    invitations,
    letters,
    onboardings,
    operations,
    staff,
    tenants,
)
from router.catalog.moves import By, Goal
from router.catalog.onboarding_facts import ARCHIVE_NAME, Thresholds, read_facts
from router.catalog.onboarding_steps import is_there, lacks_to_begin, next_stage, previous_stage
from router.catalog.onboarding_words import (
    ACCEPTANCE,
    STAGES,
    AcceptanceData,
    Approval,
    Data,
    Document,
    Onboarding,
    Parties,
    Place,
    PlaceKind,
    Section,
    Source,
    Stage,
    Terms,
)
from router.catalog.operations import NewOperation
from router.errors import Conflict, Unprocessable
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from billing.desk import Desk
    from deploy.platform import Platform
    from deploy.promoting import Promoting
    from deploy.provisioning import Provisioning
    from router.api.onboarding import Opened
    from router.catalog.onboarding_facts import Seen
    from router.catalog.onboarding_steps import Missing
    from router.catalog.onboardings import Head
    from router.connect import Connection
    from router.words import Tenant

#: Where customers' archives lie, inside of the archive folder.
INCOMING = "incoming"
#: Up to which stage each part may still be changed.
_OPEN_UNTIL: dict[type, Stage] = {
    Parties: Stage.ACCEPTANCE,
    Terms: Stage.CONTRACT,
    Place: Stage.PROVISIONING,
    Data: Stage.DATA,
}
_PARTS: dict[type, str] = {Parties: "draft", Terms: "contract", Place: "place", Data: "data"}
_EMAILS = ("owner_email", "billing_email", "technical_email")


class Onboardings:
    """Does it, for the gateway and for the command line."""

    def __init__(
        self, platform: Platform, desk: Desk, promoting: Promoting, provisioning: Provisioning
    ) -> None:
        settings = platform.settings
        self._platform = platform
        self._catalog = platform.catalog
        self._desk = desk
        self._promoting = promoting
        self._provisioning = provisioning
        self._allow_private = settings.own_servers_private == "allow"
        self._thresholds = Thresholds(
            amount_max=settings.four_eyes_amount, seats_max=settings.four_eyes_seats
        )

    # Looking and filling in ---------------------------------------------------------------

    async def show(self, onboarding_id: UUID) -> OnboardingShown:
        """Return one with what it lacks."""
        async with self._catalog.connection() as connection:
            return await self._shown(connection, await onboardings.get(connection, onboarding_id))

    async def create(self, head: Head, data: Data, by: By, opened: Opened) -> OnboardingShown:
        """Begin one."""
        connection = await opened()
        made = await onboardings.create(connection, head, Document(data=data), by=by.actor)
        await _note(connection, "onboarding.create", made, by)
        return await self._shown(connection, made)

    async def save(
        self,
        change: Change,
        section: Section,
        opened: Opened,
        *,
        head: Head | None = None,
        password: str = "",
    ) -> OnboardingShown:
        """Keep one part of what was filled in; it may lack something, and be wrong in nothing."""
        section = self._checked(section)
        connection = await opened()
        found = await onboardings.get_version(connection, change.id, change.version)
        name, until = _PARTS[type(section)], _OPEN_UNTIL[type(section)]
        if STAGES.index(found.stage) > STAGES.index(until):
            raise Conflict(f"{found.name} is at {found.stage.value}: its {name} stays as it is")
        changed = msgspec.structs.replace(
            found,
            document=_with(found.document, section, by=change.by.actor, is_anew=bool(password)),
        )
        if head is not None:
            head = onboardings.checked_head(head)
            changed = msgspec.structs.replace(
                changed, name=head.name, owner=head.owner, due_on=head.due_on
            )
        if password:
            sealed = onboardings.seal(self._platform.sealer, found.id, password)
            changed = msgspec.structs.replace(changed, secret=sealed)
        return await self._keep(connection, changed, change.by, f"onboarding.{name}")

    def _checked(self, section: Section) -> Section:
        match section:
            case Parties():
                return _with_emails(section)
            case Terms():
                return section
            case Place():
                if section.kind is PlaceKind.OWN:
                    own_servers.check_fields(section, allow_private=self._allow_private)
                return section
            case Data():
                return section
            case _:
                assert_never(section)

    # Doing --------------------------------------------------------------------------------

    async def act(self, change: Change, act: Act, opened: Opened) -> Acted:
        """Do one thing."""
        async with self._catalog.connection() as connection:
            found = await onboardings.get_version(connection, change.id, change.version)
            seen = await read_facts(connection, found, self._thresholds)
        match act:
            case Act.APPROVE:
                changed = await self._approved(found, seen, change.by)
            case Act.BACK:
                changed = _back(found)
            case Act.CLOSE:
                changed = msgspec.structs.replace(found, stage=Stage.CLOSED, secret=None)
            case Act.ADVANCE:
                return Acted(shown=await self._advance(found, seen, change.by, opened))
            case Act.BEGIN:
                return await self._begin(found, seen, change.by, opened)
            case Act.CHECK:
                return await self._check(found, change.by, opened)
            case _:
                assert_never(act)
        name = f"onboarding.{act.value}"
        return Acted(shown=await self._keep(await opened(), changed, change.by, name))

    async def _advance(
        self, found: Onboarding, seen: Seen, by: By, opened: Opened
    ) -> OnboardingShown:
        ahead = next_stage(found, seen.facts)
        _demand(found, ahead.missing)
        assert ahead.stage is not None, "what has ended was refused before"
        changed = msgspec.structs.replace(found, stage=ahead.stage)
        if found.stage is Stage.PROVISIONING:
            changed = await self._placed(changed)
        if found.stage is Stage.ACCEPTANCE:
            changed = await self._invoiced(changed, seen)
        connection = await opened()
        if found.stage is Stage.ACCEPTANCE:
            await self._give_owner(connection, seen, changed, by)
        return await self._keep(connection, changed, by, "onboarding.advance")

    async def _approved(self, found: Onboarding, seen: Seen, by: By) -> Onboarding:
        """Add the second pair of eyes to the terms, or to the customer's own server."""
        given, approval = found.document, Approval(by=by.actor, at=datetime.now(UTC))
        if found.stage is Stage.CONTRACT and seen.facts.needs_approval:
            writer, approved = given.terms_by, msgspec.structs.replace(given, approval=approval)
        elif found.stage is Stage.PROVISIONING and given.place.kind is PlaceKind.OWN:
            writer = given.place_by
            approved = msgspec.structs.replace(given, place_approval=approval)
        else:
            raise Conflict(f"nothing of {found.name} needs anybody's approval now")
        async with self._catalog.connection() as connection:
            await staff.check_second(
                connection, asked_by=staff.name_of(writer), by=staff.name_of(by.actor)
            )
        return msgspec.structs.replace(found, document=approved)

    async def _placed(self, changed: Onboarding) -> Onboarding:
        """Make the customer's own server a cluster; from then on its password is that one's."""
        given = changed.document
        if given.place.kind is PlaceKind.CLUSTER or given.is_registered:
            return changed
        password = onboardings.unseal(self._platform.sealer, changed)
        await own_servers.register(
            self._platform, given.place, password, allow_private=self._allow_private
        )
        document = msgspec.structs.replace(given, is_registered=True)
        return msgspec.structs.replace(changed, document=document, secret=None)

    # Data: the tenant comes to its place --------------------------------------------------

    async def _begin(self, found: Onboarding, seen: Seen, by: By, opened: Opened) -> Acted:
        if found.stage is not Stage.DATA:
            raise Conflict(f"{found.name} is at {found.stage.value}: its tenant isn't brought now")
        is_done = seen.facts.is_moving or is_there(found.document, seen.facts)
        if found.tenant_id is not None and is_done and seen.facts.trouble is None:
            raise Conflict(f"the tenant of {found.name} is on its way, or there, already")
        _demand(found, lacks_to_begin(found, seen.facts))
        match found.document.data.source:
            case Source.WORKSPACE:
                return await self._begin_move(found, by, opened)
            case Source.NEW:
                return await self._begin_new(found, by, opened)
            case Source.ARCHIVE:
                return await self._begin_restore(found, by, opened)

    async def _begin_move(self, found: Onboarding, by: By, opened: Opened) -> Acted:
        """Have the workspace's rows follow it to its own database, while it works."""
        cluster = found.document.place.cluster
        async with self._catalog.connection() as connection:
            reference = str(found.tenant_id or found.document.data.workspace)
            tenant = (await tenants.get(connection, reference)).tenant
        place, begun = tenant.placement, None
        goal = Goal(tenant=str(tenant.id), tier=Tier.DATABASE, cluster=cluster)
        is_there = place is not None and (place.tier, place.cluster) == (Tier.DATABASE, cluster)
        target = None if is_there else await self._promoting.check(goal, by)
        connection = await opened()
        await onboardings.check_not_taken(connection, found, tenant.id)
        if not is_there:
            recorded = await self._promoting.record(connection, goal, by, cluster=target)
            begun = recorded.operation.id if recorded.operation else None
        return await self._brought(connection, found, tenant, (begun, by))

    async def _begin_new(self, found: Onboarding, by: By, opened: Opened) -> Acted:
        """Make a tenant that is empty, in a database of its own."""
        given = found.document
        connection = await opened()
        if found.tenant_id is None:
            tenant = await tenants.create(
                connection,
                slug=given.data.slug,
                name=given.parties.legal_name,
                plan=given.terms.plan,
            )
        else:
            tenant = await tenants.get_by_id(connection, found.tenant_id)
        operation = await self._provisioning.record(connection, tenant, cluster=given.place.cluster)
        brought = await self._brought(connection, found, tenant, (operation.id, by))
        return Acted(shown=brought.shown, start=operation.id)

    async def _begin_restore(self, found: Onboarding, by: By, opened: Opened) -> Acted:
        """Make a tenant of an archive: a worker checks the whole of it, and proves its rows."""
        given, platform = found.document, self._platform
        wanted = WantedRestore(
            file=self._incoming(given.data.archive),
            slug=given.data.slug,
            plan=given.terms.plan,
            owner=given.parties.owner_email,
            cluster=given.place.cluster,
        )
        terms = archive_terms(platform)
        async with open_archive(wanted.file, bytes_max=terms.bytes_max) as archive:
            shape = terms.moving.shape
            revision = platform.blueprint.head
            assert_fits(archive.head, product=terms.product, revision=revision, shape=shape)
        connection = await opened()
        restoring = await record_restore(platform, connection, wanted, (archive.head, None), by)
        begun = (restoring.operation.id, by)
        return await self._brought(connection, found, restoring.tenant, begun)

    def _incoming(self, name: str) -> Path:
        folder = self._platform.settings.archive_dir
        if folder is None:
            raise Conflict("this installation keeps no archives: set STEPWELL_ARCHIVE_DIR")
        if ARCHIVE_NAME.fullmatch(name) is None:
            raise Unprocessable("name a file of the archive folder, as acme.zip", field="archive")
        return Path(folder) / INCOMING / name

    async def _brought(
        self,
        connection: Connection,
        found: Onboarding,
        tenant: Tenant,
        begun: tuple[UUID | None, By],
    ) -> Acted:
        """Keep whose onboarding it is; the first time the terms begin to hold."""
        operation_id, by = begun
        if found.tenant_id != tenant.id:
            await _agree(connection, found, tenant, by)
        changed = msgspec.structs.replace(
            found,
            tenant_id=tenant.id,
            document=msgspec.structs.replace(found.document, begun=operation_id),
        )
        return Acted(shown=await self._keep(connection, changed, by, "onboarding.begin"))

    # Acceptance, and the end --------------------------------------------------------------

    async def _check(self, found: Onboarding, by: By, opened: Opened) -> Acted:
        if found.stage is not Stage.ACCEPTANCE or found.tenant_id is None:
            raise Conflict(f"{found.name} is at {found.stage.value}: there is nothing to try yet")
        connection = await opened()
        if found.document.checking is not None:
            earlier = await operations.get(connection, found.document.checking)
            if not earlier.state.is_ended:
                raise Conflict("the sheet is being filled already: wait for its end")
        operation = await operations.begin(
            connection,
            NewOperation(
                kind=ACCEPTANCE,
                tenant_id=found.tenant_id,
                data=AcceptanceData(onboarding=found.id, actor=by.actor, reason=by.reason),
                head_start=HEAD_START,
            ),
        )
        document = msgspec.structs.replace(found.document, checking=operation.id)
        changed = msgspec.structs.replace(found, document=document)
        shown = await self._keep(connection, changed, by, "onboarding.check")
        return Acted(shown=shown, start=operation.id)

    async def _invoiced(self, changed: Onboarding, seen: Seen) -> Onboarding:
        """Have the provider send the first invoice, once, now that the customer accepted."""
        tenant, given = seen.tenant, changed.document
        assert tenant is not None, "what is accepted is a tenant's"
        if not self._desk.is_open or not given.terms.amount:
            return changed
        terms = contracts.Terms(
            plan=given.terms.plan,
            reason=f"onboarding {changed.id}",
            amount=given.terms.amount,
            currency=given.terms.currency,
            interval=Interval(given.terms.interval),
            net_days=given.terms.net_days,
        )
        email = given.parties.billing_email
        first = await contracts.invoice(
            self._desk, tenant, terms, key=f"onboarding {changed.id}", email=email
        )
        document = msgspec.structs.replace(given, invoice=first.id if first else None)
        return msgspec.structs.replace(changed, document=document)

    async def _give_owner(
        self, connection: Connection, seen: Seen, changed: Onboarding, by: By
    ) -> None:
        """Let the owner in: who has proved the address owns it now, who hasn't is invited."""
        tenant, email = seen.tenant, changed.document.parties.owner_email
        assert tenant is not None, "what is accepted is a tenant's"
        deed = audit.Deed(
            actor=by.actor,
            action="onboarding.owner",
            target=email,
            tenant_id=tenant.id,
            reason=by.reason,
            detail={"onboarding": str(changed.id)},
            request_id=by.request_id,
        )
        await audit.write(connection, deed)
        issued = await invitations.make_owner(connection, tenant.id, email)
        if issued is not None:
            url = site_url(self._platform.settings.base_domain)
            letter = letter_of(issued, tenant=tenant, site_url=url)
            await letters.put(connection, self._platform.sealer, letter)

    async def _keep(
        self, connection: Connection, changed: Onboarding, by: By, action: str
    ) -> OnboardingShown:
        kept = await onboardings.save(connection, changed, by=by.actor)
        await _note(connection, action, kept, by)
        return await self._shown(connection, kept)

    async def _shown(self, connection: Connection, found: Onboarding) -> OnboardingShown:
        seen = await read_facts(connection, found, self._thresholds)
        return OnboardingShown.of(found, seen, next_stage(found, seen.facts))


async def _agree(connection: Connection, found: Onboarding, tenant: Tenant, by: By) -> None:
    """Give the tenant its plan by contract, and the limits that were agreed beside it."""
    terms = found.document.terms
    assert terms.ends_on is not None, "terms without an end don't pass their stage"
    # Through the last day, whose end is the next one's beginning.
    until = datetime.combine(terms.ends_on + timedelta(days=1), time(), tzinfo=UTC)
    reason = f"{found.name}: {by.reason}"[: overrides.REASON_LENGTH_MAX]
    await billing_accounts.set_contract(
        connection, tenant.id, plan=terms.plan, reason=reason, until=until
    )
    names = ("seats", "api_calls_per_month", "storage_bytes", "requests_per_second")
    limits = {name: getattr(terms, name) for name in names if getattr(terms, name) is not None}
    grant = Grant(
        tenant_id=tenant.id,
        limits=msgspec.convert(limits, LimitChanges),
        reason=reason,
        made_by=by.actor,
        expires_at=until,
    )
    await overrides.give(connection, grant)


async def _note(connection: Connection, action: str, kept: Onboarding, by: By) -> None:
    deed = audit.Deed(
        actor=by.actor,
        action=action,
        target=str(kept.id),
        # What is negotiated is no business of the tenant's own trail; what is done to it is.
        tenant_id=kept.tenant_id if kept.stage in {Stage.DATA, Stage.LIVE} else None,
        reason=by.reason,
        detail={"name": kept.name, "stage": kept.stage.value, "version": kept.version},
        request_id=by.request_id,
    )
    await audit.write(connection, deed)


def _with(document: Document, section: Section, *, by: str, is_anew: bool) -> Document:
    match section:
        case Parties():
            return msgspec.structs.replace(document, parties=section)
        case Terms():
            if section == document.terms:
                return document
            # Whoever approved others didn't approve these.
            return msgspec.structs.replace(document, terms=section, terms_by=by, approval=None)
        case Place():
            if section == document.place and not is_anew:
                return document
            return msgspec.structs.replace(
                document, place=section, place_by=by, place_approval=None
            )
        case Data():
            return msgspec.structs.replace(document, data=section)


def _with_emails(parties: Parties) -> Parties:
    for name in _EMAILS:
        given = getattr(parties, name)
        if not given.strip():
            continue
        try:
            accounts.check_email(given)
        except Unprocessable as error:
            raise Unprocessable(error.detail, field=name) from None
    return msgspec.structs.replace(
        parties,
        owner_email=parties.owner_email.strip().lower(),
        billing_email=parties.billing_email.strip().lower(),
        technical_email=parties.technical_email.strip().lower(),
    )


def _back(found: Onboarding) -> Onboarding:
    earlier = previous_stage(found.stage)
    if earlier is None:
        raise Conflict(f"there is no way back from {found.stage.value}: too much is done by then")
    return msgspec.structs.replace(found, stage=earlier)


def _demand(found: Onboarding, missing: Iterable[Missing]) -> None:
    lacks = [f"{each.field}: {each.says}" for each in missing]
    if lacks:
        raise Conflict(f"{found.name} lacks something: " + "; ".join(lacks))
