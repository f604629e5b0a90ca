from __future__ import annotations

import socket
import threading
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from fakes.clock import FakeClock
from fakes.runtime import FakeRuntime
from fakes.world import World

from infra.host.paths import StackPaths
from infra.kafka import readiness
from infra.kafka.client import ClusterView, TopicView
from infra.kafka.readiness import Rung, climb, cluster_ladder, service_ladder, topic_ladder
from infra.stack.profiles import declare
from infra.stack.runtime import Observation, ServiceState
from trending.errors import BudgetSpent, ClusterFull, ConfigurationConflict, NotReady, ServiceBroken, ServiceDied
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.stack.declaration import Service, Stack


def holds(word: str) -> Callable[[], str]:
    return lambda: word


def fails(error: Exception) -> Callable[[], str]:
    def check() -> str:
        raise error

    return check


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(readiness, "BrokerClient", made.broker)
    return made


@pytest.fixture
def stack() -> Stack:
    return declare(StackSettings(port=19092), RuntimeKind.EMBEDDED, StackPaths.of("trending"), "our-cluster")


@pytest.fixture
def runtime(world: World, stack: Stack) -> FakeRuntime:
    return FakeRuntime(world, stack, StackPaths.of("trending"))


def rungs(runtime: FakeRuntime, stack: Stack) -> list[Rung]:
    return service_ladder(runtime, stack, stack.services[0])


def test_what_takes_long_is_looked_at_less_often_and_never_less_than_four_times_a_second() -> None:
    clock, looks = FakeClock(), []

    def late() -> str:
        looks.append(clock.now)
        if clock.now < 1040:
            raise NotReady("not yet", "", "make status")
        return "now"

    climb([Rung("late", late)], 60, clock)
    pauses = [later - sooner for sooner, later in pairwise(looks)]
    assert pauses[0] == pytest.approx(0.05)
    assert max(pauses) == pytest.approx(0.25)
    assert all(pause <= max(0.05, (at - 1000) / 40) + 1e-6 for at, pause in zip(looks, pauses, strict=False))
    assert len(looks) < 250, "not 20 a second"


def test_a_ladder_that_holds_is_climbed_at_once_and_returns_the_evidence() -> None:
    clock = FakeClock()
    assert climb([Rung("one", holds("a")), Rung("two", holds("b"))], 10, clock) == {"one": "a", "two": "b"}
    assert clock.naps == 0


def test_a_rung_that_comes_later_is_waited_for() -> None:
    ready: list[str] = []
    clock = FakeClock(lambda: ready.append("x"))

    def late() -> str:
        if len(ready) < 7:
            cause = "not yet"
            raise NotReady(cause)
        return "now"

    assert climb([Rung("late", late)], 10, clock) == {"late": "now"}
    assert clock.naps == 7


def test_every_rung_must_hold_in_one_go() -> None:
    answers = iter(["up", None, "up", "up"])

    def flapping() -> str:
        if next(answers) is None:
            cause = "gone again"
            raise NotReady(cause)
        return "up"

    seen: list[str] = []

    def second() -> str:
        seen.append("x")
        if len(seen) < 2:
            cause = "later"
            raise NotReady(cause)
        return "ok"

    assert climb([Rung("first", flapping), Rung("second", second)], 10, FakeClock()) == {"first": "up", "second": "ok"}
    assert len(seen) == 2


def test_the_deadline_is_kept_and_the_failing_rung_named_with_cause_evidence_and_next_command() -> None:
    clock = FakeClock()
    error = NotReady("no broker answers", "nothing at all", "make status")
    with pytest.raises(NotReady) as caught:
        climb([Rung("running", holds("pid 1")), Rung("metadata", fails(error))], 10, clock)
    assert 10 <= clock.now - 1000 < 10.2
    assert caught.value.cause == "not ready after 10 s at the rung 'metadata': no broker answers"
    assert caught.value.evidence == "nothing at all"
    assert caught.value.next_command == "make status"


