"""Every setting of the production processes, with meaning, unit and default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from router.errors import SettingsWrong

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "STEPWELL_"
DATABASE_URL = PREFIX + "DATABASE_URL"
LOCAL = "localhost"

_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Hours = Annotated[float, Meta(gt=0, le=8_760)]
_Delay = Annotated[float, Meta(ge=0, le=31_536_000)]
_Many = Annotated[int, Meta(ge=1, le=10**15)]
_Money = Annotated[int, Meta(ge=0, le=10**15)]
_Milliseconds = Annotated[int, Meta(ge=1, le=86_400_000)]


def _said(meaning: str, unit: str = "") -> Meta:
    return Meta(description=meaning, extra={"unit": unit})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process, read from the environment once, at start."""

    database_url: Annotated[
        str, _said("the catalog's database: postgresql://user:password@host:port/name", "URL")
    ]
    secret_key: Annotated[
        str,
        Meta(min_length=32),
        _said(
            "what every other secret is derived from; two, with a comma between them, while the "
            "first replaces the second",
            "32 characters or more",
        ),
    ]
    ops_token: (
        Annotated[
            str,
            Meta(min_length=16),
            _said(
                "the operators' bearer token for /api/ops; empty closes it", "16 characters or more"
            ),
        ]
        | None
    ) = None
    redis_url: (
        Annotated[
            str,
            _said(
                "Valkey or Redis, for counting ahead of the ledger; nothing is lost without it",
                "URL",
            ),
        ]
        | None
    ) = None
    base_domain: Annotated[
        str, _said("where the site lives; tenants live below it", "host[:port]")
    ] = "localhost:8000"
    product: Annotated[str, _said("the product that is served", "package.module:attribute")] = (
        "examples.store.product:product"
    )
    host: Annotated[str, _said("the address that the gateway listens on", "address")] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65_535),
        _said("the port that the gateway listens on; 0 draws a free one", "port"),
    ] = 8000
    log_format: Annotated[
        str, Meta(pattern="^(json|console)$"), _said("how a log line is written", "json or console")
    ] = "json"
    log_level: Annotated[
        str,
        Meta(pattern="^(debug|info|warning|error)$"),
        _said("the lowest level that is logged", "debug, info, warning or error"),
    ] = "info"
    connections_max: Annotated[
        _Count,
        _said("server connections that one gateway holds at most, over all tenants", "connections"),
    ] = 64
    pools_max: Annotated[
        _Count, _said("databases and logins that one gateway keeps connections to", "pools")
    ] = 500
    rows_pool_size: Annotated[
        _Count, _said("connections to the shared tables of one database", "connections")
    ] = 10
    schema_subpools: Annotated[
        _Count, _said("groups that the schemas of one database are pinned to", "pools")
    ] = 4
    schema_pool_size: Annotated[
        _Count, _said("connections of one group of schemas", "connections")
    ] = 4
    database_pool_size: Annotated[
        _Count, _said("connections to a database of one tenant's own", "connections")
    ] = 4
    pool_waiters_max: Annotated[
        _Count,
        _said(
            "requests that wait for a connection of one pool before the next one gets 503",
            "requests",
        ),
    ] = 500
    pool_wait_s_max: Annotated[
        _Seconds, _said("how long a request waits for a connection before it gets 503", "seconds")
    ] = 5.0
    pool_idle_s_max: Annotated[
        _Seconds, _said("how long an unused connection is kept", "seconds")
    ] = 50.0
    pool_lifetime_s_max: Annotated[
        _Seconds, _said("how long any connection is kept", "seconds")
    ] = 1_800.0
    lock_timeout_ms: Annotated[
        _Milliseconds, _said("how long a statement waits for a lock", "milliseconds")
    ] = 3_000
    idle_in_transaction_ms: Annotated[
        _Milliseconds, _said("how long a transaction may do nothing", "milliseconds")
    ] = 10_000
    request_deadline_s: Annotated[
        _Seconds,
        _said(
            "after how long a request is ended whatever it does; a statement ends by its plan",
            "seconds",
        ),
    ] = 120.0
    access_minutes_max: Annotated[
        _Count,
        Meta(le=1_440),
        _said(
            "how long staff may have access to a tenant's rows, before they ask again", "minutes"
        ),
    ] = 60
    body_bytes_max: Annotated[
        _Count,
        Meta(le=10_000_000_000),
        _said("the largest request body outside of imports", "bytes"),
    ] = 10_000_000
    directory_entries_max: Annotated[
        _Count,
        _said("tenants that one gateway remembers; the least recently seen go first", "tenants"),
    ] = 100_000
    directory_time_limit_s: Annotated[
        _Seconds,
        _said(
            "after how long a remembered tenant is asked for again, were every notification lost",
            "seconds",
        ),
    ] = 60.0
    otel_endpoint: (
        Annotated[str, _said("where OpenTelemetry spans are sent; none are made without it", "URL")]
        | None
    ) = None
    worker_port: Annotated[
        int,
        Meta(ge=0, le=65_535),
        _said(
            "the loopback port where the worker answers /healthz and /metrics; 0 for nowhere",
            "port",
        ),
    ] = 0
    watchdog_pause_s: Annotated[
        _Seconds,
        _said("how often the worker looks for transactions that outlived their limits", "seconds"),
    ] = 10.0
    watchdog_margin_s: Annotated[
        _Seconds,
        _said(
            "how far beyond its limit a statement or a request may be before the worker ends it",
            "seconds",
        ),
    ] = 15.0
    checkup_s: Annotated[
        _Seconds,
        _said("how often a worker has the doctor look at every live database", "seconds"),
    ] = 900.0
    cluster_look_s: Annotated[
        _Seconds,
        _said("how often a worker measures each cluster, for the operators' overview", "seconds"),
    ] = 60.0
    worker_poll_s: Annotated[
        _Seconds, _said("how often the worker looks for operations when nothing woke it", "seconds")
    ] = 1.0
    operation_lease_s: Annotated[
        _Seconds,
        _said(
            "how long a worker may give no sign of life before another one takes its operations",
            "seconds",
        ),
    ] = 15.0
    reconcile_s: Annotated[
        _Seconds,
        _said(
            "how often the worker looks for tenants that aren't where their plan wants them",
            "seconds",
        ),
    ] = 1.0
    moves_per_cluster_max: Annotated[
        _Count, _said("moves that copy from or to one cluster at the same time", "moves")
    ] = 2
    move_settle_after_s: Annotated[
        _Delay,
        _said("how long a move can be undone; then its source is erased", "seconds"),
    ] = 86_400.0
    move_keep_s: Annotated[
        _Seconds,
        _said(
            "how often what a tenant changed is brought to the place that it left, while it could "
            "go back",
            "seconds",
        ),
    ] = 60.0
    move_share_min: Annotated[
        float,
        Meta(gt=0, le=1),
        _said(
            "the share of the time that a move works at least, however busy its neighbours are; 1 "
            "spares nobody",
            "share",
        ),
    ] = 0.05
    move_wait_s_max: Annotated[
        _Seconds,
        _said("how long a move waits for the tenant's own open transactions", "seconds"),
    ] = 60.0
    move_pause_h_max: Annotated[
        _Hours,
        _said(
            "how long a move may be paused before it turns back by itself: what its tenant changes "
            "is written down meanwhile, and migrations wait",
            "hours",
        ),
    ] = 24.0
    move_holders: Annotated[
        str,
        Meta(pattern="^(turn-back|end)$"),
        _said(
            "what happens when these transactions don't end: the move turns back, or ends them",
            "turn-back or end",
        ),
    ] = "turn-back"
    fault_point: (
        Annotated[
            str,
            Meta(min_length=1),
            _said(
                "where the worker kills itself, to test what follows: never in production", "name"
            ),
        ]
        | None
    ) = None
    fault_signal: Annotated[
        str,
        Meta(pattern="^(kill|stop)$"),
        _said(
            "what the worker does to itself there: it dies, or stands still until SIGCONT",
            "kill or stop",
        ),
    ] = "kill"
    promote_rows_max: (
        Annotated[
            _Many,
            _said("rows above which the size rule looks at a tenant in shared tables", "rows"),
        ]
        | None
    ) = None
    promote_bytes_max: (
        Annotated[
            _Many,
            _said("bytes above which the size rule looks at a tenant in shared tables", "bytes"),
        ]
        | None
    ) = None
    stripe_api_key: (
        Annotated[
            str,
            Meta(min_length=8),
            _said(
                "the secret key of the Stripe account that takes the payments; without it nothing "
                "is sold, and sign-up grants the plan that was asked for",
                "key",
            ),
        ]
        | None
    ) = None
    stripe_webhook_secret: (
        Annotated[
            str,
            Meta(min_length=8),
            _said(
                "what Stripe signs its events with; two, with a comma between them, while the "
                "first replaces the second",
                "secret",
            ),
        ]
        | None
    ) = None
    stripe_api_base: (
        Annotated[
            str,
            # The key goes there with every call: in the clear it never leaves this machine.
            Meta(pattern=r"^(https://\S+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?/?)$"),
            _said("where Stripe's API is; Stripe itself without it", "URL, https or loopback"),
        ]
        | None
    ) = None
    stripe_tolerance_s: Annotated[
        _Count, Meta(le=86_400), _said("how old an event's signature may be", "seconds")
    ] = 300
    billing_grace_s: Annotated[
        _Delay,
        _said(
            "how long everything goes on after a payment has failed; then a tenant may only read",
            "seconds",
        ),
    ] = 1_209_600.0
    billing_notice_s: Annotated[
        _Delay,
        _said("how long before it may only read a tenant is told so, whatever happened", "seconds"),
    ] = 259_200.0
    billing_reconcile_s: Annotated[
        _Seconds,
        _said("how often the worker compares every account with the provider's", "seconds"),
    ] = 3_600.0
    billing_look_back_s: Annotated[
        _Delay,
        _said("how far back that comparison looks for events that never came", "seconds"),
    ] = 259_200.0
    inbox_give_up_s: Annotated[
        _Delay,
        _said(
            "how long an event of a customer that nobody knows is tried again; then it is kept "
            "until somebody replays it",
            "seconds",
        ),
    ] = 604_800.0
    meter_close_s: Annotated[
        _Delay,
        _said("how long after its end an hour of usage is reported to the provider", "seconds"),
    ] = 300.0
    meter_report_s: Annotated[
        _Seconds, _said("how often usage is reported to the provider", "seconds")
    ] = 3_600.0
    usage_flush_s: Annotated[
        _Seconds,
        Meta(le=60),
        _said("how often a gateway records the API calls that it counted", "seconds"),
    ] = 1.0
    load_flush_s: Annotated[
        _Seconds,
        Meta(le=60),
        _said("how often a gateway tells what each tenant took of the databases", "seconds"),
    ] = 10.0
    usage_lease_max: Annotated[
        _Count,
        _said(
            "API calls of one tenant that a gateway takes from the limit at once, at most; never "
            "more than a hundredth of the limit",
            "API calls",
        ),
    ] = 1_000
    smtp_url: (
        Annotated[
            str,
            Meta(pattern=r"^smtps?://\S+$"),
            _said(
                "the server that takes our mail: smtp://user:password@host:587 begins TLS where "
                "the server offers it and insists on it when there is a password, smtps:// is TLS "
                "from the first byte; without it mail waits in the catalog",
                "URL",
            ),
        ]
        | None
    ) = None
    mail_from: (
        Annotated[
            str,
            Meta(pattern=r"^[^\s@<>]+@[^\s@<>]+$"),
            _said("the sender of our mail; no-reply at the site without it", "e-mail address"),
        ]
        | None
    ) = None
    mailbox_dir: (
        Annotated[
            str,
            _said(
                "the folder of a mailbox that anybody may read at /mailbox: for development only, "
                "and refused where the site isn't at localhost",
                "folder",
            ),
        ]
        | None
    ) = None
    proxies: Annotated[
        int,
        Meta(ge=0, le=10),
        _said(
            "proxies of yours in front of the gateway that each add to X-Forwarded-For; the "
            "caller's address is read there",
            "proxies",
        ),
    ] = 0
    source_tries_max: Annotated[
        _Count,
        _said(
            "log-ins, codes and the like that may fail from one source address within a quarter "
            "of an hour",
            "tries",
        ),
    ] = 100
    source_mails_max: Annotated[
        _Count,
        _said("letters that one source address may have sent to people within an hour", "letters"),
    ] = 1_000
    sign_up: Annotated[
        str,
        Meta(pattern="^(auto|at-once|by-mail)$"),
        _said(
            "whether a sign-up is served at once, or once a letter has proved its address, so that "
            "nobody learns who has an account; auto is by mail where STEPWELL_SMTP_URL is set",
            "auto, at-once or by-mail",
        ),
    ] = "auto"
    sign_on_private: Annotated[
        str,
        Meta(pattern="^(refuse|allow)$"),
        _said(
            "whether a tenant's identity provider may be at a private address or without TLS: for "
            "development only",
            "refuse or allow",
        ),
    ] = "refuse"
    dns_servers: (
        Annotated[
            str,
            Meta(pattern=r"^[0-9A-Fa-f.:,\[\] ]+$"),
            _said(
                "the name servers that are asked whether a tenant has a domain, with commas "
                "between them; the system's without it",
                "address[:port]",
            ),
        ]
        | None
    ) = None
    domain_grace_s: Annotated[
        _Delay,
        _said(
            "how long a domain whose record is gone is served on; the tenant is told the day",
            "seconds",
        ),
    ] = 604_800.0
    own_servers_private: Annotated[
        str,
        Meta(pattern="^(refuse|allow)$"),
        _said(
            "whether a customer's own server may be at a private address: for development, or "
            "where all customers are at home in your network",
            "refuse or allow",
        ),
    ] = "refuse"
    four_eyes_amount: Annotated[
        _Money,
        _said("what a contract may be worth a year before a second person approves", "minor units"),
    ] = 5_000_000
    four_eyes_seats: Annotated[
        _Count, _said("seats of a contract above which a second person approves", "seats")
    ] = 500
    archive_dir: Annotated[
        str | None,
        _said(
            "a folder that gateways and workers share, where kept archives lie; without it none "
            "are kept",
            "folder",
        ),
    ] = None
    archive_keep_s: Annotated[_Delay, _said("how long a kept archive lies there", "seconds")] = (
        604_800
    )
    deletion_wait_s: Annotated[
        _Delay,
        _said("how long after an owner asked for it a tenant is erased", "seconds"),
    ] = 1_209_600.0
    archive_bytes_max: Annotated[
        _Many, _said("what an archive may unpack to when it is restored", "bytes")
    ] = 10**12
    size_rule: Annotated[
        str,
        Meta(pattern="^(propose|promote)$"),
        _said(
            "what the size rule does with a tenant that is too large: propose a schema of its own "
            "in audit and outbox, or pin it there",
            "propose or promote",
        ),
    ] = "propose"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as ``stepwell settings`` and the reference show it."""

    name: str
    meaning: str
    unit: str
    default: str


def _describe() -> tuple[Setting, ...]:
    described: list[Setting] = []
    for field in msgspec.structs.fields(Settings):
        said = next(each for each in reversed(_metas(field.type)) if each.description)
        is_required = field.default is msgspec.NODEFAULT
        described.append(
            Setting(
                name=PREFIX + field.name.upper(),
                meaning=said.description or "",
                unit=(said.extra or {}).get("unit", ""),
                default="required" if is_required else _spell(field.default),
            )
        )
    return tuple(described)


def load(environ: Mapping[str, str]) -> Settings:
    """Read the settings; raises SettingsWrong that names every missing and wrong one at once."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field in msgspec.structs.fields(Settings):
        name = PREFIX + field.name.upper()
        text = environ.get(name, "").strip()
        if not text:
            if field.default is msgspec.NODEFAULT:
                wrong.append(f"{name} is missing")
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError as error:
            wrong.append(f"{name}: {str(error)[0].lower()}{str(error)[1:]}")
    known = {setting.name for setting in SETTINGS} | OTHER_VARIABLES
    wrong += [
        f"{name} is no setting; `stepwell settings` lists them"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
    if "stripe_api_key" in values and "stripe_webhook_secret" not in values:
        wrong.append(f"{PREFIX}STRIPE_API_KEY needs {PREFIX}STRIPE_WEBHOOK_SECRET beside it")
    if "mailbox_dir" in values and not is_local(values.get("base_domain", LOCAL)):
        wrong.append(f"{PREFIX}MAILBOX_DIR would let anybody read all mail: unset it")
    if wrong:
        raise SettingsWrong("the settings are wrong: " + "; ".join(wrong))
    return Settings(**values)


def is_local(base_domain: str) -> bool:
    """Tell whether the site is on the machine of whoever looks at it."""
    host = base_domain.partition(":")[0]
    return host in {LOCAL, "127.0.0.1"} or host.endswith(f".{LOCAL}")


def _metas(kind: Any) -> list[Meta]:  # noqa: ANN401 - a type may be anything
    found = [each for each in getattr(kind, "__metadata__", ()) if isinstance(each, Meta)]
    if get_origin(kind) is not Annotated:
        for inner in get_args(kind):
            found += _metas(inner)
    return found


def _spell(default: object) -> str:
    return "none" if default is None else str(default)


SETTINGS: tuple[Setting, ...] = _describe()
#: Read by the embedded stack and the command line, not by the production processes.
OTHER_VARIABLES = frozenset(
    {
        PREFIX + name
        for name in (
            "STATE",
            "SITE",
            "TOKEN",
            "SESSION_FILE",
            "POSTGRES_BIN",
            "VALKEY_BIN",
            "PGBOUNCER_BIN",
        )
    }
)
