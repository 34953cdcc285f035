"""Requests of one resident at another, and the verdict over each answer."""

from __future__ import annotations

import random
import re
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from httpx import Response

from tests.gateways import SITE, bearer
from tests.isolation.calls import Call, Names, is_uuid
from tests.isolation.residents import Resident, Shown, Town, draw_twin
from tests.isolation.rows import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNDOCUMENTED = ("PUT", "HEAD", "OPTIONS")
_REQUEST_ID = re.compile(rb'"request_id":"[^"]*"')
#: No credential that anybody has, or none at all.
_BAD = frozenset({Shown.EXPIRED, Shown.REVOKED, Shown.GARBAGE, Shown.NONE, Shown.OPERATOR})


class Place(StrEnum):
    """Where the request names a tenant."""

    HOST = "host"
    PATH = "path"
    HEADER = "header"
    CREDENTIAL = "credential only"
    ALL = "all that agree"
    TWO = "two that disagree"


class Siege(msgspec.Struct, kw_only=True):
    """How many requests there were, of which kinds, and what was found."""

    attempts: int = 0
    calls: set[str] = set()
    shown: set[Shown] = set()
    places: set[Place] = set()
    findings: list[str] = []


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says: which tenant it wants, and whose ids it names."""

    slug: str
    names: Names


class Besieger:
    """One attacker and one victim."""

    def __init__(
        self, town: Town, attacker: Resident, victim: Resident, dice: random.Random
    ) -> None:
        self._town = town
        self._attacker = attacker
        self._victim = victim
        self._dice = dice
        self.siege = Siege()

    async def besiege(self, *, requests_a_call: int) -> Siege:
        """Try every call; look at the victim afterwards."""
        before = await self._town.snapshot(self._victim)
        calls = self._dice.sample(self._town.document.calls, k=len(self._town.document.calls))
        for number, call in enumerate(calls):
            await self._try(call, number, requests_a_call)
        await self._try_undocumented()
        after = await self._town.snapshot(self._victim)
        for name, seen in before.items():
            if after[name] != seen:
                self._find(name, f"the victim's {seen} became {after[name]}")
        return self.siege

    async def _try(self, call: Call, number: int, requests_a_call: int) -> None:
        """Pairs of requests that differ in whose names they say; their answers must not."""
        ways = [(Place.HOST, Shown.OWNER, False), (Place.HOST, Shown.UNBOUND, True)]
        every = [(place, shown) for shown in Shown for place in Place]
        for turn in range(max(requests_a_call // 2 - len(ways), 0)):
            # A step that shares no factor with the length meets all of them before any again.
            place, shown = every[(number * 7 + turn * 13) % len(every)]
            ways.append((place, shown, (number + turn) % 2 == 0))
        for turn, (place, shown, is_at_theirs) in enumerate(ways):
            if call.is_operators and shown is Shown.OPERATOR:
                continue
            if shown is Shown.THEIRS and (
                place is Place.CREDENTIAL or is_at_theirs or _needs_no_tenant(call)
            ):
                continue  # the victim's own way in, or its own way out
            await self._pair(call, (place, shown, is_at_theirs), number + turn)

    async def _pair(self, call: Call, way: tuple[Place, Shown, bool], turn: int) -> None:
        place, shown, is_at_theirs = way
        words = [word for word in self._victim.words if is_uuid(word) or not call.takes_uuid]
        # Whoever renames itself takes the name: it must be one that is taken, or that nobody means
        # any more. Of what else the victim's words name, some would make a free and lasting one.
        renames = call.name == _RENAME
        word = self._victim.slug if renames else words[turn % len(words)]
        theirs = Names(number=Key.THEIRS, word=word)
        twin = draw_twin(word, self._dice) if renames else self._town.twin(word, self._dice)
        nobodys = Names(number=Key.NOBODYS, word=twin)
        slug, nowhere = self._attacker.slug, self._town.twin(self._victim.slug, self._dice)
        known = Target(slug=self._victim.slug if is_at_theirs else slug, names=theirs)
        unknown = Target(slug=nowhere if is_at_theirs else slug, names=nobodys)
        answers = [
            await self._send(call, (place, shown), target, turn) for target in (known, unknown)
        ]
        if any(answer.is_success for answer in answers) and not call.is_safe:
            await self._town.restore(self._attacker)
        for answer in answers:
            for why in verdict(call, way, answer, self._victim):
                self._find(call.name, f"{shown} at {place}, {is_at_theirs=}: {why}: {told(answer)}")
        # An attacker may have given itself a name that nobody had.
        names = [word, self._victim.slug, nobodys.word, nowhere]
        one = comparable(answers[0], [*names, str(Key.THEIRS.value)])
        other = comparable(answers[1], [*names, str(Key.NOBODYS.value)])
        # How often a person may try is counted by the person, whatever the request names, and how
        # often a tenant is renamed by the attacker's own; that a slug is taken is no secret.
        excused = {429, 409} if renames else {429} if _needs_no_tenant(call) else set[int]()
        if one != other and not call.is_public and not excused & {one[0], other[0]}:
            self._find(call.name, f"{shown} at {place}, {is_at_theirs=}: {one!r} is not {other!r}")

    async def _send(
        self, call: Call, way: tuple[Place, Shown], target: Target, turn: int
    ) -> Response:
        place, shown = way
        filled = self._town.document.fill(call, target.names, turn)
        prefix, headers = self._named(place, target.slug)
        token = await self._town.credential(shown, self._attacker, self._victim)
        if token is not None:
            headers |= bearer(token)
        if filled.media_type:
            headers["Content-Type"] = filled.media_type
        self.siege.attempts += 1
        self.siege.calls.add(call.name)
        self.siege.shown.add(shown)
        self.siege.places.add(place)
        return await self._town.client.request(
            filled.method, prefix + filled.path, content=filled.content, headers=headers
        )

    def _named(self, place: Place, slug: str) -> tuple[str, dict[str, str]]:
        host = {"Host": f"{slug}.{SITE}"}
        match place:
            case Place.HOST:
                return "", host
            case Place.PATH:
                return f"/t/{slug}", {"Host": SITE}
            case Place.HEADER:
                return "", {"Host": SITE, "X-Tenant": slug}
            case Place.CREDENTIAL:
                return "", {"Host": SITE}
            case Place.ALL:
                return f"/t/{slug}", host | {"X-Tenant": slug}
            case Place.TWO:
                return "", {"Host": f"{self._attacker.slug}.{SITE}", "X-Tenant": slug}

    async def _try_undocumented(self) -> None:
        """Send each path the methods that its document doesn't know."""
        documented: dict[str, set[str]] = {}
        for call in self._town.document.calls:
            documented.setdefault(call.path, set()).add(call.method)
        token = await self._town.credential(Shown.OWNER, self._attacker, self._victim)
        names = Names(number=Key.THEIRS, word=str(self._victim.customer.id))
        seen: set[str] = set()
        for call in self._town.document.calls:
            filled = self._town.document.fill(call, names, 0)
            for method in _UNDOCUMENTED:
                if method in documented[call.path] or f"{method} {call.path}" in seen:
                    continue
                seen.add(f"{method} {call.path}")
                answer = await self._town.client.request(
                    method, filled.path, headers=bearer(token or "")
                )
                self.siege.attempts += 1
                for why in always(answer, self._victim):
                    self._find(f"{method} {call.path}", f"{why}: {told(answer)}")

    def _find(self, name: str, text: str) -> None:
        tiers = f"({self._attacker.customer.tier} at {self._victim.customer.tier})"
        self.siege.findings.append(f"{name}: {text} {tiers}")


