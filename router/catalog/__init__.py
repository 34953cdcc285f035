"""The catalog: the truth about tenants, plans, clusters, people and operations.

One module a noun; its functions take a connection that ``Catalog.connection`` or
``Catalog.transaction`` lent, so that what belongs together commits together.
"""

from __future__ import annotations

from router.catalog.catalog import Catalog

__all__ = ["Catalog"]
