"""Every page of the site, from its routes: whose it is, and at which address it is looked at.

What is looked at page by page (by axe-core, on a phone, for its speed) takes its list from here, so
a page that is added is looked at too, or stands below with the reason why it isn't.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from httpx import AsyncClient
from litestar.handlers import HTTPRouteHandler

from tests.gateways import expect
from web.site import PAGES

#: A variable part of an address, after the word that says what it names.
_THING: Final = re.compile(r"(?:(?<=/)([a-z-]+)/)?\{(\w+):\w+\}")
_STREAM: Final = "a stream of events: the page that it belongs to is looked at"
#: What isn't looked at by itself, and why.
EXCUSED: Final[Mapping[str, str]] = {
    "/upgrade": "leads to a workspace's plans",
    "/login/sso/return": "leads on: a provider sends people here (test_sign_on)",
    "/slugs/{wanted:str}": "two words for a script",
    "/mailbox/{mail_id:str}": "test_letters reads letters",
    "/console/moves/{move_id:uuid}/live": _STREAM,
    "/console/migrations/{migration_id:uuid}": "test_migrations begins one",
    "/console/migrations/{migration_id:uuid}/places": "test_migrations begins one",
    "/console/migrations/{migration_id:uuid}/live": _STREAM,
    "/console/access/{access_id:uuid}/rows": "test_staff_access enters rows",
    "/sales/{onboarding_id:uuid}": "leads to the stage that is open",
    "/sales/{onboarding_id:uuid}/watch": _STREAM,
    "/sales/{onboarding_id:uuid}/receipt": "a file",
    "/w/{slug:str}/security/trial": "what a provider answered: tests/sso/test_browser tries one",
    "/w/{slug:str}/welcome/live": _STREAM,
    "/w/{slug:str}/data/live": _STREAM,
    "/w/{slug:str}/data/archives/{export_id:uuid}": "a file",
    "/w/{slug:str}/data/archives/{export_id:uuid}/restore": "test_domains_and_data has one",
    "/w/{slug:str}/billing/change": "test_self_serve has a provider that tells prices",
    "/w/{slug:str}/upgrade/live": _STREAM,
    "/w/{slug:str}/moves/{move_id:uuid}": "test_self_serve moves a customer",
    "/w/{slug:str}/moves/{move_id:uuid}/live": _STREAM,
    "/w/{slug:str}/moves/{move_id:uuid}/strip": _STREAM,
}
#: What is asked of pages that show nothing without it.
_QUERIES: Final[Mapping[str, str]] = {
    "/signup": "plan=pro",
    "/console/search": "q=nothing-like-it",
    "/w/{slug:str}/upgrade/return": "plan=pro",
}
_OF_AN_ACCOUNT: Final = ("/workspaces", "/account", "/onboarding")


class Who(StrEnum):
    """Whose page it is."""

    NOBODY = "nobody"
    OWNER = "owner"
    OPERATOR = "operator"


def site_pages() -> list[str]:
    """Return what every GET route of the site is at, in their order."""
    handlers = [each for each in PAGES if isinstance(each, HTTPRouteHandler)]
    assert len(handlers) == len(PAGES), "each page is a route by itself"
    return [path for each in handlers if "GET" in each.http_methods for path in sorted(each.paths)]


def who_sees(path: str) -> Who:
    """Tell whose page it is."""
    if path.startswith(("/console", "/sales")):
        return Who.OPERATOR
    return Who.OWNER if path.startswith(("/w/", *_OF_AN_ACCOUNT)) else Who.NOBODY


def addresses(who: Who, things: Mapping[str, str]) -> list[str]:
    """Return where somebody looks at each page that is nobody else's and isn't excused.

    ``things`` are by the word before them in an address; a page whose thing isn't among them fails.
    """
    return [
        _address(path, things)
        for path in site_pages()
        if path not in EXCUSED and who_sees(path) is who
    ]


async def make_things(
    client: AsyncClient, slug: str, *, operator: Mapping[str, str], owner: Mapping[str, str]
) -> dict[str, str]:
    """Make one of each thing that has a page, by the API; both bring their headers."""
    ops = f"/api/ops/tenants/{slug}"
    features = {"limits": {"features": ["custom_domains", "custom_roles"]}}
    expect(await client.post(f"{ops}/limits", json=features, headers=operator), 201)
    body: dict[str, object] = {"tenant": slug, "ticket": "T-1", "minutes": 5}
    access = expect(await client.post("/api/ops/access", json=body, headers=operator), 201)
    body = {"name": "Acme Records", "owner": "sales@stepwell.example"}
    deal = expect(await client.post("/api/ops/onboardings", json=body, headers=operator), 201)
    claim = {"name": f"{slug}.example.com"}
    domain = expect(await client.post("/api/domains", json=claim, headers=owner), 201)
    key = expect(await client.post("/api/keys", json={"name": "robots"}, headers=owner), 201)
    member = expect(await client.get("/api/members", headers=owner), 200)["items"][0]
    place = expect(await client.get(ops, headers=operator), 200)["placement"]
    return {
        "w": slug,
        "tenants": slug,
        "clusters": str(place["cluster"]),
        "access": str(access["id"]),
        "sales": str(deal["line"]["id"]),
        "stage": "draft",
        "domains": str(domain["name"]),
        "keys": str(key["id"]),
        "members": str(member["id"]),
    }


async def make_move(client: AsyncClient, slug: str, *, operator: Mapping[str, str]) -> str:
    """Begin a move and take it back, which has pages as a move and as an operation."""
    wanted = {"tenant": slug, "tier": "schema"}
    begun = expect(await client.post("/api/ops/moves", json=wanted, headers=operator), 202)
    move_id = str(begun["operation"]["id"])
    expect(await client.post(f"/api/ops/moves/{move_id}/cancel", headers=operator), 200)
    return move_id


def _address(path: str, things: Mapping[str, str]) -> str:
    filled = _THING.sub(lambda found: _filled(found, things), path)
    return f"{filled}?{_QUERIES[path]}" if path in _QUERIES else filled


def _filled(found: re.Match[str], things: Mapping[str, str]) -> str:
    before, name = found.groups()
    return f"{before}/{things[before]}" if before else things[name]
