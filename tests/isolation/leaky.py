"""The shop with one more route, whose author forgot that a process serves more than one shop."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from sqlalchemy.ext.asyncio import AsyncSession

from examples.store.models import Artist
from examples.store.product import product as store
from router.product import Product


def make_product() -> Product:
    """Make it with a cache of its own."""
    remembered: dict[int, str] = {}

    @get("/remembered/{key:int}", summary="An artist's name, remembered")
    async def remember(
        session: NamedDependency[AsyncSession], key: Annotated[int, PathParameter()]
    ) -> str:
        if key not in remembered:
            artist = await session.get(Artist, key)
            if artist is None:
                raise NotFoundException(f"There is no artist {key}.")
            remembered[key] = artist.name
        return remembered[key]

    return msgspec.structs.replace(store, routes=[*store.routes, remember])


product = make_product()
