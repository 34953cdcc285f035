"""How a subscription's items become other lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from billing.seen import Line, SeenItem
from billing.stripe_lines import ItemChange, item_changes


def _item(number: int, price_id: str, quantity: int | None = 1) -> SeenItem:
    return SeenItem(
        id=f"si_{number}",
        price_id=price_id,
        product_id="product",
        lookup_key=None,
        quantity=quantity,
    )


def test_an_upgrade_gives_the_item_its_new_price_in_place() -> None:
    changes = item_changes([_item(1, "pro")], [Line(price_id="enterprise")])
    assert changes == (ItemChange(id="si_1", price_id="enterprise", quantity=1),)


def test_more_seats_leave_the_plan_as_it_is() -> None:
    items = [_item(1, "pro"), _item(2, "seat", 3)]
    lines = [Line(price_id="seat", quantity=5), Line(price_id="pro")]
    assert item_changes(items, lines) == (
        ItemChange(id="si_1", price_id="pro", quantity=1),
        ItemChange(id="si_2", price_id="seat", quantity=5),
    )


def test_what_is_wanted_no_more_goes_and_what_is_new_comes() -> None:
    items = [_item(1, "pro"), _item(2, "seat", 3), _item(3, "calls", None)]
    lines = [Line(price_id="enterprise"), Line(price_id="storage", quantity=None)]
    assert item_changes(items, lines) == (
        ItemChange(id="si_1", price_id="enterprise", quantity=1),
        ItemChange(id="si_2", price_id=None),
        ItemChange(id="si_3", price_id="storage"),
    )


def test_what_is_counted_never_becomes_what_is_licensed() -> None:
    changes = item_changes([_item(1, "calls", None)], [Line(price_id="pro")])
    assert changes == (
        ItemChange(id="si_1", price_id=None),
        ItemChange(id=None, price_id="pro", quantity=1),
    )


_PRICES = st.sampled_from(["a", "b", "c", "d"])
_QUANTITIES = st.none() | st.integers(min_value=1, max_value=9)


@given(
    held=st.lists(st.tuples(_PRICES, _QUANTITIES), max_size=5),
    wanted=st.lists(st.builds(Line, price_id=_PRICES, quantity=_QUANTITIES), max_size=5),
)
def test_after_the_changes_there_are_exactly_the_lines(
    held: list[tuple[str, int | None]], wanted: list[Line]
) -> None:
    items = [_item(number, price, quantity) for number, (price, quantity) in enumerate(held)]
    changes = item_changes(items, wanted)
    left = [(change.price_id, change.quantity) for change in changes if change.price_id]
    assert sorted(map(str, left)) == sorted(str((line.price_id, line.quantity)) for line in wanted)
    assert {change.id for change in changes} - {None} == {item.id for item in items}
