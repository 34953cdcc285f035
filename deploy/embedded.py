"""``stepwell up``: everything on this machine, from initdb to the demo tenants' first rows."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import msgspec

from billing.price_list import read_price_list
from deploy import demo, gates, payments
from deploy.fleet_setup import SHARED_DATABASE, bring_up_to_date, ensure_cluster
from deploy.mailbox.process import mailbox_part
from deploy.platform import Platform, running
from deploy.reference import prepare_catalog
from deploy.settings import PREFIX, Settings, load
from deploy.stack.account import find_account
from deploy.stack.binaries import find_postgres, find_valkey
from deploy.stack.errors import PartFailed, StackError
from deploy.stack.parts import Part, postgres_part, process_part, valkey_part
from deploy.stack.ports import LOOPBACK, is_free
from deploy.stack.postgres import PostgresCluster, postgres_cluster
from deploy.stack.state import Kind, StateFolder
from deploy.stack.supervisor import supervise
from deploy.stack.valkey import valkey_server
from deploy.stand_in.process import stand_in_part
from router.connect import connect, parse_dsn
from router.database import make_database
from router.errors import PlatformError
from router.words import Cluster, ClusterRole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from deploy.stack.supervisor import Supervisor
    from deploy.stack.valkey import ValkeyServer

CATALOG_DATABASE = "stepwell_catalog"
SHARED_CLUSTER = "shared-1"
DEDICATED_CLUSTER = "dedicated-1"
REGION = "local"
#: Tenants that the embedded clusters take; a database costs some 8 MB on disk.
SHARED_CAPACITY = 10_000
DEDICATED_CAPACITY = 200
DEFAULT_PRODUCT = "examples.store.product:product"
STAND_IN = "stripe"
STRIPE_API_KEY = PREFIX + "STRIPE_API_KEY"
MAILBOX = "mailbox"
SMTP_URL = PREFIX + "SMTP_URL"
SIGN_UP = PREFIX + "SIGN_UP"
#: How this same program is started again: -P keeps the folder we are in from hiding our packages.
SELF = (sys.executable, "-P", "-m", "deploy.cli")


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `stepwell up` was told; port 0 draws a free one."""

    port: int = 8000
    product: str | None = None
    gateways: int = 1
    with_demo: bool = True


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform itself needs: two clusters, and Valkey where its program was found."""

    shared: PostgresCluster
    dedicated: PostgresCluster
    valkey: ValkeyServer | None


def argv_of(path: Path, options: UpOptions) -> tuple[str, ...]:
    """Spell the command that runs the same stack in the foreground."""
    product = () if options.product is None else ("--product", options.product)
    return (
        *SELF,
        "up",
        "--state",
        str(path),
        "--port",
        str(options.port),
        "--gateways",
        str(options.gateways),
        *product,
        *(() if options.with_demo else ("--no-demo",)),
    )


async def up(
    path: Path,
    options: UpOptions,
    *,
    say: Callable[[str], None],
    ready: Callable[[], Awaitable[None]],
) -> None:
    """Start everything, tell when it is ready, and keep watch until a signal ends it."""
    async with supervise(path, say=say) as supervisor:
        servers = await _start_servers(supervisor)
        settings = _settle(supervisor, servers, options)
        platform = Platform(settings)
        await _prepare_catalog(platform, servers)
        async with running(platform):
            await _register(platform, servers.shared, ClusterRole.SHARED)
            await _register(platform, servers.dedicated, ClusterRole.DEDICATED)
            # The state may be of an older version, whose gate the doctor would not let pass.
            await gates.renew(platform)
            await _open_shop(supervisor, platform)
            await _together(
                supervisor.start(*_processes(supervisor.folder, settings, options)),
                _fill(supervisor, platform, options),
            )
        supervisor.ready()
        await ready()
        await supervisor.wait()


async def _start_servers(supervisor: Supervisor) -> Servers:
    folder, binaries, account = supervisor.folder, find_postgres(), find_account()
    supervisor.say(f"PostgreSQL {binaries.version} as {SHARED_CLUSTER} and {DEDICATED_CLUSTER}")
    shared, dedicated = [
        await postgres_cluster(folder, name, binaries=binaries, account=account)
        for name in (SHARED_CLUSTER, DEDICATED_CLUSTER)
    ]
    parts, program = [postgres_part(shared), postgres_part(dedicated)], find_valkey()
    valkey = valkey_server(folder, "valkey", program=program) if program else None
    if valkey is not None:
        parts.append(valkey_part(valkey))
    await supervisor.start(*parts)
    return Servers(shared=shared, dedicated=dedicated, valkey=valkey)


def _settle(supervisor: Supervisor, servers: Servers, options: UpOptions) -> Settings:
    """Decide the settings of this run, and note them for the commands that work on it."""
    folder = supervisor.folder
    port = _settle_port(folder, options.port)
    given = {
        "DATABASE_URL": servers.shared.dsn(CATALOG_DATABASE),
        "SECRET_KEY": folder.secret("secret_key"),
        "OPS_TOKEN": folder.secret("ops_token"),
        "REDIS_URL": servers.valkey.url() if servers.valkey else "",
        "BASE_DOMAIN": f"localhost:{port}",
        "PRODUCT": _settle_product(folder, options.product),
        "HOST": LOOPBACK,
        "ARCHIVE_DIR": str(folder.path / "archives"),
        "PORT": str(port),
        # What is tried out is tried at once, though there is a mailbox.
        "SIGN_UP": os.environ.get(SIGN_UP, "").strip() or "at-once",
        **_stripe(folder),
        **_mail(folder),
    }
    noted = {PREFIX + name: value for name, value in given.items()}
    settings = load({**os.environ, **{name: value for name, value in noted.items() if value}})
    supervisor.note(site=f"http://localhost:{port}", api=f"http://{LOOPBACK}:{port}", **noted)
    return settings


def _stripe(folder: StateFolder) -> dict[str, str]:
    """Name the stand-in, unless the environment names a Stripe account; that key isn't noted."""
    if os.environ.get(STRIPE_API_KEY, "").strip():
        return dict.fromkeys(("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE"), "")
    return {
        "STRIPE_API_KEY": f"sk_test_{folder.secret('stripe_api_key')}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{folder.secret('stripe_webhook_secret')}",
        "STRIPE_API_BASE": f"http://{LOOPBACK}:{folder.port(STAND_IN)}",
    }


