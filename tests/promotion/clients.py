"""Clients that use the shop through several gateways, and write into a ledger what they are told.

Each row has one writer, which sends one request at a time; so the ledger knows at each moment what
a reader may see: nothing older than what was acknowledged before the reader asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Final

import msgspec

from tests.promotion.ledger import Asked, Ledger
from tests.promotion.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from tests.promotion.stock import Stock
    from tests.promotion.wire import Answer

_CREATED, _OK, _GONE, _MISSING = 201, 200, 204, 404
_RENAMED_EACH = 25
_LINES_MAX = 3
_KEPT_MIN = 5
_NO_ANSWER = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How much is asked: so many writes a second by so many clients, and some reads on top."""

    writes_per_s: float = 50.0
    clients: int = 8
    read_share: float = 0.3
    seed: int = 1


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """Where a customer's shop is reached: each gateway's port, the host to name, and a key."""

    ports: Sequence[int]
    host: str
    token: str

    def wires(self) -> list[Wire]:
        """Make a connection to each gateway, for one client."""
        return [Wire(port, self.token, host=self.host) for port in self.ports]


class _Artist(msgspec.Struct, frozen=True):
    artist_id: int
    name: str


class _Playlist(msgspec.Struct, frozen=True):
    playlist_id: int


class _Line(msgspec.Struct, frozen=True):
    invoice_line_id: int
    track_id: int
    quantity: int


class _Invoice(msgspec.Struct, frozen=True):
    invoice_id: int
    customer_id: int
    total: str
    lines: list[_Line]


@contextlib.asynccontextmanager
async def using(shop: Shop, stock: Stock, load: Load) -> AsyncGenerator[Ledger]:
    """Let clients use the shop as long as the block lasts; each answer is in the ledger after."""
    ledger, is_over = Ledger(), asyncio.Event()
    clients = [
        Client(number, load, stock, Voice(ledger, shop.wires())) for number in range(load.clients)
    ]
    running = [asyncio.ensure_future(client.run(is_over)) for client in clients]
    try:
        yield ledger
    finally:
        is_over.set()
        await asyncio.gather(*running)


