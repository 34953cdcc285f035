"""Servers that a customer names: spelled in one way, resolved once, never ours or a neighbour's.

A driver's idea of an address is wider than ours: lists of hosts, folders of sockets, numbers that
are addresses, options behind a question mark. What isn't plainly one name or one address is
refused before anything looks at it.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address

from router.errors import Unprocessable
from router.outside import is_public

HOST_LENGTH_MAX = 253
#: PostgreSQL's own port, and those that no other well-known protocol answers on.
PORT = 5432
PORT_MIN = 1024
RESOLVE_S_MAX = 5.0
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: The last label has a letter first: a number there is an address by one of its other spellings.
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
#: Names that lead nowhere outside, or to whoever asks.
_PRIVATE_ENDINGS = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "test",
    "invalid",
    "example",
    "onion",
    "alt",
)


def check_host(text: str, *, allow_private: bool = False) -> str:
    """Return the host of a customer's server as it is kept; raises Unprocessable.

    A name or an address in its one spelling. With ``allow_private`` it may be any of ours too.
    """
    host = text.strip().lower()
    if not host or len(host) > HOST_LENGTH_MAX or not host.isascii():
        raise _refused("it must be one host name in ASCII, or one address")
    address = _address(host)
    if address is None:
        _check_name(host, allow_private=allow_private)
    elif str(address) != host:
        raise _refused(f"spell the address as {address}")
    elif not (allow_private or is_public(address)):
        raise _refused("its address is a private one")
    return host


def _check_name(host: str, *, allow_private: bool) -> None:
    if allow_private and host == "localhost":
        return
    if _NAME.fullmatch(host) is None:
        raise _refused("it must be one full host name, or one address in its usual spelling")
    ending = next((each for each in _PRIVATE_ENDINGS if _is_below(host, each)), None)
    if ending is not None and not allow_private:
        raise _refused(f"names that end in .{ending} lead to private places")


def check_port(port: int) -> int:
    """Return the port, if PostgreSQL may be asked there."""
    if port != PORT and port < PORT_MIN:
        raise Unprocessable(
            f"port {port} is another protocol's: {PORT}, or {PORT_MIN} and above", field="port"
        )
    return port


def check_addresses(found: list[str], *, allow_private: bool = False) -> str:
    """Return the address that is pinned; every one that a name has must be a public one."""
    addresses = [ip_address(each.partition("%")[0]) for each in found]
    if not addresses:
        raise _refused("its name leads nowhere")
    if not allow_private and not all(is_public(each) for each in addresses):
        raise _refused("its name leads to a private address")
    return str(addresses[0])


async def resolve(host: str, port: int, *, allow_private: bool = False) -> str:
    """Look a checked name up, once: what is returned is what is connected to from then on."""
    try:
        async with asyncio.timeout(RESOLVE_S_MAX):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError, TimeoutError):
        raise _refused("its name leads nowhere") from None
    return check_addresses([str(each[4][0]) for each in found], allow_private=allow_private)


def check_certificates(text: str) -> str:
    """Return certificates in PEM, if somebody can vouch by them."""
    wanted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        wanted.load_verify_locations(cadata=text)
    # A TypeError is what it says of text that isn't ASCII.
    except (ssl.SSLError, TypeError, ValueError):
        raise Unprocessable(
            "these are no certificates in PEM: -----BEGIN CERTIFICATE----- and what follows",
            field="certificates",
        ) from None
    if not wanted.get_ca_certs():
        raise Unprocessable(
            "these certificates are no authority's: give the one that signed the server's",
            field="certificates",
        )
    return text.strip() + "\n"


def check_word(text: str, *, field: str) -> str:
    """Return a user's or a database's name, if it is printable and nothing else hides in it."""
    word = text.strip()
    if not word or not word.isprintable() or any(each in word for each in "/\\?&=@:,'\" "):
        raise Unprocessable(f"{text[:60]!r} is no name that PostgreSQL gives", field=field)
    return word


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_below(host: str, ending: str) -> bool:
    return host == ending or host.endswith("." + ending)


def _refused(reason: str) -> Unprocessable:
    return Unprocessable(f"this server can't be taken: {reason}", field="host")
