from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trending.errors import LabError
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import SEEK_GAP, SILENCE_SECONDS, Record, read_log
from trending.kafka.rejects import Rejects
from trending.programs.refused import KEPT, Refused
from trending.stream.dead_letters import DEADLINE_SECONDS, ENVELOPE_BYTES, MAX_LETTER_BYTES, PIECE_LETTERS, DeadLetters
from trending.stream.envelope import GONE, enclose
from trending.stream.letters import LETTERS, Letters, Reject, Summary

if TYPE_CHECKING:
    from fakes.trending.kafka import FakeKafka


def letters_of(kafka: FakeKafka) -> list[tuple[bytes | None, dict[str, str | bytes | None]]]:
    return [(message.value(), dict(message.headers() or [])) for message in kafka.records("letters")]


def places_of(kafka: FakeKafka) -> list[tuple[int, int]]:
    return [(int(headers["dlq.partition"] or -1), int(headers["dlq.offset"] or -1)) for _value, headers in letters_of(kafka)]


def dead_letters(known_up_to: int = 0) -> DeadLetters:
    return DeadLetters(KafkaConnection("localhost:9092"), "tweets", "letters", known_up_to)


def fill(kafka: FakeKafka, records: int, partition: int = 0) -> None:
    for offset in range(records):
        kafka.append("tweets", f"record {partition}:{offset}".encode(), partition=partition)


def bad(*offsets: int, partition: int = 0, reason: str = "tombstone") -> list[Rejects]:
    return [Rejects.of(partition, reason, offsets)]


@pytest.mark.row(22)
def test_a_reject_keeps_its_key_headers_and_time_and_says_why_and_where_it_was(kafka: FakeKafka) -> None:
    fill(kafka, 3)
    kafka.append("tweets", b"bad", key=b"k", headers=[("h", b"1"), ("h", b"2"), ("n", None)], time=1_765_800_000_123)
    kafka.clock.sleep(60)
    assert dead_letters().write(1, bad(3, reason="not valid JSON")) == 1
    (letter,) = kafka.records("letters")
    assert (letter.key(), letter.value(), letter.timestamp()[1]) == (b"k", b"bad", 1_765_800_000_123)
    assert letter.headers() == [
        ("h", b"1"),
        ("h", b"2"),
        ("n", None),
        ("dlq.reason", b"not valid JSON"),
        ("dlq.topic", b"tweets"),
        ("dlq.partition", b"0"),
        ("dlq.offset", b"3"),
        ("dlq.attempt", b"1"),
        ("dlq.length", b"3"),
    ]


def test_what_was_refused_last_is_noted_for_the_page_once_its_letters_are_written(kafka: FakeKafka) -> None:
    for number in range(KEPT + 2):
        tweet = f'{{"usuario":"@a","hashtag_principal":"#t{number}","timestamp":1.5}}'
        kafka.append("tweets", tweet.encode(), time=1_765_800_000_123 + number)
    told: list[Refused] = []
    letters = DeadLetters(KafkaConnection("localhost:9092"), "tweets", "letters", 0, told.extend)
    letters.write(1, bad(*range(KEPT + 2), reason="late"))
    assert len(kafka.records("letters")) == KEPT + 2
    assert len(told) == KEPT
    assert told[-1] == Refused(0, KEPT + 1, "late", 1_765_800_000.136, f"#t{KEPT + 1}", "@a", 1.5)
    assert letters.latest == told
    letters.write(2, bad(0))
    assert [each.offset for each in letters.latest] == [0], "those of the batch at hand alone"


def test_a_note_that_cannot_be_written_stops_no_letter(kafka: FakeKafka, caplog: pytest.LogCaptureFixture) -> None:
    def full(_fresh: object) -> None:
        raise OSError(28, "No space left on device")

    fill(kafka, 1)
    assert DeadLetters(KafkaConnection("localhost:9092"), "tweets", "letters", 0, full).write(1, bad(0)) == 1
    assert "are not noted" in caplog.text


