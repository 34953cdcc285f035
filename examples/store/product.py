"""The shop as a product: its tables, its routes, its revisions."""

from __future__ import annotations

from examples.store.catalogue import Albums, Artists, Genres, MediaTypes, Playlists, Tracks
from examples.store.csv_export import export_table
from examples.store.csv_import import import_table
from examples.store.models import Base
from examples.store.people import Customers, Employees
from examples.store.report import revenue
from examples.store.sales import Invoices
from router.product import Product

product = Product(
    name="store",
    metadata=Base.metadata,
    routes=[
        Artists,
        Albums,
        Tracks,
        Genres,
        MediaTypes,
        Playlists,
        Customers,
        Employees,
        Invoices,
        revenue,
        import_table,
        export_table,
    ],
    revisions="examples/store/revisions",
)
