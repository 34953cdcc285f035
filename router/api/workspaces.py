"""Workspaces: a tenant of one's own, by whoever has proved an e-mail address."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from router.api import throttle
from router.api.entering import own_account
from router.api.errand import AccountErrand
from router.api.shapes import Name, Word
from router.api.signup import DEFAULT_PLAN, SignedUp, Wanted, check_wanted, open_workspace
from router.catalog import tenants
from router.errors import Conflict, NotAllowed, Unprocessable

SlugAsked = Annotated[str, PathParameter(description="The name to look for.", max_length=100)]


class NewWorkspace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the tenant is called, where it is found, and what it wants to pay for."""

    name: Name
    slug: Word
    plan: Word = DEFAULT_PLAN


class SlugShown(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a tenant may have this slug; ``reason`` says what speaks against it."""

    slug: str
    available: bool
    reason: str | None = None


@post(
    "/workspaces",
    status_code=201,
    tags=["accounts"],
    summary="Make a tenant that is ready to use",
)
async def make_workspace(
    errand: NamedDependency[AccountErrand], data: JSONBody[NewWorkspace]
) -> SignedUp:
    """One that was broken off may be asked for again as it was: it continues."""
    account = await own_account(errand)
    if account.email_verified_at is None:
        raise NotAllowed(
            f"{account.email} isn't proved yet: open the link of the mail, or have another one "
            "sent with POST /api/accounts/resend"
        )
    wanted = Wanted(name=data.name, slug=data.slug, plan=data.plan)
    await check_wanted(errand, wanted)
    return await open_workspace(errand, account, wanted)


@get("/slugs/{slug:str}", tags=["accounts"], summary="Whether a slug is free")
async def check_slug_free(errand: NamedDependency[AccountErrand], slug: SlugAsked) -> SlugShown:
    """Sixty a minute; a slug that a tenant had before is taken for ever."""
    await throttle.take(errand, throttle.SLUG, about=str(errand.account_id))
    try:
        async with errand.parts.catalog.connection() as connection:
            await tenants.check_free(connection, slug)
    except (Conflict, Unprocessable) as refused:
        return SlugShown(slug=slug, available=False, reason=refused.detail)
    return SlugShown(slug=slug, available=True)
