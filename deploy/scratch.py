"""A PostgreSQL that lives for one command: to compare models with what revisions make."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.stack.account import find_account
from deploy.stack.binaries import find_postgres
from deploy.stack.parts import postgres_part
from deploy.stack.postgres import postgres_cluster
from deploy.stack.supervisor import supervise
from migrations.product.render import reference_sql
from router.capability import derive_gate_key
from router.connect import connect, parse_dsn
from router.database import Blueprint, prepare_cluster, prepare_database
from router.fleet import APP_LOGIN

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Address
    from router.product.plug import LoadedProduct

#: Nothing in it outlives the command, so nothing must survive a power cut.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@contextlib.asynccontextmanager
async def scratch_database(loaded: LoadedProduct) -> AsyncGenerator[Address]:
    """Lend a database with a gate and the product's reference tables, and nothing else."""
    with tempfile.TemporaryDirectory(prefix="stepwell-") as folder:
        async with supervise(Path(folder, "state"), say=_keep_quiet) as supervisor:
            cluster = await postgres_cluster(
                supervisor.folder,
                "scratch",
                binaries=find_postgres(),
                account=find_account(),
                settings=FAST,
            )
            await supervisor.start(postgres_part(cluster))
            address = parse_dsn(cluster.dsn(), name="scratch")
            await _prepare(address, loaded)
            yield address


async def _prepare(address: Address, loaded: LoadedProduct) -> None:
    key = derive_gate_key(
        secrets.token_bytes(), key_id=1, cluster="scratch", database=address.database
    )
    connection = await connect(address, purpose="revision")
    try:
        await prepare_cluster(connection, app_password=secrets.token_urlsafe())
        empty = Blueprint(head="", schema_sql="", reference_sql=reference_sql(loaded))
        await prepare_database(connection, login=APP_LOGIN, key=key, blueprint=empty)
    finally:
        await connection.close(timeout=5)


def _keep_quiet(line: str) -> None:
    """Nobody asked how a temporary server fares; its failure is an error anyway."""
