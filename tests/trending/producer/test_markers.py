"""Reports on first and last record prove what lies between them, and nothing more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from examples import examples
from fakes.trending.acknowledged import acknowledged_ids
from fakes.trending.kafka import FakeMessage
from fakes.trending.memory import folder_in_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.producer.ledger import Interval, Ledger, read_ledger
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.markers import Markers, SentBurst

MINUTE = 1765845060
TAGS = ("#a", "#b", "#c")


@dataclass
class Line:
    """A gapless producer's way to a broker: appends in order, reports on markers, and says where every record really is."""

    markers: Markers
    sent: int = 0
    clock: float = MINUTE + 30.0
    ends: Counter[int] = field(default_factory=Counter)
    places: dict[int, tuple[int, int, int, str]] = field(default_factory=dict)

    def begin(self, count: int, partition: int = 0, handed: int | None = None) -> SentBurst:
        burst = self.markers.begin(partition, self.sent, [TAGS[(self.sent + step) % 3] for step in range(count)])
        burst.handed = count if handed is None else handed
        self.sent += burst.handed
        return burst

    def append(self, burst: SentBurst, start: int, end: int, silent: frozenset[int] = frozenset()) -> None:
        """Append the records from place ``start`` to ``end``, and report on the markers among them, ``silent`` without offset."""
        for place in range(start, end):
            offset = self.ends[burst.partition]
            self.ends[burst.partition] += 1
            minute = int(self.clock // 60 * 60)
            self.places[burst.first + place] = (burst.partition, offset, minute, burst.hashtags[place])
            if place in (0, len(burst.hashtags) - 1):
                told = None if place in silent else offset
                self.markers.reported(burst, place, None, FakeMessage("t", burst.partition, told, int(self.clock * 1000)))

    def fail(self, burst: SentBurst, place: int) -> None:
        error = KafkaError(KafkaError._GAPLESS_GUARANTEE)
        self.markers.reported(burst, place, error, FakeMessage("t", -1, None))


@dataclass
class Bench:
    path: Path

    def __post_init__(self) -> None:
        self.writer = LedgerWriter(self.path, "run", "topic-1")
        self.line = Line(Markers(self.writer))

    def ledger(self) -> Ledger:
        self.writer.commit()
        return read_ledger(self.path)


@pytest.fixture
def bench(tmp_path: Path) -> object:
    made = Bench(tmp_path / "ledger.sqlite")
    yield made
    made.writer.close()


def test_two_reports_prove_a_burst_whose_offsets_are_exactly_as_many(bench: Bench) -> None:
    bench.line.append(bench.line.begin(1000), 0, 1000)
    ledger = bench.ledger()
    assert ledger.intervals == (Interval("run", 0, 0, 999, 0),)
    assert ledger.counts == {("run", MINUTE, "#a"): 334, ("run", MINUTE, "#b"): 333, ("run", MINUTE, "#c"): 333}
    assert (bench.writer.acknowledged, ledger.spread) == (1000, {})


def test_all_below_the_first_record_without_proof_is_proven(bench: Bench) -> None:
    markers = bench.line.markers
    first, second, third = bench.line.begin(10), bench.line.begin(10, partition=1), bench.line.begin(10)
    assert markers.proven(30) == 0
    bench.line.append(second, 0, 10)
    assert markers.proven(30) == 0
    bench.line.append(first, 0, 10)
    assert markers.proven(30) == 20
    bench.line.append(third, 0, 1)
    assert markers.proven(30) == 21
    bench.line.append(third, 1, 10)
    assert markers.proven(30) == 30


def test_the_first_report_proves_the_first_record_and_no_other(bench: Bench) -> None:
    bench.line.append(bench.line.begin(5), 0, 4)
    assert acknowledged_ids(bench.ledger(), {}) == {("run", 0)}


def test_records_of_others_in_between_leave_the_place_open_and_the_acknowledgement_certain(bench: Bench) -> None:
    burst = bench.line.begin(5)
    bench.line.append(burst, 0, 2)
    bench.line.ends[0] += 3
    bench.line.append(burst, 2, 5)
    ledger = bench.ledger()
    assert ledger.intervals == (Interval("run", 0, 0, 0, 0), Interval("run", 0, 4, 4, 7), Interval("run", 0, 1, 3, 1, 7))
    assert acknowledged_ids(ledger, {}, {0: 8}) == {("run", sequence) for sequence in range(5)}
    assert acknowledged_ids(ledger, {}, {0: 5}) == {("run", 0)}, "a bound that cuts the range: nobody can tell which lie within"
    assert ledger.acknowledged_behind({0: 5}) == 4


def test_a_marker_without_offset_is_proven_by_the_next_one(bench: Bench) -> None:
    bench.line.append(bench.line.begin(4), 0, 4, frozenset({3}))
    assert acknowledged_ids(bench.ledger(), {}) == {("run", 0)}
    bench.line.append(bench.line.begin(2), 0, 1)
    assert bench.ledger().intervals == (Interval("run", 0, 0, 4, 0),)


def test_a_first_marker_without_offset_leaves_its_range_open_from_the_beginning(bench: Bench) -> None:
    bench.line.ends[0] = 10
    bench.line.append(bench.line.begin(3), 0, 3, frozenset({0}))
    ledger = bench.ledger()
    assert ledger.intervals == (Interval("run", 0, 2, 2, 12), Interval("run", 0, 0, 1, 0, 12))
    assert ledger.spread == {("run", 0, MINUTE, "#a"): 1, ("run", 0, MINUTE, "#b"): 1}


def test_a_burst_that_was_handed_over_in_part_is_proven_by_the_next_one(bench: Bench) -> None:
    bench.line.append(bench.line.begin(10, handed=6), 0, 6)
    assert acknowledged_ids(bench.ledger(), {}) == {("run", 0)}
    bench.line.append(bench.line.begin(3), 0, 3)
    assert bench.ledger().intervals == (Interval("run", 0, 0, 8, 0),)


def test_behind_a_failure_nothing_is_proven_whatever_is_reported(bench: Bench) -> None:
    bench.line.append(bench.line.begin(3), 0, 3)
    rejected, behind = bench.line.begin(3), bench.line.begin(3)
    bench.line.append(rejected, 0, 1)
    bench.line.fail(rejected, 2)
    bench.line.append(behind, 0, 3)
    ledger = bench.ledger()
    assert acknowledged_ids(ledger, {}) == {("run", sequence) for sequence in range(4)}
    assert (ledger.failed, bench.writer.failed) == (1, 1)
    assert bench.line.markers.failure is not None


def test_markers_of_two_minutes_leave_open_which_tweet_fell_in_which(bench: Bench) -> None:
    burst = bench.line.begin(6)
    bench.line.append(burst, 0, 3)
    bench.line.clock += 40
    bench.line.append(burst, 3, 6)
    ledger = bench.ledger()
    assert ledger.counts == {("run", MINUTE, "#a"): 1, ("run", MINUTE + 60, "#c"): 1}
    assert ledger.spread == {("run", MINUTE, MINUTE + 60, tag): count for tag, count in (("#a", 1), ("#b", 2), ("#c", 1))}


def test_offsets_that_go_back_bound_nothing(bench: Bench) -> None:
    bench.line.ends[0] = 100
    burst = bench.line.begin(3)
    bench.line.append(burst, 0, 1)
    bench.line.ends[0] = 0
    bench.line.append(burst, 1, 3)
    assert bench.ledger().intervals == (
        Interval("run", 0, 0, 0, 100),
        Interval("run", 0, 2, 2, 1),
        Interval("run", 0, 1, 1, 0, 1),
    )


def test_append_times_that_go_back_leave_the_minute_open_between_both(bench: Bench) -> None:
    burst = bench.line.begin(3)
    bench.line.append(burst, 0, 1)
    bench.line.clock -= 60
    bench.line.append(burst, 1, 3)
    assert bench.ledger().spread == {("run", MINUTE - 60, MINUTE, "#b"): 1}


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # partition
        st.integers(1, 6),  # tweets of the burst
        st.sampled_from([0, 0, 0, 1, 4]),  # of these not handed over
        st.sampled_from([(0, 0), (0, 0), (0, 2), (3, 1)]),  # where in the burst how many records of others come
        st.sampled_from([frozenset[int](), frozenset[int](), frozenset({0}), frozenset(range(6))]),  # markers without offset
        st.sampled_from([0, 0, 20, 70]),  # seconds that pass in its middle
    ),
    max_size=12,
)


