"""FAULTS.md row 34: records of others in the tweets' topic stop nobody, and stream and audit see the same of them."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from fakes.trending import counting
from real.conftest import new_stack
from real.harness import plain

from flows import audit
from trending.errors import LabError
from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.kafka.rejects import Rejects
from trending.serving.store import Store
from trending.stream.dead_letters import ENVELOPE_BYTES, MAX_LETTER_BYTES, DeadLetters
from trending.stream.letters import Letters, letter_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real.harness import RealStack

    from trending.audit.audit_report import AuditReport
    from trending.stream.envelope import Envelope
    from trending.stream.letters import Reject, Summary

FLOOD = 1_000_000
TWEET = {"usuario": "@a", "texto": "b #Tx", "hashtag_principal": "#Tx"}


@pytest.fixture(scope="module", params=["embedded", pytest.param("docker", marks=pytest.mark.docker)])
def live(request: pytest.FixtureRequest, real_home: Path) -> Iterator[RealStack]:
    """A stack in each runtime that all tests here share; none of them may end its stream."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    os.environ["TRENDING_HOME"] = str(real_home)
    stack = new_stack(request.param)
    try:
        stack.bring_up()
        born = stack.program_pid("stream")
        yield stack
        os.environ["TRENDING_HOME"] = str(real_home)
        assert stack.program_pid("stream") == born, f"the stream died\n{stack.output_tails()}"
    finally:
        os.environ["TRENDING_HOME"] = str(real_home)
        stack.down()


def producer(stack: RealStack, **settings: object) -> Producer:
    return Producer(stack.lab.stack.connection.client({"message.max.bytes": 20_000_000, **settings}))


def send(stack: RealStack, *values: bytes | None, **settings: object) -> None:
    """Append records of a stranger to the topic."""
    with producer(stack, **settings) as sender:
        for value in values:
            sender.produce("tweets_topic", value)
        assert sender.flush(30) == 0


def tweets(number: int) -> list[bytes]:
    return [json.dumps({**TWEET, "timestamp": time.time()}).encode()] * number


def transact(stack: RealStack, *values: bytes, commit: bool) -> None:
    """Append records in one transaction, which is committed or aborted."""
    with producer(stack, **{"transactional.id": "somebody"}) as sender:
        sender.init_transactions(30)
        sender.begin_transaction()
        for value in values:
            sender.produce("tweets_topic", value)
        sender.flush(30)
        if commit:
            sender.commit_transaction(30)
        else:
            sender.abort_transaction(30)


def counted(stack: RealStack, hashtag: str) -> int:
    with closing(Store(stack.paths.store)) as store:
        return sum(number for (_window, name), number in counting.counts(store).items() if name == hashtag)


def audited(stack: RealStack, *, resume: bool = True) -> AuditReport:
    """Audit, require the verdict clean and return the report."""
    with plain():
        report = audit.recount(stack.name, resume=resume)
    assert report.clean, report.lines(None)
    return report


@pytest.mark.row(34, "D", "E")
def test_committed_records_count_and_aborted_ones_are_neither_counted_nor_rejected(live: RealStack) -> None:
    before = audited(live)
    transact(live, *tweets(7), commit=True)
    transact(live, *tweets(3), b"not json", commit=False)
    after = audited(live)
    assert counted(live, "#Tx") == 7
    assert after.without_id == before.without_id + 7
    assert after.rejected == before.rejected


@pytest.mark.row(34, "D", "E")
def test_a_marker_as_the_logs_last_record_is_not_waited_for(live: RealStack) -> None:
    audited(live, resume=False)
    transact(live, *tweets(2), commit=True)
    began = time.monotonic()
    audited(live)
    assert time.monotonic() - began < 25, "reading up to a record that does not exist takes 30 s and fails"


def letters(stack: RealStack) -> dict[int, tuple[int, dict[str, bytes | None]]]:
    """Return offset of the original → size of the letter's value and its headers."""
    connection = stack.lab.stack.connection
    ends = ends_of(log_ends(connection, "tweets_topic.dlq"))
    found = {}
    for letter in read_log(connection, "tweets_topic.dlq", {}, ends):
        place = letter_place(letter.headers)
        assert place is not None
        assert place[1] not in found, "a letter twice"
        found[place[1]] = (len(letter.value or b""), letter.headers)
    return found


@pytest.mark.row(22, "D", "E")
def test_a_letter_is_the_record_as_it_was_and_goes_back_once_it_is_mended(live: RealStack, tmp_path: Path) -> None:
    before = audited(live)
    sent = json.dumps({"etiqueta": "#Mended", "timestamp": time.time()}).encode()
    with producer(live) as sender:
        for number in range(3):
            sender.produce("tweets_topic", sent, key=b"orders:%d" % number, headers=[("h", b"1"), ("h", b"2")])
    middle = audited(live)
    assert sum(middle.rejected.values()) == sum(before.rejected.values()) + 3
    connection = live.lab.stack.connection
    log = list(read_log(connection, "tweets_topic.dlq", {}, ends_of(log_ends(connection, "tweets_topic.dlq"))))
    ours = [letter for letter in log if (letter.key or b"").startswith(b"orders:")]
    assert [(letter.key, letter.value) for letter in ours] == [(b"orders:%d" % number, sent) for number in range(3)]
    assert all(letter.all_headers[:2] == (("h", b"1"), ("h", b"2")) for letter in ours)
    originals = {
        (record.partition, record.offset): record.append_time
        for record in read_log(connection, "tweets_topic", {}, ends_of(log_ends(connection, "tweets_topic")))
        if (record.key or b"").startswith(b"orders:")
    }
    assert {letter_place(letter.headers): letter.append_time for letter in ours} == originals, "the time is the record's"

    bodies = tmp_path / "letters"
    live.command("redrive", f"--name={live.name}", "--send", f"--bodies={bodies}", "--reason=hashtag_principal is missing")
    assert len(list(bodies.iterdir())) >= 3
    for path in bodies.iterdir():
        path.write_bytes(path.read_bytes().replace(b"etiqueta", b"hashtag_principal"))
    shown = live.command("redrive", f"--name={live.name}", f"--bodies={bodies}")
    assert "3 letters would be sent back" in shown
    assert "nothing was sent" in shown
    assert "sent back 3 letters" in live.command("redrive", f"--name={live.name}", "--send", f"--bodies={bodies}")
    live.command("redrive", f"--name={live.name}", "--send", f"--bodies={bodies}", code=2)
    after = audited(live)
    assert counted(live, "#Mended") == 3
    assert (after.sent_back, after.rejected) == (before.sent_back + 3, middle.rejected)


