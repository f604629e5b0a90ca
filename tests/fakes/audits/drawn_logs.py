"""Logs of two partitions as hypothesis draws them: tweets and others, with ids of two runs and without, and who counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.audits.sent_log import MINUTE, RUN, tweet
from fakes.trending.counting import epoch
from hypothesis import strategies as st

from trending.kafka.log_reader import Record
from trending.settings import WINDOW_LENGTHS, Rule, Spelling, WindowTime

if TYPE_CHECKING:
    from trending.serving.epochs import Epoch

VALUES = st.one_of(
    st.builds(tweet, st.sampled_from(["#a", "#A ", " "]), st.floats(MINUTE - 200, MINUTE + 200)),
    st.builds(tweet, st.sampled_from(["#a", "#ñ"]), st.floats(MINUTE - 5, MINUTE + 60)),
    st.sampled_from([None, b"{", b"\xc3", b"\xa9{", tweet("", MINUTE), tweet("#" * 281, MINUTE), tweet("#" * 260, MINUTE)]),
    st.just(b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}'),
)
IDS = st.one_of(
    st.none(),
    st.integers(0, 30).map(lambda sequence: f"t1:{RUN}:{sequence}".encode()),
    st.integers(0, 30).map(lambda sequence: f"t1:{RUN[::-1]}:{sequence}".encode()),
    st.just(b"orders:17"),
)
RECORDS = st.tuples(st.integers(0, 1), st.integers(0, 3), st.floats(MINUTE, MINUTE + 130), VALUES, IDS)
LOGS = st.lists(RECORDS, min_size=1, max_size=40)
RULES = st.builds(Rule, st.sampled_from(WindowTime), st.sampled_from(WINDOW_LENGTHS), st.sampled_from(Spelling))


@st.composite
def epochs(draw: st.DrawFn) -> tuple[Epoch, ...]:
    """Return one or two epochs that cover two partitions with gaps, twice or not at all."""
    ends = st.dictionaries(st.integers(0, 1), st.integers(0, 60))
    first = epoch("c", starts=draw(ends), ends=draw(ends), rule=draw(RULES), closed=draw(st.booleans()))
    if draw(st.booleans()):
        return (first,)
    return first, epoch("d", starts=draw(ends), ends=draw(ends), rule=draw(RULES), closed=draw(st.booleans()))


Drawn = tuple[int, int, float, bytes | None, bytes | None]


def records_of(drawn: list[Drawn]) -> list[Record]:
    """Return the records, offsets with the gaps that were drawn."""
    log, offsets = [], {0: 0, 1: 0}
    for partition, gap, at, value, key in drawn:
        offsets[partition] += gap + 1
        log.append(Record(partition, offsets[partition], at, value, {}, key))
    return log
