"""FAULTS.md rows 11, 12, 19, 20 and 22: faults in a running stack; each test ends by asking the oracle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
from confluent_kafka import Producer

from infra.paths import CHECKOUT
from tasks.page import ask_whose
from trending.store import Store
from trending.tweet import Reason

if TYPE_CHECKING:
    from real.harness import RealStack

    from trending.settings import StackSettings

FROZEN_SECONDS = 30.0


def test_a_killed_broker_comes_back_and_nothing_is_lost(live: RealStack) -> None:
    old = live.service_pid()
    live.kill(old)
    live.wait_until(lambda: live.service_pid() != old, 30, "the broker has a new pid")
    live.wait_progress()
    live.audit()


def test_a_killed_page_comes_back_and_the_stream_never_notices(live: RealStack) -> None:
    page, driver = live.program_pid("page"), live.program_pid("stream")
    batches = live.figure("stream", "batches")
    live.kill(page)
    live.wait_until(lambda: live.program_pid("page") not in {0, page}, 20, "the page lives again")
    live.wait_until(lambda: ask_whose(live.page_port) == live.paths.stack_id, 20, "the page answers")
    live.wait_progress()
    assert live.program_pid("stream") == driver
    assert live.figure("stream", "batches") > batches, "the same life of the query went on"
    assert live.running() == {"kafka", "producer", "stream", "page"}


def test_a_frozen_broker_is_seen_as_unhealthy_and_recovers_without_a_duplicate(live: RealStack) -> None:
    pid = live.service_pid()
    since = time.monotonic()
    with live.frozen():
        status = live.command("status", f"--name={live.name}", code=1)
        line = next(line for line in status.splitlines() if line.split()[:1] == ["kafka"])
        assert line.split()[1:3] == ["running", "unhealthy"]
        time.sleep(max(0.0, FROZEN_SECONDS - (time.monotonic() - since)))
    live.wait_progress()
    live.wait_until(lambda: "unhealthy" not in live.command("status", f"--name={live.name}"), 60, "everything is healthy again")
    assert live.service_pid() == pid
    assert live.figure("producer", "failed") == 0
    live.audit()


def test_a_killed_producer_is_restarted_and_only_the_acknowledged_is_promised(live: RealStack) -> None:
    old = live.program_pid("producer")
    live.kill(old)
    live.wait_new_life("producer", old)
    live.audit()


def test_a_frozen_producer_goes_on_and_keeps_its_ledger(live: RealStack) -> None:
    pid = live.program_pid("producer")
    live.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    before = live.figure("producer", "acknowledged")
    live.kill(pid, signal.SIGCONT)
    live.wait_until(lambda: live.figure("producer", "acknowledged") > before, 20, "the producer goes on")
    live.audit()


def test_a_producer_whose_broker_is_away_waits_with_bounded_memory_and_drops_nothing(live: RealStack) -> None:
    producer = psutil.Process(live.program_pid("producer"))
    broker = live.service_pid()
    live.kill(broker, signal.SIGSTOP)
    try:
        live.wait_until(lambda: live.figure("producer", "queued") > 50, 30, "the back-pressure is visible")
        resident = producer.memory_info().rss
    finally:
        live.kill(broker, signal.SIGCONT)
    assert resident < 200 * 2**20
    live.wait_until(lambda: live.figure("producer", "queued") < 20, 60, "the queue is worked off")
    assert live.figure("producer", "failed") == 0
    live.audit()


def test_a_killed_driver_takes_its_tree_along_and_resumes_from_the_checkpoint(live: RealStack) -> None:
    old, jvm = live.program_pid("stream"), psutil.Process(live.jvm_pid())
    live.kill(old)
    gone, alive = psutil.wait_procs([jvm], timeout=5)
    assert (len(gone), alive) == (1, [])
    live.wait_new_life("stream", old)
    live.audit()


def test_a_killed_jvm_ends_the_driver_which_resumes_from_the_checkpoint(live: RealStack) -> None:
    old = live.program_pid("stream")
    live.kill(live.jvm_pid())
    live.wait_new_life("stream", old)
    live.audit()


KILLED_AFTER_WRITE = """
import os, signal, sys, threading
from pathlib import Path
from functools import partial
from trending.dead_letters import DeadLetters
from trending.sink import RankingSink
from trending.specification import StreamSpec
from trending.store import Store
from trending.stream import run_job

