"""Rules of a cluster and its roles, of the pooler in front of it, and of this process."""

from __future__ import annotations

from deploy.doctor.rule import Rule
from router.sql import load

_SQL = load("deploy.doctor", "cluster.sql")

UNREACHABLE = Rule(
    name="unreachable",
    title="Every cluster and database answers the administrator",
    danger="Nobody knows whether what it holds is protected.",
    remedy="Start the server, or correct its address and the administrator's password.",
    grave=True,
    scope="catalog",
)
CAPACITY = Rule(
    name="capacity",
    title="Each cluster has room for a tenth more of its tenants",
    danger="New tenants will soon find no cluster that takes them.",
    remedy="Add a cluster, move tenants away, or raise the cluster's capacity.",
    grave=False,
    scope="catalog",
)
POOLER_VERSION = Rule(
    name="pooler-version",
    title="PgBouncer is 1.26.1 or newer",
    danger="Older ones let one login pass for any other (CVE-2026-107350).",
    remedy="Upgrade PgBouncer.",
    grave=False,
    scope="pooler",
)
CLOCK_SKEW = Rule(
    name="clock-skew",
    title="The clocks of this process and of the server differ by less than 2 s",
    danger="Capabilities are refused as expired, or stay valid for longer than they should.",
    remedy="Synchronise both clocks with NTP.",
    grave=False,
    scope="process",
)
SERVER_UNSUPPORTED = Rule(
    name="server-unsupported",
    title="PostgreSQL is 15 or newer",
    danger="The stored form, security_invoker and the other rules need what it lacks.",
    remedy="Upgrade the server.",
    grave=True,
    scope="cluster",
)
SERVER_VERSION = Rule(
    name="server-version",
    title="PostgreSQL has the latest security fixes that we know of",
    danger="Known holes let a login read past row security, or run code in the server.",
    remedy="Install the newest minor version and restart the server.",
    grave=False,
    scope="cluster",
)
#: Goes in front of every statement below.
CLUSTER_GIVEN = _SQL["given"]

CLUSTER_RULES = (
    Rule(
        name="password-encryption",
        title="Passwords are stored as SCRAM verifiers",
        danger="A stolen MD5 hash is as good as the password.",
        remedy="Set password_encryption to scram-sha-256 and renew the passwords.",
        grave=False,
        scope="cluster",
        sql=_SQL["password_encryption"],
    ),
    Rule(
        name="role-flags",
        title="No role of the platform has rights of its own, and no group can log in",
        danger="Row security doesn't hold a superuser or BYPASSRLS; the others lead there.",
        remedy="ALTER ROLE … with NO in front of each flag.",
        grave=True,
        scope="cluster",
        sql=_SQL["role_flags"],
    ),
    Rule(
        name="role-membership",
        title="Logins are members of stepwell_login and stepwell_rows alone",
        danger="A member of the owner can turn row security off; one of the gate reads its keys.",
        remedy="REVOKE the membership; give the work to a login that serves no tenant.",
        grave=True,
        scope="cluster",
        sql=_SQL["role_membership"],
    ),
    Rule(
        name="login-owns-nothing",
        title="A login that serves tenants owns nothing",
        danger="An owner grants, alters and drops; what tenants share must belong to none of them.",
        remedy="Find out who made it; then DROP it, or give it to stepwell_owner.",
        grave=True,
        scope="cluster",
        sql=_SQL["login_owns_nothing"],
    ),
    Rule(
        name="stuck-settings",
        title="No setting sticks to a role of the platform",
        danger="Every transaction starts with it: one tenant's statement slows or stops them all.",
        remedy="ALTER ROLE … RESET ALL, and look for the statement that set it.",
        grave=False,
        scope="cluster",
        sql=_SQL["stuck_settings"],
    ),
    Rule(
        name="stuck-protection",
        title="No setting that guards rows sticks to a role or a database",
        danger="Row security, triggers or the role itself differ from what every session expects.",
        remedy="ALTER ROLE or ALTER DATABASE … RESET that setting.",
        grave=True,
        scope="cluster",
        sql=_SQL["stuck_protection"],
    ),
    Rule(
        name="parameter-grants",
        title="Logins may set no parameter that PostgreSQL guards",
        danger="session_replication_role switches foreign keys and triggers off.",
        remedy="REVOKE SET, ALTER SYSTEM ON PARAMETER … from the role.",
        grave=True,
        scope="cluster",
        sql=_SQL["parameter_grants"],
    ),
)
