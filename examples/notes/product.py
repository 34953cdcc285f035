"""Notes with tags: a table, three routes, and the product that names them."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct, convert
from sqlalchemy import ARRAY, Identity, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from router.product import Product

Words = Annotated[str, Meta(max_length=10_000, pattern="^[^\\x00]*$")]
INTEGER_MAX = 2**31 - 1


class Base(DeclarativeBase):
    """The tables of this product."""


class Note(Base):
    """A text that somebody wants to keep, with the tags it is found by."""

    __tablename__ = "note"
    note_id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    text: Mapped[str]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))


class NewNote(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a writer sends."""

    text: Words
    tags: list[Words] = []


class NoteRow(Struct, frozen=True, kw_only=True):
    """What a reader gets."""

    note_id: int
    text: str
    tags: list[str]


@get("/notes", summary="The last hundred notes")
async def list_notes(session: NamedDependency[AsyncSession]) -> list[NoteRow]:
    """Newest first."""
    newest = await session.scalars(select(Note).order_by(Note.note_id.desc()).limit(100))
    return [convert(note, NoteRow, from_attributes=True) for note in newest]


@get("/notes/{note_id:int}", summary="One note")
async def read_note(session: NamedDependency[AsyncSession], note_id: FromPath[int]) -> NoteRow:
    """Say so when there is no such note."""
    if abs(note_id) <= INTEGER_MAX and (note := await session.get(Note, note_id)):
        return convert(note, NoteRow, from_attributes=True)
    raise NotFoundException(detail=f"There is no note {note_id}.")


@post("/notes", summary="Write a note")
async def write_note(session: NamedDependency[AsyncSession], data: JSONBody[NewNote]) -> NoteRow:
    """Answer with the row as it was stored."""
    note = Note(text=data.text, tags=data.tags)
    session.add(note)
    await session.flush()
    return convert(note, NoteRow, from_attributes=True)


product = Product(
    name="notes",
    metadata=Base.metadata,
    routes=[list_notes, read_note, write_note],
    revisions="examples/notes/revisions",
)
