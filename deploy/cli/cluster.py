"""``stepwell cluster``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from deploy.cli.reach import catalog_at, platform_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from deploy.fleet_setup import SHARED_DATABASE, add_cluster
from deploy.servers import Servers
from router.api.fleet import ClusterWhole
from router.catalog import audit, cluster_whole, clusters
from router.catalog.clusters import ClusterState
from router.connect import parse_dsn
from router.errors import PlatformError, SettingsWrong, Unprocessable
from router.words import Cluster, ClusterRole

if TYPE_CHECKING:
    from router.catalog.clusters import ClusterRecord
    from router.connect import Address

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class ClusterDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with the room it has."""

    name: str
    role: ClusterRole
    region: str
    state: ClusterState
    tenants: int
    capacity: int
    host: str
    port: int
    shared_database: str | None

    @classmethod
    def of(cls, record: ClusterRecord) -> ClusterDocument:
        """Leave out its administrator."""
        known = record.cluster
        is_shared = known.role is ClusterRole.SHARED
        return cls(
            name=known.name,
            role=known.role,
            region=known.region,
            state=record.state,
            tenants=record.tenants,
            capacity=known.capacity,
            host=known.host,
            port=known.port,
            shared_database=known.shared_database if is_shared else None,
        )


@click.group()
def cluster() -> None:
    """The PostgreSQL servers that hold tenants."""


@cluster.command("list")
@state_option
@json_option
@asynchronous
async def list_clusters(*, state: Path, as_json: bool) -> None:
    """List the clusters with the room they have."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        documents = [ClusterDocument.of(each) for each in await clusters.list_all(connection)]
    if as_json:
        show_json(documents)
        return
    rows = [
        (
            each.name,
            each.role.value,
            each.region,
            each.state.value,
            f"{each.tenants} of {each.capacity}",
            f"{each.host}:{each.port}",
        )
        for each in documents
    ]
    show_table(
        ("cluster", "role", "region", "state", "tenants", "address"),
        rows,
        empty="there is no cluster yet: add one with `stepwell cluster add`",
    )


@cluster.command()
@click.argument("name")
@state_option
@json_option
@asynchronous
async def show(*, name: str, state: Path, as_json: bool) -> None:
    """Show a cluster with its server as it is now, who lives there, and what was seen before."""
    async with platform_at(state) as platform:
        async with platform.catalog.connection() as connection:
            known = await cluster_whole.read(connection, name)
        try:
            whole = ClusterWhole.of(known, await Servers(platform.fleet).look(name), None)
        except PlatformError as error:
            whole = ClusterWhole.of(known, None, error.detail)
    if as_json:
        show_json(whole)
    else:
        _show_whole(whole)


@cluster.command()
@click.argument("name")
@click.option(
    "--dsn-file",
    type=click.Path(path_type=Path),
    required=True,
    help="A file with the administrator's postgresql:// address, password included.",
)
@click.option("--role", type=click.Choice([role.value for role in ClusterRole]), required=True)
@click.option("--region", required=True, help="Where it is, in your own words.")
@click.option("--capacity", type=click.IntRange(1, 1_000_000), required=True, help="In tenants.")
@state_option
@json_option
@asynchronous
async def add(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    dsn_file: Path,
    role: str,
    region: str,
    capacity: int,
    state: Path,
    as_json: bool,
) -> None:
    """Make a PostgreSQL server ready for tenants and let it take them.

    A shared one gets a database for the tenants of the tiers rows and schema; a dedicated one gets
    a database for each of its tenants.
    """
    if not _NAME.fullmatch(name):
        raise Unprocessable(
            f"{name[:40]!r} can't name a cluster: 1 to 40 of a-z, 0-9 and -, a letter first"
        )
    admin = _read_address(dsn_file)
    wanted = Cluster(
        name=name,
        role=ClusterRole(role),
        region=region,
        capacity=capacity,
        host=admin.host,
        port=admin.port,
        shared_database=SHARED_DATABASE,
        maintenance_database=admin.database,
    )
    async with platform_at(state) as platform:
        await add_cluster(platform, wanted, admin)
        async with platform.catalog.transaction() as connection:
            await audit.write(
                connection, audit.Deed(actor=ACTOR, action="cluster.add", target=name)
            )
            records = await clusters.list_all(connection)
    added = next(each for each in records if each.cluster.name == name)
    if as_json:
        show_json(ClusterDocument.of(added))
    else:
        say(f"cluster {name} takes tenants now, {capacity} at most")


def _show_whole(whole: ClusterWhole) -> None:
    shown, server, measured = whole.cluster, whole.server, whole.measured
    show_fields(
        {
            "cluster": shown.name,
            "role": shown.role.value,
            "region": shown.region,
            "state": shown.state.value,
            "address": f"{shown.host}:{shown.port}",
            "tenants": f"{shown.tenants} of {shown.capacity}",
            "server": server and f"PostgreSQL {server.version}",
            "connections": server
            and f"{server.connections_used} of {server.connections_max}, "
            f"{server.connections_reserved} kept for administrators",
            "size": measured
            and f"{measured.bytes} bytes in {measured.databases} databases, "
            f"{whole.measured_at:%Y-%m-%d %H:%M:%S} UTC",
            "findings": len(whole.findings),
        }
    )
    connections = server.connections if server else ()
    rows = [(each.database, each.login, each.state, each.count) for each in connections]
    show_table(("database", "login", "state", "connections"), rows, empty="nobody is connected")
    held = [(each.database, each.tier.value, each.tenants, each.schemas) for each in whole.places]
    show_table(("database", "tier", "tenants", "schemas"), held, empty="no tenant lives there")
    if whole.error is not None:
        say(f"the server couldn't be reached: {whole.error}")


def _read_address(path: Path) -> Address:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsWrong(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsWrong(f"{path} holds no text") from error
    return parse_dsn(text, name=str(path))
