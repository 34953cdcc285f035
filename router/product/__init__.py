"""The plug: a product is written for one customer; this makes it storable for many."""

from __future__ import annotations

from router.product.plug import Product, continue_identity

__all__ = ["Product", "continue_identity"]
