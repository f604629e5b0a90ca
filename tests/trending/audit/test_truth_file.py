from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fakes.trending.sources.scenarios import scenario

from trending.audit import truth_file
from trending.audit.truth_file import truth_of, write_truth
from trending.producer.sources.booked import Booked
from trending.settings import Rule, WindowTime
from trending.simulator.mischief import Fate
from trending.simulator.records import Records
from trending.simulator.scenario import hash_of_scenario
from trending.simulator.truth import intended

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BEGIN = 1_765_845_060_000
RULE = Rule(WindowTime.EVENT)
SPOILED: dict[str, Any] = {
    "window_time": "event",
    "seed": 3,
    "mischief": {"late": {"share": 0.1, "seconds": [130, 300]}, "duplicated": 0.1, "corrupt": 0.1, "future": 0.05},
}


def played(position: int = 0, **other: Any) -> Booked:
    made = scenario(**SPOILED | other)
    return Booked("0123456789ab", "topic-1", hash_of_scenario(made), made.model_dump_json(by_alias=True), 1, 5, BEGIN, position)


def test_it_has_what_the_seed_means_for_each_window_and_of_each_spoiled_record(tmp_path: Path) -> None:
    play = played(limit={"tweets": 9_000})
    write_truth(tmp_path / "truth.json", play, RULE)
    assert [each.name for each in tmp_path.iterdir()] == ["truth.json"]
    found = json.loads((tmp_path / "truth.json").read_text())
    records = Records(scenario(**SPOILED, limit={"tweets": 9_000}))
    truth = intended(records, range(9_000), play.begins, 60)
    assert (found["seed"], found["scenario"], found["records"]) == (3, play.scenario, [0, 9_000])
    counts = {(each["start"], tag): number for each in found["windows"] for tag, number in each.get("tweets", {}).items()}
    assert counts == truth.tweets
    assert found["rejected"] == truth.rejected
    assert found["windows_left_out"] == found["spoiled_left_out"] == 0
    spoiled = {each["record"]: each for each in found["spoiled"]}
    block = records.block(0)
    copies = set(block.copies.tolist())
    plain = {place for place in range(4_096) if block.fates[place] in {Fate.PLAIN, Fate.COPY}} - copies
    assert {number for number in spoiled if number < 4_096} == set(range(4_096)) - plain
    assert {number for number, each in spoiled.items() if "copy_of" in each and number < 4_096} == copies
    by_fate = Counter(each["fate"] for each in found["spoiled"])
    assert by_fate["late"] == truth.rejected["late: its window closed before it was appended"]
    assert all(("reason" in each) == (each["fate"] == "corrupt") for each in found["spoiled"])
    assert by_fate["copy"] > 0


def test_it_stays_small_however_long_a_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_RECORDS", 2_000), ("MOST_COUNTS", 8), ("MOST_SPOILED", 50)):
        monkeypatch.setattr(truth_file, name, most)
    found = truth_of(played(10_000_000), RULE)
    assert found["records"] == [9_998_000, 10_000_000]
    assert sum(len(each.get("tweets", {})) for each in found["windows"]) <= 8
    assert found["windows_left_out"] > 0
    assert found["windows"] == sorted(found["windows"], key=lambda each: each["start"])
    assert len(found["spoiled"]) == 50 < found["spoiled_left_out"]
    assert found["spoiled"][-1]["record"] > 9_999_000


def test_of_what_was_not_sent_yet_an_endless_scenario_has_nothing() -> None:
    found = truth_of(replace(played(), position=0), RULE)
    assert (found["records"], found["windows"], found["spoiled"]) == ([0, 0], [], [])
