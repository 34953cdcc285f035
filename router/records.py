"""What the DNS says: TXT records, asked of the servers that operators name, or of the system's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dns.asyncresolver
import dns.exception
import dns.inet
import dns.resolver
from dns.nameserver import Do53Nameserver

from router.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

#: All servers together get so long for one question; each of them for one packet.
ANSWER_S_MAX: Final = 5.0
SERVER_S_MAX: Final = 2.0
#: A name with more is none that somebody set up for us.
TEXTS_MAX: Final = 100
_DNS_PORT: Final = 53
_PORT_END: Final = 65_536


class RecordsSilent(Exception):
    """No name server answered: whoever asked does it again later."""


class Records:
    """Asks. Keeps nothing: whoever has just set a record wants it seen."""

    def __init__(self, servers: str | None = None) -> None:
        self._servers: Sequence[tuple[str, int]] = read_servers(servers) if servers else ()

    async def texts(self, name: str) -> frozenset[str]:
        """Return the texts at a name, none where it isn't there; raises RecordsSilent."""
        try:
            answer = await self._resolver().resolve(name, "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return frozenset()
        except (dns.exception.DNSException, OSError) as error:
            raise RecordsSilent(f"no name server answered for {name}: try again later") from error
        rrset = answer.rrset or ()
        return frozenset(
            b"".join(record.strings).decode("utf-8", "replace")
            for record, _ in zip(rrset, range(TEXTS_MAX), strict=False)
        )

    def _resolver(self) -> dns.asyncresolver.Resolver:
        # Made anew each time: the system's servers may have changed, and it holds no socket.
        resolver = dns.asyncresolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [Do53Nameserver(host, port) for host, port in self._servers]
        resolver.lifetime, resolver.timeout = ANSWER_S_MAX, SERVER_S_MAX
        return resolver


def read_servers(text: str) -> Sequence[tuple[str, int]]:
    """Read ``192.0.2.1,192.0.2.2:5353,[2001:db8::1]:53``."""
    return [_server(each.strip()) for each in text.split(",")]


def _server(text: str) -> tuple[str, int]:
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    is_port = not port or (port.isascii() and port.isdigit() and 0 < int(port) < _PORT_END)
    if not is_port or not dns.inet.is_address(host):
        raise Misconfigured(
            f"STEPWELL_DNS_SERVERS: {text[:80]!r} is no address: write 192.0.2.1 or "
            "[2001:db8::1]:53"
        )
    return host, int(port or _DNS_PORT)