@pytest.mark.row(19)
@settings(max_examples=examples(60))
@given(STEPS, st.integers(0, 14))
def test_what_is_proven_is_in_the_log_where_the_ledger_says(
    steps: list[tuple[int, int, int, tuple[int, int], frozenset[int], int]], lost_from: int
) -> None:
    with folder_in_memory() as directory:
        bench = Bench(Path(directory) / "ledger.sqlite")
        line = bench.line
        for number, (partition, count, missing, (at, others), silent, seconds) in enumerate(steps):
            burst = line.begin(count, partition, max(0, count - missing))
            if number >= lost_from:
                continue
            middle = min(at, burst.handed)
            line.append(burst, 0, middle, silent)
            line.ends[partition] += others
            line.clock += seconds
            line.append(burst, middle, burst.handed, silent)
        bench.writer.close()
        ledger = read_ledger(bench.path)
    proven: set[int] = set()
    for interval in ledger.intervals:
        sequences = range(interval.first_sequence, interval.last_sequence + 1)
        for sequence in sequences:
            partition, offset, _minute, _hashtag = line.places[sequence]
            assert partition == interval.partition
            assert interval.first_offset <= offset < interval.end_offset
            assert interval.unplaced_end or offset - interval.first_offset == sequence - interval.first_sequence
        assert proven.isdisjoint(sequences)
        proven.update(sequences)
    for partition, end in line.markers.ends.items():
        assert proven >= {key for key, place in line.places.items() if place[0] == partition and place[1] < end}
    found = Counter((line.places[sequence][2], line.places[sequence][3]) for sequence in proven)
    assert ledger.expected_minutes(found) == found
    assert bench.writer.acknowledged == len(proven) == sum(ledger.counts.values()) + sum(ledger.spread.values())
