"""A customer's own server: verified, pinned, sealed; a rogue one gets no password."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from httpx import AsyncClient

from deploy.stack.account import find_account
from deploy.stack.binaries import find_postgres
from deploy.stack.parts import postgres_part
from deploy.stack.ports import LOOPBACK
from deploy.stack.postgres import PostgresCluster, postgres_cluster
from deploy.stack.supervisor import supervise
from router.connect import Address, connect
from router.errors import DatabaseUnreachable
from router.names import random_name
from tests.gateways import GatewayWorld, expect, gateway, new_slug, ops
from tests.onboarding.authority import Authority, Issued
from tests.onboarding.deals import Seller, by_token, seller
from tests.onboarding.test_story import until_ready
from tests.stack.worlds import open_folder
from tests.worlds import FAST

NAME = "db.customer.com"
PASSWORD = "the administrator's password"
_START = b"\x00\x03\x00\x00"


class Rogue:
    """Listens, may speak TLS, asks for a password in clear, and remembers all that it was told."""

    def __init__(self, issued: Issued | None, folder: Path) -> None:
        self.heard = b""
        self.tls: ssl.SSLContext | None = None
        if issued is not None:
            path = folder / random_name("rogue-")
            path.write_text(issued.certificate + issued.key, encoding="ascii")
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(path)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.heard += await reader.readexactly(8)
            writer.write(b"N" if self.tls is None else b"S")
            await writer.drain()
            if self.tls is not None:
                await writer.start_tls(self.tls)
            self.heard += await reader.read(1_000)
            writer.write(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
            await writer.drain()
            self.heard += await reader.read(1_000)
        writer.close()


class Front(Rogue):
    """Speaks TLS before a server whose build can't, and hands on what it hears."""

    def __init__(self, issued: Issued, folder: Path, port: int) -> None:
        super().__init__(issued, folder)
        self._port = port

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self.tls is not None
        behind: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readexactly(8)
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(self.tls)
            answers, behind = await asyncio.open_connection(LOOPBACK, self._port)
            pipes = (_pipe(reader, behind), _pipe(answers, writer))
            await asyncio.gather(*pipes, return_exceptions=True)
        if behind is not None:
            behind.close()
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while heard := await reader.read(65_536):
        writer.write(heard)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def listening(rogue: Rogue) -> AsyncGenerator[int]:
    server = await asyncio.start_server(rogue.answer, LOOPBACK, 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def address(port: int, authority: Authority, name: str = NAME) -> Address:
    return Address(
        host=LOOPBACK,
        port=port,
        database="postgres",
        user="admin",
        password=PASSWORD,
        tls_name=name,
        tls_ca=authority.pem,
    )


async def test_a_server_without_tls_gets_no_password(tmp_path: Path) -> None:
    rogue = Rogue(None, tmp_path)
    async with listening(rogue) as port:
        with pytest.raises(DatabaseUnreachable):
            await connect(address(port, Authority()), purpose="test")
    assert len(rogue.heard) >= 8
    assert PASSWORD.encode() not in rogue.heard


async def test_a_server_that_another_authority_vouches_for_gets_no_password(
    tmp_path: Path,
) -> None:
    rogue = Rogue(Authority().issue(NAME, LOOPBACK), tmp_path)
    async with listening(rogue) as port:
        with pytest.raises(DatabaseUnreachable, match="certificate verify failed"):
            await connect(address(port, Authority()), purpose="test")
    assert PASSWORD.encode() not in rogue.heard


async def test_the_certificate_must_bear_the_name_and_not_the_address(tmp_path: Path) -> None:
    authority = Authority()
    rogue = Rogue(authority.issue("elsewhere.customer.com", LOOPBACK), tmp_path)
    async with listening(rogue) as port:
        with pytest.raises(DatabaseUnreachable, match="mismatch"):
            await connect(address(port, authority), purpose="test")
    assert PASSWORD.encode() not in rogue.heard


async def test_the_right_server_is_believed_at_its_pinned_address(tmp_path: Path) -> None:
    authority = Authority()
    right = Rogue(authority.issue(NAME, LOOPBACK), tmp_path)
    async with listening(right) as port:
        with pytest.raises(DatabaseUnreachable):
            await connect(address(port, authority), purpose="test")
    assert _START in right.heard, "it got as far as the start-up message"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


class Own(NamedTuple):
    """A customer's server, and the port at which it speaks TLS."""

    cluster: PostgresCluster
    port: int


@pytest.fixture(scope="module")
async def server(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Own]:
    """A PostgreSQL of the customer's, behind a certificate of the authority."""
    with open_folder() as folder:
        async with supervise(Path(folder), say=lambda _: None) as supervisor:
            described = await postgres_cluster(
                supervisor.folder,
                "customers",
                binaries=find_postgres(),
                account=find_account(),
                settings=FAST,
            )
            await supervisor.start(postgres_part(described))
            issued = authority.issue(NAME, LOOPBACK)
            front = Front(issued, tmp_path_factory.mktemp("front"), described.port)
            async with listening(front) as port:
                yield Own(described, port)


@pytest.fixture
async def allowing(made: GatewayWorld) -> AsyncIterator[AsyncClient]:
    """A gateway over the same catalog that takes servers at private addresses."""
    settings = msgspec.structs.replace(made.settings, own_servers_private="allow")
    async with gateway(settings) as other:
        yield other.client


async def test_a_server_of_loopback_is_refused_unless_it_is_allowed(
    made: GatewayWorld, allowing: AsyncClient, server: Own, authority: Authority
) -> None:
    deal, name, second = by_token(made), new_slug("own"), await seller(made)
    await deal.up_to("provisioning")
    place = {**place_of(server, authority), "cluster": name}
    refused = await deal.save("place", place, 422)
    assert [each["key"] for each in refused["errors"]] == ["host"]
    deal.client = allowing
    await deal.save("place", {**place, "password": "wrong"})
    assert deal.shown["has_password"]
    assert "wrong" not in str(deal.shown)
    await deal.approved_by(second)
    assert "authentication failed" in (await deal.act("advance", 422))["detail"]
    await deal.save("place", place)
    await deal.approved_by(second)
    await deal.act("advance")
    assert (deal.shown["is_registered"], deal.shown["has_password"]) == (True, False)
    await assert_reserved(deal, name)
    await deal.save("data", {"source": "new", "slug": new_slug("acme")})
    await deal.act("begin")
    await until_ready(deal)
    assert deal.shown["tenant"]["cluster"] == name
    await deal.act("advance")
    await deal.act("check")
    await until_ready(deal)
    checks = deal.shown["receipt"]["sheet"]["checks"]
    assert [each["says"] for each in checks if not each["has_passed"]] == []
    told = expect(await made.client.get("/api/ops/audit?limit=200", headers=ops()), 200)
    assert place["password"] not in str(told)


async def assert_reserved(deal: Seller, name: str) -> None:
    listed = expect(await deal.client.get("/api/ops/clusters", headers=ops()), 200)["items"]
    (found,) = [each for each in listed if each["name"] == name]
    assert (found["is_reserved"], found["role"], found["host"]) == (True, "dedicated", LOOPBACK)
    other = by_token_at(deal.client)
    await other.up_to("provisioning")
    await other.save("place", {"kind": "cluster", "cluster": name})
    assert other.missing == ["cluster"]
    await other.act("close")


def by_token_at(client: AsyncClient) -> Seller:
    return Seller(client, ops())


def place_of(server: Own, authority: Authority) -> dict[str, Any]:
    return {
        "kind": "own",
        "region": "theirs",
        "host": LOOPBACK,
        "port": server.port,
        "user": server.cluster.superuser,
        "password": server.cluster.password,
        "certificates": authority.pem,
    }
