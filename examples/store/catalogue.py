"""What the shop sells: artists, albums, tracks, their kinds, and the playlists they are on."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.exceptions import NotFoundException
from litestar.params import JSONBody
from sqlalchemy import insert, select

from examples.store.asked import LIMIT_DEFAULT, After, Db, Limit, RowKey
from examples.store.listing import Where, page
from examples.store.models import (
    Album,
    Artist,
    Genre,
    MediaType,
    Playlist,
    PlaylistTrack,
    Track,
    table_of,
)
from examples.store.problems import CONFLICT, NOT_FOUND, UNPROCESSABLE
from examples.store.resource import Resource, key_column, storable, values_of
from examples.store.shapes import (
    AlbumChange,
    AlbumRow,
    ArtistChange,
    ArtistRow,
    GenreChange,
    GenreRow,
    MediaTypeChange,
    MediaTypeRow,
    NewAlbum,
    NewArtist,
    NewGenre,
    NewMediaType,
    NewPlaylist,
    NewPlaylistTrack,
    NewTrack,
    Page,
    PlaylistChange,
    PlaylistRow,
    PlaylistTrackRow,
    TrackChange,
    TrackRow,
)


class Genres(Resource[GenreRow, NewGenre, GenreChange]):
    path = "/genres"
    tags = ("genres",)
    table = Genre


class MediaTypes(Resource[MediaTypeRow, NewMediaType, MediaTypeChange]):
    path = "/media_types"
    tags = ("media_types",)
    table = MediaType


class Artists(Resource[ArtistRow, NewArtist, ArtistChange]):
    path = "/artists"
    tags = ("artists",)
    table = Artist


class Albums(Resource[AlbumRow, NewAlbum, AlbumChange]):
    path = "/albums"
    tags = ("albums",)
    table = Album


class Tracks(Resource[TrackRow, NewTrack, TrackChange]):
    path = "/tracks"
    tags = ("tracks",)
    table = Track


class Playlists(Resource[PlaylistRow, NewPlaylist, PlaylistChange]):
    """Playlists, and the tracks on them."""

    path = "/playlists"
    tags = ("playlists",)
    table = Playlist

    @get("/{key:int}/tracks", summary="The tracks on a playlist", responses={404: NOT_FOUND})
    async def list_tracks(
        self,
        session: Db,
        key: RowKey,
        limit: Limit = LIMIT_DEFAULT,
        after: After = None,
    ) -> Page[TrackRow]:
        await self.row_of(session, key)
        tracks = (
            select(*table_of(Track).columns)
            .join(PlaylistTrack, PlaylistTrack.track_id == Track.track_id)
            .where(PlaylistTrack.playlist_id == key)
        )
        return await page(
            session,
            tracks,
            key=key_column(Track),
            shape=TrackRow,
            where=Where(limit=limit, after=after),
        )

    @post(
        "/{key:int}/tracks",
        summary="Put a track on a playlist",
        responses={404: NOT_FOUND, 409: CONFLICT, 422: UNPROCESSABLE},
    )
    async def add_track(
        self, session: Db, key: RowKey, data: JSONBody[NewPlaylistTrack]
    ) -> PlaylistTrackRow:
        await self.row_of(session, key)
        row = PlaylistTrackRow(playlist_id=key, track_id=data.track_id)
        await session.execute(insert(PlaylistTrack), values_of(row))
        return row

    @delete(
        "/{key:int}/tracks/{track_key:int}",
        summary="Take a track off a playlist",
        responses={404: NOT_FOUND},
    )
    async def remove_track(self, session: Db, key: RowKey, track_key: RowKey) -> None:
        row = await session.get(
            PlaylistTrack, (storable(Playlist, key), storable(Track, track_key))
        )
        if row is None:
            raise NotFoundException(f"Track {track_key} is not on playlist {key}.")
        await session.delete(row)
        await session.flush()
