"""Where a call comes in: key, faults, idempotency, then its handler, in one transaction."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import random
import time
from collections.abc import Generator
from contextlib import contextmanager

import msgspec
from msgspec import Struct

from deploy.stand_in import (
    cards,
    catalogue,
    checkout,
    clocks,
    customers,
    events,
    expanding,
    faults,
    invoices,
    meters,
    portal,
    subscriptions,
)
from deploy.stand_in.books import Books, shown
from deploy.stand_in.calls import Call, Route
from deploy.stand_in.deliveries import Deliveries
from deploy.stand_in.faults import Faults
from deploy.stand_in.forms import parse
from deploy.stand_in.objects import EventRequest
from deploy.stand_in.problems import Refused, wrong_key
from deploy.stand_in.store import Answered, Store

IDEMPOTENCY_S = 86_400
IDEMPOTENCY_KEY_LENGTH_MAX = 255
NONSENSE = b"<html><body>Bad gateway"

ROUTES: tuple[Route, ...] = (
    *customers.ROUTES,
    *catalogue.ROUTES,
    *cards.ROUTES,
    *subscriptions.ROUTES,
    *invoices.ROUTES,
    *checkout.ROUTES,
    *portal.ROUTES,
    *events.ROUTES,
    *meters.ROUTES,
    *clocks.ROUTES,
)


class Asked(Struct, frozen=True, kw_only=True):
    """One call as it came over the wire; ``encoded`` is its query or its body."""

    method: str
    path: str
    authorization: str | None
    idempotency_key: str | None
    encoded: bytes


class Said(Struct, frozen=True, kw_only=True):
    """What goes back."""

    status: int
    body: bytes
    request_id: str | None = None
    is_replay: bool = False
    is_json: bool = True


class Desk:
    """The API and what stands behind it."""

    def __init__(self, store: Store, deliveries: Deliveries, *, url: str, api_key: str) -> None:
        self.store = store
        self.deliveries = deliveries
        self.url = url
        self._api_key = api_key
        self._in_work: set[str] = set()
        self._faults = faults.read(store)
        self._chance = random.Random(self._faults.seed)  # noqa: S311 - repeatable, not secret

    # Faults -------------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """The switches as they stand."""
        return self._faults

    def switch(self, switches: Faults) -> None:
        """Set the switches, and begin their luck anew."""
        with self.store.transaction():
            faults.write(self.store, switches)
        self._faults = switches
        self._chance = random.Random(switches.seed)  # noqa: S311 - repeatable, not secret

    def _happens(self, fraction: float) -> bool:
        return fraction > 0 and self._chance.random() < fraction

    # The API ------------------------------------------------------------------------------------

    async def answer(self, asked: Asked) -> Said:
        """Answer a call; what is refused has changed nothing."""
        try:
            self.check_key(asked.authorization)
            with self._alone(asked):
                await asyncio.sleep(self._faults.api_delay_ms / 1000)
                return self._with_faults(asked)
        except Refused as refused:
            return Said(status=refused.status, body=refused.document())

    def check_key(self, authorization: str | None) -> None:
        """Refuse whoever doesn't send the key that this stand-in was started with."""
        key = _key(authorization)
        if key is None or key != self._api_key:
            raise wrong_key(key)

    def _with_faults(self, asked: Asked) -> Said:
        if self._happens(self._faults.rate_limit):
            raise Refused("Too many requests hit the API.", status=429, code="rate_limit")
        is_failing = self._happens(self._faults.fail_api)
        # Half of what fails was done: the answer is what got lost.
        if is_failing and self._happens(0.5):
            raise _broken()
        said = self._answer(asked)
        if is_failing:
            raise _broken()
        if self._happens(self._faults.nonsense):
            return Said(status=200, body=NONSENSE, is_json=False)
        return said

    @contextmanager
    def _alone(self, asked: Asked) -> Generator[None]:
        """Let no two calls with one idempotency key be done at the same time."""
        key = _idempotency_key(asked)
        if key is None:
            yield
            return
        if key in self._in_work:
            raise Refused(
                f"There is currently another in-progress request using this Idempotent Key "
                f"({key}). Wait for it, then try again.",
                status=409,
                type="idempotency_error",
                code="idempotency_key_in_use",
            )
        self._in_work.add(key)
        try:
            yield
        finally:
            self._in_work.discard(key)

    def _answer(self, asked: Asked) -> Said:
        key = _idempotency_key(asked)
        print_ = _fingerprint(asked)
        known = None
        if key is not None:
            known = self.store.answered(key, since=int(time.time()) - IDEMPOTENCY_S)
        if known is not None:
            if known.fingerprint != print_:
                raise Refused(
                    "Keys for idempotent requests can only be used with the same parameters they "
                    f"were first used with. Try using a key other than '{key}' if you meant to "
                    "execute a different request.",
                    type="idempotency_error",
                )
            return Said(status=known.status, body=known.body, is_replay=True)
        return self._do(asked, key, print_)

    def _do(self, asked: Asked, key: str | None, fingerprint: str) -> Said:
        try:
            with self.store.transaction():
                id = self.store.fresh_id("req_")  # noqa: A001 - the field's name
                body = self._handle(asked, EventRequest(id=id, idempotency_key=key))
                said = Said(status=200, body=body, request_id=id)
                self._remember(key, fingerprint, said)
        except Refused as refused:
            # A card that was declined stays so under its key; a wrong call may be put right.
            if refused.type != "card_error":
                raise
            said = Said(status=refused.status, body=refused.document())
            with self.store.transaction():
                self._remember(key, fingerprint, said)
        self.deliveries.wake()
        return said

    def _remember(self, key: str | None, fingerprint: str, said: Said) -> None:
        if key is not None:
            answered = Answered(fingerprint=fingerprint, status=said.status, body=said.body)
            self.store.answer(key, answered, at=int(time.time()))

    def _handle(self, asked: Asked, request: EventRequest) -> bytes:
        route, ids = _found(asked)
        books = Books(self.store, url=self.url, request=request)
        form = parse(asked.encoded)
        paths = form.texts("expand")
        answer = route.handler(Call(books=books, form=form, ids=ids, path=f"/v1/{asked.path}"))
        for unknown in form.unread():
            raise Refused(
                f"Received unknown parameter: {unknown}", code="parameter_unknown", param=unknown
            )
        return msgspec.json.encode(expanding.expand(books, shown(answer), paths))

    # Pages and alarms ---------------------------------------------------------------------------

    @contextmanager
    def books(self) -> Generator[Books]:
        """Lend the books for something that is no API call."""
        with self.store.transaction():
            yield Books(self.store, url=self.url)
        self.deliveries.wake()


