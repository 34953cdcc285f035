"""A customer's own server: asked at the one address that was checked, and made a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from deploy.fleet_setup import SHARED_DATABASE, add_cluster
from router.catalog import clusters
from router.catalog.onboarding_hosts import (
    check_certificates,
    check_host,
    check_port,
    check_word,
    resolve,
)
from router.connect import Address
from router.errors import Conflict, DatabaseUnreachable, PlatformError, Unprocessable
from router.words import Cluster, ClusterRole

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.catalog.onboarding_words import Place

#: The tenant itself, and its copy while a restore is rehearsed.
CAPACITY = 2
_TOLD_LENGTH_MAX = 200


def check_fields(place: Place, *, allow_private: bool) -> None:
    """Refuse what can't name a server, as far as the spelling tells; empty fields are looked at
    when the stage ends.
    """
    if place.host:
        check_host(place.host, allow_private=allow_private)
    check_port(place.port)
    check_word(place.database, field="database")
    if place.user:
        check_word(place.user, field="user")
    if place.certificates.strip():
        check_certificates(place.certificates)


async def register(platform: Platform, place: Place, password: str, *, allow_private: bool) -> None:
    """Make the server a cluster of its owner's; asked again, it finds that it is one.

    Its name is resolved here and never again: all connections go to the address that was checked,
    and the certificate there must bear the name.
    """
    check_fields(place, allow_private=allow_private)
    host = check_host(place.host, allow_private=allow_private)
    address = await resolve(host, place.port, allow_private=allow_private)
    admin = Address(
        host=address,
        port=place.port,
        database=place.database.strip(),
        user=place.user.strip(),
        password=password,
        tls_name=host,
        tls_ca=check_certificates(place.certificates),
    )
    async with platform.catalog.connection() as connection:
        known = await clusters.find_access(connection, place.cluster, platform.sealer)
    if known is not None and known.admin == admin:
        return
    try:
        await add_cluster(platform, _cluster(place, admin), admin)
    except DatabaseUnreachable as error:
        # Its cause names what was tried, and never the password.
        raise Unprocessable(f"the server can't be taken: {_cause(error)}", field="host") from error
    except asyncpg.PostgresError as error:
        told = " ".join(str(error).split())[:_TOLD_LENGTH_MAX]
        raise Unprocessable(
            f"its administrator may not do what a cluster needs: {told}", field="user"
        ) from error
    except Conflict as error:
        raise Unprocessable(error.detail, field="cluster") from error


def _cluster(place: Place, admin: Address) -> Cluster:
    return Cluster(
        name=place.cluster,
        role=ClusterRole.DEDICATED,
        region=place.region.strip(),
        capacity=CAPACITY,
        host=admin.host,
        port=admin.port,
        shared_database=SHARED_DATABASE,
        maintenance_database=admin.database,
        is_reserved=True,
    )


def _cause(error: PlatformError) -> str:
    cause = error.__cause__
    told = " ".join(str(cause).split())[:_TOLD_LENGTH_MAX] if cause is not None else ""
    return told or "it doesn't answer"