def _mail(folder: StateFolder) -> dict[str, str]:
    """Name the mailbox, unless the environment names a mail server; that one isn't noted."""
    if os.environ.get(SMTP_URL, "").strip():
        return dict.fromkeys(("SMTP_URL", "MAILBOX_DIR"), "")
    return {
        "SMTP_URL": f"smtp://{LOOPBACK}:{folder.port(MAILBOX)}",
        "MAILBOX_DIR": str(_mailbox_dir(folder)),
    }


def _mailbox_dir(folder: StateFolder) -> Path:
    return folder.path / MAILBOX


async def _open_shop(supervisor: Supervisor, platform: Platform) -> None:
    """Start the stand-in where it is wanted, and tell the provider our prices."""
    settings, folder = platform.settings, supervisor.folder
    assert settings.stripe_api_key is not None, "the stand-in has a key too"
    if not os.environ.get(STRIPE_API_KEY, "").strip():
        webhook = f"http://{LOOPBACK}:{settings.port}/webhooks/stripe"
        secret = settings.stripe_webhook_secret or ""
        await supervisor.start(
            stand_in_part(
                folder.path,
                port=folder.port(STAND_IN),
                api_key=settings.stripe_api_key,
                webhooks={webhook: secret},
            )
        )
    provider = payments.make_provider(settings)
    assert provider is not None, "there is a key"
    try:
        await payments.sync_prices(platform.catalog, provider)
    except PlatformError as error:
        supervisor.say(f"no prices were synchronised: {error}")
    finally:
        await provider.close()


