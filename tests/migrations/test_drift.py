"""What differs between a place and its revision is named, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations.product.render import render
from migrations.waves.chain import Chain
from migrations.waves.drift import Shapes
from router.catalog.wave_words import Direction
from router.connect import connect
from router.database import Blueprint, make_schema
from router.names import quote, random_name
from router.product.plug import load
from router.words import Tier
from tests.worlds import STORE_PRODUCT, scratch_database

if TYPE_CHECKING:
    from tests.worlds import Clusters


async def test_what_somebody_altered_is_named_and_nothing_else(clusters: Clusters) -> None:
    loaded = load(STORE_PRODUCT)
    product = render(loaded)
    shapes = Shapes(Chain(product, product.head, Direction.UP))
    blueprint = Blueprint(head=product.head, schema_sql=product.sql, reference_sql="")
    async with scratch_database(clusters, loaded) as address:
        connection, schema = await connect(address, purpose="test"), random_name("s_")
        await make_schema(
            connection, schema, tier=Tier.SCHEMA, grantee="stepwell_owner", blueprint=blueprint
        )
        places = {schema: (product.head, Tier.SCHEMA)}
        assert await shapes.drifted(connection, places) == {}
        await connection.execute(
            f"ALTER TABLE {quote(schema)}.artist ADD COLUMN born integer;"
            f"ALTER TABLE {quote(schema)}.track ALTER COLUMN name DROP NOT NULL"
        )
        found = (await shapes.drifted(connection, places))[schema]
        await connection.close()
    assert [(each.table, each.kind, each.name) for each in found] == [
        ("artist", "column", "born"),
        ("track", "column", "name"),
    ]
