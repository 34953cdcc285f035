"""The product's revisions as one chain, and what a place lacks of it: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from migrations.product.steps import Backfill, Transactional
from migrations.waves.adopting import needs_adopting
from router.catalog.wave_words import Direction
from router.errors import Unprocessable
from router.stamps import stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from migrations.product.render import RenderedProduct, RenderedRevision
    from migrations.product.steps import Step

#: Before the digest of a revision that is being taken back.
DOWN_MARK = "down "


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a place says of one revision: how many of its steps are done, or that all are."""

    revision: str
    sql_hash: str
    steps_done: int
    is_whole: bool


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One place as it was found. ``notes`` is None where it has every revision, unedited."""

    schema: str
    revision: str
    notes: tuple[Note, ...] | None = None


class Lack(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done in a place, in order; ``problem`` says why nothing can be."""

    to_do: tuple[str, ...] = ()
    steps_done: int = 0
    problem: str | None = None


class Chain:
    """All revisions in order, to one target, in one direction."""

    def __init__(self, rendered: RenderedProduct, target: str, direction: Direction) -> None:
        self.rendered = rendered
        self.direction = direction
        self.target = target
        self._by_id = {revision.id: revision for revision in rendered.revisions}
        self._order = [revision.id for revision in rendered.revisions]
        self._stamps_known: dict[str, dict[str, int]] = {}
        if target not in self._by_id:
            raise Unprocessable(
                f"the product has no revision {target!r}: it has {', '.join(self._order)}"
            )

    def revision(self, name: str) -> RenderedRevision:
        """Return a revision by its id."""
        return self._by_id[name]

    def steps(self, name: str) -> Sequence[Step]:
        """Return what a revision does in this direction."""
        revision = self._by_id[name]
        if self.direction is Direction.UP:
            return revision.steps
        assert revision.downgrade is not None, "check_way_back() has been asked"
        return revision.downgrade

    def count_steps(self, name: str) -> int:
        """Return how many steps a revision has: Python is one, and so is nothing at all."""
        return 1 if self._by_id[name].is_online else max(1, len(self.steps(name)))

    def before(self, name: str) -> Sequence[RenderedRevision]:
        """Return what a place has that comes to this revision, from below or from above."""
        end = self._order.index(name) + (self.direction is Direction.DOWN)
        return self.rendered.revisions[:end]

    def mark(self, name: str) -> str:
        """Return what a place notes of a revision whose steps are under way."""
        digest = self._by_id[name].digest
        return digest if self.direction is Direction.UP else DOWN_MARK + digest

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """Return what revisions are now, those before them too."""
        last = max((self._order.index(name) for name in names), default=-1)
        return {each.id: each.digest for each in self.rendered.revisions[: last + 1]}

    @property
    def above(self) -> Sequence[str]:
        """The revisions after the target."""
        return self._order[self._order.index(self.target) + 1 :]

    def between(self, source: str) -> Sequence[str]:
        """Name the revisions that bring a place from there to the target."""
        return self._order[self._order.index(source) + 1 : self._order.index(self.target) + 1]

    def sql_to(self, name: str) -> str:
        """Spell what makes an empty schema one of a revision."""
        last = self._order.index(name) + 1
        return "\n".join(each.sql for each in self.rendered.revisions[:last])

    def is_shape_known(self, name: str) -> bool:
        """Whether a place of a revision can look one way only: Python may do what it likes."""
        last = self._order.index(name) + 1
        return not any(each.is_online for each in self.rendered.revisions[:last])

    def is_prefix(self, seen: Seen) -> bool:
        """Whether a place has every revision up to its own, whole, and none beyond."""
        if seen.revision not in self._by_id:
            return False
        if seen.notes is None:
            return True
        names = self._order[: self._order.index(seen.revision) + 1]
        whole = {note.revision for note in seen.notes}
        return all(note.is_whole for note in seen.notes) and whole in (set(names), set())

    def seen_by_stamp(self, schema: str, said: str) -> Seen | None:
        """Tell what a place's stamp says that it has: a revision and all before it, unedited."""
        number = self._stamps(schema).get(said)
        if number is None:
            return None
        notes = tuple(
            Note(revision=each.id, sql_hash=each.digest, steps_done=0, is_whole=True)
            for each in self.rendered.revisions[: number + 1]
        )
        return Seen(schema=schema, revision=self._order[number], notes=notes)

    def _stamps(self, schema: str) -> dict[str, int]:
        """Return what a stamp may say, by the number of the last revision; most have one schema."""
        if schema not in self._stamps_known:
            applied = [(each.id, each.digest) for each in self.rendered.revisions]
            self._stamps_known[schema] = {
                stamp_of(schema, applied[: number + 1]): number for number in range(len(applied))
            }
        return self._stamps_known[schema]

    def edited(self, ran: Mapping[str, str]) -> Sequence[str]:
        """Name the revisions that aren't what they were when they ran."""
        now = {each.id: each.digest for each in self.rendered.revisions}
        return [name for name, digest in now.items() if ran.get(name, digest) != digest]

    def after(self, name: str) -> str:
        """Return where a place is when a revision is done in this direction."""
        if self.direction is Direction.UP:
            return name
        return self._order[self._order.index(name) - 1]

    def is_plain(self, names: Sequence[str]) -> bool:
        """Whether all that these revisions do fits into one transaction, with that of others."""
        return all(
            not self._by_id[name].is_online
            and all(isinstance(step, Transactional) for step in self.steps(name))
            for name in names
        )

    def is_filling(self, names: Sequence[str]) -> bool:
        """Whether any of these revisions fills rows, which rests by itself after each batch."""
        return any(isinstance(step, Backfill) for name in names for step in self.steps(name))

    def is_forming(self, names: Sequence[str]) -> bool:
        """Whether any of these revisions makes what belongs to the stored form."""
        return any(
            self._by_id[name].is_online
            or any(
                not isinstance(step, Backfill) and needs_adopting(step.sql)
                for step in self.steps(name)
            )
            for name in names
        )

    def check_way_back(self, source: str) -> None:
        """Refuse to take back what has no way back."""
        last = self._order.index(source)
        for name in self._order[self._order.index(self.target) + 1 : last + 1]:
            if self._by_id[name].downgrade is None:
                raise Unprocessable(
                    f"revision {name} has no downgrade: write one, or write a revision that "
                    "changes what is wrong"
                )

    def lack(self, seen: Seen) -> Lack:
        """Tell what a place lacks of the target, or has too much."""
        if seen.revision not in self._by_id:
            return Lack(
                problem=f"it is at revision {seen.revision}, which this version of the product "
                "doesn't have: run the version that does"
            )
        if seen.notes is None:
            return self._between(set(self._order), 0)
        return self._read(seen, seen.notes)

    def _read(self, seen: Seen, notes: Sequence[Note]) -> Lack:
        applied = {note.revision for note in notes if note.is_whole}
        if not applied:
            # A place of before revisions were noted one by one: its own word is all there is.
            applied = set(self._order[: self._order.index(seen.revision) + 1])
        for note in notes:
            problem = self._problem(note)
            if problem is not None:
                return Lack(problem=problem)
        half = next((note for note in notes if not note.is_whole), None)
        if half is None:
            return self._between(applied, 0)
        if half.sql_hash.startswith(DOWN_MARK):
            applied.add(half.revision)
        lack = self._between(applied, half.steps_done)
        if lack.to_do and lack.to_do[0] != half.revision:
            return Lack(problem=f"revision {half.revision} is half done there, in the other way")
        return lack

    def _problem(self, note: Note) -> str | None:
        known = self._by_id.get(note.revision)
        if known is None:
            return f"it has revision {note.revision}, which this version of the product doesn't"
        is_down = note.sql_hash.startswith(DOWN_MARK)
        if not note.is_whole and is_down is (self.direction is Direction.UP):
            way = "taken back" if is_down else "applied"
            return f"revision {note.revision} is half {way} there: finish that first"
        if note.sql_hash.removeprefix(DOWN_MARK) != known.digest:
            return (
                f"revision {note.revision} was edited after it ran there: take the edit back, and "
                "write what it was to do as the next revision"
            )
        return None

    def _between(self, applied: set[str], steps_done: int) -> Lack:
        last = self._order.index(self.target) + 1
        if self.direction is Direction.UP:
            names = [name for name in self._order[:last] if name not in applied]
        else:
            names = [name for name in reversed(self._order[last:]) if name in applied]
        return Lack(to_do=tuple(names), steps_done=steps_done if names else 0)