def _settle_port(folder: StateFolder, port: int) -> int:
    if port == 0:
        return folder.port("gateway-1")
    if not is_free(port):
        raise PartFailed(
            f"port {port} is in use by another program: stop that one, or name another port "
            "with --port (0 draws a free one)"
        )
    return port


def _settle_product(folder: StateFolder, wanted: str | None) -> str:
    known = folder.load().notes.get(PREFIX + "PRODUCT")
    if known is not None and wanted not in {None, known}:
        raise StackError(
            f"{folder.path} holds the rows of the product {known}, not of {wanted}: "
            "name another folder with --state"
        )
    return known or wanted or DEFAULT_PRODUCT


async def _prepare_catalog(platform: Platform, servers: Servers) -> None:
    admin = parse_dsn(servers.shared.dsn(), name=SHARED_CLUSTER)
    connection = await connect(admin, purpose="up")
    try:
        await make_database(connection, CATALOG_DATABASE)
    finally:
        await connection.close(timeout=5)
    await bring_up_to_date(platform.catalog, read_price_list())
    await prepare_catalog(platform)


async def _register(platform: Platform, cluster: PostgresCluster, role: ClusterRole) -> None:
    admin = parse_dsn(cluster.dsn(), name=cluster.name)
    is_shared = role is ClusterRole.SHARED
    await ensure_cluster(
        platform,
        Cluster(
            name=cluster.name,
            role=role,
            region=REGION,
            capacity=SHARED_CAPACITY if is_shared else DEDICATED_CAPACITY,
            host=admin.host,
            port=admin.port,
            shared_database=SHARED_DATABASE,
        ),
        admin,
    )


def _processes(folder: StateFolder, settings: Settings, options: UpOptions) -> list[Part]:
    noted = folder.load().notes
    # What isn't noted may be in the environment, which every process gets as well.
    env = {name: value for name, value in noted.items() if name.startswith(PREFIX) and value}
    parts = [_worker(folder, env)]
    if settings.mailbox_dir is not None:
        parts.append(mailbox_part(_mailbox_dir(folder), folder.port(MAILBOX)))
    for number in range(1, options.gateways + 1):
        port = settings.port if number == 1 else folder.port(f"gateway-{number}")
        parts.append(_gateway(f"gateway-{number}", env, port))
    return parts


def _gateway(name: str, env: dict[str, str], port: int) -> Part:
    return process_part(
        name=name,
        kind=Kind.GATEWAY,
        argv=(*SELF, "serve"),
        env={**env, PREFIX + "PORT": str(port)},
        address=f"{LOOPBACK}:{port}",
        health_url=f"http://{LOOPBACK}:{port}/healthz",
    )


def _worker(folder: StateFolder, env: dict[str, str]) -> Part:
    port = folder.port("worker-1")
    return process_part(
        name="worker-1",
        kind=Kind.WORKER,
        argv=(*SELF, "worker"),
        env={**env, PREFIX + "WORKER_PORT": str(port)},
        address=f"{LOOPBACK}:{port}",
        health_url=f"http://{LOOPBACK}:{port}/healthz",
    )


async def _fill(supervisor: Supervisor, platform: Platform, options: UpOptions) -> None:
    if options.with_demo:
        made = await demo.fill(platform, supervisor.folder, say=supervisor.say)
        supervisor.note(demo=msgspec.json.encode(made).decode())
        staff = await demo.fill_staff(platform, supervisor.folder)
        supervisor.note(staff=msgspec.json.encode(staff).decode())


async def _together(*pieces: Awaitable[None]) -> None:
    """Wait for all of them; the first that fails ends the others and is the one to be told."""

    async def wait(piece: Awaitable[None]) -> None:
        await piece

    try:
        async with asyncio.TaskGroup() as group:
            for piece in pieces:
                group.create_task(wait(piece))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
