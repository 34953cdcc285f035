"""The mailbox of the embedded stack: takes what is sent, keeps the newest, shows it to anybody."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from deploy.mail.postman import Postman
from deploy.mail.smtp import SmtpAddress
from deploy.mail.wording import Wording
from deploy.mailbox import folder as folders
from deploy.mailbox.folder import MailFolder
from deploy.settings import load
from deploy.stack.ports import LOOPBACK, free_port
from router.errors import SettingsWrong
from tests.accounts.people import SENDER, SITE_URL
from tests.gateways import GatewayWorld, expect, gateway, new_slug, sign_up
from tests.worlds import SECRET_KEY

DEADLINE_S = 60.0
LETTER = (
    b"From: a@b.example\r\nTo: c@d.example\r\nSubject: %d\r\n\r\nSee https://x.example/y?z=1\r\n"
)


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[SmtpAddress]:
    """The mailbox as its own process; its folder is the test's."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "deploy.mailbox"),
        *("--port", str(port), "--folder", str(tmp_path / "mail")),
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not await listens(port):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield SmtpAddress(host=LOOPBACK, port=port)
    finally:
        process.terminate()
        assert await process.wait() == 0


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_what_is_mailed_can_be_read_over_the_api_and_on_the_page(
    made: GatewayWorld, address: SmtpAddress, tmp_path: Path
) -> None:
    slug = new_slug()
    shop = await sign_up(made.client, slug, email=f"owner@{slug}.example")
    platform = made.platform
    postman = Postman(
        platform.catalog,
        platform.sealer,
        Wording(sender=SENDER),
        address=address,
        site_url=SITE_URL,
    )
    await postman.go_round()
    settings = msgspec.structs.replace(made.settings, mailbox_dir=str(tmp_path / "mail"))
    async with gateway(settings) as opened:
        client = opened.client
        listed = expect(await client.get("/api/mailbox", params={"to": shop.email}), 200)["items"]
        assert [each["subject"] for each in listed] == ["Confirm your e-mail address"]
        whole = expect(await client.get(f"/api/mailbox/{listed[0]['id']}"), 200)
        assert whole["recipient"] == shop.email
        (link,) = whole["links"]
        assert link.startswith(f"{SITE_URL}/verify?token=")
        page = await client.get(f"/mailbox/{listed[0]['id']}", headers={"Accept": "text/html"})
        assert f'href="{link}"' in page.text
        assert shop.email in (await client.get("/mailbox", headers={"Accept": "text/html"})).text
        for wrong in ("nothing", "..%2F..%2Fetc%2Fpasswd", "0" * 20 + "-00000000", "%00"):
            for path in (f"/api/mailbox/{wrong}", f"/mailbox/{wrong}"):
                assert (await client.get(path)).status_code == 404, path


async def test_where_no_mailbox_is_set_none_is_there(made: GatewayWorld) -> None:
    for path in ("/api/mailbox", "/mailbox", "/mailbox/x"):
        assert (await made.client.get(path)).status_code == 404
    page = await made.client.get("/login", headers={"Accept": "text/html"})
    assert "/mailbox" not in page.text


def test_a_mailbox_is_refused_where_others_could_read_it() -> None:
    environ = {
        "STEPWELL_DATABASE_URL": "postgresql://a@b/c",
        "STEPWELL_SECRET_KEY": SECRET_KEY.decode(),
        "STEPWELL_MAILBOX_DIR": "mail",
    }
    assert load(environ).mailbox_dir == "mail"
    assert load({**environ, "STEPWELL_BASE_DOMAIN": "localhost:8123"}).mailbox_dir == "mail"
    with pytest.raises(SettingsWrong, match="STEPWELL_MAILBOX_DIR would let anybody read"):
        load({**environ, "STEPWELL_BASE_DOMAIN": "app.example.com"})


async def test_the_oldest_letters_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "LETTERS_MAX", 3)
    mail = MailFolder(tmp_path / "mail")
    assert await mail.list_all(None) == []
    for number in range(5):
        mail.put(LETTER % number)
    listed = await mail.list_all(None)
    assert [each.subject for each in listed] == ["4", "3", "2"]
    assert len(list((tmp_path / "mail").iterdir())) == 3
    found = await mail.find(listed[0].id)
    assert found is not None
    assert found.links == ["https://x.example/y?z=1"]
    assert await mail.list_all("somebody@else.example") == []


async def test_a_letter_that_nobody_can_read_is_listed_all_the_same(tmp_path: Path) -> None:
    mail = MailFolder(tmp_path)
    for content in (b"", b"\xff\xfe\x00", b"Content-Type: text/plain; charset=none\r\n\r\n\xff"):
        mail.put(content)
    listed = await mail.list_all(None)
    assert len(listed) == 3
    for each in listed:
        assert await mail.find(each.id) is not None
