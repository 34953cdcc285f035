"""Questions to servers that a customer named: never to ourselves, to our neighbours, or for long.

The name is looked up once, every address that it has must be a public one, and the connection goes
to the address that was checked: a name that changes its mind in between changes nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from router.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ANSWER_S_MAX: Final = 8.0
ANSWER_BYTES_MAX: Final = 262_144
URL_LENGTH_MAX: Final = 2_000
_HTTPS_PORT: Final = 443
_OK: Final = 200


class Outside:
    """Asks. ``allow_private`` lets development ask loopback, in the clear too; never production."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(ANSWER_S_MAX),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=0),
            headers={"User-Agent": "stepwell", "Accept": "application/json"},
        )

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    def check_url(self, url: str) -> httpx.URL:
        """Return an address that may be asked, as far as its spelling tells."""
        try:
            parsed = httpx.URL(url)
            # What is spelled in Punycode is read only here, and may be none.
            has_host = bool(parsed.host)
        except (httpx.InvalidURL, TypeError, ValueError):
            raise _refused(url, "it is no URL") from None
        if len(url) > URL_LENGTH_MAX or not has_host:
            raise _refused(url, "it is no URL")
        if parsed.scheme != "https" and not (self._allow_private and parsed.scheme == "http"):
            raise _refused(url, "it must begin with https://")
        if parsed.userinfo or parsed.fragment:
            raise _refused(url, "it must hold no password and no fragment")
        return parsed

    async def get(self, url: str) -> Any:  # noqa: ANN401 - JSON may be anything; callers convert it
        """Return the JSON document at an address; raises Unprocessable, whatever is wrong."""
        return await self._ask("GET", url)

    async def post(
        self, url: str, form: Mapping[str, str], *, user: tuple[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - as get()
        """Send a form, and return the JSON document that answers."""
        return await self._ask("POST", url, form=form, user=user)

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        user: tuple[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - as get()
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                request = await self._request(method, self.check_url(url), form)
                auth = None if user is None else httpx.BasicAuth(*user)
                answer = await self._client.send(request, auth=auth, stream=True)
                try:
                    return _read(url, answer.status_code, await _body(url, answer.aiter_bytes()))
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise _refused(url, f"it doesn't answer within {ANSWER_S_MAX:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise _refused(url, f"it doesn't answer ({type(error).__name__})") from error

    async def _request(
        self, method: str, url: httpx.URL, form: Mapping[str, str] | None
    ) -> httpx.Request:
        address = await self._address(url)
        # The certificate is checked for the name, the connection goes to the address.
        return self._client.build_request(
            method,
            url.copy_with(host=str(address)),
            data=dict(form) if form is not None else None,
            headers={"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host},
        )

    async def _address(self, url: httpx.URL) -> IPv4Address | IPv6Address:
        port = url.port or _HTTPS_PORT
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                url.host, port, type=socket.SOCK_STREAM
            )
        except UnicodeError:
            # Of a label that is empty, or longer than any.
            raise _refused(str(url), "its name can't be one") from None
        addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        if not self._allow_private and not all(is_public(each) for each in addresses):
            raise _refused(str(url), "its address is a private one")
        if not addresses:
            raise _refused(str(url), "its name leads nowhere")
        return addresses[0]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether an address belongs to the internet, also behind the ways to spell it as IPv6."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address.packed[:12] == bytes.fromhex("0064ff9b0000000000000000"):
        return IPv4Address(address.packed[12:])
    return None


async def _body(url: str, pieces: AsyncIterator[bytes]) -> bytes:
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise _refused(url, f"it answers with more than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _read(url: str, status: int, body: bytes) -> object:
    if status != _OK:
        raise _refused(url, f"it answers with status {status}")
    try:
        found: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refused(url, "its answer is no JSON") from None
    return found


def _refused(url: str, reason: str) -> Unprocessable:
    return Unprocessable(f"{url[:100]!r} can't be asked: {reason}")
