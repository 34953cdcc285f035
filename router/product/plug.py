"""What a team hands to the platform: models, routes, revisions."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Table, text

from router.errors import ProductRefused
from router.product.refusals import refusals, route_refusals
from router.product.stored_form import StoredForm, derive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.types import ControllerRouterHandler
    from sqlalchemy import MetaData
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import DeclarativeBase

_CONTINUE_IDS = text("SELECT gate.continue_ids(:table, :column)")
#: The folders of the house: an installed product that has one of these names would hide ours.
OUR_PACKAGES = frozenset(
    {"router", "migrations", "pool_tier", "dedicated_tier", "promotion", "billing", "web", "deploy"}
)


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A product as its team wrote it, for a single customer.

    ``routes`` are Litestar handlers that take ``session`` (AsyncSession) or ``lease``;
    ``revisions`` is the folder of the Alembic revisions that ``stepwell revision`` writes. A table
    with ``info={"reference": True}`` is read by all customers and written by none of them.
    """

    name: str
    metadata: MetaData
    routes: Sequence[ControllerRouterHandler]
    revisions: str


class LoadedProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A product that passed every refusal, with its stored form."""

    product: Product
    stored: StoredForm
    revisions: Path


def load(target: str) -> LoadedProduct:
    """Import ``package.module:attribute`` and derive its stored form, or say why it can't be."""
    module_name, _, attribute = target.partition(":")
    if module_name.split(".")[0] in OUR_PACKAGES:
        raise ProductRefused(
            f"the product's package {module_name.split('.')[0]!r} hides the platform's package of "
            "that name; rename it"
        )
    try:
        found = getattr(importlib.import_module(module_name), attribute or "product")
    except (ImportError, AttributeError) as error:
        raise ProductRefused(
            f"the product {target!r} can't be imported: {error}; name it as package.module:product"
        ) from error
    if not isinstance(found, Product):
        raise ProductRefused(
            f"{target!r} is a {type(found).__name__}, not a router.product.Product"
        )
    return accept(found, root=_root_of(module_name))


def accept(product: Product, *, root: Path) -> LoadedProduct:
    """Check a product and derive its stored form; ``root`` is where its revisions folder starts."""
    reasons = [*refusals(product.metadata), *route_refusals(product.routes)]
    if reasons:
        raise ProductRefused(
            f"the product {product.name!r} can't be stored safely:\n  - " + "\n  - ".join(reasons)
        )
    revisions = Path(product.revisions)
    return LoadedProduct(
        product=product,
        stored=derive(product.metadata),
        revisions=revisions if revisions.is_absolute() else root / revisions,
    )


async def continue_identity(session: AsyncSession, model: type[DeclarativeBase] | Table) -> None:
    """Make the next generated id of a table greater than every stored one.

    For imports that bring their ids along; without it the next generated id may be taken.
    """
    table = model if isinstance(model, Table) else model.__table__
    assert isinstance(table, Table)
    for column in table.primary_key:
        if column is table.autoincrement_column:
            await session.execute(_CONTINUE_IDS, {"table": table.name, "column": column.name})


def _root_of(module_name: str) -> Path:
    """Return the folder that holds the module's top package: relative revisions start there."""
    top = importlib.import_module(module_name.split(".", maxsplit=1)[0])
    origin = getattr(top, "__file__", None) or next(iter(top.__path__))
    path = Path(origin)
    return path.parent.parent if path.name == "__init__.py" else path.parent
