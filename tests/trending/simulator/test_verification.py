from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes.trending.sources.scenarios import scenario

from trending.kafka.log_reader import Record
from trending.simulator.draws import BLOCK
from trending.simulator.live.changes import Change, RateChange, TrendChange
from trending.simulator.records import Encoder, Records
from trending.simulator.verification import Differing, Verification
from trending.tweets.record_id import record_keys

BEGIN = 1_765_845_060_000
RUN = "0123456789ab"
COUNT = 5_000
MIXED: dict[str, Any] = {
    "rate": {"base": 300, "arrivals": "poisson"},
    "hashtags": {"zipf": {"count": 50, "exponent": 1.1, "prefix": "#t"}},
    "tweets": {"hashtags": {"0": 0.05, "1": 0.8, "2": 0.15}},
    "window_time": "event",
    "mischief": {"late": {"share": 0.05, "seconds": [130, 300]}, "duplicated": 0.05, "corrupt": 0.3, "future": 0.02},
    "limit": {"tweets": COUNT},
}


def log(shifted_from: int = COUNT, seed: int = 7) -> list[Record]:
    """Return the scenario's records in two partitions, from one on a minute later than planned."""
    records = Records(scenario(**MIXED, seed=seed))
    encoder, found = Encoder(records), []
    values: list[bytes | None] = []
    for block in map(records.block, range(-(-COUNT // BLOCK))):
        begins = np.where(np.arange(BLOCK) + block.first >= shifted_from, BEGIN + 60_000, BEGIN)
        values += encoder.values(block, 0, BLOCK, begins)
    for number, key in enumerate(record_keys(RUN, range(COUNT))):
        found.append(Record(number % 2, number // 2, BEGIN / 1000, values[number], {}, key))
    return sorted(found, key=lambda record: record.partition)


@pytest.fixture(scope="module")
def whole() -> list[Record]:
    return log(shifted_from=3_001)


def verified(records: list[Record], seed: int = 7) -> Verification:
    found = Verification(scenario(**MIXED, seed=seed))
    found.read(records)
    return found


def test_a_log_is_the_scenarios_without_a_ledger_also_where_it_was_shifted(whole: list[Record]) -> None:
    found = verified([Record(0, 9_999, 1.0, b"{}", {}, b"orders:17"), *whole])
    run = found.runs[RUN]
    assert (run.records, run.same, run.missing, run.differing, run.repeated) == (COUNT, COUNT, 0, 0, 0)
    assert set(run.begins) >= {BEGIN, BEGIN + 60_000}
    assert run.is_whole(found.count(RUN))
    assert found.others == 1


@pytest.mark.parametrize("number", [0, 17, 4_096, COUNT - 2])
def test_what_is_missing_repeated_or_changed_is_told(whole: list[Record], number: int) -> None:
    place = next(place for place, record in enumerate(whole) if record.key == record_keys(RUN, range(number, number + 1))[0])
    record = whole[place]
    without = verified(whole[:place] + whole[place + 1 :]).runs[RUN]
    assert (without.missing, without.is_whole(COUNT)) == (1, False)
    twice = verified([*whole, record]).runs[RUN]
    assert (twice.repeated, twice.records, twice.is_whole(COUNT)) == (1, COUNT, False)
    changed = replace(record, value=(record.value or b"") + b" ")
    other = verified([*whole[:place], changed, *whole[place + 1 :]]).runs[RUN]
    assert (other.differing, other.examples) == (1, [Differing(number, record.partition, record.offset)])
    assert not other.is_whole(COUNT)


def test_another_seed_and_records_beyond_the_end_are_not_the_scenarios(whole: list[Record]) -> None:
    run = verified(whole, seed=8).runs[RUN]
    assert run.differing > COUNT / 2
    assert not run.is_whole(COUNT)
    beyond = verified([*whole, replace(whole[0], key=record_keys(RUN, range(COUNT, COUNT + 1))[0])]).runs[RUN]
    assert beyond.differing == 1


def test_a_log_that_ends_early_is_told_by_the_number_of_its_records(whole: list[Record]) -> None:
    half = [record for record in whole if int((record.key or b"").rsplit(b":", 1)[1]) < 3_000]
    run = verified(half).runs[RUN]
    assert (run.missing, run.differing) == (0, 0)
    assert not run.is_whole(COUNT)
    assert run.is_whole(None)


def test_a_run_that_was_changed_is_the_scenario_with_its_changes_and_not_without() -> None:
    made = scenario(**MIXED, seed=7)
    changes = [
        Change(1_000, Records(made).time(1_000), RateChange(rate=50)),
        Change(2_000, 24.0, TrendChange(hashtag="#Gol", hold=30, peak=0.9)),
    ]
    records = Records(made, changes)
    assert records.time(1_999) < 24.0 < records.time(2_000) + 1
    values = [Encoder(records).values(records.block(each), 0, BLOCK, np.full(BLOCK, BEGIN)) for each in (0, 1)]
    flat = [value for block in values for value in block][:COUNT]
    there = [Record(0, number, 1.0, flat[number], {}, key) for number, key in enumerate(record_keys(RUN, range(COUNT)))]
    known = Verification(made, {RUN: changes})
    known.read(there)
    assert known.runs[RUN].is_whole(known.count(RUN))
    unknown = verified(there)
    assert unknown.runs[RUN].differing > 500
    plain = [each.number for each in unknown.runs[RUN].examples]
    assert min(plain) >= 1_000
    assert len(unknown.runs[RUN].begins) > 500, "another rate looks like a start for each record"