def _found(asked: Asked) -> tuple[Route, tuple[str, ...]]:
    segments = asked.path.split("/")
    for route in ROUTES:
        pattern = route.pattern.split("/")
        if route.method == asked.method and _fits(pattern, segments):
            return route, tuple(
                given for hole, given in zip(pattern, segments, strict=True) if hole == "*"
            )
    raise Refused(f"Unrecognized request URL ({asked.method}: /v1/{asked.path[:200]}).", status=404)


def _fits(pattern: list[str], segments: list[str]) -> bool:
    return len(pattern) == len(segments) and all(
        given != "" and hole in {"*", given} for hole, given in zip(pattern, segments, strict=True)
    )


def _key(authorization: str | None) -> str | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode("ascii").partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _idempotency_key(asked: Asked) -> str | None:
    if asked.method != "POST" or not asked.idempotency_key:
        return None
    if len(asked.idempotency_key) > IDEMPOTENCY_KEY_LENGTH_MAX:
        raise Refused("Idempotency keys may be up to 255 characters long.")
    return asked.idempotency_key


def _fingerprint(asked: Asked) -> str:
    """Tell calls apart; the order in which fields were sent makes no difference."""
    pairs = b"&".join(sorted(asked.encoded.split(b"&")))
    return hashlib.sha256(b"\0".join((asked.path.encode(), pairs))).hexdigest()


def _broken() -> Refused:
    return Refused("An error occurred on our side.", status=500, type="api_error")
