"""Which tenant a request names: in its host, path, header and credential, and whether they agree.

Pure: what the names lead to is the directory's answer.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address

import msgspec

from router.errors import BadRequest
from router.names import is_slug

_HOST_LENGTH_MAX = 253
_PORT_END = 65_536
_PORT = re.compile(r"[0-9]{1,5}")
_DIGITS = re.compile(r"[0-9.]+")


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of its tenant. ``domain`` is a host that is none of ours."""

    from_host: str | None = None
    from_path: str | None = None
    from_header: str | None = None
    domain: str | None = None

    @property
    def slugs(self) -> tuple[str, ...]:
        """The slugs that were named, in no particular order and not yet believed."""
        return tuple(
            slug for slug in (self.from_host, self.from_path, self.from_header) if slug is not None
        )


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where the platform itself lives."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, base_domain: str) -> Site:
        """Read ``example.com`` or ``localhost:8000``."""
        host, port = _split_port(base_domain.lower())
        return cls(host=host, port=port)


def read_host(host_header: str, site: Site) -> tuple[str | None, str | None]:
    """Return the slug, or the foreign domain, that a Host header names; both None at the site."""
    host, _ = _split_port(host_header.strip().lower().rstrip("."))
    if not host or len(host) > _HOST_LENGTH_MAX:
        raise BadRequest("the Host header is missing or malformed")
    if host == site.host or _is_address(host):
        return None, None
    if host.endswith("." + site.host):
        return host.removesuffix("." + site.host), None
    if not all(part and part.replace("-", "").isalnum() for part in host.split(".")):
        raise BadRequest("the Host header is malformed")
    return None, host


def read_path(path: str) -> tuple[str | None, str]:
    """Return the slug that ``/t/{slug}/…`` names and the path behind it, decoded both."""
    if not path.startswith("/t/"):
        return None, path
    slug, slash, rest = path[3:].partition("/")
    return slug, slash + rest or "/"


def read_header(values: list[str]) -> str | None:
    """Return the slug of X-Tenant; two different ones are refused as any disagreement is."""
    if not values:
        return None
    if len(set(values)) > 1:
        raise BadRequest("the request has two X-Tenant headers that differ")
    return values[0].strip().lower()


def could_exist(slug: str) -> bool:
    """Tell whether a named slug is worth a look: anything else gets the same 404 without one."""
    return is_slug(slug)


def _split_port(host: str) -> tuple[str, int | None]:
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        name, port = name + bracket, port.removeprefix(":")
    else:
        name, _, port = host.partition(":")
    if port and not (_PORT.fullmatch(port) and int(port) < _PORT_END):
        raise BadRequest("the Host header is malformed")
    return name, int(port) if port else None


def _is_address(host: str) -> bool:
    if not (host.startswith("[") and host.endswith("]")):
        return _DIGITS.fullmatch(host) is not None
    try:
        return IPv6Address(host[1:-1]).scope_id is None
    except ValueError:
        return False
