from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from trending.audit.recounting.identities import NOBODY, identities_of, rows_by_run
from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns
from trending.tweets.record_id import identity_of, record_id

RUNS = st.sampled_from(["0123456789ab", "ba9876543210", "abcdefabcdef"])
SEQUENCES = st.one_of(st.integers(0, 120), st.integers(0, 10**19 - 1), st.sampled_from([10**17, 10**18 - 1, 10**18]))
KEYS = st.one_of(
    st.none(),
    st.builds(lambda run, sequence: f"t1:{run}:{sequence}".encode(), RUNS, SEQUENCES),
    st.builds(lambda run, text: f"t1:{run}:{text}".encode(), RUNS, st.text("0123456789:/-x", max_size=20)),
    st.sampled_from(
        [b"", b"orders:17", b"t1:0123456789aB:7", b"t2:0123456789ab:7", b"t1:0123456789ab:07", b"t1:0123456789ab:7\n"]
    ),
    st.binary(max_size=24),
)
HEADERS = st.one_of(
    st.just({}),
    st.just({}),
    st.builds(lambda run, sequence: {"id": record_id(run, sequence)}, st.sampled_from(["run", "0123456789ab"]), SEQUENCES),
    st.sampled_from([{"id": b""}, {"id": None}, {"id": b"17"}, {"id": b"run:x"}, {"other": b"run:1"}]),
)


@given(st.lists(st.tuples(KEYS, HEADERS), min_size=1, max_size=40))
@example([(f"t1:0123456789a{each}".encode(), {}) for each in ("b:1", "c:2", "b:10", "b:" + "9" * 19)])
def test_the_ids_of_a_batch_are_those_of_its_records(drawn: list[tuple[bytes | None, dict[str, bytes | None]]]) -> None:
    records = [Record(0, offset, 0.0, b"", headers, key) for offset, (key, headers) in enumerate(drawn)]
    (columns,) = by_columns(records)
    runs, numbers, sequences = found = identities_of(columns)
    read = [
        (runs[number], each) if number != NOBODY else None
        for number, each in zip(numbers.tolist(), sequences.tolist(), strict=True)
    ]
    assert read == [identity_of(record.key, record.headers) for record in records]
    assert {row: run for run, rows in rows_by_run(found) for row in rows.tolist()} == {
        row: identity[0] for row, identity in enumerate(read) if identity
    }
