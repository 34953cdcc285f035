"""What a worker does for mail, and its figures."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

from deploy.mail.postman import Postman
from deploy.mail.smtp import read_smtp_url
from deploy.mail.wording import Wording
from deploy.platform import site_url
from router.catalog import letters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from deploy.platform import Platform
    from deploy.settings import Settings
    from router.catalog import Catalog

READ_S = 15.0


def mail_chores(
    platform: Platform, registry: CollectorRegistry
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Name the chores; raises SettingsWrong where the server's address is none."""
    figures = MailFigures(registry)
    return {
        "mail": make_postman(platform).keep,
        "mail figures": lambda: figures.keep(platform.catalog),
    }


def make_postman(platform: Platform) -> Postman:
    """Make a postman by the settings."""
    settings = platform.settings
    return Postman(
        platform.catalog,
        platform.sealer,
        Wording(sender=sender_of(settings)),
        address=read_smtp_url(settings.smtp_url) if settings.smtp_url else None,
        site_url=site_url(settings.base_domain),
    )


def sender_of(settings: Settings) -> str:
    """Return who writes our letters."""
    return settings.mail_from or f"no-reply@{settings.base_domain.partition(':')[0]}"


class MailFigures:
    """Each figure is of the whole installation, so any worker's will do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._waiting = Gauge(
            "stepwell_mail_letters_waiting", "Letters that are to be sent", registry=registry
        )
        self._given_up = Gauge(
            "stepwell_mail_letters_given_up",
            "Letters of the last month that no server will take",
            registry=registry,
        )
        self._oldest = Gauge(
            "stepwell_mail_oldest_letter_seconds",
            "How long the oldest of the waiting letters has waited",
            registry=registry,
        )

    async def keep(self, catalog: Catalog) -> None:
        """Read until cancelled."""
        while True:
            await self.read(catalog)
            await asyncio.sleep(READ_S)

    async def read(self, catalog: Catalog) -> None:
        """Read once."""
        async with catalog.connection() as connection:
            read = await letters.figures(connection)
        self._waiting.set(read.waiting)
        self._given_up.set(read.given_up)
        self._oldest.set(read.oldest_s)