def verdict(
    call: Call, way: tuple[Place, Shown, bool], answer: Response, victim: Resident
) -> list[str]:
    """Say what is wrong with one answer."""
    _, shown, is_at_theirs = way
    wrong = always(answer, victim)
    if call.is_public:
        return wrong
    is_stranger = shown is Shown.THEIRS or (is_at_theirs and way[0] is not Place.CREDENTIAL)
    if answer.is_success and is_stranger and not _needs_no_tenant(call):
        wrong.append("a stranger was let in")
    if shown in _BAD and answer.status_code != 401:
        wrong.append("a bad credential was not refused as one")
    if shown is Shown.ACCESS and answer.is_success and not (call.is_safe and _is_of_rows(call)):
        wrong.append("staff did more than read rows")
    if shown is Shown.VIEWER and not call.is_safe and answer.is_success:
        wrong.append("a viewer wrote")
    if call.is_operators and answer.status_code != 401:
        wrong.append("a tenant was let in among the operators")
    return wrong


def _is_of_rows(call: Call) -> bool:
    return not call.path.startswith(("/api/", "/webhooks/"))


def always(answer: Response, victim: Resident) -> list[str]:
    """Say what is wrong with an answer, whatever was asked."""
    wrong = [] if answer.status_code < 500 else ["the request failed"]
    seen = answer.content + repr(answer.headers).encode()
    return wrong + (["the victim's canary came out"] if victim.held.canary.encode() in seen else [])


def comparable(answer: Response, said: Sequence[str]) -> tuple[int, bytes]:
    """Return what must be equal: the status and the body, but for what the request itself said.

    What succeeded wrote to the attacker's own rows or read them: its ids and times may differ.
    """
    if answer.is_success:
        return answer.status_code, b""
    body = _REQUEST_ID.sub(b"", answer.content)
    for word in said:
        body = re.sub(rb"\b" + re.escape(word[:40].encode()) + rb"\b", b"...", body)
    return answer.status_code, body


def told(answer: Response) -> str:
    """Show an answer in a finding."""
    return f"{answer.status_code} {answer.text[:300]}"


_RENAME = "PATCH /api/tenant"
#: Calls of a person, in whatever tenant: what they show and change is the person's own.
_PERSONAL = (
    "/api/switch",
    "/api/logout",
    "/api/me",
    "/api/passkeys",
    "/api/profile",
    "/api/sessions",
    "/api/slugs/",
    "/api/workspaces",
    "/api/invitations/join",
)


def _needs_no_tenant(call: Call) -> bool:
    return call.path.startswith(_PERSONAL)
