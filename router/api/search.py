"""The operators' search: whatever a customer or a log said, and whose it is."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from router.api.errand import Errand
from router.api.shapes import List
from router.catalog import search
from router.catalog.search import Found

#: More than this is no answer: the word has to be longer.
FOUND_MAX = 50
WORD_LENGTH_MAX = 254


@get("/search", tags=["operators"], summary="Tenants, by whatever is known of them")
async def search_tenants(
    errand: NamedDependency[Errand],
    *,
    q: Annotated[
        str,
        QueryParameter(
            min_length=1,
            max_length=WORD_LENGTH_MAX,
            description=(
                "The beginning of a slug, former slug or domain, a part of a name, or the whole of"
                " a tenant's id, a member's e-mail address, the provider's customer or"
                " subscription, or the id of a request that changed something."
            ),
        ),
    ],
) -> List[Found]:
    """At most 50, by slug; `way` says what of the tenant it was."""
    word = q.strip()
    async with errand.parts.catalog.connection() as connection:
        found = await search.find(connection, word, items_max=FOUND_MAX) if word else []
    return List(items=found)
