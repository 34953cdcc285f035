"""People at their browsers."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncGenerator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, ConsoleMessage, Page, Request, ViewportSize

from router.catalog import accounts
from router.catalog.passwords import Passwords
from tests.gateways import PASSWORD, GatewayWorld, new_slug
from web.visitor import SESSION_COOKIE

#: The file of axe-core inside the package that carries it.
AXE = Path(str(files("axe_playwright_python"))) / "axe.min.js"
#: What the browser itself writes when a page answers with a refusal, which tests ask for.
_EXPECTED = "Failed to load resource"
SCREEN: ViewportSize = {"width": 1280, "height": 800}
PHONE: ViewportSize = {"width": 360, "height": 740}
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
#: What each run draws anew: ids, and the ends of slugs.
_DRAWN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+-[0-9a-f]{6}|[A-Za-z0-9_-]{32,}")


class Person:
    """One person with a browser of their own."""

    def __init__(self, page: Page, origin: str, others: tuple[str, ...] = ()) -> None:
        self.page = page
        self.origin = origin
        #: Origins of others to which our pages lead, as the provider's.
        self._others = tuple(f"{each}/" for each in others)
        #: What no page may do: ask another host, or break the policy.
        self.offences: list[str] = []
        page.on("request", self._asked)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.offences.append(str(error)))

    @classmethod
    @contextlib.asynccontextmanager
    async def at(
        cls,
        browser: Browser,
        site: GatewayWorld,
        *,
        has_script: bool = True,
        others: tuple[str, ...] = (),
    ) -> AsyncGenerator[Person]:
        """Open a window; what happened in it that may not is told at the end."""
        settings = await browser.new_context(
            reduced_motion="reduce", viewport=SCREEN, java_script_enabled=has_script
        )
        origin = f"http://{site.settings.base_domain}"
        person = cls(await settings.new_page(), origin, others)
        yield person
        await settings.close()
        assert person.offences == []

    async def log_in(self, email: str) -> None:
        await self.open("/login")
        await self.page.fill("#email", email)
        await self.page.fill("#password", PASSWORD)
        await self.press("Log in")

    async def token(self) -> str:
        """Return the token of the session that the browser keeps."""
        kept = await self.page.context.cookies()
        (token,) = [each.get("value", "") for each in kept if each.get("name") == SESSION_COOKIE]
        return token

    async def open(self, path: str) -> int:
        """Open a page by its address; returns the status."""
        answer = await self.page.goto(self.origin + path)
        assert answer is not None
        return answer.status

    async def press(self, name: str) -> None:
        """Press a button inside the page's own part, and wait for what comes."""
        async with self.page.expect_navigation():
            await self.page.locator("main").get_by_role("button", name=name, exact=True).click()

    async def faults(self) -> list[str]:
        """Return what is wrong with the page for people who can't see or point, or are on a phone.

        Looks at it in light and in dark, and keeps pictures for whoever asked for them.
        """
        # Evaluated and not added as a script: the pages' policy lets in none but ours.
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[str] = []
        for scheme in SCHEMES:
            await self.page.emulate_media(color_scheme=scheme)
            seen: dict[str, Any] = await self.page.evaluate("axe.run()")
            found += [
                f"{each['id']} ({scheme}): {node['target']} {node['failureSummary']}"
                for each in seen["violations"]
                for node in each["nodes"]
            ]
            await self.keep_picture(scheme)
            await self.page.set_viewport_size(PHONE)
            wide: int = await self.page.evaluate("document.documentElement.scrollWidth")
            if wide > PHONE["width"]:
                found.append(f"{wide} pixels wide on a phone")
            await self.keep_picture(f"{scheme}-phone")
            await self.page.set_viewport_size(SCREEN)
        await self.page.emulate_media(color_scheme="light")
        return found

    async def keep_picture(self, look: str) -> None:
        """Show the page to whoever asked for pictures (`make screenshots`)."""
        folder = os.environ.get("STEPWELL_TEST_SCREENSHOTS")
        if folder is None:
            return
        where = _DRAWN.sub("x", self.page.url.removeprefix(self.origin))
        name = re.sub(r"[^a-z0-9-]+", "_", where.lower())
        kept = sorted(Path(folder).glob(f"{look}{name}[.~]*"))
        mark = f"~{len(kept)}" if kept else ""
        await self.page.screenshot(path=Path(folder) / f"{look}{name}{mark}.png", full_page=True)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", "data:", *self._others)):
            self.offences.append(f"asked {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(_EXPECTED):
            self.offences.append(message.text)


async def staff(site: GatewayWorld, role: str) -> str:
    """Make one of the staff; returns the e-mail address."""
    email, passwords = f"{new_slug(role)}@stepwell.example", Passwords()
    password_hash = await passwords.hash(PASSWORD)
    passwords.close()
    async with site.platform.catalog.connection() as connection:
        made = await accounts.create(connection, email=email, password_hash=password_hash)
        await connection.execute(
            "UPDATE catalog.account SET staff_role = $2 WHERE id = $1", made.id, role
        )
    return email
