from __future__ import annotations

from typing import Any

from trending.page.moving.lately import SAMPLE_SECONDS, SLOTS, Lately

T0 = 1_765_843_860.0


def pipeline(rate: float, kafka: str = "well") -> dict[str, Any]:
    return {
        "producer": {"health": "well", "rate": rate},
        "kafka": {"health": kafka},
        "spark": {"health": "well"},
        "store": {"health": "well"},
    }


def test_a_sample_is_taken_each_few_seconds_and_five_minutes_are_kept() -> None:
    lately = Lately()
    for number in range(2 * SLOTS + 50):
        section = lately.look(pipeline(1.0 + number % 2), number % 7, T0 + number * SAMPLE_SECONDS / 2, None)
    assert len(section["lag"].split()) == len(section["rate"].split()) == SLOTS
    assert (section["lag_high"], section["rate_high"]) == (6, 1.0)
    assert lately.highest_lag == 6
    assert [band["runs"] for band in section["bands"]] == [[{"x": 0, "width": SLOTS, "state": "well"}]] * 4


def test_a_broker_that_was_away_leaves_a_gap_in_its_band() -> None:
    lately = Lately()
    for number, health in enumerate(["well", "well", "troubled", "well"]):
        section = lately.look(pipeline(1.0, health), 0, T0 + number * SAMPLE_SECONDS, None)
    states = [(run["x"], run["width"], run["state"]) for run in section["bands"][1]["runs"]]
    assert states == [(SLOTS - 4, 2, "well"), (SLOTS - 2, 1, "troubled"), (SLOTS - 1, 1, "well")]


def test_a_clock_that_was_set_back_starts_the_lines_anew() -> None:
    lately = Lately()
    lately.look(pipeline(1.0), 5, T0, None)
    assert lately.look(pipeline(1.0), 1, T0 - 3_600, None)["lag_high"] == 1
