from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import pytest
from msgspec.structs import replace

from billing.life import doubt, fit, governing, judge
from billing.life_words import Basis, Cause, Contract, Held, Used, Verdict
from billing.policy import BillingPolicy
from billing.seen import Seen, SeenSubscription, SubscriptionStatus
from router.words import Limits, Standing
from tests.billing.life.plays import (
    DAY,
    NOW,
    OFFER,
    POLICY,
    after,
    held,
    invoice,
    metrics,
    seen,
    subscription,
    warned,
)

S = SubscriptionStatus
GIGABYTES_30 = 30_000_000_000


def judged(before: Held, what: Seen | None, *, now: datetime = NOW) -> Verdict:
    return judge(before, what, OFFER, now=now, policy=POLICY)


def paused_collection(status: S) -> SeenSubscription:
    return replace(subscription(status=status), is_collection_paused=True)


@pytest.mark.parametrize(
    ("status", "plan_before", "plan", "standing"),
    [
        (S.TRIALING, "starter", "pro", Standing.GOOD),
        (S.ACTIVE, "starter", "pro", Standing.GOOD),
        (S.ACTIVE, "enterprise", "pro", Standing.GOOD),
        (S.PAST_DUE, "pro", "pro", Standing.GRACE),
        (S.PAST_DUE, "starter", "starter", Standing.GRACE),
        (S.PAST_DUE, "enterprise", "pro", Standing.GRACE),
        (S.UNPAID, "pro", "pro", Standing.GRACE),
        (S.PAUSED, "pro", "pro", Standing.GRACE),
        (S.INCOMPLETE, "starter", "starter", Standing.GOOD),
        (S.INCOMPLETE, "pro", "pro", Standing.GOOD),
        (S.INCOMPLETE_EXPIRED, "starter", "starter", Standing.GOOD),
        (S.CANCELED, "pro", "starter", Standing.GOOD),
        (S.CANCELED, "enterprise", "starter", Standing.GOOD),
    ],
)
def test_each_status_leads_to_its_plan_and_standing(
    status: S, plan_before: str, plan: str, standing: Standing
) -> None:
    verdict = judged(held(plan_before), seen(subscription(status=status)))
    assert (verdict.plan, verdict.standing) == (plan, standing)


@pytest.mark.parametrize(
    ("status", "days", "cause"),
    [
        (S.PAST_DUE, 14, Cause.OVERDUE),
        (S.UNPAID, 3, Cause.STOPPED),
        (S.PAUSED, 3, Cause.STOPPED),
    ],
)
def test_a_debt_is_told_with_its_date_before_it_closes_anything(
    status: S, days: int, cause: Cause
) -> None:
    verdict = judged(held("pro"), seen(subscription(status=status)))
    assert (verdict.standing, verdict.cause) == (Standing.GRACE, cause)
    assert verdict.standing_until == verdict.judge_at == NOW + days * DAY
    (notice,) = verdict.notices
    assert (notice.kind, notice.due_at) == (cause.value, NOW + days * DAY)


@pytest.mark.parametrize(
    ("status", "cause"), [(S.PAST_DUE, Cause.STOPPED), (S.ACTIVE, None), (S.TRIALING, None)]
)
def test_paused_collection_is_a_debt_only_where_a_payment_failed(
    status: S, cause: Cause | None
) -> None:
    assert judged(held("pro"), seen(paused_collection(status))).cause is cause


def test_nobody_knows_a_tenant_that_never_bought_so_it_keeps_its_plan() -> None:
    for plan in ("starter", "pro", "enterprise"):
        verdict = judged(held(plan), None)
        assert (verdict.plan, verdict.basis, verdict.standing) == (
            plan,
            Basis.NOTHING,
            Standing.GOOD,
        )
        assert judged(held(plan), seen()).plan == plan


def test_writes_stop_on_the_day_that_was_told_and_not_before() -> None:
    overdue = seen(subscription(status=S.PAST_DUE))
    told = after(held("pro"), judged(held("pro"), overdue))
    until = NOW + 14 * DAY
    assert judged(told, overdue, now=until - DAY).standing is Standing.GRACE
    closed = judged(told, overdue, now=until)
    assert (closed.standing, closed.standing_until) == (Standing.READ_ONLY, until)
    assert [notice.kind for notice in closed.notices] == ["payment_overdue", "read_only"]


def test_a_second_failure_does_not_put_the_day_off() -> None:
    overdue = seen(subscription(status=S.PAST_DUE))
    told = after(held("pro"), judged(held("pro"), overdue))
    assert judged(told, overdue, now=NOW + 5 * DAY).standing_until == NOW + 14 * DAY


def test_what_the_provider_gives_up_brings_the_day_forward_with_another_warning() -> None:
    told = after(held("pro"), judged(held("pro"), seen(subscription(status=S.PAST_DUE))))
    worse = judged(told, seen(subscription(status=S.UNPAID)), now=NOW + DAY)
    assert (worse.standing, worse.standing_until) == (Standing.GRACE, NOW + 4 * DAY)
    assert worse.notices[0].due_at == NOW + 4 * DAY
    late = judged(told, seen(subscription(status=S.UNPAID)), now=NOW + 13 * DAY)
    assert late.standing_until == NOW + 14 * DAY


