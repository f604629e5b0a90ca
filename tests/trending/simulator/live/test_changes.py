"""A scenario that is changed while it is played: what was drawn stays, and what follows depends on its number alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes.trending.sources.scenarios import scenario

from trending.errors import InvalidInput
from trending.simulator.draws import BLOCK
from trending.simulator.live.changes import Change, RateChange, TrendChange, asked_of, require_room, text_of
from trending.simulator.records import Block, Encoder, Records
from trending.simulator.truth import intended

MIXED: dict[str, Any] = {
    "rate": {"base": 40, "arrivals": "poisson", "wave": {"period": 60, "depth": 0.5}},
    "tweets": {"hashtags": {"0": 0.1, "1": 0.7, "2": 0.2}},
    "trends": [{"hashtag": "#Gol", "at": 20, "rise": 10, "hold": 60, "fade": 30, "peak": 0.3}],
    "mischief": {"duplicated": 0.1, "corrupt": 0.05},
}
FIRST = 5_000
"""In the middle of the second block."""


def rate(value: float | None, seconds: float | None = None) -> RateChange:
    return RateChange.model_validate({"rate": value, "for": seconds})


def fields(block: Block) -> dict[str, list[int]]:
    return {
        name: getattr(block, name).tolist() for name in ("due", "stamps", "fates", "hashtags", "corruptions", "tags", "writers")
    }


def values(records: Records, block: int) -> list[bytes | None]:
    return Encoder(records).values(records.block(block), 0, BLOCK, np.zeros(BLOCK, np.int64))


@pytest.mark.parametrize("asked", [rate(400), rate(4, 30), rate(None), TrendChange(hashtag="#New", hold=60, peak=0.6)])
@pytest.mark.parametrize("arrivals", ["steady", "poisson"])
def test_no_record_before_a_change_is_another_one(asked: RateChange | TrendChange, arrivals: str) -> None:
    made = scenario(**MIXED | {"rate": {**MIXED["rate"], "arrivals": arrivals}})
    before = Records(made)
    after = Records(made, [Change(FIRST, before.time(FIRST), asked)])
    assert values(after, 0) == values(before, 0)
    place = FIRST - BLOCK
    assert values(after, 1)[:place] == values(before, 1)[:place]
    old, new = fields(before.block(1)), fields(after.block(1))
    assert {name: each[:place] for name, each in new.items()} == {name: each[:place] for name, each in old.items()}
    for name in ("fates", "corruptions", "tags", "writers"):
        changed = [one != other for one, other in zip(new[name], old[name], strict=True)]
        assert sum(changed) <= len(after.block(1).copies) + len(before.block(1).copies), "these follow from the number alone"
    assert np.all(np.diff(after.block(1).due) >= 0)


def test_the_rate_is_the_one_that_was_asked_for_and_then_the_plans_again() -> None:
    made = scenario(rate={"base": 10, "bursts": [{"at": 700, "for": 20, "times": 5}]}, time_scale=2)
    plain = Records(made)
    changed = Records(made, [Change(1_000, plain.time(1_000), rate(100, 30))])
    assert changed.time(1_000) == plain.time(1_000) == 100
    # 100 a second of the clock are 50 a second of the scenario, for 60 seconds of that.
    assert changed.time(1_001) == pytest.approx(100.02)
    assert changed.time(4_000) == pytest.approx(160)
    assert changed.time(4_010) == pytest.approx(161)
    assert changed.time(4_000 + 5_400) == pytest.approx(700)
    assert changed.clock.rate(710) == pytest.approx(50)
    assert [round(changed.clock.rate(time)) for time in (50, 130, 200)] == [10, 50, 10]


def test_a_rate_for_a_while_ends_in_the_last_one_that_was_given_without_an_end() -> None:
    made = scenario(rate={"base": 10})
    changes = [Change(100, 10.0, rate(20)), Change(200, 15.0, rate(100, 2)), Change(250, 15.5, rate(50, 1))]
    records = Records(made, changes)
    assert [round(records.clock.rate(time)) for time in (5, 12, 16, 20)] == [10, 20, 50, 20]
    assert records.time(250) == 15.5
    assert records.time(300) == pytest.approx(16.5)
    assert records.time(320) == pytest.approx(17.5)
    again = Records(made, [*changes, Change(320, 17.5, rate(None))])
    assert again.time(330) == pytest.approx(18.5)


def test_a_slow_scenario_is_not_waited_for() -> None:
    made = scenario(rate={"base": 0.01})
    records = Records(made, [Change(3, 210.0, rate(10))])
    assert [records.time(each) for each in (2, 3, 4)] == pytest.approx([200, 210, 210.1])


def test_a_limit_in_seconds_is_reached_by_another_number_of_records() -> None:
    made = scenario(rate={"base": 10}, limit={"seconds": 100})
    assert Records(made).count == 1_000
    assert Records(made, [Change(500, 50.0, rate(100, 10))]).count == 500 + 1_000 + 400


def test_a_trend_takes_its_share_from_a_record_on_and_the_truth_has_it() -> None:
    made = scenario(rate={"base": 100})
    records = Records(made, [Change(2_000, 20.0, TrendChange(hashtag="#Gol", hold=20, peak=0.5))])
    assert records.names[-1] == "#Gol"
    begins = lambda numbers: numbers * 0  # noqa: E731
    assert intended(records, range(2_000), begins, 60).hashtags()["#Gol"] == 0
    within = intended(records, range(2_000, 4_000), begins, 60).hashtags()
    assert 900 < within["#Gol"] < 1_100
    assert intended(records, range(4_000, 6_000), begins, 60).hashtags()["#Gol"] == 0
    everyday = Records(made).block(0).hashtags[2_000:4_000]
    assert np.count_nonzero(everyday != records.block(0).hashtags[2_000:4_000]) > 900


def test_changes_one_after_the_other_in_a_block_are_those_of_any_order_of_drawing() -> None:
    made = scenario(**MIXED)
    changes: list[Change] = []
    for first, asked in (
        (100, rate(500)),
        (101, TrendChange(hashtag="#x", hold=5, peak=0.2)),
        (4_095, rate(1, 2)),
        (4_097, rate(9)),
    ):
        changes.append(Change(first, Records(made, changes).time(first), asked))
    whole = Records(made, changes)
    times = [*(whole.time(each) for each in range(90, 110)), *(whole.time(each) for each in range(4_090, 4_100))]
    assert times == sorted(times)
    assert fields(Records(made, changes).block(1)) == fields(whole.block(1))
    for number in range(1, len(changes) + 1):
        part, last = Records(made, changes[:number]), ([*changes, Change(BLOCK, 0, rate(1))])[number].first
        assert values(part, 0)[: min(last, BLOCK)] == values(whole, 0)[: min(last, BLOCK)]


def test_what_is_asked_goes_through_a_text() -> None:
    for asked in (rate(3.5, 60), rate(None), TrendChange(hashtag="#ñ", rise=1, hold=2, fade=3, peak=0.25)):
        assert asked_of(text_of(asked)) == asked


def test_trends_leave_room_for_each_other() -> None:
    records = Records(scenario(trends=[{"hashtag": "#a", "at": 10, "hold": 100, "peak": 0.6}]))
    new = TrendChange(hashtag="#b", rise=5, hold=60, peak=0.5)
    with pytest.raises(InvalidInput, match=r"(?s)trends would have 1\.1 of the tweets .* make trend with PEAK=0\.40 or less"):
        require_room(records.trends, new.trend(20.0, 1.0))
    require_room(records.trends, new.trend(120.0, 1.0))
    with pytest.raises(InvalidInput):
        require_room(records.trends, TrendChange(hashtag="#b", hold=60, peak=0.5).trend(0.0, 1.0))
