"""A revision is judged by what the ones before it made, whichever of them is asked for."""

from __future__ import annotations

from migrations.lint import lint
from migrations.product.render import render
from router.product.plug import load
from tests.migrations.twofold.worlds import NEW, PRODUCT


def test_a_type_that_widens_is_known_from_one_that_is_written_anew() -> None:
    rendered = render(load(PRODUCT))
    assert lint(rendered) == lint(rendered, only={NEW}) == ()