def test_a_warning_leaves_its_time_even_where_grace_is_set_shorter() -> None:
    policy = BillingPolicy(grace_s=0, notice_s=86_400)
    what = seen(subscription(status=S.PAST_DUE))
    verdict = judge(held("pro"), what, OFFER, now=NOW, policy=policy)
    assert verdict.standing_until == NOW + DAY


def test_a_payment_opens_everything_at_once() -> None:
    closed = warned(held("pro"), Cause.OVERDUE, NOW - DAY, Standing.READ_ONLY)
    verdict = judged(closed, seen(subscription()))
    assert (verdict.standing, verdict.standing_until, verdict.notices) == (Standing.GOOD, None, ())


def test_who_is_closed_stays_closed_until_it_pays_whatever_the_clock_says() -> None:
    closed = warned(held("pro"), Cause.OVERDUE, NOW, Standing.READ_ONLY)
    for status in (S.PAST_DUE, S.UNPAID):
        earlier = judged(closed, seen(subscription(status=status)), now=NOW - DAY)
        assert earlier.standing is Standing.READ_ONLY


def test_another_cause_is_another_warning_with_its_own_time() -> None:
    what = seen(subscription(status=S.PAST_DUE))
    for standing in (Standing.GRACE, Standing.READ_ONLY):
        full = warned(held("pro"), Cause.STORAGE, NOW + DAY, standing)
        verdict = judged(full, what)
        assert (verdict.standing, verdict.cause) == (Standing.GRACE, Cause.OVERDUE)
        assert verdict.standing_until == NOW + 14 * DAY


def test_a_contract_stands_over_whatever_is_bought() -> None:
    contract = Contract(plan="enterprise", reason="order 7", until=NOW + 90 * DAY)
    for status in S:
        before = held("enterprise", contract=contract, used=Used(seats=900))
        verdict = judged(before, seen(subscription(status=status)))
        assert (verdict.plan, verdict.standing) == ("enterprise", Standing.GOOD)
        assert (verdict.basis, verdict.misfits) == (Basis.CONTRACT, ())


def test_a_contract_that_ends_gives_way_to_what_is_bought_or_to_nothing() -> None:
    contract = Contract(plan="enterprise", reason="order 7", until=NOW)
    before = held("enterprise", contract=contract)
    assert judged(before, seen(subscription())).plan == "pro"
    left = judged(before, None)
    assert (left.plan, [notice.kind for notice in left.notices]) == ("starter", ["plan_left"])


def test_the_end_of_a_contract_is_told_a_month_before() -> None:
    until = NOW + 45 * DAY
    contract = Contract(plan="enterprise", reason="order 7", until=until)
    before = held("enterprise", contract=contract, used=Used(seats=6))
    early = judged(before, None)
    assert (early.notices, early.judge_at) == ((), until - 30 * DAY)
    near = judged(before, None, now=until - 20 * DAY)
    (notice,) = near.notices
    assert (notice.kind, notice.due_at) == ("plan_ends", until)
    assert "6 seats of 5" in notice.said
    assert near.judge_at == until


def test_a_cancellation_names_the_day_and_what_will_not_fit() -> None:
    at = NOW + 20 * DAY
    leaving = replace(subscription(), cancel_at=at)
    used = Used(seats=7, storage_bytes=GIGABYTES_30, features=("custom_roles",))
    verdict = judged(held("pro", used=used), seen(leaving))
    assert (verdict.plan, verdict.misfits) == ("pro", ())
    assert verdict.ending is not None
    assert (verdict.ending.plan, verdict.ending.at) == ("starter", at)
    assert metrics(verdict.ending.misfits) == ["seats", "storage_bytes", "custom_roles"]
    (notice,) = verdict.notices
    assert notice.due_at == at
    assert "7 seats of 5" in notice.said


def test_what_a_second_subscription_goes_on_with_is_no_ending() -> None:
    leaving = replace(subscription(), cancel_at=NOW + DAY)
    other = subscription(name="sub_2", started=-2 * DAY)
    assert judged(held("pro"), seen(leaving, other)).ending is None


def test_at_the_change_the_misfits_are_named_again_and_only_storage_has_a_date() -> None:
    used = Used(seats=7, storage_bytes=GIGABYTES_30, features=("custom_roles",))
    ended = seen(subscription(status=S.CANCELED))
    verdict = judged(held("pro", used=used), ended)
    assert (verdict.plan, verdict.standing) == ("starter", Standing.GRACE)
    assert (verdict.cause, verdict.standing_until) == (Cause.STORAGE, NOW + 14 * DAY)
    assert [notice.kind for notice in verdict.notices] == ["storage_over", "plan_left"]
    small = judged(held("pro", used=Used(seats=7)), ended)
    assert (small.standing, metrics(small.misfits)) == (Standing.GOOD, ["seats"])


