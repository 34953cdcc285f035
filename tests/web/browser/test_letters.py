"""Letters, by clicks: an address is confirmed, and somebody is invited and comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from playwright.async_api import Browser

from deploy.mail.chores import sender_of
from deploy.mail.postman import Postman
from deploy.mail.smtp import SmtpAddress
from deploy.mail.wording import Wording
from deploy.mailbox.__main__ import Keeper
from deploy.mailbox.folder import MailFolder
from deploy.platform import site_url
from deploy.stack.ports import LOOPBACK, free_port
from tests.gateways import PASSWORD, GatewayWorld, new_slug
from tests.web.browser.people import Person


@pytest.fixture
async def postman(site: GatewayWorld) -> AsyncIterator[Postman]:
    """The way from the catalog to the mailbox that the site shows."""
    settings, loop, port = site.settings, asyncio.get_running_loop(), free_port()
    assert settings.mailbox_dir is not None
    keeper = Keeper(MailFolder(Path(settings.mailbox_dir)))
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="localhost", loop=loop), LOOPBACK, port
    )
    async with server:
        yield Postman(
            site.platform.catalog,
            site.platform.sealer,
            Wording(sender=sender_of(settings)),
            address=SmtpAddress(host=LOOPBACK, port=port),
            site_url=site_url(settings.base_domain),
        )


async def open_letter(person: Person, email: str, subject: str) -> None:
    """Read the newest letter to an address in the mailbox, and follow its link."""
    await person.open(f"/mailbox?to={email}")
    await person.page.get_by_role("link", name=subject).first.click()
    assert await person.faults() == []
    async with person.page.expect_navigation():
        await person.page.locator("article a").first.click()
    assert "token" not in person.page.url


async def test_somebody_signs_up_invites_another_and_both_confirm_their_addresses(
    browser: Browser, site: GatewayWorld, postman: Postman
) -> None:
    slug = new_slug()
    owner_email, guest_email = f"ann@{slug}.example", f"bob@{slug}.example"
    async with contextlib.AsyncExitStack() as stack:
        owner = await stack.enter_async_context(Person.at(browser, site))
        guest = await stack.enter_async_context(Person.at(browser, site))

        await owner.open("/signup")
        await owner.page.fill("#email", owner_email)
        await owner.page.fill("#password", PASSWORD)
        await owner.page.fill("#company", slug)
        await owner.press("Sign up")
        await owner.open(f"/w/{slug}")
        assert "Confirm that" in await owner.page.inner_text("section.banners")
        await postman.go_round()
        await open_letter(owner, owner_email, "Confirm your e-mail address")
        assert await owner.faults() == []
        await owner.press("Confirm my address")
        assert owner.page.url.endswith(f"/w/{slug}")
        assert await owner.page.locator("section.banners").count() == 0

        await owner.open(f"/w/{slug}/members")
        await owner.page.fill("#email", guest_email)
        await owner.press("Invite")
        await postman.go_round()
        await open_letter(guest, guest_email, "You are invited")
        assert f"{owner_email} invites" in await guest.page.inner_text("main")
        assert await guest.faults() == []
        await guest.page.fill("#name", "Bob")
        await guest.page.fill("#password", PASSWORD)
        await guest.press(f"Join {slug}")
        assert guest.page.url.endswith(f"/w/{slug}")
        assert "as member" in await guest.page.inner_text("p.said")
        # The letter proved the address on the way.
        assert await guest.page.locator("section.banners").count() == 0

        await owner.open(f"/w/{slug}/members")
        assert "Bob" in await owner.page.inner_text("table[aria-label=Members]")
        for path in ("/account", "/account/password", "/account/email", "/verify", "/reset"):
            await guest.open(path)
            assert await guest.faults() == [], path
