"""Plots: what is drawn of values."""

from __future__ import annotations

from web.plots import HEIGHT, SERIES_MAX, WIDTH, draw


def points(path: str) -> list[tuple[float, float]]:
    pairs = (each.split() for each in path.removeprefix("M").split(" L"))
    return [(float(across), float(down)) for across, down in pairs]


def test_the_scale_ends_at_a_round_number_above_the_largest_value() -> None:
    plot = draw([[0, 130], [7, 9]])
    assert [each.said for each in plot.marks] == ["0", "50", "100", "150", "200"]
    (_, bottom), (_, top) = points(plot.paths[0])
    assert 0 < top < bottom < HEIGHT
    assert plot.marks[-1].at < top < plot.marks[2].at


def test_small_counts_have_a_scale_too() -> None:
    assert [each.said for each in draw([[0, 1]]).marks] == ["0", "0.25", "0.5", "0.75", "1"]


def test_a_peak_of_one_minute_is_seen_in_a_day() -> None:
    values = [0] * 1_440
    values[777] = 50
    drawn = points(draw([values]).paths[0])
    assert len(drawn) == 180
    assert min(down for _, down in drawn) == draw([values]).marks[-1].at


def test_one_value_is_a_line_from_side_to_side() -> None:
    plot = draw([[3]])
    (begin, _), (end, _) = points(plot.paths[0])
    assert (begin, end) == (plot.left, plot.right)


def test_nothing_is_an_empty_plot_and_more_than_five_lines_are_five() -> None:
    assert draw([]).paths == ()
    plot = draw([[1, 2]] * (SERIES_MAX + 2))
    assert len(plot.paths) == SERIES_MAX
    assert max(across for across, _ in points(plot.paths[0])) <= WIDTH