@pytest.mark.row(22)
@pytest.mark.parametrize(("said", "attempt"), [(b"2", b"3"), (b"", b"1"), (b"-1", b"1"), (b"9" * 5000, b"1"), (None, b"1")])
def test_a_record_that_was_sent_back_is_at_its_next_attempt(kafka: FakeKafka, said: bytes | None, attempt: bytes) -> None:
    kafka.append("tweets", b"bad", headers=[("dlq.attempt", said), ("dlq.reason", b"of the letter before"), ("id", b"1")])
    dead_letters().write(1, bad(0, reason="tombstone"))
    (letter,) = kafka.records("letters")
    names = [name for name, _text in letter.headers() or []]
    assert len(names) == len(set(names)), "what the letter before said is not said once more"
    assert letters_of(kafka)[0][1] | {"dlq.attempt": attempt, "dlq.reason": b"tombstone", "id": b"1"} == letters_of(kafka)[0][1]


@pytest.mark.row(22)
def test_a_tombstone_stays_a_tombstone(kafka: FakeKafka) -> None:
    fill(kafka, 1)
    kafka.append("tweets", None)
    dead_letters().write(1, bad(1))
    assert kafka.values("letters") == [None]


def test_the_very_first_record_of_the_topic_may_be_a_reject(kafka: FakeKafka) -> None:
    fill(kafka, 1)
    assert dead_letters().write(1, bad(0)) == 1
    assert kafka.values("letters") == [b"record 0:0"]


def test_no_rejects_open_no_connection_to_the_topic(kafka: FakeKafka) -> None:
    assert dead_letters().write(1, []) == 0
    assert kafka.producers == []


