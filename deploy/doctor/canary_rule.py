"""The rule that no reading of the catalogs checks: two drawn tenants try to see each other."""

from __future__ import annotations

from deploy.doctor.rule import Rule

CANARY_SEEN = Rule(
    name="canary-seen",
    title="Of two drawn tenants in shared tables neither reaches the other's rows, nor anybody's",
    danger="Tenants of this database read, or change, each other's rows now.",
    remedy="Suspend what serves it, and look at what else the doctor finds there: a policy, a "
    "grant or the gate isn't what we made.",
    grave=True,
    scope="database",
)
