"""One epoch hands over to the next, and a running stack is audited: whatever changes, nothing is lost or counted twice.

One stack goes through all of it, in this order: an audit covers everything that has happened to it before. Its first audits meet
a log and a store that move by 20,000 tweets a second. The others are at 500, else the log would have 8 million in the end.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient
from real.conftest import new_stack
from real.harness import plain, python

from infra.operations import audit
from infra.operations.audit import STANDING_SECONDS
from infra.operations.epochs import open_epoch
from infra.operations.stream import shown_group
from trending.errors import AuditFailed
from trending.serving.store import Store
from trending.settings import Rule, Spelling, WindowTime
from trending.tweets.spelling import folded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real.harness import RealStack

    from trending.audit.audit_report import AuditReport
    from trending.serving.epochs import Epoch

STRANGER = """
import json, sys, time
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1]})
while True:
    tweet = {"usuario": "@a", "texto": "b #Stranger", "hashtag_principal": "#Stranger", "timestamp": time.time()}
    for _number in range(20):
        producer.produce("tweets_topic", json.dumps(tweet))
    producer.poll(0)
    time.sleep(0.1)
"""


@contextmanager
def stranger(stack: RealStack) -> Iterator[None]:
    """Let another program write valid tweets into the topic meanwhile."""
    with python(STRANGER, stack.lab.stack.connection.bootstrap) as program:
        try:
            yield
            assert program.poll() is None
        finally:
            program.kill()
            program.wait()


def audited(stack: RealStack, *, since_seal: bool = False) -> AuditReport:
    """Audit the stack while it works, and require the verdict clean."""
    with plain():
        report = audit.audit_running(stack.name, since_seal=since_seal)
    assert report.clean, report.lines(None)
    assert report.complete, report.lines(None)
    assert report.counted > 0
    return report


def stranger_counted(stack: RealStack) -> bool:
    with closing(Store(stack.paths.store)) as store:
        return any(hashtag == "#Stranger" for _checkpoint, _window, hashtag in store.view().counts)


def shown(stack: RealStack) -> dict[int, int]:
    """Return partition → offset of the consumer group that shows the job's lag."""
    admin = AdminClient(stack.lab.stack.connection.client())
    group = shown_group(stack.name)
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(20)
    return {place.partition: place.offset for place in found.topic_partitions}


def counting(stack: RealStack) -> Epoch:
    epoch = open_epoch(stack.lab)
    assert epoch is not None
    return epoch


def changed(stack: RealStack, **settings: str) -> Epoch:
    """Bring the stack up with other settings, and return the epoch that counts since."""
    before = counting(stack)
    stack.settings |= settings
    stack.bring_up()
    after = counting(stack)
    assert after.checkpoint != before.checkpoint
    stack.wait_until(lambda: (counting(stack).last_batch or 0) > 2, 60, "the new epoch counts")
    return after


@pytest.fixture(scope="module")
def live(real_home: Path) -> Iterator[RealStack]:
    """The running stack; each test leaves it counting."""
    os.environ["TRENDING_HOME"] = str(real_home)
    stack = new_stack()
    stack.settings |= {"rate": "20000"}
    try:
        stack.bring_up()
        stack.wait_progress()
        yield stack
    finally:
        os.environ["TRENDING_HOME"] = str(real_home)
        stack.down()


@pytest.mark.row(20, "E")
def test_a_stack_is_audited_while_it_works_and_strangers_write_and_then_from_its_seal(live: RealStack) -> None:
    pids = live.program_pid("producer"), live.program_pid("stream")
    with stranger(live):
        live.wait_until(lambda: stranger_counted(live), 60, "its tweets are counted")
        report = audited(live)
        assert report.without_id > 0
        assert report.seals == ()
        assert pids == (live.program_pid("producer"), live.program_pid("stream")), "nothing was stopped for it"
        epoch = counting(live)
        assert shown(live)[0] >= epoch.counted_to()[0], "Kafka's own tools see how far the job has come"
        counted = 0
        for _twice in range(2):
            counted = audited_from_seal(live, counted, 40_000)
    live.settings |= {"rate": "500"}
    live.bring_up()
    assert counting(live).checkpoint == epoch.checkpoint


