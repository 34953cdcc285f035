"""The pages, made from the settings of a gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from litestar.di import Provide

from deploy.mailbox.folder import MailFolder
from deploy.platform import site_url
from router.api import router_behind
from router.api.door import admit_anyone
from router.api.mailbox import Mailbox, list_mail, show_mail
from router.sealing import derive_password
from web.porch import Policy
from web.site import site_routers
from web.visitor import Web

if TYPE_CHECKING:
    from litestar import Router

    from deploy.settings import Settings
    from router.api import Parts
    from web.inside import Inside

#: Where Stripe's own pages are. A form of ours leads there, and Chromium holds redirects to that.
STRIPE_PAGES = ("https://checkout.stripe.com", "https://billing.stripe.com")


def make_web(settings: Settings, product: str, inside: Inside) -> Web:
    """Make what all pages of a process share."""
    url = site_url(settings.base_domain)
    return Web(
        has_mailbox=settings.mailbox_dir is not None,
        client=httpx.AsyncClient(
            transport=inside, base_url=url, timeout=settings.request_deadline_s
        ),
        site_url=url,
        base_domain=settings.base_domain,
        product=product,
    )


def make_mailbox(settings: Settings, parts: Parts) -> list[Router]:
    """Make the way to the mailbox that the settings name, if they do."""
    if settings.mailbox_dir is None:
        return []
    folder = MailFolder(Path(settings.mailbox_dir))

    async def mailbox() -> Mailbox:
        return folder

    given = {"mailbox": Provide(mailbox)}
    return [router_behind(parts, admit_anyone, [list_mail, show_mail], dependencies=given)]


def make_pages(settings: Settings, web: Web) -> list[Router]:
    """Make every page; one secret for the forms of all gateways."""
    secret_key = settings.secret_key.split(",")[0].strip().encode()
    payers = STRIPE_PAGES if settings.stripe_api_base is None else (settings.stripe_api_base,)
    policy = Policy(payers=payers, is_encrypted=web.site_url.startswith("https:"))
    return site_routers(web, policy, form_secret=derive_password(secret_key, "forms"))
