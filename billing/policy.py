"""How long things may take: what an operator may set of billing."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class BillingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The dates that tenants are given, and the paces at which the workers go."""

    #: From the first failed payment to the day from which nothing is written.
    grace_s: float = 1_209_600
    #: The shortest warning that anybody gets before that day, whatever happened.
    notice_s: float = 259_200
    #: How long before its end a contract is told to end.
    contract_notice_s: float = 2_592_000
    #: Between two looks at what a tenant stores, while it stores more than its plan has.
    storage_s: float = 300
    #: The plan of who left what was bought.
    plan_without: str = "starter"

    reconcile_s: float = 3_600
    look_back_s: float = 259_200
    give_up_s: float = 604_800
    poll_s: float = 2
    #: How long one question to the provider may take, with all its pages.
    look_s_max: float = 60
    #: Whoever took an account and says nothing for so long has died.
    claim_s: float = 90
    retry_s_min: float = 1
    retry_s_max: float = 300
    looks_at_once: int = 8

    @property
    def notice(self) -> timedelta:
        """The shortest warning."""
        return timedelta(seconds=self.notice_s)

    @property
    def grace(self) -> timedelta:
        """The time to pay in; never shorter than a warning."""
        return timedelta(seconds=max(self.grace_s, self.notice_s))

    def retry_after(self, attempts: int) -> timedelta:
        """Say how long to wait after so many failed attempts."""
        wait_s = self.retry_s_min * 2.0 ** min(attempts, 30)
        return timedelta(seconds=min(wait_s, self.retry_s_max))
