"""FAULTS.md rows 1, 2, 4, 5, 10, 14, 15, 17 and 18 on a real Docker engine, and what `docker inspect` must show."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient

from infra.docker_engine import engine
from infra.docker_runtime import STACK_LABEL, DockerRuntime
from infra.lab import assemble
from infra.profiles import declare
from infra.runtime import ServiceState
from infra.stand_ins import STAND_INS
from infra.state import StackState, Wanted
from trending.errors import EngineUnavailable, ImageUnavailable, NotOurs, PortTaken
from trending.settings import LabSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container
    from real.harness import RealStack

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def images(docker_engine: None) -> dict[str, str]:
    """Public name → stand-in that is on this machine."""
    return {each.stands_for: each.image for each in STAND_INS}


def inspect(stack: RealStack, service: str = "kafka") -> dict[str, Any]:
    with engine() as client:
        found: dict[str, Any] = client.containers.get(stack.lab.stack.qualified(service)).attrs
        return found


def container(stack: RealStack, service: str = "kafka") -> str:
    return stack.lab.stack.qualified(service)


@pytest.fixture
def foreign(images: dict[str, str]) -> Iterator[list[Container]]:
    """A list for containers that a test makes as a stranger; removed afterwards."""
    made: list[Container] = []
    yield made
    for each in made:
        each.remove(v=True, force=True)


@pytest.mark.parametrize("profile", ["kraft", "zookeeper"])
def test_inspect_shows_the_hardening_and_every_port_on_loopback(
    docker_stack: RealStack, images: dict[str, str], profile: str
) -> None:
    stack = docker_stack
    stack.profile = profile
    stack.up()
    for service in stack.lab.stack.services:
        seen = inspect(stack, service.name)
        host = seen["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in host["SecurityOpt"]
        assert host["PidsLimit"] == 512
        assert host["Init"] is True
        assert host["ReadonlyRootfs"] is True
        assert list(host["Tmpfs"]) == ["/tmp"]  # noqa: S108
        assert host["Memory"] == service.memory_mb * 2**20 == host["MemorySwap"]
        assert service.heap_mb * 2 <= service.memory_mb
        assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
        assert host["Privileged"] is False
        published = [binding for bindings in seen["NetworkSettings"]["Ports"].values() for binding in bindings or []]
        assert published
        assert {binding["HostIp"] for binding in published} == {"127.0.0.1"}
        assert list(seen["NetworkSettings"]["Networks"]) == [f"{stack.name}_default"]
        labels = seen["Config"]["Labels"]
        assert labels["com.docker.compose.project"] == stack.name
        assert labels["com.docker.compose.service"] == service.name
        assert labels[STACK_LABEL] == stack.paths.stack_id
        assert labels["trending.stand-in"] == "true"
        assert seen["Config"]["User"] == "appuser"


def test_row_1_without_an_engine_the_error_names_the_host_and_the_ways_out(
    stack: RealStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    stack.runtime = "docker"
    started = time.monotonic()
    output = stack.up(code=EngineUnavailable.exit_code)
    assert time.monotonic() - started < 30, "a retry storm"
    assert "127.0.0.1:1" in output
    assert "RUNTIME=embedded" in output
    assert "Traceback" not in output
    stack.runtime = "auto"
    output = stack.up()
    assert "runtime embedded: no Docker engine answers" in output


def test_row_2_an_absent_image_is_named_and_nothing_is_half_started(docker_stack: RealStack, images: dict[str, str]) -> None:
    docker_stack.settings["kafka_image"] = "example.invalid/nobody/kafka:1.2.3"
    output = docker_stack.up(code=ImageUnavailable.exit_code)
    assert "example.invalid/nobody/kafka:1.2.3" in output
    assert "make images" in output
    docker_stack.assert_nothing_left()


def test_row_4_a_port_taken_after_the_check_is_the_same_error_and_leaves_no_container(
    docker_stack: RealStack, images: dict[str, str]
) -> None:
    stack = docker_stack
    lab = prepared(stack)
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", stack.port))
        thief.listen()
        with pytest.raises(PortTaken, match=f"port {stack.port} is taken by .*pid"):
            lab.runtime.start(lab.stack.services[0])
    assert lab.runtime.observe(lab.stack.services[0]).state is ServiceState.ABSENT
    with engine() as client:
        assert client.containers.list(all=True, filters={"label": f"{STACK_LABEL}={stack.paths.stack_id}"}) == []
    lab.runtime.destroy(volumes=True)


def prepared(stack: RealStack, **settings: Any) -> Any:
    """Return the lab of a docker stack of which nothing was started yet."""
    wanted = StackSettings(
        name=stack.name, port=stack.port, runtime=RuntimeKind.DOCKER, heap_mb=settings.pop("heap_mb", 256), **settings
    )
    state = StackState(
        wanted=Wanted.UP,
        runtime=RuntimeKind.DOCKER,
        cluster_id="MkU3OEVBNTcwNTJENDM2Qg",
        settings=LabSettings(stack=wanted),
    )
    return assemble(state)


def test_row_5_equal_is_adopted_drifted_recreated_with_its_data_foreign_refused_and_kept(
    docker_stack: RealStack, images: dict[str, str], foreign: list[Container]
) -> None:
    stack = docker_stack
    with engine() as client:
        foreign.append(client.containers.create(images["apache/kafka"], name=container_named(stack), entrypoint=["sleep", "600"]))
        output = stack.up(code=NotOurs.exit_code)
        assert f"a container named {container_named(stack)} exists that this stack did not make" in output
        assert client.containers.get(container_named(stack)).id == foreign[0].id
        foreign.pop().remove(force=True)
    stack.up()
    first = inspect(stack)["Id"]
    stack.up()
    assert inspect(stack)["Id"] == first
    stack.wait_progress()
    output = stack.up(heap_mb="320")
    assert "kafka: recreated" in output
    assert inspect(stack)["Id"] != first
    stack.audit()


def container_named(stack: RealStack) -> str:
    return f"{stack.name}-kafka"


def test_row_10_memory_kill_heap_exhaustion_and_kill_by_hand_get_three_verdicts(
    docker_stack: RealStack, images: dict[str, str]
) -> None:
    stack = docker_stack
    stack.up()
    pid = stack.service_pid()
    verdicts = {}

    # Killed by hand: Docker restarts it; what `status` says is learnt from the container that is kept from restarting.
    with engine() as client:
        client.containers.get(container(stack)).kill("SIGKILL")
    stack.wait_until(lambda: stack.service_state() is ServiceState.EXITED, 20, "the kill is seen")
    verdicts["killed"] = stack.command("status", f"--name={stack.name}", code=1)
    assert stack.lab.runtime.observe(stack.lab.stack.services[0]).memory_killed is False
    assert pid
    stack.up()

    for name, heap, limit in (("memory", "-Xmx400M -Xms400M -XX:+AlwaysPreTouch", 200), ("heap", "-Xmx24M -Xms24M", 256)):
        lab = stack.lab
        service = lab.stack.services[0]
        broken = type(service)(
            **{
                **vars(service),
                "memory_mb": limit,
                "environment": {**service.environment, "KAFKA_HEAP_OPTS": heap},
            }
        )
        lab.runtime.remove(service)
        lab.runtime.start(broken)
        stack.wait_until(lambda: gave_up(stack), 90, f"Docker gave up on the broker with {name}")
        seen = lab.runtime.observe(service)
        verdicts[name] = stack.command("status", f"--name={stack.name}", code=1)
        assert seen.memory_killed is (name == "memory"), seen
        assert seen.exit_code == (137 if name == "memory" else 3), seen
        assert "restarted 3 times" in seen.detail, "Docker's budget"
        lab.runtime.remove(service)
    stack.up()
    stack.audit()


def gave_up(stack: RealStack) -> bool:
    state = inspect(stack)
    return state["State"]["Status"] == "exited" and state["RestartCount"] >= 3


def test_row_14_a_killed_zookeeper_comes_back_and_the_broker_with_it(zookeeper_stack: RealStack) -> None:
    stack = zookeeper_stack
    stack.up()
    stack.kill(stack.service_pid("zookeeper"))
    stack.wait_until(lambda: "unhealthy" not in stack.command("status", f"--name={stack.name}"), 60, "healthy again")
    stack.wait_progress()
    stack.audit()


def test_row_14_a_broker_restarted_before_its_session_ends_heals_by_itself(zookeeper_stack: RealStack) -> None:
    stack = zookeeper_stack
    stack.up()
    with engine() as client:
        client.containers.get(container(stack)).kill("SIGKILL")
    stack.wait_until(lambda: stack.service_state() is ServiceState.EXITED, 20, "the kill is seen")
    stack.up()
    stack.audit()


def test_row_14_one_deleted_volume_is_refused_with_the_remedy_and_nothing_is_edited(zookeeper_stack: RealStack) -> None:
    stack = zookeeper_stack
    stack.up()
    stack.down(volumes=False)
    with engine() as client:
        for name in ("zookeeper-data", "zookeeper-log"):
            client.volumes.get(f"{stack.name}_{name}").remove()
    output = stack.up(code=12)
    assert "one of its volumes is missing" in output
    assert "VOLUMES=1" in output
    with engine() as client:
        assert client.volumes.get(f"{stack.name}_kafka-data")


def test_row_15_another_cluster_id_on_the_volume_is_found_before_start(docker_stack: RealStack, images: dict[str, str]) -> None:
    stack = docker_stack
    stack.up()
    stack.down(volumes=False)
    state = json.loads(stack.paths.state.read_text())
    state["cluster_id"] = "MkU3OEVBNTcwNTJENDM2Qg"
    stack.paths.state.write_text(json.dumps(state))
    output = stack.up(code=12)
    assert "the data belongs to another cluster" in output
    assert "MkU3OEVBNTcwNTJENDM2Qg" in output
    stack.assert_nothing_left()


def test_row_17_a_wrong_advertised_address_fails_with_exactly_that_diagnosis(
    docker_stack: RealStack, images: dict[str, str]
) -> None:
    stack = docker_stack
    stack.up()
    lab = stack.lab
    service = lab.stack.services[0]
    wrong = {**service.environment, "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://elsewhere.invalid:{stack.port}"}
    lab.runtime.remove(service)
    lab.runtime.start(type(service)(**{**vars(service), "environment": wrong}))

    def told() -> bool:
        output = stack.command("status", f"--name={stack.name}", code=1)
        return "advertises another address" in output and "elsewhere.invalid" in output

    stack.wait_until(told, 60, "the diagnosis")
    stack.up()
    stack.audit()


def test_row_18_a_topic_with_other_settings_is_refused_and_a_deleted_one_stops_the_job(any_stack: RealStack) -> None:
    stack = any_stack
    stack.up()
    output = stack.up(code=12, partitions="3")
    assert "partitions is 1, asked for 3" in output
    assert stack.running() == {"kafka", "producer", "stream", "page"}
    stack.up()
    stack.lab.supervisor.remove("producer")
    admin = AdminClient({"bootstrap.servers": f"localhost:{stack.port}"})
    admin.delete_topics(["tweets_topic"])["tweets_topic"].result(20)
    stack.wait_until(lambda: "stream" not in stack.running(), 90, "the job stops")
    status = stack.command("status", f"--name={stack.name}", code=1)
    assert "deleted" in status


def test_another_cluster_does_not_touch_foreign_volumes_and_networks(docker_stack: RealStack, images: dict[str, str]) -> None:
    stack = docker_stack
    with engine() as client:
        volume = client.volumes.create(f"{stack.name}_kafka-data")
        try:
            output = stack.up(code=NotOurs.exit_code)
            assert f"a volume named {stack.name}_kafka-data exists" in output
            stack.down()
            assert client.volumes.get(volume.name)
        finally:
            volume.remove()


def test_the_declaration_is_the_same_for_both_runtimes_but_for_the_wiring(stack: RealStack) -> None:
    wanted = StackSettings(name=stack.name, port=stack.port)
    cluster = "MkU3OEVBNTcwNTJENDM2Qg"
    docker, embedded = (declare(wanted, kind, stack.paths, cluster) for kind in (RuntimeKind.DOCKER, RuntimeKind.EMBEDDED))
    differing = {name for name, value in docker.services[0].properties.items() if value != embedded.services[0].properties[name]}
    assert differing == {"listeners", "controller.quorum.voters"}
    assert isinstance(assemble_docker(docker, stack), DockerRuntime)


def assemble_docker(declared: Any, stack: RealStack) -> DockerRuntime:
    return DockerRuntime(declared, stack.paths, lambda _line: None)