@pytest.mark.row(20, "D", "E")
def test_letters_of_a_driver_that_was_overtaken_are_refused_by_the_broker(
    live: RealStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two drivers' dead letters in this process: what the first has begun and not committed is nobody's."""
    connection = live.lab.stack.connection
    admin = AdminClient(connection.client())  # kept: without it its answers are cut off
    admin.create_topics([NewTopic("overtaken.dlq", 1, 1)])["overtaken.dlq"].result(20)
    places = [Rejects.of(0, "late", range(3))]
    late, successor = (DeadLetters(connection, "tweets_topic", "overtaken.dlq", 0) for _driver in range(2))
    transact_late = late._transact

    def overtaken(sender: Producer, piece: list[Envelope]) -> dict[Reject | Summary, int]:
        assert successor.write(1, places) == 3
        return transact_late(sender, piece)

    monkeypatch.setattr(late, "_transact", overtaken)
    with pytest.raises(LabError, match="another driver writes the dead letters now"):
        late.write(1, places)
    found = Letters.read(read_log(connection, "overtaken.dlq", {}, ends_of(log_ends(connection, "overtaken.dlq"))))
    assert (found.places, found.twice) == ({(0, offset) for offset in range(3)}, 0)


@pytest.mark.row(34, "D", "E")
def test_rejects_larger_than_a_letter_are_cut_and_the_stream_goes_on(live: RealStack) -> None:
    before = letters(live)
    large = b'{"texto":"' + b"a" * 5_000_000 + b'"}'
    send(live, *[large] * 40, b"small", **{"compression.type": "gzip"})
    with producer(live, **{"compression.type": "gzip"}) as sender:
        sender.produce("tweets_topic", b"odd", key=b"k" * 3_000_000, headers=[("h", b"h" * 3_000_000)])
    report = audited(live)
    fresh = {offset: letter for offset, letter in letters(live).items() if offset not in before}
    assert len(fresh) == 42
    sizes = sorted((int(headers["dlq.length"] or 0), size) for size, headers in fresh.values())
    assert sizes[:2] == [(3, 3), (5, 5)]
    assert set(sizes[2:]) == {(len(large), MAX_LETTER_BYTES - ENVELOPE_BYTES)}
    assert report.dead_letters >= 42


@pytest.mark.row(34, "D", "E")
def test_a_dead_letter_topic_that_takes_little_gets_little(live: RealStack) -> None:
    admin = AdminClient(live.lab.stack.connection.client())
    resource = ConfigResource(
        ResourceType.TOPIC,
        "tweets_topic.dlq",
        incremental_configs=[ConfigEntry("max.message.bytes", "9000", incremental_operation=AlterConfigOpType.SET)],
    )
    admin.incremental_alter_configs([resource])[resource].result(20)
    before = letters(live)
    send(live, b"x" * 900_000, *[b"y" * 2_000] * 30)
    audited(live)
    fresh = [letter for offset, letter in letters(live).items() if offset not in before]
    assert sorted(int(headers["dlq.length"] or 0) for _size, headers in fresh) == [2_000] * 30 + [900_000]
    assert max(size for size, _headers in fresh) < 9_000


@pytest.mark.row(34, "D", "E")
def test_a_flood_of_rejects_is_counted_exactly_and_keeps_the_drivers_memory(live: RealStack) -> None:
    before = audited(live)
    connection = live.lab.stack.connection
    line = b'"0","%d","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","user","caf\xe9 con leche"'
    with producer(live, **{"linger.ms": 20, "compression.type": "lz4"}) as sender:
        for number in range(FLOOD):
            while True:
                try:
                    sender.produce("tweets_topic", line % number)
                    break
                except BufferError:
                    sender.poll(0.1)
        assert sender.flush(60) == 0
    after = audited(live)
    assert sum(after.rejected.values()) == sum(before.rejected.values()) + FLOOD
    assert after.dead_letters == sum(after.rejected.values())
    ends = ends_of(log_ends(connection, "tweets_topic.dlq"))
    found = Letters.read(read_log(connection, "tweets_topic.dlq", {}, ends))
    assert found.summaries
    assert found.twice == 0
    assert len(found.places) < FLOOD / 4
    assert live.paths.store.stat().st_size < 5_000_000
    assert psutil.Process(live.program_pid("stream")).memory_info().rss < 600_000_000
