"""The notes with routes whose author believed that a GET may write, and one that takes its time."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from examples.notes.product import Note
from examples.notes.product import product as notes
from router.lease import Lease
from router.product import Product

#: What the waiting route waits for, and what it tells: both by name.
GATES: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}


@get("/scribbled/{words:str}", summary="Writes, in the slow lane")
async def scribble(
    session: NamedDependency[AsyncSession], words: Annotated[str, PathParameter()]
) -> str:
    session.add(Note(text=words, tags=["one", "two"]))
    await session.flush()
    return words


@get("/dashed/{words:str}", summary="Writes, in the fast lane")
async def dash(lease: NamedDependency[Lease], words: Annotated[str, PathParameter()]) -> str:
    await lease.execute("INSERT INTO note (text, tags) VALUES ($1, '{}')", words)
    return words


@get("/kept/{words:str}", summary="Commits by itself, and goes on")
async def keep(
    session: NamedDependency[AsyncSession], words: Annotated[str, PathParameter()]
) -> str:
    session.add(Note(text=words, tags=[]))
    await session.commit()
    await session.execute(text("SELECT 'after the commit'"))
    return words


@get("/many", summary="Writes many rows by one statement")
async def write_many(session: NamedDependency[AsyncSession]) -> str:
    connection = await session.connection()
    values = [{"old": f"{number}", "new": "x"} for number in range(3)]
    await connection.exec_driver_sql(
        "UPDATE note SET text = $2 WHERE text = $1", [(each["old"], each["new"]) for each in values]
    )
    await session.execute(update(Note).where(Note.text == "never").values(text="at all"))
    return "done"


@get("/escalated", summary="Tries to write in spite of its lease")
async def escalate(lease: NamedDependency[Lease]) -> str:
    await lease.execute("SET TRANSACTION READ WRITE")
    await lease.execute("INSERT INTO note (text, tags) VALUES ('escalated', '{}')")
    return "done"


@get("/waiting/{name:str}", summary="Reads, waits, and reads again")
async def wait(lease: NamedDependency[Lease], name: Annotated[str, PathParameter()]) -> int:
    has_begun, may_go_on = GATES[name]
    await lease.fetch("SELECT 'before'")
    has_begun.set()
    await may_go_on.wait()
    return len(await lease.fetch("SELECT 'after'"))


product: Product = msgspec.structs.replace(
    notes, routes=[*notes.routes, scribble, dash, keep, write_many, escalate, wait]
)
