"""People who write while their tenant moves, and remember what they were told.

Each row has one writer, so what a reader must see is known at each moment. A request without an
answer leaves its row in doubt, and nobody touches that row again.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import itertools
import random
import time
from typing import TYPE_CHECKING

import httpx
import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from httpx import AsyncClient, Response

_PAUSE_S = 0.06
_LOOK_S = 0.02
_GONE = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request: when it began and ended, and why it counts as failed."""

    what: str
    began_s: float
    ended_s: float
    client: int
    failure: str | None = None

    @property
    def took_s(self) -> float:
        """How long somebody waited."""
        return self.ended_s - self.began_s


class _Unanswered(Exception):
    """Nobody knows whether it was done."""


class Traffic:
    """Writers of one tenant, through several gateways, over the table of artists."""

    def __init__(
        self, clients: Sequence[AsyncClient], key: str, *, writers: int, seed: int
    ) -> None:
        self._clients = clients
        self._headers = {"Authorization": f"Bearer {key}"}
        self._writers = writers
        self._seed = seed
        self._stock: dict[int, str] = {}
        #: Gateways that hung up: people go to another one.
        self._silent: set[int] = set()
        #: What each row may be now; None is a row that is gone.
        self.rows: dict[int, set[str | None]] = {}
        #: Names of new rows whose writer had no answer.
        self.perhaps: set[str] = set()
        self.asked: list[Asked] = []
        self._stalls: list[tuple[float, float]] = []
        self.wrong: list[str] = []

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncGenerator[None]:
        """Let people write as long as the block lasts; what was asked before is forgotten."""
        self.asked.clear()
        self._stalls.clear()
        self._stock = await self._export()
        is_over = asyncio.Event()
        writers = [
            asyncio.ensure_future(_Writer(self, number, self._seed).run(is_over))
            for number in range(self._writers)
        ]
        watch = asyncio.ensure_future(self._watch(is_over))
        try:
            yield
        finally:
            is_over.set()
            await asyncio.gather(*writers, watch)

    def failures(self) -> list[Asked]:
        """Return what failed."""
        return [each for each in self.asked if each.failure is not None]

    def silence_s(self, since_s: float) -> float:
        """Return the longest time without any success between a moment and the last request."""
        later = [each.ended_s for each in self.asked if each.ended_s >= since_s]
        good = [e.ended_s for e in self.asked if e.failure is None and e.ended_s >= since_s]
        marks = sorted([since_s, *good, max(later)])
        return max(after - before for before, after in itertools.pairwise(marks))

    def stalled_s(self, since_s: float) -> float:
        """Return the longest time for which this process itself, gateways and all, got no CPU."""
        return max((late_s for at_s, late_s in self._stalls if at_s >= since_s), default=0.0)

    def slowest(self, since_s: float) -> Asked:
        """Return the slowest request that ended after a moment."""
        later = [each for each in self.asked if each.ended_s >= since_s]
        return max(later, key=lambda each: each.took_s)

    async def differences(self) -> list[str]:
        """Compare what is there with what people were told; call it when nobody writes."""
        found = await self._export()
        expected: dict[int, set[str | None]] = {key: {name} for key, name in self._stock.items()}
        expected.update(self.rows)
        told = [
            f"artist {key} is {found.get(key)!r} and should be of {names}"
            for key, names in expected.items()
            if found.get(key) not in names
        ]
        surplus = [name for key, name in found.items() if key not in expected]
        told += [f"nobody wrote {name!r}" for name in surplus if name not in self.perhaps]
        doubled = len(surplus) - len(set(surplus))
        return [*self.wrong, *told, *([f"{doubled} names are doubled"] if doubled else [])]

    async def ask(
        self, client: int, method: str, path: str, body: dict[str, str] | None = None
    ) -> Response:
        """Send one request; raises _Unanswered when it may have been done or not."""
        began_s = time.monotonic()
        failure = None
        try:
            answer = await self._clients[client].request(
                method, path, json=body, headers=self._headers
            )
        except httpx.TransportError as error:
            self._silent.add(client)
            failure = f"{method} {path}: {type(error).__name__} {error}"
            raise _Unanswered(failure) from error
        else:
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                failure = f"{method} {path}: {answer.status_code} {answer.text}"
                raise _Unanswered(failure)
            return answer
        finally:
            asked = Asked(
                what=f"{method} {path}",
                began_s=began_s,
                ended_s=time.monotonic(),
                client=client,
                failure=failure,
            )
            self.asked.append(asked)

    async def _watch(self, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            due_s = time.monotonic() + _LOOK_S
            await asyncio.sleep(_LOOK_S)
            self._stalls.append((due_s, time.monotonic() - due_s))

    async def _export(self) -> dict[int, str]:
        for client in self._clients:
            with contextlib.suppress(httpx.TransportError):
                answer = await client.get("/export/artist", headers=self._headers)
                assert answer.status_code == httpx.codes.OK, answer.text
                lines = csv.DictReader(io.StringIO(answer.text, newline=""))
                return {int(line["artist_id"]): line["name"] for line in lines}
        raise AssertionError("no gateway answers")

    @property
    def gateways(self) -> list[int]:
        """The gateways that answer, as far as anybody knows."""
        return [at for at in range(len(self._clients)) if at not in self._silent]


class _Writer:
    """One person, with rows of their own."""

    def __init__(self, traffic: Traffic, number: int, seed: int) -> None:
        self._traffic = traffic
        self._number = number
        self._dice = random.Random(f"{seed} {number}")
        self._mine: dict[int, str] = {}
        self._count = 0

    async def run(self, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            await self._write(self._dice.choice(self._traffic.gateways))
            await asyncio.sleep(self._dice.random() * 2 * _PAUSE_S)

    async def _write(self, client: int) -> None:
        chosen = self._dice.random()
        if chosen < 0.4 or not self._mine:
            await self._append(client)
            return
        key = self._dice.choice(sorted(self._mine))
        if chosen < 0.7:
            await self._rename(client, key)
        elif chosen < 0.8:
            await self._remove(client, key)
        else:
            await self._read(client, key)

    def _name(self) -> str:
        self._count += 1
        return f"of {self._number}, {self._count}"

    async def _append(self, client: int) -> None:
        name = self._name()
        try:
            answer = await self._traffic.ask(client, "POST", "/artists", {"name": name})
        except _Unanswered:
            self._traffic.perhaps.add(name)
            return
        if self._is_well(answer, httpx.codes.CREATED):
            key = int(answer.json()["artist_id"])
            if key in self._traffic.rows:
                self._traffic.wrong.append(f"the number {key} was given out twice")
            self._keep(key, name)

    async def _rename(self, client: int, key: int) -> None:
        name, before = self._name(), self._mine[key]
        try:
            answer = await self._traffic.ask(client, "PATCH", f"/artists/{key}", {"name": name})
        except _Unanswered:
            self._doubt(key, {before, name})
            return
        if self._is_well(answer, httpx.codes.OK):
            self._keep(key, name)

    async def _remove(self, client: int, key: int) -> None:
        before = self._mine[key]
        try:
            answer = await self._traffic.ask(client, "DELETE", f"/artists/{key}")
        except _Unanswered:
            self._doubt(key, {before, _GONE})
            return
        if self._is_well(answer, httpx.codes.NO_CONTENT):
            self._doubt(key, {_GONE})

    async def _read(self, client: int, key: int) -> None:
        with contextlib.suppress(_Unanswered):
            answer = await self._traffic.ask(client, "GET", f"/artists/{key}")
            if self._is_well(answer, httpx.codes.OK) and answer.json()["name"] != self._mine[key]:
                self._traffic.wrong.append(
                    f"artist {key} was read as {answer.json()['name']!r} after {self._mine[key]!r}"
                )

    def _keep(self, key: int, name: str) -> None:
        self._mine[key] = name
        self._traffic.rows[key] = {name}

    def _doubt(self, key: int, names: set[str | None]) -> None:
        del self._mine[key]
        self._traffic.rows[key] = names

    def _is_well(self, answer: Response, status: int) -> bool:
        if answer.status_code != status:
            self._traffic.wrong.append(
                f"{answer.request.method} {answer.request.url.path}: {answer.status_code} "
                f"{answer.text}"
            )
        return answer.status_code == status
