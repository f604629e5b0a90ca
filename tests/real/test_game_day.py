"""Every fault that a stack's runtime has, tried on one running stack, and what is special about each.

FAULTS.md rows 10, 11, 12, 18, 19, 20, 21, 22 and 25. A trial ends when everything is well again; the oracle is asked about all of
it at the end, since an audit covers all that ever happened to the stack.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from fakes.trending import counting
from real.conftest import new_stack

from infra.docker.engine import engine
from infra.forms.stacks import LastStep
from infra.game_day.fault_names import FaultName
from infra.game_day.faults import faults_of
from infra.game_day.trials import Trial, try_fault
from infra.health.examination import looks_of
from infra.host.paths import CHECKOUT
from infra.host.processes import COMPONENT_VARIABLE, STACK_VARIABLE, wait_for_end
from infra.java.class_archives import spark_environment
from infra.kafka.client import BrokerClient
from infra.operations.epochs import counting_epoch, known_topic_id
from infra.operations.page import ask_whose
from infra.operations.stream import stream_spec
from infra.stack.runtime import ServiceState
from infra.supervision.output_tail import tail
from trending.kafka.log_reader import log_ends
from trending.serving.store import Store
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from real.harness import RealStack

    from infra.health.verdicts import Finding

FROZEN_SECONDS = 30.0
HOLD_SECONDS = 2.0
LIMIT_SECONDS = 180.0
STUCK = "librdkafka sends nothing although the broker is back"
EVERYTHING = {"kafka", "producer", "stream", "page"}
IN_CONTAINERS = {FaultName.BROKER_KILLED_BY_HAND, FaultName.BROKER_MEMORY_KILLED}
ROW = re.compile(r"^\| ([a-z-]+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| [^|]+ \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)

KILLED_AFTER_WRITE = """
import os, signal, sys, threading
from pathlib import Path
from trending.programs.specifications import StreamSpec
from trending.stream import job
from trending.stream.sink import RankingSink

write = RankingSink.write

