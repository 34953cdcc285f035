"""Everything the stand-in knows, in one SQLite file: a call is one transaction, kill -9 loses none.

Things are kept as JSON documents, filed by kind, id and owner; alarms say what falls due when.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import sqlite3
from collections.abc import Generator, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from deploy.stand_in.objects import Resource
from deploy.stand_in.problems import Refused

ID_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 16

R = TypeVar("R", bound=Resource)


class Alarm(Struct, frozen=True, kw_only=True):
    """Something that falls due: ``deed`` on ``subject``. ``clock`` is "" for the real one."""

    subject: str
    deed: str
    clock: str
    due: int


class Answered(Struct, frozen=True, kw_only=True):
    """What was answered to a call with an idempotency key."""

    fingerprint: str
    status: int
    body: bytes


class Errand(Struct, frozen=True, kw_only=True):
    """One delivery that is still to be made."""

    number: int
    event: str
    endpoint: str
    due_s: float
    attempts: int


class Store:
    """One open file. Single-threaded: whoever writes does it inside ``transaction``."""

    def __init__(self, path: Path, *, seed: str | None = None) -> None:
        # The event loop lends one thread; nobody else ever opens the file.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(files("deploy.stand_in").joinpath("store.sql").read_text())
        #: How many attempts came to nothing.
        self.refused = 0
        self._decoders: dict[type[Resource], msgspec.json.Decoder[Resource]] = {}
        # Ids differ from file to file: a database that outlives its file meets strangers, not
        # other customers under the old ids.
        self.seed = self.setting("seed") or seed or secrets.token_hex(8)
        self.set("seed", self.seed)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Do all or nothing; what is inside another one belongs to it."""
        if self._database.in_transaction:
            yield
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextlib.contextmanager
    def attempt(self) -> Generator[None]:
        """Do all or nothing of a part: what is refused didn't happen, and the rest goes on."""
        self._database.execute("SAVEPOINT attempt")
        try:
            yield
        except Refused:
            self.refused += 1
            self._database.execute("ROLLBACK TO attempt")
        finally:
            self._database.execute("RELEASE attempt")

    # Things -------------------------------------------------------------------------------------

    def find(self, kind: type[R], id: str) -> R | None:  # noqa: A002 - the column's name
        """Return the thing of that id."""
        row = self._database.execute(
            "SELECT body FROM document WHERE kind = ? AND id = ?", (kind.__name__, id)
        ).fetchone()
        return None if row is None else self._read(kind, row[0])

    def keep(self, thing: Resource, *, owner: str = "") -> None:
        """Write a thing; a new one is filed after all others of its kind."""
        self._database.execute(
            "INSERT INTO document (kind, id, owner, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (kind, id) DO UPDATE SET owner = excluded.owner, body = excluded.body",
            (type(thing).__name__, thing.id, owner, msgspec.json.encode(thing)),
        )

    def drop(self, thing: Resource) -> None:
        """Forget a thing."""
        self._database.execute(
            "DELETE FROM document WHERE kind = ? AND id = ?", (type(thing).__name__, thing.id)
        )

    def newest(
        self, kind: type[R], *, owner: str | None = None, after: str | None = None
    ) -> Iterator[R]:
        """Go through things, newest first, from the one after a given id."""
        rows = self._database.execute(
            "SELECT body FROM document WHERE kind = ?1 AND (?2 IS NULL OR owner = ?2) "
            "AND (?3 IS NULL OR position < (SELECT position FROM document WHERE kind = ?1 "
            "AND id = ?3)) ORDER BY position DESC",
            (kind.__name__, owner, after),
        )
        return (self._read(kind, row[0]) for row in rows)

    def oldest(
        self, kind: type[R], *, owner: str | None = None, after: str | None = None
    ) -> Iterator[R]:
        """Go through things, oldest first, from the one after a given id."""
        rows = self._database.execute(
            "SELECT body FROM document WHERE kind = ?1 AND (?2 IS NULL OR owner = ?2) "
            "AND (?3 IS NULL OR position > (SELECT position FROM document WHERE kind = ?1 "
            "AND id = ?3)) ORDER BY position",
            (kind.__name__, owner, after),
        )
        return (self._read(kind, row[0]) for row in rows)

    def _read(self, kind: type[R], body: bytes) -> R:
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind)
        thing = decoder.decode(body)
        assert isinstance(thing, kind)
        return thing

    def fresh_id(self, prefix: str) -> str:
        """Make the next id of this file: the same calls on the same seed give the same ids."""
        number = int(self.setting("ids") or 0) + 1
        self.set("ids", str(number))
        digest = int.from_bytes(hashlib.sha256(f"{self.seed}:{number}".encode()).digest())
        letters: list[str] = []
        for _ in range(ID_LENGTH):
            digest, letter = divmod(digest, len(ID_ALPHABET))
            letters.append(ID_ALPHABET[letter])
        return prefix + "".join(letters)

    # Settings -----------------------------------------------------------------------------------

    def setting(self, name: str) -> str | None:
        """Return what was set under a name."""
        row = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set(self, name: str, value: str) -> None:
        """Set a name, for ever."""
        self._database.execute(
            "INSERT INTO setting (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    # Alarms -------------------------------------------------------------------------------------

    def wake(self, subject: str, deed: str, *, at: int, clock: str | None) -> None:
        """Set an alarm, in the place of the one that stood for this deed."""
        self._database.execute(
            "INSERT OR REPLACE INTO alarm (subject, deed, clock, due) VALUES (?, ?, ?, ?)",
            (subject, deed, clock or "", at),
        )

    def let_sleep(self, subject: str, deed: str | None = None) -> None:
        """Take away one alarm of a subject, or all."""
        self._database.execute(
            "DELETE FROM alarm WHERE subject = ?1 AND (?2 IS NULL OR deed = ?2)", (subject, deed)
        )

    def next_alarm(self, clock: str | None, *, until: int) -> Alarm | None:
        """Take the alarm that fell due first."""
        row = self._database.execute(
            "DELETE FROM alarm WHERE number = (SELECT number FROM alarm WHERE clock = ? "
            "AND due <= ? ORDER BY due, number LIMIT 1) RETURNING subject, deed, clock, due",
            (clock or "", until),
        ).fetchone()
        return (
            None
            if row is None
            else Alarm(subject=str(row[0]), deed=str(row[1]), clock=str(row[2]), due=int(row[3]))
        )

    # Idempotency keys ---------------------------------------------------------------------------

    def answered(self, key: str, *, since: int) -> Answered | None:
        """Return what was answered under this key, if that isn't too long ago."""
        row = self._database.execute(
            "SELECT fingerprint, status, body FROM answer WHERE key = ? AND at >= ?", (key, since)
        ).fetchone()
        return (
            None
            if row is None
            else Answered(fingerprint=str(row[0]), status=int(row[1]), body=bytes(row[2]))
        )

    def answer(self, key: str, answered: Answered, *, at: int) -> None:
        """Keep an answer, in the transaction of what it tells."""
        self._database.execute(
            "INSERT OR REPLACE INTO answer (key, fingerprint, status, body, at) "
            "VALUES (?, ?, ?, ?, ?)",
            (key, answered.fingerprint, answered.status, answered.body, at),
        )

    # Deliveries ---------------------------------------------------------------------------------

    def send(self, event: str, endpoint: str, *, due_s: float) -> None:
        """Note a delivery, in the transaction of what it tells."""
        self._database.execute(
            "INSERT INTO delivery (event, endpoint, due_s) VALUES (?, ?, ?)",
            (event, endpoint, due_s),
        )

    def to_send(self) -> tuple[Errand, ...]:
        """Return the deliveries that are still to be made, the most urgent first."""
        rows = self._database.execute(
            "SELECT number, event, endpoint, due_s, attempts FROM delivery "
            "ORDER BY due_s, number LIMIT 200"
        ).fetchall()
        return tuple(
            Errand(
                number=int(row[0]),
                event=str(row[1]),
                endpoint=str(row[2]),
                due_s=float(row[3]),
                attempts=int(row[4]),
            )
            for row in rows
        )

    def count_to_send(self) -> int:
        """Count the deliveries that are still to be made."""
        return int(self._database.execute("SELECT count(*) FROM delivery").fetchone()[0])

    def sent(self, number: int) -> None:
        """Strike a delivery."""
        self._database.execute("DELETE FROM delivery WHERE number = ?", (number,))

    def send_again(self, number: int, *, due_s: float) -> None:
        """Put a delivery off."""
        self._database.execute(
            "UPDATE delivery SET due_s = ?, attempts = attempts + 1 WHERE number = ?",
            (due_s, number),
        )