class Voice:
    """Asks through a gateway drawn at random each time, and notes how that went."""

    def __init__(self, ledger: Ledger, wires: Sequence[Wire]) -> None:
        self.ledger = ledger
        self._wires = wires

    async def ask(
        self, method: str, path: str, body: object = None, *, good: Sequence[int]
    ) -> Answer | None:
        """Return the answer; None where it was a bad one, or none came."""
        began_s = time.monotonic()
        try:
            answer = await random.choice(self._wires).ask(method, path, body)
        except _NO_ANSWER as error:
            self.ledger.in_doubt.append(f"{method} {path}: {error!r}")
            return None
        asked = Asked(began_s=began_s, took_s=time.monotonic() - began_s, is_write=method != "GET")
        if answer.status not in good:
            self.ledger.failed.append(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
            return None
        self.ledger.asked.append(asked)
        return answer

    async def hang_up(self) -> None:
        """Close every connection."""
        await asyncio.gather(*[wire.close() for wire in self._wires], return_exceptions=True)


class Client:
    """Writes its own rows at its own pace."""

    def __init__(self, number: int, load: Load, stock: Stock, voice: Voice) -> None:
        self._number = number
        self._load = load
        self._stock = stock
        self._voice = voice
        self._ledger = voice.ledger
        self._dice = random.Random(load.seed * 1_000 + number)
        self._sent = 0
        last = min(stock.artists, _RENAMED_EACH * load.clients)
        #: Artists that were there before keep their albums, so only their names change.
        self._found = list(range(number + 1, last + 1, load.clients))
        self._made: list[int] = []
        self._invoices: dict[int, _Invoice] = {}
        #: A list that nobody else writes on, and what is on it.
        self._playlist: int | None = None
        self._listed: list[tuple[int, int]] = []

    async def run(self, is_over: asyncio.Event) -> None:
        """Write when it is time, and at once where that is past."""
        period_s = self._load.clients / self._load.writes_per_s
        due_s = time.monotonic() + self._dice.random() * period_s
        try:
            while not is_over.is_set():
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                # Who was held up makes up for one turn, and doesn't flood the shop.
                due_s = max(due_s + period_s, time.monotonic() - period_s)
                self._sent += 1
                await self._next_write()()
                if self._dice.random() < self._load.read_share:
                    await self._dice.choice([self._read_own, self._read_others])()
        finally:
            await self._voice.hang_up()

    def _next_write(self) -> Callable[[], Awaitable[None]]:
        wanted: Final = (
            (self._rename, 45, 0),
            (self._add, 15, 0),
            (self._remove, 10, len(self._made) - _KEPT_MIN),
            (self._buy, 10, 0),
            (self._cancel, 6, len(self._invoices) - _KEPT_MIN),
            (self._put_on, 8, 0),
            (self._take_off, 6, len(self._listed) - _KEPT_MIN),
        )
        possible = [(write, weight) for write, weight, spare in wanted if spare >= 0]
        writes, weights = zip(*possible, strict=True)
        chosen: Callable[[], Awaitable[None]] = self._dice.choices(writes, weights)[0]
        return chosen

    async def _rename(self) -> None:
        artist, name = self._dice.choice([*self._found, *self._made]), self._name()
        answer = await self._voice.ask("PATCH", f"/artists/{artist}", {"name": name}, good=[_OK])
        self._note(answer, "artist", (str(artist),), (name,))

    async def _add(self) -> None:
        name = self._name()
        answer = await self._voice.ask("POST", "/artists", {"name": name}, good=[_CREATED])
        if answer is None:
            self._ledger.unknown["artist"] += 1
            return
        artist = msgspec.json.decode(answer.body, type=_Artist)
        self._made.append(artist.artist_id)
        self._ledger.append("artist", (str(artist.artist_id),), (artist.name,))

    async def _remove(self) -> None:
        artist = self._made.pop(self._dice.randrange(len(self._made)))
        self._ledger.leaving.add(artist)
        answer = await self._voice.ask("DELETE", f"/artists/{artist}", good=[_GONE])
        self._note(answer, "artist", (str(artist),), None)

    async def _buy(self) -> None:
        tracks = [
            self._dice.randint(1, self._stock.tracks)
            for _ in range(self._dice.randint(1, _LINES_MAX))
        ]
        body = {
            "customer_id": self._dice.randint(1, self._stock.customers),
            "lines": [{"track_id": track, "quantity": self._sent} for track in tracks],
        }
        answer = await self._voice.ask("POST", "/invoices", body, good=[_CREATED])
        if answer is None:
            self._ledger.unknown["invoice"] += 1
            self._ledger.unknown["invoice_line"] += len(tracks)
            return
        invoice = msgspec.json.decode(answer.body, type=_Invoice)
        self._invoices[invoice.invoice_id] = invoice
        key = str(invoice.invoice_id)
        self._ledger.append("invoice", (key,), (str(invoice.customer_id), invoice.total))
        for line in invoice.lines:
            row = (key, str(line.track_id), str(line.quantity))
            self._ledger.append("invoice_line", (str(line.invoice_line_id),), row)

    async def _cancel(self) -> None:
        invoice = self._invoices.pop(self._dice.choice(list(self._invoices)))
        answer = await self._voice.ask("DELETE", f"/invoices/{invoice.invoice_id}", good=[_GONE])
        self._note(answer, "invoice", (str(invoice.invoice_id),), None)
        for line in invoice.lines:
            self._note(answer, "invoice_line", (str(line.invoice_line_id),), None)

    async def _put_on(self) -> None:
        if self._playlist is None:
            await self._begin_playlist()
            return
        listed = (self._playlist, self._dice.randint(1, self._stock.tracks))
        if listed in self._listed:
            return
        path, body = f"/playlists/{listed[0]}/tracks", {"track_id": listed[1]}
        answer = await self._voice.ask("POST", path, body, good=[_CREATED])
        self._note(answer, "playlist_track", (str(listed[0]), str(listed[1])), ())
        if answer is not None:
            self._listed.append(listed)

    async def _begin_playlist(self) -> None:
        body = {"name": self._name()}
        answer = await self._voice.ask("POST", "/playlists", body, good=[_CREATED])
        if answer is not None:
            self._playlist = msgspec.json.decode(answer.body, type=_Playlist).playlist_id

    async def _take_off(self) -> None:
        playlist, track = self._listed.pop(self._dice.randrange(len(self._listed)))
        path = f"/playlists/{playlist}/tracks/{track}"
        answer = await self._voice.ask("DELETE", path, good=[_GONE])
        self._note(answer, "playlist_track", (str(playlist), str(track)), None)

    async def _read_own(self) -> None:
        """What one wrote is there at once, whichever gateway is asked."""
        known = [
            key
            for key in (*self._found, *self._made)
            if len(self._ledger.states["artist"].get((str(key),), ())) == 1
        ]
        if not known:
            return
        await self._read(self._dice.choice(known), is_own=True)

    async def _read_others(self) -> None:
        keys = list(self._ledger.states["artist"])
        if keys:
            await self._read(int(self._dice.choice(keys)[0]), is_own=False)

    async def _read(self, artist: int, *, is_own: bool) -> None:
        acknowledged = self._ledger.states["artist"][str(artist),]
        if len(acknowledged) > 1:
            return
        (row,) = acknowledged
        answer = await self._voice.ask("GET", f"/artists/{artist}", good=[_OK, _MISSING])
        if answer is None:
            return
        seen = None
        if answer.status == _OK:
            seen = msgspec.json.decode(answer.body, type=_Artist).name
        if self._is_stale(artist, row, seen, is_own=is_own):
            self._ledger.stale.append(f"artist {artist} was acknowledged as {row}, read as {seen}")

    def _is_stale(
        self, artist: int, row: tuple[str, ...] | None, seen: str | None, *, is_own: bool
    ) -> bool:
        if row is None or is_own:
            return seen != (row and row[0])
        if seen is None:
            return artist not in self._ledger.leaving
        return _version(seen) < _version(row[0])

    def _note(
        self, answer: Answer | None, table: str, key: tuple[str, ...], row: tuple[str, ...] | None
    ) -> None:
        if answer is None:
            self._ledger.doubt(table, key, row)
        else:
            self._ledger.know(table, key, row)

    def _name(self) -> str:
        return f"client {self._number} writes {self._sent}"


def _version(name: str) -> int:
    """Return how many requests its writer had sent: names grow with them."""
    return int(name.rpartition(" ")[2]) if name.startswith("client ") else 0