def test_the_remedy_of_a_known_symptom_is_printed_first() -> None:
    error = NotReady("no broker answers", "Failed to resolve 'kafka:9092'", "make status")
    with pytest.raises(NotReady) as caught:
        climb([Rung("metadata", fails(error))], 0, FakeClock())
    assert caught.value.next_command.startswith("compare the advertised address")
    assert caught.value.next_command.count("make status") == 1
    error = NotReady("no broker answers", "Failed to resolve 'kafka:9092'", "make logs")
    with pytest.raises(NotReady) as caught:
        climb([Rung("metadata", fails(error))], 0, FakeClock())
    assert caught.value.next_command.endswith("; make logs")


def test_a_long_wait_says_what_for() -> None:
    said: list[str] = []
    error = NotReady("no batch yet", "nothing at all", "make status")
    with pytest.raises(NotReady):
        climb([Rung("works", fails(error))], 25, FakeClock(), said.append)
    assert said == ["... waiting for 10 s: no batch yet", "... waiting for 20 s: no batch yet"]


@pytest.mark.parametrize(
    "error",
    [
        ServiceDied("it died"),
        ServiceBroken("disk full"),
        ClusterFull("no free core"),
        BudgetSpent("again and again"),
        ConfigurationConflict("other cluster"),
    ],
)
def test_what_waiting_cannot_heal_fails_at_once(error: Exception) -> None:
    clock = FakeClock()
    with pytest.raises(type(error)) as caught:
        climb([Rung("any", fails(error))], 60, clock)
    assert caught.value is error
    assert clock.naps == 0


def test_a_broker_climbs_every_rung_of_its_ladder(world: World, stack: Stack, runtime: FakeRuntime) -> None:
    runtime.start(stack.services[0])
    evidence = climb(rungs(runtime, stack), 0, FakeClock())
    assert list(evidence) == [
        "running",
        "metadata",
        "brokers and controller",
        "cluster id",
        "advertised address",
        "record written and read back",
    ]
    assert evidence["cluster id"] == "our-cluster"
    assert world.calls[-1] == "round trip"


def test_only_the_last_broker_waits_for_the_whole_cluster(world: World) -> None:
    stack = declare(StackSettings(brokers=3), RuntimeKind.EMBEDDED, StackPaths.of("trending"), "our-cluster")
    runtime = FakeRuntime(world, stack, StackPaths.of("trending"))
    lengths = [len(service_ladder(runtime, stack, service)) for service in stack.services]
    assert lengths[:2] == [1, 1]
    assert lengths[2] > 1


