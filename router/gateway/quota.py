"""The quota: whether a tenant may have one more request now, asked before anything is opened.

The gateway asks memory; what it counts and where the limits are kept is billing's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from router.words import Tenant


class Admission(Protocol):
    """One request that was let in, and counted."""

    def headers(self, now_s: float) -> list[tuple[bytes, bytes]]:
        """Return the answer's headers that tell what is left."""
        ...

    def release(self) -> None:
        """Know that the request has ended, however it did."""
        ...


class Quota(Protocol):
    """Lets requests in, as many as their tenant's limits allow. ``now_s`` is time.monotonic()."""

    def try_admit(self, tenant: Tenant, method: str, now_s: float) -> Admission | None:
        """Let a request in, by what memory knows; None: only ``admit`` can tell."""
        ...

    async def admit(self, tenant: Tenant, method: str) -> Admission:
        """Let a request in, or raise LimitReached; may ask for more room first."""
        ...


class Unlimited:
    """Lets everything in and counts nothing."""

    def try_admit(self, tenant: Tenant, method: str, now_s: float) -> Admission | None:  # noqa: ARG002 - as Quota has it
        """Let a request in."""
        return self

    async def admit(self, tenant: Tenant, method: str) -> Admission:  # noqa: ARG002 - as Quota has it
        """Let a request in."""
        return self

    def headers(self, now_s: float) -> list[tuple[bytes, bytes]]:  # noqa: ARG002 - as Admission has it
        """Say nothing."""
        return []

    def release(self) -> None:
        """Do nothing."""
