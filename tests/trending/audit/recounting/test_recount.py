"""The recount by columns against one that looks at each record by itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from examples import examples
from fakes.audits.drawn_logs import LOGS, MINUTE, RUN, Drawn, epochs, records_of, tweet
from fakes.trending.counting import epoch
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.audit.recounting.recount import by_rule, recount
from trending.audit.recounting.sequences import by_run
from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns
from trending.settings import Rule
from trending.tweets.fates import label_of
from trending.tweets.record_id import identity_of
from trending.tweets.rule import Kind, classify, minute_of, window_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.kafka.record_columns import RecordColumns
    from trending.serving.epochs import Epoch


def place(record: Record, counting: tuple[Epoch, ...]) -> tuple[Epoch, bool]:
    found = counting[0]
    for each in counting:
        if record.offset < each.starts.get(record.partition, 0):
            break
        found = each
        if record.offset < each.counted_to().get(record.partition, 0):
            return each, True
    return found, False


def one_by_one(log: list[Record], counting: tuple[Epoch, ...], acknowledged: set[tuple[str, int]]) -> dict[str, Any]:
    """Return what a recount must find, from each record alone."""
    ids: Counter[tuple[str, int]] = Counter()
    tweets: Counter[tuple[str, int, str]] = Counter()
    minutes: Counter[tuple[str, int, str]] = Counter()
    untagged: Counter[tuple[str, int]] = Counter()
    rejects: dict[tuple[str, int, str], list[int]] = {}
    found: Counter[str] = Counter()
    waiting: list[float] = []
    for record in log:
        by, counted = place(record, counting)
        kind, label, time = classify(record.value, record.append_time, by.rule)
        identity = identity_of(record.key, record.headers)
        ids[identity] += identity is not None  # type: ignore[index]
        if kind is Kind.FOREIGN:
            found["foreign"] += 1
            continue
        by_arrival = classify(record.value, record.append_time, Rule())
        if identity in acknowledged:
            minutes[identity[0], minute_of(record.append_time), label_of(by_arrival)] += 1  # type: ignore[index]
        if not counted and by.closed:
            found["uncounted"] += by is not counting[-1] or identity in acknowledged
        elif not counted:
            waiting.append(record.append_time)
        elif kind is Kind.TWEET:
            tweets[by.checkpoint, window_start(time, by.rule.window_seconds), label] += 1
            found["without_id"] += identity is None
        elif kind is Kind.UNTAGGED:
            untagged[by.checkpoint, window_start(time, by.rule.window_seconds)] += 1
        else:
            rejects.setdefault((by.checkpoint, record.partition, str(label)), []).append(record.offset)
    ids = +ids
    return {
        "ids": dict(Counter(run for run, _sequence in ids)),
        "repeated": ids.total() - len(ids),
        "tweets": tweets,
        "minutes": minutes,
        "untagged": untagged,
        "rejects": rejects,
        **{name: found[name] for name in ("foreign", "uncounted", "without_id")},
        "in_flight": len(waiting),
        "oldest": min(waiting, default=float("inf")),
    }


@settings(max_examples=examples(300))
@given(LOGS, epochs(), st.lists(st.integers(0, 40), min_size=2, max_size=2), st.integers(1, 9))
def test_by_columns_and_one_by_one_the_same_is_found(
    drawn: list[Drawn],
    counting: tuple[Epoch, ...],
    acknowledged: list[int],
    together: int,
) -> None:
    log = records_of(drawn)
    first, last = sorted(acknowledged)
    batches = [each for start in range(0, len(log), together) for each in by_columns(log[start : start + together])]
    result = recount(batches, counting, by_run([(RUN, range(first, last))]))
    expected = one_by_one(log, counting, {(RUN, sequence) for sequence in range(first, last)})
    found = {name: getattr(result, name) for name in expected}
    found["ids"] = {run: len(each) for run, each in result.ids.items()}
    found["rejects"] = {(who, part, str(reason)): each.tolist() for (who, part, reason), each in result.rejects.items()}
    assert found == expected
    assert result.second.disagreements == []
    assert (result.first, result.last) == (min(each.append_time for each in log), max(each.append_time for each in log))


def test_totals_add_up_the_epochs_of_a_rule_and_never_those_of_two() -> None:
    ten = Rule(window_seconds=10)
    counting = tuple(epoch(name, ends={0: 9}, rule=rule) for name, rule in (("c", Rule()), ("d", ten), ("e", ten)))
    counts = {(name, MINUTE, "#a"): tweets for name, tweets in (("c", 1), ("d", 2), ("e", 4), ("another topic's", 8))}
    assert by_rule(counts, counting) == {Rule(): {(MINUTE, "#a"): 1}, ten: {(MINUTE, "#a"): 6}}


SENT = st.lists(st.tuples(st.integers(0, 1), st.sampled_from([RUN, RUN[::-1]])), min_size=1, max_size=40)


def log_of(places: list[tuple[int, str, int]]) -> list[Record]:
    """Return a log of tweets, by partition, run and sequence in the order in which they were appended."""
    offsets: Counter[int] = Counter()
    log = []
    for partition, run, sequence in places:
        key = f"t1:{run}:{sequence}".encode()
        log.append(Record(partition, offsets[partition], MINUTE, tweet("#a", MINUTE), {}, key))
        offsets[partition] += 1
    return log


def in_batches(log: list[Record], size: int) -> Iterator[RecordColumns]:
    for partition in (0, 1):
        part = [record for record in log if record.partition == partition]
        for start in range(0, len(part), size):
            yield from by_columns(part[start : start + size])


@given(SENT, st.integers(1, 7), st.data())
def test_who_sends_in_order_is_never_told_to_have_broken_it(sent: list[tuple[int, str]], size: int, data: st.DataObject) -> None:
    """Several senders at once, over several partitions; what stands there twice is a duplicate, and breaks no order."""
    sequences: Counter[str] = Counter()
    places = []
    for partition, run in sent:
        sequences[run] += 1
        places.append((partition, run, sequences[run]))
    for _ in range(data.draw(st.integers(0, 3))):
        again = data.draw(st.integers(0, len(places) - 1))
        places.insert(data.draw(st.integers(again + 1, len(places))), places[again])  # of the same partition
    result = recount(in_batches(log_of(places), size), (epoch("c", ends={0: 99, 1: 99}),), {})
    assert result.disordered == {}


@given(st.integers(3, 30), st.integers(1, 7), st.data())
def test_an_id_behind_a_later_one_of_its_partition_is_told_wherever_batches_end(
    number: int, size: int, data: st.DataObject
) -> None:
    places = [(0, RUN, sequence) for sequence in range(number)]
    early = data.draw(st.integers(0, number - 2))
    places.insert(early, places.pop(data.draw(st.integers(early + 1, number - 1))))
    result = recount(in_batches(log_of(places), size), (epoch("c", ends={0: 99, 1: 99}),), {})
    assert result.disordered == {RUN: 1}
    assert result.repeated == 0
