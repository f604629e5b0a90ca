from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trending.drawing.polyline import SPARK, polyline


@given(st.lists(st.floats(0, 1e6), max_size=40), st.integers(2, 40))
def test_a_line_stays_within_its_drawing(values: list[float], slots: int) -> None:
    points = [tuple(map(float, point.split(","))) for point in polyline(values, SPARK, slots=max(slots, len(values))).split()]
    assert len(points) == (2 if len(values) == 1 else len(values)), "one point alone draws nothing"
    for x, y in points:
        assert 0 <= x <= SPARK[0]
        assert 0 <= y <= SPARK[1]
    assert [x for x, _y in points] == sorted(x for x, _y in points)