def test_a_replayed_batch_sends_nothing_again(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    letters = dead_letters()
    assert letters.write(1, bad(1, 2)) == 2
    assert letters.write(1, bad(1, 2)) == 0
    assert letters.write(1, bad(2, 4)) == 1
    assert places_of(kafka) == [(0, 1), (0, 2), (0, 4)]


@pytest.mark.row(20)
def test_a_batch_replayed_after_the_drivers_death_sends_nothing_again(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    first = dead_letters()
    first.write(1, bad(1))
    booked = first.read_back_from
    first.write(2, bad(2, 3))
    # The driver dies between the letters and the booking: its successor knows of the first batch only.
    successor = dead_letters(booked)
    assert successor.write(2, bad(2, 3, 4)) == 1
    assert places_of(kafka) == [(0, 1), (0, 2), (0, 3), (0, 4)]
    successor.write(3, bad(0))
    assert successor.read_back_from == 6, "four letters and two markers before the third"


@pytest.mark.row(20)
def test_a_batch_replayed_after_it_was_booked_sends_nothing_again(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    first = dead_letters()
    for batch in (1, 2):
        first.write(batch, bad(batch))
    # The driver dies between the booking and Spark's commit: the batch runs again.
    assert dead_letters(first.read_back_from).write(2, bad(2)) == 0
    assert places_of(kafka) == [(0, 1), (0, 2)]


def test_letters_of_batches_already_booked_are_not_read_again(kafka: FakeKafka) -> None:
    fill(kafka, 200)
    first = dead_letters()
    first.write(1, bad(*range(100)))
    first.write(2, bad(100, 101))
    before = len(kafka.consumers)
    assert dead_letters(first.read_back_from).write(2, bad(100, 101)) == 0
    assert sum(consumer.reads for consumer in kafka.consumers[before:]) == 2


def test_a_new_checkpoint_reads_all_letters_back(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    dead_letters().write(1, bad(1, 2))
    assert dead_letters(0).write(1, bad(1, 2, 3)) == 1
    assert places_of(kafka) == [(0, 1), (0, 2), (0, 3)]


def test_letters_removed_by_retention_are_not_waited_for(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    dead_letters().write(1, bad(1, 2))
    kafka.forget_before("letters", 0, 1)
    assert dead_letters(0).write(1, bad(2, 3)) == 1
    assert places_of(kafka)[2:] == [(0, 3)]


def test_a_letter_of_somebody_else_does_not_stop_the_job(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    kafka.append("letters", b"hello")
    kafka.append("letters", b"hello", headers=[("partition", "x"), ("offset", None)])
    letters = dead_letters()
    assert letters.write(1, bad(1)) == 1
    assert letters.write(2, bad(2)) == 1
    assert letters.read_back_from == 3


def flood(kafka: FakeKafka, records: int, partitions: int = 1) -> list[Rejects]:
    """Fill partitions with records that are rejected for one of two reasons."""
    kafka.create("tweets", partitions)
    for partition in range(partitions):
        fill(kafka, records, partition)
    return [
        Rejects.of(partition, reason, range(first, records, 2))
        for partition in range(partitions)
        for first, reason in enumerate(("late", "tombstone"))
    ]


@pytest.mark.thorough
@pytest.mark.row(34)
def test_of_a_flood_the_first_get_letters_and_the_rest_a_summary_for_each_reason(kafka: FakeKafka) -> None:
    rejects = flood(kafka, LETTERS + 5, partitions=2)
    letters = dead_letters()
    assert letters.write(1, rejects) == 2 * LETTERS + 4
    found = Letters.read(read_log(KafkaConnection("localhost:9092"), "letters", {}, {0: len(kafka.logs["letters"][0])}))
    assert found.places == {(partition, offset) for partition in range(2) for offset in range(LETTERS)}
    late, other = (LETTERS, LETTERS + 4, 3), (LETTERS + 1, LETTERS + 3, 2)
    assert found.summaries == {
        Summary(partition, reason, *numbers)
        for partition in range(2)
        for reason, numbers in (("late", late), ("tombstone", other))
    }
    assert letters.write(1, rejects) == 0
    assert dead_letters().write(1, rejects) == 0, "a replay finds the summaries again"


@pytest.mark.row(20)
def test_a_driver_that_wakes_up_late_writes_no_letter_beside_its_successors(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    late, successor = dead_letters(), dead_letters()
    original = kafka.producer

    def overtaken(configuration: dict[str, object]) -> object:
        """Have the successor write as soon as the late driver has handed over its letters."""
        producer = original(configuration)
        flush = producer.flush

        def overtake(timeout: float) -> int:
            patch.setattr("trending.stream.dead_letters.Producer", original)
            assert successor.write(1, bad(1, 2)) == 2
            return flush(timeout)

        producer.flush = overtake
        return producer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trending.stream.dead_letters.Producer", overtaken)
        with pytest.raises(LabError, match="another driver writes the dead letters now") as caught:
            late.write(1, bad(1, 2))
    assert not caught.value.retriable
    assert places_of(kafka) == [(0, 1), (0, 2)]


@pytest.mark.row(20)
def test_a_fatal_error_that_meets_a_report_is_told_as_what_it_is(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """As confluent_kafka did beside a real broker: a SystemError with the fatal error as its cause."""
    fill(kafka, 2)
    original = kafka.producer

    def fenced(configuration: dict[str, object]) -> object:
        producer = original(configuration)

        def flush(_timeout: float) -> int:
            raise SystemError from KafkaException(KafkaError(KafkaError._FENCED))

        producer.flush = flush
        return producer

    monkeypatch.setattr("trending.stream.dead_letters.Producer", fenced)
    with pytest.raises(LabError, match="another driver writes the dead letters now"):
        dead_letters().write(1, bad(1))


@pytest.mark.row(20)
def test_letters_that_a_driver_had_written_and_not_committed_are_written_by_its_successor(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    late = dead_letters()
    original = kafka.producer

    def dying(configuration: dict[str, object]) -> object:
        producer = original(configuration)

        def die(_timeout: float) -> None:
            raise RuntimeError

        producer.commit_transaction = die
        return producer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trending.stream.dead_letters.Producer", dying)
        with pytest.raises(RuntimeError):
            late.write(1, bad(1, 2))
    assert len(kafka.logs["letters"][0]) == 2, "they are there, and nobody who reads committed records sees them"
    assert dead_letters().write(1, bad(1, 2)) == 2
    assert places_of(kafka) == [(0, 1), (0, 2)]


@pytest.mark.row(20)
def test_a_driver_sees_what_another_one_wrote_between_two_of_its_batches(kafka: FakeKafka) -> None:
    fill(kafka, 9)
    ours, other = dead_letters(), dead_letters()
    ours.write(1, bad(1))
    other.write(2, bad(1, 2))
    assert ours.write(2, bad(2, 3)) == 1
    assert places_of(kafka) == [(0, 1), (0, 2), (0, 3)]


def test_all_jobs_of_a_topic_write_under_one_name_whatever_their_checkpoints(kafka: FakeKafka) -> None:
    fill(kafka, 1)
    dead_letters().write(1, bad(0))
    configuration = kafka.producers[0].configuration
    assert configuration["transactional.id"] == "letters-letters"
    assert configuration["transaction.timeout.ms"] == 60_000, "the lab's brokers allow no more"


def test_many_letters_are_written_in_several_transactions(kafka: FakeKafka) -> None:
    fill(kafka, 2 * PIECE_LETTERS)
    assert dead_letters().write(1, bad(*range(PIECE_LETTERS + 1))) == PIECE_LETTERS + 1
    assert len(kafka.logs["letters"][0]) == PIECE_LETTERS + 1 + 2, "two markers"


def test_an_earlier_time_that_a_broker_takes_for_the_future_is_left_out(kafka: FakeKafka) -> None:
    kafka.append("tweets", b"bad", time=1_999_999_999_000)
    kafka.refuse_time = lambda time: time > 1_990_000_000_000
    assert dead_letters().write(1, bad(0)) == 1
    (letter,) = kafka.records("letters")
    assert (letter.value(), letter.timestamp()[1] < 1_990_000_000_000) == (b"bad", True)


@pytest.mark.row(34)
def test_the_letters_of_a_finished_batch_are_not_kept_in_memory(kafka: FakeKafka) -> None:
    fill(kafka, 5)
    letters = dead_letters()
    for batch in range(4):
        letters.write(batch, bad(batch))
    assert len(letters._written) == 1


def test_rejects_of_several_partitions_keep_their_own_records(kafka: FakeKafka) -> None:
    kafka.create("tweets", partitions=3)
    for partition in range(3):
        fill(kafka, 4, partition)
    dead_letters().write(1, [*bad(3, partition=2), *bad(0, 2, partition=0), *bad(0, partition=1)])
    assert dict(zip(places_of(kafka), kafka.values("letters"), strict=True)) == {
        (0, 0): b"record 0:0",
        (0, 2): b"record 0:2",
        (1, 0): b"record 1:0",
        (2, 3): b"record 2:3",
    }


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sets(st.integers(0, 4 * SEEK_GAP - 1), min_size=1, max_size=8), st.sampled_from([0, 1, SEEK_GAP]))
def test_every_reject_is_sent_once_wherever_it_lies(kafka: FakeKafka, offsets: set[int], low: int) -> None:
    kafka.create("tweets")
    kafka.create("letters")
    fill(kafka, 4 * SEEK_GAP)
    kafka.forget_before("tweets", 0, low)
    wanted = sorted(offset for offset in offsets if offset >= low)
    assert dead_letters().write(1, bad(*wanted)) == len(wanted)
    assert kafka.values("letters") == [f"record 0:{offset}".encode() for offset in wanted]


def test_neighbours_are_read_over_and_distant_rejects_are_sought(kafka: FakeKafka) -> None:
    fill(kafka, 3 * SEEK_GAP)
    dead_letters().write(1, bad(10, 20, 30, 3 * SEEK_GAP - 1))
    assert [consumer.assignments for consumer in kafka.consumers if consumer.assignments] == [2]


def test_a_letter_that_the_broker_recognised_as_a_repetition_is_written(kafka: FakeKafka) -> None:
    fill(kafka, 3)
    kafka.duplicates = lambda value: value == b"record 0:2"
    letters = dead_letters()
    assert letters.write(1, bad(1, 2)) == 2
    assert letters.write(1, bad(1, 2)) == 0
    assert places_of(kafka) == [(0, 1), (0, 2)]


def test_a_full_queue_is_waited_for(kafka: FakeKafka) -> None:
    fill(kafka, 20)
    kafka.queue_bound = 3
    assert dead_letters().write(1, bad(*range(20))) == 20
    assert places_of(kafka) == [(0, offset) for offset in range(20)]
    assert kafka.producers[0].longest_queue == 3


def test_the_letters_producer_is_idempotent_and_takes_the_largest_record(kafka: FakeKafka) -> None:
    fill(kafka, 1)
    dead_letters().write(1, bad(0))
    configuration = kafka.producers[0].configuration
    assert "transactional.id" in configuration, "which is idempotent too"
    assert configuration["message.max.bytes"] == MAX_LETTER_BYTES > 1_048_576 + ENVELOPE_BYTES


def limit(kafka: FakeKafka, largest: int) -> None:
    """Have the broker refuse larger values."""
    kafka.refuse = lambda _topic, value: KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if len(value or b"") > largest else None


@pytest.mark.row(34)
def test_a_record_larger_than_a_letter_is_cut_and_its_length_told(kafka: FakeKafka) -> None:
    kafka.append("tweets", b"{" + b"a" * 5_000_000, key=b"k" * 3_000_000, headers=[("h", b"h" * 3_000_000)])
    kafka.append("tweets", b"small")
    assert dead_letters().write(1, bad(0, 1)) == 2
    (large, headers), (small, _headers) = letters_of(kafka)
    assert (len(large or b""), small) == (MAX_LETTER_BYTES - ENVELOPE_BYTES, b"small")
    assert (headers["dlq.length"], headers["dlq.partition"], headers["dlq.offset"]) == (b"5000001", b"0", b"0")
    assert "h" not in headers, "a stranger's headers could be larger than any letter"
    assert headers["dlq.cut"] == b"key,headers,value"
    assert kafka.records("letters")[0].key() is None, "a part of a key is another key"


@pytest.mark.row(34)
@given(st.integers(0, 3_000), st.integers(0, 3_000), st.lists(st.integers(0, 2_000), max_size=4), st.integers(0, 3_000))
def test_an_envelope_is_never_larger_than_its_room_and_says_what_it_left_out(
    value: int, key: int, headers: list[int], room: int
) -> None:
    pairs = tuple((f"h{number}", b"h" * size) for number, size in enumerate(headers))
    record = Record(0, 7, 1.5, b"v" * value, dict(pairs), b"k" * key, pairs)
    reject = Reject(0, 7, "late")
    letter = enclose(reject, record, "tweets", room)
    own = {name: text for name, text in letter.headers if name.startswith("dlq.")}
    kept = [pair for pair in letter.headers if pair[0] not in own]
    size = len(letter.key or b"") + len(letter.value or b"") + sum(len(name) + len(text or b"") for name, text in kept)
    assert size <= room
    cut = str(own.get("dlq.cut") or "").split(",")
    assert ("key" in cut) == (letter.key != record.key)
    assert ("headers" in cut) == (kept != list(pairs))
    assert ("value" in cut) == (letter.value != record.value)
    assert record.value is not None
    assert record.value.startswith(letter.value or b"")


@pytest.mark.row(34)
@pytest.mark.parametrize("largest", [1_000_000, 20_000, 700, 0])
def test_a_topic_that_takes_less_gets_less_of_each_record(kafka: FakeKafka, largest: int) -> None:
    kafka.append("tweets", b"x" * 3_000_000)
    kafka.append("tweets", b"")
    kafka.append("tweets", b"y" * 3_000_000)
    limit(kafka, largest)
    letters = dead_letters()
    assert letters.write(1, bad(0, 1)) == 2
    assert letters.write(1, bad(2)) == 1
    assert {(headers["dlq.offset"], headers["dlq.length"]) for _value, headers in letters_of(kafka)} == {
        (b"0", b"3000000"),
        (b"1", b"0"),
        (b"2", b"3000000"),
    }
    sizes = [len(value or b"") for value in kafka.values("letters")]
    assert largest // 2 - 1024 <= max(sizes) <= largest
    before = len(kafka.producers)
    kafka.append("tweets", b"z" * 3_000_000)
    letters.write(1, bad(3))
    assert len(kafka.producers) == before + 1, "the room is remembered"


@pytest.mark.row(34)
def test_a_letter_that_is_not_even_taken_empty_stops_nobody(kafka: FakeKafka, caplog: pytest.LogCaptureFixture) -> None:
    fill(kafka, 3)
    kafka.refuse = lambda _topic, _value: KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    letters = dead_letters()
    assert letters.write(1, bad(0, 1)) == 0
    assert "letters takes not even an empty letter: 2 are missing" in caplog.text
    kafka.refuse = lambda _topic, _value: None
    assert letters.write(1, bad(0, 1, 2)) == 3


def test_a_topic_that_takes_no_letters_raises_and_they_are_not_taken_as_written(kafka: FakeKafka) -> None:
    fill(kafka, 3)
    denied = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    kafka.refuse = lambda _topic, value: denied if value == b"record 0:1" else None
    letters = dead_letters()
    with pytest.raises(LabError) as caught:
        letters.write(1, bad(0, 1, 2))
    assert caught.value.cause == "the dead letters of batch 1 were not written to letters"
    assert "TOPIC_AUTHORIZATION_FAILED" in caught.value.evidence
    assert not caught.value.retriable
    assert places_of(kafka) == [], "all of a transaction or none"
    kafka.refuse = lambda _topic, _value: None
    assert letters.write(1, bad(0, 1, 2)) == 3
    assert places_of(kafka) == [(0, 0), (0, 1), (0, 2)]


def test_a_flush_that_times_out_raises(kafka: FakeKafka) -> None:
    fill(kafka, 3)
    letters = dead_letters()
    letters.write(1, bad(0))
    letters.write(1, [])
    original = kafka.producer

    def frozen_at_the_flush(configuration: dict[str, object]) -> object:
        producer = original(configuration)
        flush = producer.flush

        def freeze(timeout: float) -> int:
            kafka.frozen = True
            return flush(timeout)

        producer.flush = freeze
        return producer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trending.stream.dead_letters.Producer", frozen_at_the_flush)
        began = kafka.clock.monotonic()
        with pytest.raises(LabError) as caught:
            letters.write(1, bad(1, 2))
    assert caught.value.cause == "the dead letters of batch 1 were not written to letters"
    assert caught.value.retriable, "a broker that does not answer is waited for"
    assert kafka.clock.monotonic() - began <= 3 * DEADLINE_SECONDS
    assert places_of(kafka) == [(0, 0)]


@pytest.mark.row(34)
def test_a_record_that_retention_removed_leaves_a_letter_that_says_so(kafka: FakeKafka) -> None:
    fill(kafka, 9)
    kafka.forget_before("tweets", 0, 5)
    assert dead_letters().write(1, bad(3, 4, 6)) == 3
    assert kafka.values("letters") == [None, None, b"record 0:6"]
    assert [headers.get("dlq.gone") for _value, headers in letters_of(kafka)] == [GONE.encode(), GONE.encode(), None]
    assert places_of(kafka) == [(0, 3), (0, 4), (0, 6)]


@pytest.mark.row(34)
@pytest.mark.parametrize("last", [8, 4])
def test_a_record_that_compaction_removed_leaves_a_letter_that_says_so(kafka: FakeKafka, last: int) -> None:
    fill(kafka, last + 1)
    kafka.gone |= {("tweets", 0, offset) for offset in (3, 4)}
    assert dead_letters().write(1, bad(2, 3, 4)) == 3
    assert kafka.values("letters") == [b"record 0:2", None, None]


@pytest.mark.row(34)
def test_transactions_around_a_reject_do_not_hide_it(kafka: FakeKafka) -> None:
    kafka.abort("tweets", b"aborted", b"aborted")
    kafka.append("tweets", b"bad")
    kafka.mark("tweets")
    kafka.abort("letters", b"of somebody else")
    assert dead_letters().write(1, bad(3)) == 1
    assert dead_letters().write(1, bad(3)) == 0
    assert kafka.values("letters") == [b"bad"]


def test_a_silent_log_is_given_up_after_the_deadline(kafka: FakeKafka) -> None:
    fill(kafka, 3)
    kafka.silent.add(("tweets", 0))
    began = kafka.clock.monotonic()
    with pytest.raises(LabError, match="tweets brought nothing for 30 s"):
        dead_letters().write(1, bad(2))
    assert SILENCE_SECONDS <= kafka.clock.monotonic() - began <= SILENCE_SECONDS + 1


def test_connections_are_closed_whatever_happens(kafka: FakeKafka) -> None:
    fill(kafka, 3)
    dead_letters().write(1, bad(1))
    kafka.silent.add(("tweets", 0))
    with pytest.raises(LabError):
        dead_letters().write(1, bad(2))
    assert kafka.consumers
    assert all(consumer.closed for consumer in kafka.consumers)
