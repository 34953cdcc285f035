"""The shop, with the revisions of a test's folder: for processes that tests start."""

from __future__ import annotations

import os

import msgspec

from examples.store.product import product as shop

#: Names the folder.
FOLDER = "TEST_REVISIONS"
PRODUCT = "tests.migrations.engine.shop:product"

product = msgspec.structs.replace(shop, revisions=os.environ.get(FOLDER, shop.revisions))
