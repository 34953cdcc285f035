"""Where a request comes from: the address that the outermost of our own proxies saw."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from litestar.types import HTTPScope

#: One customer of a provider has this many bits of an IPv6 address to choose from.
_NETWORK_BITS: Final = 64
UNKNOWN: Final = "unknown"


def client_of(scope: HTTPScope, *, proxies: int) -> tuple[str, int] | None:
    """Return the caller's address. Each proxy of ours added one entry to X-Forwarded-For.

    What stands before those entries is the caller's own word and is never read.
    """
    seen = scope.get("client")  # pyright: ignore[reportUnknownMemberType]  # a type of the scope is bare
    if proxies == 0:
        return seen
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    entries = b",".join(values).decode("latin-1").split(",") if values else []
    if len(entries) < proxies:
        return seen
    told = entries[-proxies].strip()
    try:
        return str(ip_address(told.removeprefix("[").removesuffix("]"))), 0
    except ValueError:
        return seen


def source_of(scope: HTTPScope) -> str:
    """Return what tries are counted by: an IPv4 address, or the network of an IPv6 one."""
    client = scope["client"]
    if client is None:
        return UNKNOWN
    try:
        address = ip_address(client[0])
    except ValueError:
        return UNKNOWN
    if address.version == 4:  # noqa: PLR2004 - the name of a protocol
        return str(address)
    return str(ip_network((int(address), _NETWORK_BITS), strict=False))