@pytest.mark.row(10)
def test_a_dead_service_fails_at_once_with_its_last_lines_and_the_verdict(
    stack: Stack, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(service: Service) -> Observation:
        return Observation(service.name, ServiceState.EXITED, "exit code 3", 3)

    monkeypatch.setattr(runtime, "observe", exhausted)
    clock = FakeClock()
    with pytest.raises(ServiceDied) as caught:
        climb(rungs(runtime, stack), 60, clock)
    assert clock.naps == 0
    assert caught.value.cause == "kafka is exited: the JVM's heap is exhausted"
    assert "kafka says 199" in caught.value.evidence
    assert "kafka says 184\n" not in caught.value.evidence
    assert "HEAP_MB" in caught.value.next_command


def test_a_service_that_is_started_again_is_waited_for_within_the_deadline(
    stack: Stack, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.start(stack.services[0])
    alive, looks = runtime.observe, iter(range(1000))

    def dead_at_first(service: Service) -> Observation:
        dead = Observation(service.name, ServiceState.EXITED, "exit code 1", 1, comes_back=True)
        return dead if next(looks) < 5 else alive(service)

    monkeypatch.setattr(runtime, "observe", dead_at_first)
    clock = FakeClock()
    assert climb(rungs(runtime, stack), 10, clock)["cluster id"] == "our-cluster"
    assert clock.naps == 5
    looks = iter([0] * 1000)
    with pytest.raises(
        NotReady, match="not ready after 10 s at the rung 'running': kafka is exited; it is started again"
    ) as caught:
        climb(rungs(runtime, stack), 10, FakeClock())
    assert "kafka says 199" in caught.value.evidence


@pytest.mark.row(16)
@pytest.mark.parametrize("said", ["java.io.IOException: No space left on device", "x.ts: Read-only file system"])
def test_a_service_dead_of_its_disk_is_not_tried_again_and_its_data_is_named(
    stack: Stack, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(runtime, "observe", lambda service: Observation(service.name, ServiceState.EXITED, "exit code 1", 1))
    monkeypatch.setattr(runtime, "output", lambda _service, _lines: said)
    with pytest.raises(ServiceBroken, match="kafka is exited: the d") as caught:
        climb(rungs(runtime, stack), 60, FakeClock())
    assert not caught.value.retriable
    assert "the data of kafka" in caught.value.evidence
    assert said in caught.value.evidence


def lives(runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Have the service die between any two looks, restarted each time before anybody sees it dead."""
    pids = iter(range(1000))
    monkeypatch.setattr(runtime, "observe", lambda service: Observation(service.name, ServiceState.RUNNING, f"pid {next(pids)}"))
    monkeypatch.setattr(runtime, "output", lambda _service, _lines: said)


@pytest.mark.row(16)
def test_a_service_restarted_on_a_full_disk_while_nobody_looked_is_broken_all_the_same(
    stack: Stack, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives(runtime, monkeypatch, "No space left on device")
    clock = FakeClock()
    with pytest.raises(ServiceBroken, match="kafka died and was started again: the disk that holds the data is full"):
        climb(rungs(runtime, stack), 60, clock)
    assert clock.naps == 1


def test_a_service_restarted_for_a_reason_that_heals_is_waited_for(
    stack: Stack, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    lives(runtime, monkeypatch, "Error while creating ephemeral at /brokers/ids/1, node already exists")
    clock = FakeClock()
    with pytest.raises(NotReady, match="not ready after 1 s at the rung 'metadata'"):
        climb(rungs(runtime, stack), 1, clock)
    assert clock.naps > 1


def test_a_dead_service_without_verdict_points_at_its_log(stack: Stack, runtime: FakeRuntime) -> None:
    with pytest.raises(ServiceDied, match="kafka is absent") as caught:
        climb(rungs(runtime, stack), 60, FakeClock())
    assert caught.value.next_command == "make logs SERVICE=kafka"


@pytest.mark.row(15)
def test_a_broker_of_another_cluster_is_a_conflict(world: World, stack: Stack, runtime: FakeRuntime) -> None:
    runtime.start(stack.services[0])
    world.cluster_id = "somebody-elses"
    with pytest.raises(ConfigurationConflict, match="another cluster answers") as caught:
        climb(rungs(runtime, stack), 60, FakeClock())
    assert "somebody-elses" in caught.value.evidence


@pytest.mark.row(17)
def test_a_wrong_advertised_address_is_exactly_that_diagnosis(
    world: World, stack: Stack, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.start(stack.services[0])
    view = ClusterView("our-cluster", 1, ("kafka:9092",))
    broker = world.broker(stack.connection)
    monkeypatch.setattr(broker, "cluster", lambda _timeout: view)
    monkeypatch.setattr(readiness, "BrokerClient", lambda _connection: broker)
    with pytest.raises(ConfigurationConflict, match="advertises another address") as caught:
        climb(rungs(runtime, stack), 60, FakeClock())
    assert "kafka:9092" in caught.value.evidence
    assert "localhost:19092" in caught.value.evidence


@pytest.mark.row(17)
def test_a_broker_that_is_missing_for_a_moment_is_waited_for_and_no_wrong_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = declare(StackSettings(brokers=3), RuntimeKind.EMBEDDED, StackPaths.of("trending"), "our-cluster")
    addresses = tuple(stack.connection.bootstrap.split(","))
    broker = world.broker(stack.connection)
    asked: list[tuple[str, ...]] = []

    def fenced_at_the_third_question(_timeout: float) -> ClusterView:
        asked.append(addresses[1:] if len(asked) == 3 else addresses)
        return ClusterView("our-cluster", 2, asked[-1])

    monkeypatch.setattr(broker, "cluster", fenced_at_the_third_question)
    monkeypatch.setattr(broker, "round_trip", lambda *_asked: None)
    monkeypatch.setattr(readiness, "BrokerClient", lambda _connection: broker)
    assert climb(cluster_ladder(stack), 60, FakeClock())["advertised address"] == ", ".join(addresses)
    assert addresses[1:] in asked


@pytest.mark.parametrize("view", [ClusterView("our-cluster", -1, ("localhost:19092",)), ClusterView("our-cluster", 1, ())])
def test_a_cluster_without_controller_or_broker_is_not_ready(
    view: ClusterView, world: World, stack: Stack, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.start(stack.services[0])
    broker = world.broker(stack.connection)
    monkeypatch.setattr(broker, "cluster", lambda _timeout: view)
    monkeypatch.setattr(readiness, "BrokerClient", lambda _connection: broker)
    with pytest.raises(NotReady, match="at the rung 'brokers and controller'"):
        climb(rungs(runtime, stack), 1, FakeClock())


def test_a_topic_is_ready_when_every_partition_has_a_leader(world: World, stack: Stack, runtime: FakeRuntime) -> None:
    runtime.start(stack.services[0])
    ladder = topic_ladder(stack.connection, "tweets_topic")
    with pytest.raises(NotReady, match="partitions without leader"):
        climb(ladder, 1, FakeClock())
    view = TopicView("tweets_topic", "id", 3, 1, (2,))
    world.topics["tweets_topic"] = view
    with pytest.raises(NotReady, match="partitions without leader"):
        climb(ladder, 1, FakeClock())
    world.topics["tweets_topic"] = replace(view, leaderless=())
    assert climb(ladder, 1, FakeClock()) == {"partition leaders": "partitions with a leader: 3"}


@pytest.fixture
def zookeeper() -> Iterator[tuple[int, list[bytes]]]:
    """A port at which somebody answers ``srvr`` with what the test puts in."""
    answers: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                connection, _address = server.accept()
                with connection:
                    if connection.recv(10) != b"srvr":
                        return
                    connection.sendall(answers[0])

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], answers
        socket.create_connection(server.getsockname()).close()
        thread.join(5)


def test_zookeeper_is_ready_when_it_says_its_version(zookeeper: tuple[int, list[bytes]]) -> None:
    port, answers = zookeeper
    answers.append(b"This ZooKeeper instance is not currently serving requests\n")
    with pytest.raises(NotReady, match=f"does not serve on port {port} yet") as caught:
        readiness.require_serving(port)
    assert "not currently serving" in caught.value.evidence
    answers[0] = b"Zookeeper version: 3.8.6, built on 2025\nLatency min/avg/max: 0/0.0/0\n"
    assert readiness.require_serving(port) == "Zookeeper version: 3.8.6, built on 2025"


@pytest.mark.row(14)
def test_a_zookeeper_that_is_not_there_is_not_ready() -> None:
    with pytest.raises(NotReady, match="ZooKeeper does not answer on port 1"):
        readiness.require_serving(1)


def test_zookeepers_ladder_ends_with_its_own_answer(world: World, zookeeper: tuple[int, list[bytes]]) -> None:
    port, answers = zookeeper
    answers.append(b"Zookeeper version: 3.8.6\n")
    settings = StackSettings(profile=ProfileName.ZOOKEEPER, zookeeper_port=port)
    stack = declare(settings, RuntimeKind.DOCKER, StackPaths.of("trending"), "")
    runtime = FakeRuntime(world, stack, StackPaths.of("trending"))
    runtime.start(stack.services[0])
    assert climb(rungs(runtime, stack), 0, FakeClock())["serving"] == "Zookeeper version: 3.8.6"
