"""The audit of a log that a scenario has sent: what is told of its truth, and what a planted difference is called."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes.audits.audited import Lab
from fakes.trending.counting import epoch
from fakes.trending.sources.scenarios import scenario

from trending.audit.recounting.block_counter import count
from trending.audit.recounting.blocks import Block, BlockCount, Job, join
from trending.audit.recounting.recount import Recount
from trending.audit.recounting.truths import Truths
from trending.kafka.connection import KafkaConnection
from trending.kafka.record_columns import by_columns
from trending.producer.sources.booked import Booked, Shift
from trending.settings import WindowTime
from trending.simulator.mischief import Fate
from trending.simulator.records import Encoder, Records
from trending.simulator.scenario import hash_of_scenario
from trending.tweets.rule import Reason
from trending.tweets.wire_format import decode

if TYPE_CHECKING:
    from trending.audit.audit_report import AuditReport
    from trending.simulator.scenario import Scenario

RUN = "0123456789ab"
BEGIN = 1_765_845_060_000
COUNT = 600
MIXED: dict[str, Any] = {
    "rate": {"base": 5, "arrivals": "poisson"},
    "window_time": "event",
    "seed": 7,
    "limit": {"tweets": COUNT},
    "mischief": {
        "late": {"share": 0.05, "seconds": [130, 300]},
        "borderline": {"share": 0.1, "seconds": [60, 130]},
        "duplicated": 0.05,
        "future": 0.02,
    },
}


def booked(played: Scenario, **other: Any) -> Booked:
    content = played.model_dump_json(by_alias=True)
    return Booked(RUN, "topic-1", hash_of_scenario(played), content, 1, 5, BEGIN, **other)


def sent(played: Scenario, delay: float = 0.0) -> Lab:
    """Return a stack whose log has the whole scenario, each record appended so many seconds after it was due."""
    lab = Lab(mode=WindowTime.EVENT, seen_at=BEGIN / 1000 + 900)
    records = Records(played)
    block = records.block(0)
    values = Encoder(records).values(block, 0, COUNT, np.full(COUNT, BEGIN))
    for value, due in zip(values, block.due[:COUNT].tolist(), strict=True):
        lab.send(value, (BEGIN + due) / 1000 + delay, RUN)
    lab.plays = {RUN: booked(played)}
    return lab


def told(report: AuditReport) -> list[str]:
    """Return the lines about the scenario; the headline stays the last one."""
    lines = report.lines(None)
    assert lines[-1].startswith("audit: acknowledged ")
    return [line.removeprefix("audit: ") for line in lines if "truth: " in line or "the scenario" in line]


def test_what_is_late_is_resolved_by_its_append_time_and_seed_and_scenario_are_named() -> None:
    played = scenario(**MIXED)
    report = sent(played).audit()
    (truth,) = report.truths
    fates = Records(played).block(0).fates[:COUNT]
    found = truth.found
    assert report.clean
    late, future, open_ones = (int(np.count_nonzero(fates == each)) for each in (Fate.LATE, Fate.FUTURE, Fate.BORDERLINE))
    assert found.as_intended == COUNT - open_ones
    assert (found.differing, truth.absent, found.future) == (0, 0, 0)
    assert found.in_time > 0 < found.late
    assert found.in_time + found.late == open_ones
    refused = {reason: sum(n for (why, _), n in found.refused.items() if why == reason) for reason, _ in found.refused}
    assert refused == dict(report.rejected) == {Reason.LATE: late + found.late, Reason.FUTURE: future}
    first, *reasons = told(report)
    assert first == (
        f"truth: as intended {found.as_intended}, resolved in time {found.in_time}, resolved late {found.late}, differences 0; "
        f"scenario {hash_of_scenario(played)}, seed 7, run {RUN}"
    )
    assert [line.split(":")[0].strip() for line in reasons] == [
        "refused of the scenario, future",
        "refused of the scenario, late",
    ]
    assert "#a " in reasons[1]


def test_tweets_that_were_held_up_are_resolved_late() -> None:
    report = sent(scenario(**MIXED | {"mischief": {}}), delay=200.0).audit()
    (truth,) = report.truths
    assert report.clean, "nothing is lost, and the log is the scenario"
    assert truth.found.late == COUNT == sum(report.rejected.values())
    assert truth.found.as_intended == 0


@pytest.mark.parametrize("mode", [WindowTime.ARRIVAL, WindowTime.ORIGINAL])
def test_by_arrival_and_by_original_times_nothing_is_late(mode: WindowTime) -> None:
    lab = sent(scenario(**MIXED | {"mischief": {"duplicated": 0.1}, "window_time": mode.value}), delay=200.0)
    lab.mode = mode
    lab.counts.clear()
    lab.rejects.clear()
    lab.letters.places.clear()
    for record in lab.log:
        assert record.value is not None
        counted_at = record.append_time if mode is WindowTime.ARRIVAL else decode(record.value).timestamp
        lab.counts[lab.window(counted_at), record.value.split(b'"')[11].decode()] += 1
    report = lab.audit()
    assert report.clean, told(report)
    assert report.truths[0].found.as_intended == COUNT


def test_a_record_that_is_another_one_fails_the_audit_by_its_number_and_place() -> None:
    lab = sent(scenario(**MIXED | {"mischief": {}}))
    value = lab.log[300].value
    assert value is not None
    user = value.split(b'"')[3]
    lab.log[300] = replace(lab.log[300], value=value.replace(user, b"@Mallory"))
    report = lab.audit()
    assert not report.clean, "hashtag and time are the same, so nothing else would find it"
    assert (report.lost, report.duplicated, report.differences) == (0, 0, ())
    line = told(report)[-1]
    assert line.startswith("  differs from the scenario: record 300, partition 0, offset 300: log ")
    assert "@Mallory" in line
    assert f"truth {value.decode()[:40]}" in line
    assert "differences 1" in told(report)[0]


def test_another_seed_or_start_differs_everywhere_and_only_the_first_are_named() -> None:
    for other in (booked(scenario(**MIXED | {"seed": 8})), replace(booked(scenario(**MIXED)), begin=BEGIN + 1)):
        lab = sent(scenario(**MIXED))
        lab.plays = {RUN: other}
        report = lab.audit()
        assert not report.clean
        assert report.truths[0].found.differing > COUNT // 2
        assert len(report.truths[0].found.examples) == 5
        assert told(report)[-1].startswith("  differs from the scenario: and ")


def test_a_shift_that_is_booked_is_part_of_the_truth() -> None:
    lab = sent(scenario(**MIXED))
    lab.plays = {RUN: booked(scenario(**MIXED), shifts=(Shift(0, 400, 60_000),))}
    assert lab.audit().truths[0].found.differing == COUNT - 400


def test_a_record_behind_the_scenarios_end_and_one_that_is_not_there_are_differences() -> None:
    played = scenario(**MIXED | {"mischief": {}})
    lab = sent(played)
    lab.plays = {RUN: booked(scenario(**MIXED | {"mischief": {}, "limit": {"tweets": COUNT - 1}}))}
    report = lab.audit()
    assert not report.clean
    assert "offset 599: the scenario has 599 records" in told(report)[-1]
    lab = sent(played)
    gone = lab.log.pop(10)
    lab.acknowledged.pop(10)
    assert gone.value is not None
    name = gone.value.split(b'"')[11].decode()
    lab.counts[lab.window(gone.append_time), name] -= 1
    lab.ledger_counts[RUN, lab.window(gone.append_time), name] -= 1
    report = lab.audit()
    assert (report.lost, report.differences) == (0, ()), "nobody had acknowledged it"
    assert not report.clean
    assert told(report)[-1] == "  records of the scenario that are not in the log: 1"


@pytest.mark.parametrize(
    "spoiled", [{"corrupt": 0.3}, {"corrupt": 0.2, "duplicated": 0.3, "late": {"share": 0.1, "seconds": [130, 200]}}]
)
def test_blocks_that_other_processes_count_say_together_what_one_says(spoiled: dict[str, Any]) -> None:
    played = scenario(**MIXED | {"mischief": spoiled, "tweets": {"hashtags": {"0": 0.1, "1": 0.6, "3": 0.3}}})
    lab = sent(played)
    ends = {0: len(lab.log)}
    epochs = (epoch("c", ends=ends, rule=lab.rule),)
    one = Recount(epochs, truth=Truths(lab.plays))
    for each in by_columns(lab.log):
        one.add(each, {})
    blocks = [Block(0, 0, 250), Block(0, 250, COUNT)]
    job = Job(KafkaConnection("localhost:9092"), "tweets", epochs, {}, blocks, lab.plays)
    several = Recount(epochs, truth=Truths(lab.plays))
    for block in blocks:
        part: BlockCount = count(job, block, lambda _connection, _topic, start, end: lab.read(start, end))
        join(several, part)
    assert several.truth.found == one.truth.found
    assert one.truth.found[RUN].as_intended == COUNT
    assert sum(n for (why, _), n in one.truth.found[RUN].refused.items() if why == Reason.BAD_JSON) > 0
