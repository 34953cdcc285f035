"""People with mailboxes: what was written to them is brought when a test asks for it."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from http.client import UNAUTHORIZED

from httpx import AsyncClient

from deploy.mail.postman import Postman
from deploy.mail.wording import Wording
from tests.accounts.post_office import PostOffice, code_of, link_of
from tests.gateways import HEARD_S_MAX, SITE, GatewayWorld, bearer, expect

SITE_URL = f"https://{SITE}"
SENDER = f"no-reply@{SITE}"


class Town:
    """A gateway, and the post of its people."""

    def __init__(self, made: GatewayWorld, office: PostOffice) -> None:
        self.made = made
        self.office = office

    def postman(self, *, has_address: bool = True) -> Postman:
        platform = self.made.platform
        return Postman(
            platform.catalog,
            platform.sealer,
            Wording(sender=SENDER),
            address=self.office.address if has_address else None,
            site_url=SITE_URL,
        )

    async def mail(self, email: str) -> list[EmailMessage]:
        """Bring all that is due, and return what came to one address, the oldest first."""
        await self.postman().go_round()
        return [each for each in self.office.letters if each["To"] == email]

    async def link(self, email: str) -> str:
        """Return where the last letter to an address leads."""
        return link_of((await self.mail(email))[-1])

    async def token(self, email: str) -> str:
        """Return the token of that link."""
        return (await self.link(email)).partition("?token=")[2]

    async def code(self, email: str) -> str:
        """Return the code of the last letter to an address."""
        return code_of((await self.mail(email))[-1])

    async def verify_first(self, email: str) -> None:
        """Prove an address with the letter of its sign-up."""
        shown = {"token": await self.token(email)}
        expect(await self.made.client.post("/api/accounts/verify", json=shown), 200)


async def until_refused(client: AsyncClient, token: str) -> None:
    """Wait until every process knows that a session has ended."""
    async with asyncio.timeout(HEARD_S_MAX):
        while (await client.get("/api/me", headers=bearer(token))).status_code != UNAUTHORIZED:
            await asyncio.sleep(0.02)
