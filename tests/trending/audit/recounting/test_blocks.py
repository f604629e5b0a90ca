"""A log that is counted in blocks, by several processes: what one finds, however it is cut."""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from examples import examples
from fakes.audits.drawn_logs import LOGS, MINUTE, RUN, Drawn, epochs, records_of, tweet
from fakes.trending.counting import epoch
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.audit.recounting import second_reading
from trending.audit.recounting.block_counter import answer
from trending.audit.recounting.blocks import Block, BlockCount, Job, cut, join
from trending.audit.recounting.recount import Recount, recount
from trending.audit.recounting.sequences import by_run
from trending.errors import NotReady
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns
from trending.tweets.rule import Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from trending.kafka.record_columns import RecordColumns
    from trending.serving.epochs import Epoch

NOWHERE = KafkaConnection("nowhere:1")


class Log:
    """A log that is read as the audit's processes read the real one."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.ends = {part: max(each.offset for each in records if each.partition == part) + 1 for part in self.partitions()}

    def partitions(self) -> set[int]:
        return {each.partition for each in self.records}

    def read(
        self, _connection: KafkaConnection, _topic: str, start: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[RecordColumns]:
        yield from by_columns(
            each for each in self.records if each.partition in end and start[each.partition] <= each.offset < end[each.partition]
        )


def answers(log: Log, job: Job) -> Iterator[Any]:
    """Yield what a process answers that does the job."""
    out = io.BytesIO()
    answer(pickle.loads(pickle.dumps(job)), out, log.read)  # noqa: S301 - our own
    out.seek(0)
    while out.tell() < len(out.getbuffer()):
        yield pickle.load(out)  # noqa: S301


def found(whole: Recount) -> dict[str, Any]:
    """Return everything that a recount says."""
    values = {name: value for name, value in vars(whole).items() if name not in {"ids", "second", "epochs"}}
    ids = {run: (len(each), list(each.ranges())) for run, each in whole.ids.items()}
    second = whole.second
    # Of what is read together, plain tweets are read again before the others.
    disagreements = sorted(second.disagreements, key=lambda each: (each.partition, each.offset))
    return {**values, "ids": ids, "again": (second.records, second.odd, disagreements)}


def mistaken(value: bytes | None, append_time: float, _rule: object) -> Verdict:
    """Read a record another time and be wrong about some."""
    return Verdict(Kind.FOREIGN, str(value), append_time)


@pytest.mark.parametrize("wrong", [False, True], ids=["both readings agree", "they do not"])
@settings(max_examples=examples(200))
@given(LOGS, epochs(), st.integers(0, 40), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3))
def test_however_it_is_cut_a_log_is_counted_as_by_one(
    wrong: bool,  # noqa: FBT001 - pytest's parameter
    drawn: list[Drawn],
    counting: tuple[Epoch, ...],
    acknowledged: int,
    most: int,
    every: int,
    of_a_kind: int,
) -> None:
    log = Log(records_of(drawn))
    told = by_run([(RUN, range(acknowledged))])
    start = dict.fromkeys(log.ends, 0)
    read_again = mistaken if wrong else second_reading.read_again
    with (
        mock.patch.object(second_reading, "EVERY", every),
        mock.patch("trending.audit.recounting.recount.EVERY", every),
        mock.patch.object(second_reading, "OF_A_KIND", of_a_kind),
        mock.patch.object(second_reading, "read_again", read_again),
    ):
        whole = Recount(counting)
        for block in cut(start, log.ends, most):
            for each in answers(log, Job(NOWHERE, "tweets", counting, told, [block])):
                join(whole, each)
        # A partition after the other, as the blocks are: which of many odd records are read again goes by the order.
        in_order = sorted(log.records, key=lambda each: each.partition)
        alone = recount(by_columns(in_order), counting, told)
    assert found(whole) == found(alone)


def test_blocks_cover_every_offset_once() -> None:
    assert cut({0: 5, 1: 7}, {0: 12, 1: 7, 2: 3}, 3) == [
        Block(0, 5, 8),
        Block(0, 8, 11),
        Block(0, 11, 12),
        Block(2, 0, 3),
    ]


def test_an_error_of_reading_is_the_last_answer() -> None:
    log = Log([Record(0, offset, MINUTE, tweet("#a", MINUTE), {}) for offset in range(4)])
    silent = NotReady("nothing arrives", "30 s", "make status")

    def read(
        _connection: KafkaConnection, _topic: str, start: Mapping[int, int], end: Mapping[int, int]
    ) -> Iterator[RecordColumns]:
        if start[0]:
            raise silent
        yield from log.read(NOWHERE, "", start, end)

    out = io.BytesIO()
    answer(Job(NOWHERE, "tweets", (epoch("c"),), {}, cut({}, {0: 4}, 2)), out, read)
    out.seek(0)
    first, last = pickle.load(out), pickle.load(out)  # noqa: S301
    assert isinstance(first, BlockCount)
    assert (type(last), last.args) == (NotReady, silent.args)