def write_and_die(self, number, table):
    write(self, number, table)
    if len(table):
        print(f"killed after batch {number}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

RankingSink.write = write_and_die
job.main(StreamSpec.load(Path(sys.argv[1])), threading.Event())
"""


class Killed(NamedTuple):
    """A job that died between store write and commit, and what the store had from it."""

    job: subprocess.CompletedProcess[str]
    counted: int
    rejected: int


@pytest.fixture(scope="module", params=["embedded", pytest.param("docker", marks=pytest.mark.docker)])
def started(request: pytest.FixtureRequest, real_home: Path) -> Iterator[tuple[RealStack, Killed]]:
    """A stack in each runtime whose job's first life ended between store write and commit; audited and taken down at the end."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    os.environ["TRENDING_HOME"] = str(real_home)
    stack = new_stack(request.param)
    try:
        stack.bring_up(LastStep.PRODUCER)
        killed = run_killed_job(stack)
        stack.bring_up()
        yield stack, killed
        os.environ["TRENDING_HOME"] = str(real_home)
        if BrokerClient(stack.lab.stack.connection).topic(stack.lab.settings.stack.topic, 10) is not None:
            stack.audit()  # the last test deletes the topic, after an audit of its own
    finally:
        os.environ["TRENDING_HOME"] = str(real_home)
        stack.down()
    stack.assert_nothing_left()


@pytest.fixture
def live(started: tuple[RealStack, Killed]) -> RealStack:
    """The running stack; each test leaves it healthy."""
    return started[0]


def run_killed_job(stack: RealStack) -> Killed:
    """Run the stream's job as nobody's program until it kills itself, with a reject in its first batch."""
    specification = stack.paths.specification("stream")
    specification.write_text(
        stream_spec(stack.lab, counting_epoch(stack.lab, known_topic_id(stack.lab))).model_dump_json(), encoding="utf-8"
    )
    send(stack, b"poison right before the kill")
    job = subprocess.run(
        [sys.executable, "-c", KILLED_AFTER_WRITE, str(specification)],
        cwd=CHECKOUT,
        env={
            **os.environ,
            **spark_environment(),
            STACK_VARIABLE: stack.paths.stack_id,
            COMPONENT_VARIABLE: "stream",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        start_new_session=True,
    )
    with closing(Store(stack.paths.store)) as store:
        return Killed(job, sum(counting.counts(store).values()), sum(map(len, counting.rejects(store).values())))


def rejected(stack: RealStack) -> list[str]:
    """Return the reasons of the rejects that the store has, in order."""
    with closing(Store(stack.paths.store)) as store:
        places = [
            (partition, offset, reason) for (partition, reason), found in counting.rejects(store).items() for offset in found
        ]
        return [reason for _partition, _offset, reason in sorted(places)]


def send(stack: RealStack, *values: bytes | None) -> None:
    """Append records of a stranger to the topic."""
    lab = stack.lab
    with Producer(lab.stack.connection.client({"message.max.bytes": 2_000_000})) as producer:
        for value in values:
            producer.produce(lab.settings.stack.topic, value)
        assert producer.flush(20) == 0


def attempt(stack: RealStack, name: FaultName, struck: Callable[[], object] = lambda: None) -> Trial:
    """Try one fault as a game day does, ``struck`` called once it is there; everything is well again afterwards."""
    lab = stack.lab
    fault = next(each for each in faults_of(lab) if each.name is name)

    def inject() -> None:
        fault.inject()
        struck()

    trial = try_fault(lab, replace(fault, inject=inject), HOLD_SECONDS, LIMIT_SECONDS)
    assert trial.recovered >= trial.noticed
    assert (trial.recovered > 0) == fault.visible
    assert stack.running() == EVERYTHING
    return trial


def test_the_stack_has_every_fault_of_its_runtime(live: RealStack) -> None:
    expected = set(FaultName) - {FaultName.ONE_BROKER_OF_THREE_KILLED}
    if live.runtime == "embedded":
        expected -= IN_CONTAINERS
    assert {fault.name for fault in faults_of(live.lab)} == expected


@pytest.mark.row(20, "D", "E")
def test_a_driver_killed_between_store_write_and_commit_counts_nothing_twice(started: tuple[RealStack, Killed]) -> None:
    stack, killed = started
    assert killed.job.returncode == -signal.SIGKILL, killed.job.stderr[-2000:]
    assert "killed after batch" in killed.job.stdout
    assert killed.counted > 0, "the write was done"
    assert killed.rejected == 1
    stack.wait_progress()
    assert "rejected for other reasons: 1, dead letters: 1" in stack.audit()


@pytest.mark.row(22, "D", "E")
def test_poison_goes_to_the_dead_letters_with_its_reason_and_the_stream_goes_on(live: RealStack) -> None:
    before = len(rejected(live))
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
    reasons = rejected(live)
    assert sorted(reasons[before:]) == sorted(reason for _value, reason in expected if reason)
    assert f"dead letters: {len(reasons)}" in output
    assert "tweets of other producers: 4" in output
    assert "foreign records: 1" in output
    console = (live.paths.output / "stream.out.log").read_text(encoding="utf-8")
    assert "#\\u202e<script>\\x1b[2J" in console
    assert "\x1b" not in console
    assert "\u202e" not in console


@pytest.mark.row(21, "D", "E")
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
    live.wait_progress()


@pytest.mark.row(7, "D", "E")
@pytest.mark.row(18, "D", "E")
@pytest.mark.parametrize(
    ("setting", "value", "code", "words"),
    [
        ("partitions", "3", 12, "partitions is 1, asked for 3"),
        ("catalogue", "/nonexistent.json", 2, "the catalogue /nonexistent.json cannot be used"),
    ],
)
def test_an_up_that_fails_leaves_what_was_there_before(live: RealStack, setting: str, value: str, code: int, words: str) -> None:
    before = live.service_pid(), *(live.program_pid(program) for program in ("producer", "stream", "page"))
    output = live.up(code=code, **{setting: value})
    assert words in output
    assert "Traceback" not in output
    assert before == (live.service_pid(), *(live.program_pid(program) for program in ("producer", "stream", "page")))
    assert not live.bring_up().changed, "the settings that failed were forgotten"


@pytest.mark.row(18, "D", "E")
def test_a_topic_asked_for_otherwise_is_refused(live: RealStack) -> None:
    assert attempt(live, FaultName.TOPIC_ASKED_FOR_OTHERWISE).back_by == "refusal"


def test_a_killed_page_comes_back_and_the_stream_never_notices(live: RealStack) -> None:
    page, driver = live.program_pid("page"), live.program_pid("stream")
    batches = live.figure("stream", "batches")
    live.kill(page)
    live.wait_until(lambda: live.program_pid("page") not in {0, page}, 20, "the page lives again")
    live.wait_until(lambda: ask_whose(live.page_port) == live.paths.stack_id, 20, "the page answers")
    live.wait_progress()
    assert live.program_pid("stream") == driver
    assert live.figure("stream", "batches") > batches, "the same life of the query went on"
    assert live.running() == EVERYTHING


@pytest.mark.row(11, "D", "E")
def test_a_killed_broker_comes_back(live: RealStack) -> None:
    old = live.service_pid()
    attempt(live, FaultName.BROKER_KILLED)
    assert live.service_pid() != old
    live.wait_progress()


@pytest.mark.row(12, "D", "E")
@pytest.mark.row(19, "D", "E")
def test_a_frozen_broker_is_seen_as_unhealthy_while_the_producer_waits_with_bounded_memory(live: RealStack) -> None:
    """The pressure on the producer is visible meanwhile, and nothing that it had acknowledged is given up."""
    pid, producer = live.service_pid(), psutil.Process(live.program_pid("producer"))
    since = time.monotonic()

    def frozen() -> None:
        status = live.command("status", f"--name={live.name}", code=1)
        line = next(line for line in status.splitlines() if line.split()[:1] == ["kafka"])
        assert line.split()[1:3] == ["running", "unhealthy"]
        live.wait_until(lambda: live.figure("producer", "queued") > 50, 30, "the back-pressure is visible")
        assert producer.memory_info().rss < 200 * 2**20
        time.sleep(max(0.0, FROZEN_SECONDS - HOLD_SECONDS - (time.monotonic() - since)))

    attempt(live, FaultName.BROKER_FROZEN, frozen)
    assert time.monotonic() - since > FROZEN_SECONDS
    live.wait_until(lambda: live.figure("producer", "queued") < 20, 60, "the queue is worked off")
    assert live.service_pid() == pid
    if live.program_pid("producer") != producer.pid:
        assert STUCK in tail(live.paths.output_file("producer", "err"), 50), "only a stuck client ends the producer (record 75)"
    assert live.figure("producer", "failed") == 0
    live.wait_progress()
    live.wait_well()


@pytest.mark.row(10, "D", "E")
def test_a_dead_broker_gets_the_verdict_and_the_remedy_of_what_it_died_of(live: RealStack) -> None:
    """Killed by hand, killed for memory and dead of its heap: three verdicts in containers, the last one without them too."""
    verdicts: dict[FaultName, Finding] = {}
    lab = live.lab
    broker = lab.stack.brokers[0]

    def by_hand() -> None:
        live.wait_until(lambda: live.service_state() is ServiceState.EXITED, 20, "the kill is seen")
        assert not lab.runtime.observe(broker).memory_killed
        live.command("status", f"--name={live.name}", code=1)
        verdicts[FaultName.BROKER_KILLED_BY_HAND] = looks_of(lab)["kafka"]()

    def given_up(name: FaultName, code: int) -> None:
        live.wait_until(lambda: gave_up(live), 90, f"the broker was given up after {name}")
        seen = lab.runtime.observe(broker)
        if live.runtime == "docker":
            assert seen.memory_killed == (name is FaultName.BROKER_MEMORY_KILLED), seen
            assert seen.exit_code == code, seen
            assert "restarted 3 times" in seen.detail, "Docker's budget"
        assert [line.name for line in live.unwell() if line.state != "running"][:1] == ["kafka"]
        verdicts[name] = looks_of(lab)["kafka"]()

    if live.runtime == "docker":
        attempt(live, FaultName.BROKER_KILLED_BY_HAND, by_hand)
        attempt(live, FaultName.BROKER_MEMORY_KILLED, lambda: given_up(FaultName.BROKER_MEMORY_KILLED, 137))
    attempt(live, FaultName.BROKER_HEAP_EXHAUSTED, lambda: given_up(FaultName.BROKER_HEAP_EXHAUSTED, 3))
    assert "heap is exhausted" in verdicts[FaultName.BROKER_HEAP_EXHAUSTED].evidence
    assert len({finding.evidence.splitlines()[0] for finding in verdicts.values()}) == len(verdicts)
    assert len({finding.next_command for finding in verdicts.values()}) == len(verdicts)
    live.wait_progress()


def gave_up(stack: RealStack) -> bool:
    """Whether whoever restarts the broker has stopped doing so. Before it is stopped, supervisord starts it once more."""
    if stack.runtime == "embedded":
        status = stack.lab.supervisor.status("kafka")
        stopped = status is not None and status.state in {"STOPPED", "FATAL"}
        return stopped and stack.service_state() is ServiceState.GIVEN_UP
    with engine() as client:
        seen = client.containers.get(stack.lab.stack.qualified("kafka")).attrs
    return seen["State"]["Status"] == "exited" and int(seen["RestartCount"]) >= 3


@pytest.mark.row(19, "D", "E")
def test_a_killed_producer_is_restarted(live: RealStack) -> None:
    old = live.program_pid("producer")
    attempt(live, FaultName.PRODUCER_KILLED)
    live.wait_new_life("producer", old)


@pytest.mark.row(19, "D", "E")
def test_a_frozen_producer_goes_on(live: RealStack) -> None:
    pid = live.program_pid("producer")
    attempt(live, FaultName.PRODUCER_FROZEN)
    before = live.figure("producer", "acknowledged")
    live.wait_until(lambda: live.figure("producer", "acknowledged") > before, 20, "the producer goes on")
    assert live.program_pid("producer") == pid


@pytest.mark.row(20, "D", "E")
def test_a_killed_driver_takes_its_tree_along_and_resumes_from_the_checkpoint(live: RealStack) -> None:
    old, jvm = live.program_pid("stream"), psutil.Process(live.jvm_pid())
    attempt(live, FaultName.DRIVER_KILLED, lambda: require_ended(jvm))
    live.wait_new_life("stream", old)


def require_ended(process: psutil.Process) -> None:
    assert wait_for_end([process], 5) == [], f"{process} outlives its driver"


@pytest.mark.row(20, "D", "E")
def test_a_killed_jvm_ends_the_driver_which_resumes_from_the_checkpoint(live: RealStack) -> None:
    old = live.program_pid("stream")
    attempt(live, FaultName.JVM_KILLED)
    live.wait_new_life("stream", old)


@pytest.mark.row(25, "D", "E")
def test_a_killed_supervisor_leaves_the_data_plane_running_until_the_healer_starts_everything_anew(live: RealStack) -> None:
    def orphaned() -> None:
        before = live.figure("producer", "acknowledged")
        live.wait_until(lambda: live.figure("producer", "acknowledged") > before, 20, "the producer goes on")
        assert "left over" in live.command("status", f"--name={live.name}", code=1)

    attempt(live, FaultName.SUPERVISOR_KILLED, orphaned)


def test_the_game_day_tries_faults_and_audits_after_each(live: RealStack) -> None:
    faults = (FaultName.PRODUCER_KILLED, FaultName.TOPIC_ASKED_FOR_OTHERWISE)
    output = live.command("game_day", f"--name={live.name}", "--hold_seconds=2", f"--faults={','.join(faults)}")
    rows = {row[0]: row for row in ROW.findall(output)}
    assert list(rows) == list(faults), output
    for name, row in rows.items():
        noticed, recovered, acknowledged, lost, duplicated = float(row[2]), float(row[3]), *map(int, row[4:])
        assert recovered >= noticed, name
        assert (recovered > 0) == (name != FaultName.TOPIC_ASKED_FOR_OTHERWISE), name
        assert acknowledged > 0
        assert lost == duplicated == 0, name
    assert live.running() == EVERYTHING


@pytest.mark.row(6, "D", "E")
@pytest.mark.row(25, "D", "E")
def test_with_its_supervisor_killed_it_can_be_taken_down_and_goes_on_from_its_data(live: RealStack) -> None:
    topic = live.lab.settings.stack.topic
    supervisord = live.supervisord()
    supervisord.kill()
    assert wait_for_end([supervisord], 5) == []
    before = log_ends(live.lab.stack.connection, topic)[0]
    for _twice in range(2):
        assert "its data is kept" in live.down_command(volumes=False)
        live.assert_nothing_left()
    live.up()
    assert log_ends(live.lab.stack.connection, topic)[0] >= before
    live.wait_progress()


@pytest.mark.row(18, "D", "E")
def test_a_deleted_topic_stops_the_job_which_never_starts_from_the_beginning_by_itself(live: RealStack) -> None:
    """The last one on this stack: what can be audited is audited before.

    At rest: a batch whose records are gone waits for them for Spark's 120 s before the job looks at its topic again.
    """
    live.audit(resume=False)
    admin = AdminClient(live.lab.stack.connection.client())
    admin.delete_topics(["tweets_topic"])["tweets_topic"].result(20)
    live.wait_until(lambda: "stream" not in live.running(), 90, "the job stops")
    status = live.command("status", f"--name={live.name}", code=1)
    assert "deleted" in status
