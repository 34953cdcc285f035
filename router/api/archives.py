"""A tenant's own archives: asked for, watched, fetched, and given up before their time."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.shapes import Limit, List
from router.catalog import archives
from router.catalog.archives import Export
from router.catalog.moves import By
from router.catalog.operations import OperationState
from router.catalog.roles import Permission
from router.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

PIECE_BYTES: Final = 262_144
MEDIA_TYPE: Final = "application/zip"
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
ExportCursor = Annotated[UUID | None, QueryParameter(description="The `next` of the page before.")]


class ExportShown(msgspec.Struct, frozen=True, kw_only=True):
    """An archive on its way, or one that can be fetched until ``expires_at``.

    It shows the tenant as it was at ``taken_at``. ``sha256`` is that of all but the last line.
    """

    id: UUID
    state: OperationState
    requested_by: str
    requested_at: datetime
    rows_total: int | None
    rows_done: int
    has_file: bool
    taken_at: datetime | None
    file_bytes: int | None
    sha256: str | None
    expires_at: datetime | None

    @classmethod
    def of(cls, export: Export) -> ExportShown:
        """Show an export, without an error that may name our servers."""
        return cls(
            id=export.id,
            state=export.state,
            requested_by=export.requested_by,
            requested_at=export.requested_at,
            rows_total=export.rows_total,
            rows_done=export.rows_done,
            has_file=export.has_file,
            taken_at=export.taken_at,
            file_bytes=export.file_bytes,
            sha256=export.sha256,
            expires_at=export.expires_at,
        )


@post(
    "/exports",
    status_code=202,
    tags=["data"],
    summary="Ask for an archive of the tenant's rows",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def begin_export(errand: NamedDependency[MemberErrand]) -> ExportShown:
    """A worker takes it while the tenant works; asked again meanwhile, the same one."""
    errand.parts.archives.check_kept()
    by = By(actor=errand.actor, reason="", request_id=errand.request_id)
    export = await archives.begin_export(await errand.connection(), errand.tenant, by)
    return ExportShown.of(export)


@get(
    "/exports",
    tags=["data"],
    summary="The tenant's archives",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def list_exports(
    errand: NamedDependency[MemberErrand], *, limit: Limit = 50, after: ExportCursor = None
) -> List[ExportShown]:
    """The newest first, those too whose file is gone."""
    async with errand.parts.catalog.connection() as connection:
        page = await archives.list_exports(
            connection, errand.tenant.id, before=after, items_max=limit
        )
    return List(items=[ExportShown.of(each) for each in page.items], next=page.next)


@get(
    "/exports/{export_id:uuid}",
    tags=["data"],
    summary="One archive, and how far it is",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def show_export(
    errand: NamedDependency[MemberErrand], export_id: FromPath[UUID]
) -> ExportShown:
    """Ask again until `has_file`, or until `state` is failed or cancelled."""
    return ExportShown.of(await _get(errand, export_id))


@get(
    "/exports/{export_id:uuid}/file",
    tags=["data"],
    summary="Fetch an archive",
    opt={NEEDS: Permission.SETTINGS_WRITE},
    responses={
        200: ResponseSpec(data_container=bytes, media_type=MEDIA_TYPE, description="The file"),
        206: ResponseSpec(data_container=bytes, media_type=MEDIA_TYPE, description="A part of it"),
    },
)
async def fetch_export(
    errand: NamedDependency[MemberErrand],
    request: Request[Any, Any, Any],
    export_id: FromPath[UUID],
) -> Stream:
    """A ZIP of CSV files. One that was cut goes on where it was, by `Range` with `If-Range`.

    All rows are in it, so it takes `rows.read` too.
    """
    errand.demand(Permission.ROWS_READ)
    export = await _get(errand, export_id)
    path = errand.parts.archives.path_of(export) if export.has_file else None
    size = await asyncio.to_thread(_size, path)
    if path is None or size is None:
        raise NotFound(f"the archive {export_id} has no file, or none any more")
    tag = f'"{export.sha256}"'
    part = part_of(size, request.headers.get("range", ""))
    if request.headers.get("if-range", tag) != tag:
        part = None
    first, last = part or (0, size - 1)
    headers = {
        "content-length": str(last - first + 1),
        "content-disposition": f'attachment; filename="{_name(errand, export)}"',
        "accept-ranges": "bytes",
        "etag": tag,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    if part is not None:
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Stream(
        _pieces(path, first, last - first + 1),
        headers=headers,
        media_type=MEDIA_TYPE,
        status_code=HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT,
    )


@delete(
    "/exports/{export_id:uuid}",
    tags=["data"],
    summary="Cancel an archive, or delete its file",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def drop_export(errand: NamedDependency[MemberErrand], export_id: FromPath[UUID]) -> None:
    """Done before its time; files go by themselves later on."""
    export = await _get(errand, export_id)
    if export.has_file:
        # Before it is recorded: a file that nobody knows of would lie there for ever.
        await errand.parts.archives.remove(export.id)
    by = By(actor=errand.actor, reason="", request_id=errand.request_id)
    await archives.drop_export(await errand.connection(), errand.tenant, export_id, by)


def part_of(size: int, asked: str) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks for; None is the whole file.

    What isn't one range is no reason to refuse; one beyond the end is.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    begin = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if begin > end:
        raise HTTPException(
            status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            detail=f"the file has {size} bytes: there is nothing at {asked[:60]}",
        )
    return begin, end


async def _get(errand: MemberErrand, export_id: UUID) -> Export:
    async with errand.parts.catalog.connection() as connection:
        return await archives.get_export(connection, export_id, tenant_id=errand.tenant.id)


def _size(path: Path | None) -> int | None:
    try:
        return None if path is None else path.stat().st_size
    except FileNotFoundError:
        return None


def _name(errand: MemberErrand, export: Export) -> str:
    assert export.taken_at is not None, "a file shows a moment"
    return f"{errand.tenant.slug}-{export.taken_at:%Y-%m-%d}.zip"


async def _pieces(path: Path, first: int, count: int) -> AsyncGenerator[bytes]:
    with path.open("rb") as stream:
        stream.seek(first)
        while count > 0:
            piece = await asyncio.to_thread(stream.read, min(PIECE_BYTES, count))
            if not piece:
                return
            count -= len(piece)
            yield piece
