"""Everything that can go wrong and that we foresaw, as one tree.

* PlatformError
  + RequestRefused        the caller must change the request
    - BadRequest          400
    - IdentityConflict    400
    - NotAuthenticated    401
    - PaymentRequired     402
    - NotAllowed          403
    - NotFound            404
    - Conflict            409
    - Unprocessable       422
    - LimitReached        429
    - ProviderRefused     502
    - MigrationHalted     400
  + Unavailable           the caller may try again later; Retry-After says when
    - TenantBusy          503
    - TenantClosed        503
    - CatalogUnreachable  503
    - PlacementStale      503
    - DatabaseUnreachable 503
    - Overloaded          503
    - DeadlineExceeded    504
    - NotYetMigrated      503
    - TablesChanged       503
    - ProviderFailed      503
  + Misconfigured         the operator must change something; the process doesn't start
    - SettingsWrong
    - ProductRefused
    - GraveFinding
  + ProvisionFailed       500, recorded in the operation, which can be repeated
  + CaptureMissing        500, these and the next ones are recorded in a move's operation
  + GateOutdated          500
  + HoldersRemain         500
  + NotConverging         500
  + PausedTooLong         500
  + ProofDiffers          500
  + RowsDiffer            500
  + ShapeDiffers          500
  + TooManyChanges        500
  + WaitedTooLong         500
  + WaitedTooOften        500
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import msgspec


class PlatformError(Exception):
    """Something that the platform foresaw went wrong."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "platform_error"
    title: ClassVar[str] = "The platform failed"

    def __init__(
        self, detail: str, *, retry_after_s: int | None = None, field: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s
        #: The field of the request's body that is wrong, where it is one.
        self.field = field


class RequestRefused(PlatformError):
    """The request can't be answered as it is; change it before you send it again."""

    status = 400
    code = "request_refused"
    title = "The request was refused"


class BadRequest(RequestRefused):
    """The request is malformed; the detail names the part."""

    status = 400
    code = "bad_request"
    title = "The request is malformed"


class IdentityConflict(RequestRefused):
    """Two parts of the request name different tenants; name one."""

    status = 400
    code = "identity_conflict"
    title = "The request names more than one tenant"


class NotAuthenticated(RequestRefused):
    """The request carries no valid credential; log in or send an API key."""

    status = 401
    code = "not_authenticated"
    title = "Not authenticated"


class PaymentRequired(RequestRefused):
    """The tenant's payment is overdue, beyond the date that was told; reads are still served."""

    status = 402
    code = "payment_required"
    title = "Payment required"


class NotAllowed(RequestRefused):
    """The caller is known and its role doesn't allow this; ask an owner of the tenant."""

    status = 403
    code = "not_allowed"
    title = "Not allowed"


class NotFound(RequestRefused):
    """There is no such thing, or none that the caller may know of."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(RequestRefused):
    """What is there already contradicts the request; read it first."""

    status = 409
    code = "conflict"
    title = "Conflict"


class Unprocessable(RequestRefused):
    """The request is well formed and says something that can't be; the detail says what."""

    status = 422
    code = "unprocessable"
    title = "The request can't be processed"


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """Which limit, how much of it is used, when that is taken back, and where more is to be had."""

    metric: str
    limit: int
    used: int
    resets_at: datetime | None = None
    upgrade_url: str | None = None


class LimitReached(RequestRefused):
    """A limit of the plan or of this process is reached; wait, or change the plan."""

    status = 429
    code = "limit_reached"
    title = "Limit reached"

    def __init__(
        self, detail: str, *, retry_after_s: int | None = None, reached: Reached | None = None
    ) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.reached = reached


class ProviderRefused(RequestRefused):
    """The payment provider understood what we asked and refused it; the detail says why."""

    status = 502
    code = "provider_refused"
    title = "The payment provider refused"


class Unavailable(PlatformError):
    """The platform can't answer now; try again after Retry-After."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"

    def __init__(self, detail: str, *, retry_after_s: int | None = 1) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)


class TenantBusy(Unavailable):
    """The tenant's writes are held for a moment, by a move or a lock; try again."""

    code = "tenant_busy"


class TenantClosed(Unavailable):
    """The tenant is suspended, in maintenance or not provisioned yet."""

    code = "tenant_closed"


class CatalogUnreachable(Unavailable):
    """The catalog doesn't answer and this process doesn't know the tenant; nothing is guessed."""

    code = "catalog_unreachable"


class PlacementStale(Unavailable):
    """The tenant moved while the request was on its way, more often than we follow; try again."""

    code = "placement_stale"


class DatabaseUnreachable(Unavailable):
    """The tenant's database doesn't answer; try again."""

    code = "database_unreachable"


class Overloaded(Unavailable):
    """Every connection for this tenant's tier is taken and the queue is full; try again."""

    code = "overloaded"


class DeadlineExceeded(Unavailable):
    """The request took longer than its tier allows; nothing of it was kept."""

    status = 504
    code = "deadline_exceeded"
    title = "Deadline exceeded"


class NotYetMigrated(Unavailable):
    """The tenant's tables aren't at the revision that the request needs; try again later."""

    code = "not_yet_migrated"


class TablesChanged(Unavailable):
    """A migration changed the tables in the midst of the request; nothing was kept, try again."""

    code = "tables_changed"


class ProviderFailed(Unavailable):
    """The payment provider doesn't answer, or answers nonsense; nothing was charged twice."""

    code = "provider_failed"


class Misconfigured(PlatformError):
    """The operator must change a setting, the product or a database before the process starts."""

    code = "misconfigured"
    title = "Misconfigured"


class SettingsWrong(Misconfigured):
    """One or more settings are missing or wrong; the message lists them all."""

    code = "settings_wrong"


class ProductRefused(Misconfigured):
    """The product can't be stored safely; the message lists each table, reason and way out."""

    code = "product_refused"


class GraveFinding(Misconfigured):
    """The doctor found a hole in a live database; serving would leak. The message names it."""

    code = "grave_finding"


class ProvisionFailed(PlatformError):
    """A tenant's place couldn't be made; the operation says where and can be repeated."""

    code = "provision_failed"
    title = "Provisioning failed"
