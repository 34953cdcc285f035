"""Makes tenants equal what the provider says, whatever was lost, doubled, late or reordered.

An account is behind while ``synced < dirty``. Whoever takes one notes ``dirty``, asks the provider
with nothing locked, and writes the answer only where no answer to a later question came first. A
syncer that dies in between has written nothing, and its account is taken again.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from billing import accounts, inbox, life, verdicts
from router.catalog import audit, tenants
from router.catalog.news import follow
from router.errors import PlatformError
from router.words import TenantStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from billing.accounts import Claimed
    from billing.inbox import Stray
    from billing.policy import BillingPolicy
    from billing.provider import Provider
    from billing.seen import Seen
    from billing.verdicts import Outcome
    from router.catalog import Catalog
    from router.connect import Connection
    from router.words import TenantId

BILLING_CHANNEL = "stepwell_billing"
_log = structlog.get_logger("stepwell.billing")


class Syncer:
    """Any number of them may work at once, in any number of processes."""

    def __init__(self, catalog: Catalog, provider: Provider, policy: BillingPolicy) -> None:
        self._catalog = catalog
        self._provider = provider
        self._policy = policy
        self._lease = timedelta(seconds=policy.claim_s)
        self._slots = asyncio.Semaphore(policy.looks_at_once)
        self._wake = asyncio.Event()

    async def keep(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._catalog, BILLING_CHANNEL, self))
            while True:
                self._wake.clear()
                try:
                    await self._begin_all(group)
                except PlatformError as error:
                    _log.warning("accounts not synced", reason=error.detail)
                except Exception:  # noqa: BLE001 - the next round may well go through
                    _log.exception("accounts not synced")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._policy.poll_s)

    def heard(self, payload: str) -> None:
        """Look at once: an account fell behind."""
        _log.debug("account behind", tenant=payload)
        self._wake.set()

    async def connected(self) -> None:
        """Look: what was said before this moment was missed."""
        self._wake.set()

    def lost(self, error: PlatformError) -> None:
        """Go on by the clock."""

    async def look(self) -> int:
        """Do all that is due now; returns how much was begun."""
        count, begun = 0, 1
        while begun:
            async with asyncio.TaskGroup() as group:
                begun = await self._begin_all(group)
            count += begun
        return count

    async def sync(self, tenant_id: TenantId) -> Outcome | None:
        """Sync one tenant now; None where it wasn't behind, or failed: the account says why."""
        async with self._catalog.connection() as connection:
            claimed = await accounts.claim_this(
                connection, self._provider.name, self._lease, tenant_id
            )
        return None if claimed is None else await self._sync(claimed)

    async def adopt(self, customer_id: str) -> str | None:
        """Give a customer to the tenant whose id it bears; returns why that can't be."""
        seen = await self._ask(customer_id)
        if seen is None or seen.is_deleted:
            return f"the provider has no customer {customer_id}"
        if seen.tenant_id is None:
            return f"customer {customer_id} bears no tenant's id"
        async with self._catalog.transaction() as connection:
            return await self._give(connection, customer_id, seen.tenant_id)

    async def _begin_all(self, group: asyncio.TaskGroup) -> int:
        count = await self._judge_due()
        while True:
            await self._slots.acquire()
            try:
                work = await self._claim()
            except BaseException:
                self._slots.release()
                raise
            if work is None:
                self._slots.release()
                return count
            group.create_task(self._run(work))
            count += 1

    async def _claim(self) -> Callable[[], Awaitable[object]] | None:
        name = self._provider.name
        async with self._catalog.connection() as connection:
            if (claimed := await accounts.claim(connection, name, self._lease)) is not None:
                return partial(self._sync, claimed)
            if (stray := await inbox.claim_stray(connection, name, self._lease)) is not None:
                return partial(self._find_owner, stray)
        return None

    async def _run(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except PlatformError as error:
            # What was taken is free again when its claim ends.
            _log.warning("account not synced", reason=error.detail)
        except Exception:  # noqa: BLE001 - what went wrong can't be written down; the others go on
            _log.exception("account not synced")
        finally:
            self._slots.release()
            self._wake.set()

    async def _sync(self, claimed: Claimed) -> Outcome | None:
        doubt = None
        try:
            seen = None
            if claimed.customer_id is not None:
                seen = await self._ask(claimed.customer_id)
                doubt = await self._doubt(claimed, seen)
            if doubt is None:
                return await self._apply(claimed, seen)
            error = doubt
        except PlatformError as failure:
            error = failure.detail
        except Exception as failure:  # noqa: BLE001 - one bad account must not stop the others
            _log.exception("account not synced", tenant=str(claimed.tenant_id))
            error = f"{type(failure).__name__}: {failure}"
        async with self._catalog.connection() as connection:
            retry_after = self._policy.retry_after(claimed.attempts)
            await accounts.fail(
                connection, claimed, error=error, retry_after=retry_after, problem=doubt
            )
        _log.warning("account not synced", tenant=str(claimed.tenant_id), reason=error)
        return None

    async def _ask(self, customer_id: str) -> Seen | None:
        async with asyncio.timeout(self._policy.look_s_max):
            return await self._provider.look(customer_id)

    async def _doubt(self, claimed: Claimed, seen: Seen | None) -> str | None:
        async with self._catalog.connection() as connection:
            account = await accounts.get(connection, claimed.tenant_id)
        return None if account is None else life.doubt(account, seen)

    async def _apply(self, claimed: Claimed, seen: Seen | None) -> Outcome | None:
        async with self._catalog.transaction() as connection:
            outcome = await verdicts.apply(connection, claimed, seen, policy=self._policy)
        if outcome is not None:
            _say(claimed.tenant_id, outcome)
        return outcome

    async def _judge_due(self) -> int:
        """Judge again what time alone has changed."""
        count, tenant_id = 0, None
        while True:
            try:
                async with self._catalog.transaction() as connection:
                    account = await accounts.claim_due(connection, self._provider.name)
                    if account is None:
                        return count
                    tenant_id = account.tenant_id
                    outcome = await verdicts.judge_again(connection, account, policy=self._policy)
            except PlatformError:
                raise
            except Exception:
                if tenant_id is None:
                    raise
                _log.exception("account not judged", tenant=str(tenant_id))
                await self._put_off(tenant_id)
            else:
                if outcome is not None:
                    _say(tenant_id, outcome)
            count += 1

    async def _put_off(self, tenant_id: TenantId) -> None:
        async with self._catalog.connection() as connection:
            wait = timedelta(seconds=self._policy.retry_s_max)
            await accounts.put_off(connection, tenant_id, wait)

    async def _find_owner(self, stray: Stray) -> None:
        name = self._provider.name
        try:
            reason = await self._owner_missing(stray)
        except PlatformError as failure:
            reason = failure.detail
        except Exception as failure:  # noqa: BLE001 - one bad customer must not stop the others
            _log.exception("customer not looked at", customer=stray.customer_id)
            reason = f"{type(failure).__name__}: {failure}"
        if reason is None:
            return
        async with self._catalog.connection() as connection:
            await inbox.wait(connection, name, stray, reason=reason, policy=self._policy)

    async def _owner_missing(self, stray: Stray) -> str | None:
        """Find whose customer it is; returns why that can't be found."""
        name = self._provider.name
        async with self._catalog.transaction() as connection:
            tenant_id = await accounts.find_by_customer(connection, name, stray.customer_id)
            if tenant_id is not None:
                await accounts.mark_dirty(connection, tenant_id)
                await inbox.attach(connection, name, stray.customer_id)
                return None
        return await self.adopt(stray.customer_id)

    async def _give(
        self, connection: Connection, customer_id: str, tenant_id: TenantId
    ) -> str | None:
        tenant = await tenants.find_by_id(connection, tenant_id)
        if tenant is None or tenant.status is TenantStatus.ERASED:
            return f"customer {customer_id} bears the id of tenant {tenant_id}, who isn't here"
        name = self._provider.name
        if not await accounts.take_customer(connection, tenant_id, name, customer_id):
            return f"customer {customer_id} bears the id of {tenant.slug}, who has another one"
        deed = audit.Deed(
            actor=accounts.ACTOR,
            action="billing.adopt",
            target=tenant.slug,
            tenant_id=tenant_id,
            reason="the customer bears the tenant's id",
            detail={"customer": customer_id},
        )
        await audit.write(connection, deed)
        return None


def _say(tenant_id: TenantId, outcome: Outcome) -> None:
    before, verdict = outcome.before, outcome.verdict
    if (before.plan, before.account.standing) != (verdict.plan, verdict.standing):
        _log.info(
            "tenant judged",
            tenant=str(tenant_id),
            plan=verdict.plan,
            standing=verdict.standing.value,
            basis=verdict.basis.value,
        )
    if verdict.problem is not None and verdict.problem != before.account.problem:
        _log.warning("account has a problem", tenant=str(tenant_id), reason=verdict.problem)