def audited_from_seal(stack: RealStack, counted: int, more: int = 2_000) -> int:
    """Wait until so many more are counted, require an audit that goes on from the last one's seal, and return what it counted."""
    begun = counting(stack).counted_to()[0]
    stack.wait_until(lambda: counting(stack).counted_to()[0] > begun + more, 60, "there is more")
    report = audited(stack, since_seal=True)
    assert report.unused == ()
    (seal,) = report.seals
    assert 0 < seal.ends[0] < counting(stack).counted_to()[0]
    assert report.counted > counted
    return report.counted


@pytest.mark.row(20, "E")
def test_a_driver_killed_between_write_and_commit_hands_over_what_the_store_has(live: RealStack) -> None:
    """The batch is in the store and not committed: a next epoch that trusted Spark's files would count it once more."""
    first = counting(live)
    checkpoint = live.paths.checkpoint(first.checkpoint)

    def caught_between() -> bool:
        """Stop the driver after a batch's counts were written and before its commit, or let it go on."""
        before = counting(live).last_batch
        deadline = time.monotonic() + 5
        while (written := counting(live).last_batch) == before and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(live.jvm_pid(), signal.SIGSTOP)
        if written != before and not (checkpoint / "commits" / str(written)).exists():
            return True
        os.kill(live.jvm_pid(), signal.SIGCONT)
        return False

    live.wait_until(caught_between, 120, "a batch is written and not committed")
    written = counting(live)
    os.kill(live.jvm_pid(), signal.SIGKILL)
    assert not (checkpoint / "commits" / str(written.last_batch)).exists()
    second = changed(live, shuffle_partitions="3")
    assert second.starts[0] >= written.counted_to()[0] > first.counted_to()[0]
    audited_from_seal(live, 0)
    audited(live)


@pytest.mark.row(29, "E")
def test_a_stream_that_beats_and_stands_still_fails_the_audit_and_goes_on_when_it_can(live: RealStack) -> None:
    born = live.program_pid("stream")
    with closing(sqlite3.connect(live.paths.store, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        time.sleep(STANDING_SECONDS + 5)  # the trigger has 2 of them
        beat = live.beat("stream")
        assert beat is not None
        assert time.time() - beat.at < 3
        with plain(), pytest.raises(AuditFailed) as caught:
            audit.audit_running(live.name, since_seal=False).require_clean()
        assert "the stream stands still" in caught.value.evidence
        somebody.execute("ROLLBACK")
    live.wait_until(lambda: audit.audit_running(live.name, since_seal=False).clean, 60, "it has caught up")
    assert live.program_pid("stream") == born, "the store was locked for less than the job waits"


@pytest.mark.row(20, "E")
@pytest.mark.row(24, "E")
def test_windows_of_another_time_length_and_spelling_are_counted_and_audited_beside_the_others(live: RealStack) -> None:
    page = live.program_pid("page")
    with stranger(live):
        tens = changed(live, window_time="event", window_seconds="10", hashtag_spelling="folded")
        assert tens.rule == Rule(WindowTime.EVENT, 10, Spelling.FOLDED)
        audited(live)
    with closing(Store(live.paths.store)) as store:
        counts = store.view().counts
    starts = {start for checkpoint, start, _hashtag in counts if checkpoint == tens.checkpoint}
    assert {start % 60 for start in starts} - {0}, "its windows begin every ten seconds"
    spelled = {hashtag for checkpoint, _start, hashtag in counts if checkpoint == tens.checkpoint}
    assert spelled >= {"#spark", "#ia"}
    assert all(hashtag == folded(hashtag) for hashtag in spelled)
    assert live.program_pid("page") == page, "it has outlived the hand-over"
    assert "\nVentana [" in live.paths.output_file("stream").read_text(encoding="utf-8")


@pytest.mark.row(29, "E")
def test_a_store_that_is_deleted_ends_the_job_and_a_rebuild_brings_everything_back(live: RealStack) -> None:
    for path in live.paths.data.glob(f"{live.paths.store.name}*"):
        path.unlink()

    def told() -> bool:
        return "was deleted while the stream ran" in (live.paths.output_file("stream", "err")).read_text(encoding="utf-8")

    live.wait_until(told, 60, "the job says so")
    assert "make rebuild" in live.command("start_up", *live.up_arguments(), code=19)
    live.command("rebuild", f"--name={live.name}")
    live.audit()


@pytest.mark.row(20, "E")
def test_from_one_topic_to_another_the_old_one_is_counted_to_its_end(live: RealStack) -> None:
    changed(live, topic="another_topic")
    assert counting(live).topic == "another_topic"
    audited(live)
    assert "lost 0, duplicated 0" in live.audit()
