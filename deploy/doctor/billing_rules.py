"""Rules of billing: what keeps a tenant from what it paid for, or the ledger from being whole."""

from __future__ import annotations

from deploy.doctor.rule import Rule
from router.sql import load

_SQL = load("deploy.doctor", "billing.sql")

#: Goes in front of every statement below.
BILLING_GIVEN = _SQL["given"]

BILLING_RULES = (
    Rule(
        name="provider-failing",
        title="The payment provider answers what we ask of it",
        danger="What was bought there isn't granted, and what was cancelled goes on.",
        remedy="Read the error: the provider is away, or STEPWELL_STRIPE_API_KEY is wrong.",
        grave=False,
        scope="billing",
        sql=_SQL["provider_failing"],
    ),
    Rule(
        name="account-unsynced",
        title="Each account equals the provider's within a minute of a change",
        danger="A tenant waits for what it paid for.",
        remedy="See that a worker runs; `stepwell billing show` names the last error.",
        grave=False,
        scope="billing",
        sql=_SQL["account_unsynced"],
    ),
    Rule(
        name="event-waiting",
        title="No event has waited for an hour",
        danger="A customer of the provider may be a tenant of ours that nobody connected to it.",
        remedy="`stepwell inbox show` tells why; give the customer its tenant's id as metadata.",
        grave=False,
        scope="billing",
        sql=_SQL["event_waiting"],
    ),
    Rule(
        name="event-kept",
        title="No event was given up",
        danger="Nobody looks at it any more.",
        remedy="`stepwell inbox show` tells why; `stepwell inbox replay` tries again.",
        grave=False,
        scope="billing",
        sql=_SQL["event_kept"],
    ),
    Rule(
        name="account-problem",
        title="Everything that was bought is on the price list",
        danger="The tenant keeps its plan, whatever it pays for.",
        remedy="Add the price to the price list, or correct the subscription at the provider.",
        grave=False,
        scope="billing",
        sql=_SQL["account_problem"],
    ),
    Rule(
        name="paid-twice",
        title="A tenant pays for one subscription",
        danger="Only the larger one counts, and both are charged.",
        remedy="Cancel one of them at the provider, and pay back what was too much.",
        grave=False,
        scope="billing",
        sql=_SQL["paid_twice"],
    ),
    Rule(
        name="meter-unsent",
        title="Each closed hour of usage is reported within an hour",
        danger="The provider invoices less than was used.",
        remedy="Read the error; what is unsent is sent again, and counted once. What stayed "
        "without an answer for a day is held: `stepwell usage held`.",
        grave=False,
        scope="billing",
        sql=_SQL["meter_unsent"],
    ),
    Rule(
        name="usage-rest",
        title="Each entry of the ledger is in the partition of its month",
        danger="That month can't get a partition of its own any more while they are there.",
        remedy="See that a worker runs and that the clocks of the gateways are right.",
        grave=False,
        scope="billing",
        sql=_SQL["usage_rest"],
    ),
    Rule(
        name="usage-month",
        title="The ledger has a partition for this month and for that of next week",
        danger="Entries go to the partition of the rest, which grows slow.",
        remedy="See that a worker runs: it makes them ahead.",
        grave=False,
        scope="billing",
        sql=_SQL["usage_month"],
    ),
)