def test_what_is_stored_closes_the_tenant_after_its_date_and_opens_it_once_it_fits() -> None:
    ended = seen(subscription(status=S.CANCELED))
    large = held("pro", used=Used(storage_bytes=GIGABYTES_30))
    told = after(large, judged(large, ended))
    late = judged(told, ended, now=NOW + 15 * DAY)
    assert late.standing is Standing.READ_ONLY
    assert "Delete" in late.notices[0].said
    assert "Delete" not in late.notices[1].said, "who is read-only can't"
    closed = replace(after(told, late), used=Used(storage_bytes=1))
    assert judged(closed, ended, now=NOW + 16 * DAY).standing is Standing.GOOD


def test_a_tenant_that_grows_in_its_plan_meets_the_quota_and_not_the_bill() -> None:
    large = held("starter", used=Used(storage_bytes=GIGABYTES_30))
    assert judged(large, None).standing is Standing.GOOD
    assert judged(large, seen(subscription(status=S.INCOMPLETE))).standing is Standing.GOOD


def test_what_was_paid_for_lasts_until_its_period_ends() -> None:
    ended = subscription(status=S.CANCELED)
    paid = judged(held("pro"), seen(ended, invoices=(invoice("paid"),)))
    assert (paid.plan, paid.basis, paid.judge_at) == ("pro", Basis.PAID, ended.period_end)
    owed = judged(held("pro"), seen(ended, invoices=(invoice("open"), invoice("paid"))))
    assert owed.plan == "starter"
    assert ended.period_end is not None
    later = judged(held("pro"), seen(ended, invoices=(invoice("paid"),)), now=ended.period_end)
    assert later.plan == "starter"
    agreed = replace(ended, cancel_at=NOW + 2 * DAY)
    assert judged(held("pro"), seen(agreed, invoices=(invoice("paid"),))).judge_at == NOW + 2 * DAY


def test_an_ended_trial_is_no_paid_period() -> None:
    assert judged(held("pro"), seen(subscription(status=S.CANCELED))).plan == "starter"


def test_the_best_subscription_governs() -> None:
    active = subscription("pro_monthly", name="a")
    late = subscription("enterprise_monthly", S.PAST_DUE, name="b")
    unpaid = subscription("enterprise_monthly", S.UNPAID, name="c")
    large = subscription("enterprise_monthly", S.TRIALING, name="d")
    other = subscription("support_monthly", name="e", started=0 * DAY)

    def best(*subscriptions: SeenSubscription) -> str | None:
        found = governing(seen(*subscriptions), OFFER)
        return found.id if found else None

    assert best(active, late, unpaid) == "a"
    assert best(late, unpaid) == "b"
    assert best(active, large) == "d"
    assert best(unpaid, other) == "c"
    assert best(other) == "e"
    assert best(subscription(status=S.CANCELED)) is None


def test_a_price_in_no_list_changes_nothing_and_is_named() -> None:
    for plan in ("starter", "pro"):
        for status in (S.ACTIVE, S.PAST_DUE, S.UNPAID):
            verdict = judged(held(plan), seen(subscription("gold_monthly", status)))
            assert (verdict.plan, verdict.standing) == (plan, Standing.GOOD)
            assert verdict.problem is not None
            assert "price_gold_monthly" in verdict.problem


def test_a_list_without_the_plan_of_who_leaves_is_a_problem_and_no_crash() -> None:
    policy = BillingPolicy(plan_without="free")
    what = seen(subscription(status=S.CANCELED))
    verdict = judge(held("pro"), what, OFFER, now=NOW, policy=policy)
    assert verdict.plan == "pro"
    assert verdict.problem is not None
    assert "'free'" in verdict.problem


def test_a_deleted_customer_has_left() -> None:
    gone = replace(seen(), is_deleted=True)
    assert judged(held("pro", has_bought=True), gone).plan == "starter"
    assert judged(held("pro"), replace(seen(subscription()), is_deleted=True)).plan == "starter"


def test_an_answer_about_somebody_else_is_doubted() -> None:
    account = held().account
    assert doubt(account, seen()) is None
    assert doubt(account, replace(seen(), tenant_id=None)) is None
    assert "knows no customer cus_1" in (doubt(account, None) or "")
    assert "another tenant" in (doubt(account, replace(seen(), tenant_id=uuid4())) or "")


def test_a_fit_counts_what_a_plan_limits_and_nothing_else() -> None:
    used = Used(seats=5, storage_bytes=10, features=("custom_roles", "custom_domains"))
    assert fit(used, Limits(features=("custom_roles", "custom_domains"))) == ()
    assert fit(used, Limits(seats=5, storage_bytes=10, features=used.features)) == ()
    found = fit(used, Limits(seats=4, storage_bytes=9, features=("custom_roles",)))
    assert metrics(found) == ["seats", "storage_bytes", "custom_domains"]
