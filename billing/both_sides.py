"""A tenant's account as we hold it beside what the provider says of it now, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from billing import accounts, life, verdicts
from billing.current import Current
from billing.seen import Seen
from router.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing.desk import Desk
    from billing.life_words import Account, Verdict
    from router.words import Tenant


class BothSides(msgspec.Struct, frozen=True, kw_only=True):
    """`theirs` is null where there is no customer, or no answer: then `error` says why.

    `differences` names what a comparison would repair; empty where both sides are equal.
    """

    id: UUID
    tenant: str
    ours: Current
    theirs: Seen | None
    differences: list[str]
    error: str | None = None


async def both_sides(desk: Desk, tenant: Tenant) -> BothSides:
    """Ask the provider, and compare; nothing is changed."""
    ours = await desk.shown(tenant)
    theirs, error = None, None
    if ours.customer_id is not None:
        try:
            theirs = await desk.provider.look(ours.customer_id)
        except PlatformError as failure:
            error = failure.detail
    differences = [] if error else await _differences(desk, tenant, theirs)
    return BothSides(
        id=tenant.id,
        tenant=tenant.slug,
        ours=ours,
        theirs=theirs,
        differences=differences,
        error=error,
    )


async def _differences(desk: Desk, tenant: Tenant, theirs: Seen | None) -> list[str]:
    async with desk.catalog.connection() as connection:
        account = await accounts.get(connection, tenant.id)
        if account is None:
            return []
        doubt = life.doubt(account, theirs) if account.customer_id is not None else None
        if doubt is not None:
            return [doubt]
        case = await verdicts.read_case(connection, account)
    now = theirs.at if theirs else case.now
    verdict = life.judge(case.held, theirs, case.offer, now=now, policy=desk.policy)
    return [*_named(account, case.held.plan, verdict), *_changed(account.seen, theirs)]


def _named(account: Account, plan: str, verdict: Verdict) -> Iterator[str]:
    if plan != verdict.plan:
        yield f"the plan is {plan}, and ought to be {verdict.plan}"
    if account.standing is not verdict.standing:
        yield f"the standing is {account.standing.value}, and ought to be {verdict.standing.value}"


def _changed(ours: Seen | None, theirs: Seen | None) -> Iterator[str]:
    """Name each subscription that isn't as we saw it last."""
    before = {each.id: each for each in (ours.subscriptions if ours else ())}
    for now in theirs.subscriptions if theirs else ():
        known = before.pop(now.id, None)
        if known is None:
            yield f"subscription {now.id} ({now.status.value}) is new to us"
        elif known != now:
            yield f"subscription {now.id} has changed: {known.status.value} → {now.status.value}"
    for gone in before:
        yield f"subscription {gone} is there no more"