class KilledAfterWrite(RankingSink):
    def write(self, number, rows):
        rows = list(rows)
        super().write(number, rows)
        if rows:
            print(f"killed after batch {number}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

spec = StreamSpec.load(Path(sys.argv[1]))
store = Store(spec.store)
letters = DeadLetters(spec.bootstrap, spec.topic, spec.dead_letters, store.dead_letter_offset(spec.checkpoint_id))
run_job(spec, threading.Event(), KilledAfterWrite(store, spec.checkpoint_id, letters, None, print), store)
"""


def test_a_driver_killed_between_store_write_and_commit_counts_nothing_twice(live: RealStack) -> None:
    live.lab.supervisor.remove("stream")
    poison = b"poison right before the kill"
    send(live, poison)
    job = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_WRITE, str(live.paths.specification("stream"))],
        cwd=CHECKOUT,
        env={**os.environ, "TRENDING_STACK_ID": live.paths.stack_id, "TRENDING_COMPONENT": "stream"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert job.returncode == -signal.SIGKILL, job.stderr[-2000:]
    assert "killed after batch" in job.stdout
    live.up()
    output = live.audit()
    rejected = len(Store(live.paths.store).rejects())
    assert f"dead letters: {rejected}" in output


def send(stack: RealStack, *values: bytes | None) -> None:
    """Append records of a stranger to the topic."""
    settings: StackSettings = stack.lab.settings.stack
    producer = Producer({"bootstrap.servers": settings.bootstrap, "message.max.bytes": 2_000_000})
    for value in values:
        producer.produce(settings.topic, value)
    assert producer.flush(20) == 0


def test_poison_goes_to_the_dead_letters_with_its_reason_and_the_stream_goes_on(live: RealStack) -> None:
    before = len(Store(live.paths.store).rejects())
    hostile = b'{"hashtag_principal":"#\\u202e<script>\\u001b[2J","timestamp":1.0,"usuario":"@x","texto":"y"}'
    expected: list[tuple[bytes | None, str | None]] = [
        (b"{not json", Reason.BAD_JSON),
        (b"", Reason.BAD_JSON),
        (b'{"hashtag_principal":"\xff","timestamp":1}', Reason.BAD_UTF8),
        (b'{"hashtag_principal":5,"timestamp":1}', Reason.WRONG_TYPE),
        (b'{"hashtag_principal":"#a","timestamp":NaN}', Reason.BAD_JSON),
        (b'{"hashtag_principal":"#a","timestamp":1e999}', Reason.WRONG_TYPE),
        (b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", Reason.TOO_DEEP),
        (b'{"hashtag_principal":"#' + b"a" * 900_000 + b'","timestamp":1}', Reason.LONG_HASHTAG),
        (None, Reason.TOMBSTONE),
        (b'{"usuario":"@x","texto":"y","timestamp":1}', Reason.NO_HASHTAG),
        (b'{"hashtag_principal":"#a"}', Reason.NO_TIMESTAMP),
        (b'{"hashtag_principal":"#1970","timestamp":0}', None),
        (b'{"hashtag_principal":"#2100","timestamp":4102444800}', None),
        (b'{"hashtag_principal":"#b","hashtag_principal":"#twice","timestamp":1}', None),
        (hostile, None),
        (b'{"usuario":"User_1","mensaje":"Hola Kafka","contador":1}', None),
    ]
    send(live, *(value for value, _reason in expected))
    live.wait_progress()
    output = live.audit()
    rejects = Store(live.paths.store).rejects()[before:]
    assert sorted(reject.reason for reject in rejects) == sorted(reason for _value, reason in expected if reason)
    assert "tweets of other producers: 4" in output
    assert "foreign records: 1" in output
    console = (live.paths.logs / "stream.out.log").read_text(encoding="utf-8")
    assert "#\\u202e<script>\\x1b[2J" in console
    assert "\x1b" not in console
    assert "\u202e" not in console


def test_a_second_job_on_the_same_checkpoint_is_refused(live: RealStack) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "trending.stream", str(live.paths.specification("stream"))],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 12
    assert "another job runs on the checkpoint" in second.stderr
    live.audit()


def test_a_killed_supervisor_leaves_the_data_plane_running_and_nothing_is_orphaned_after_up_and_down(live: RealStack) -> None:
    supervisord = live.supervisord()
    supervisord.kill()
    supervisord.wait(5)
    before = live.figure("producer", "acknowledged")
    live.wait_until(lambda: live.figure("producer", "acknowledged") > before, 20, "the producer goes on")
    output = live.command("status", f"--name={live.name}", code=1)
    assert "left over" in output
    live.up()
    live.audit()
