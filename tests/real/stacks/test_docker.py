"""FAULTS.md rows 1, 2, 4, 5 and 14 on a real Docker engine, and what `docker inspect` must show.

Services alone where they are the subject; nothing here needs the stream. Rows 10 and 18 are in test_game_day.py.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from infra.docker.engine import engine
from infra.docker.labels import STACK_LABEL
from infra.docker.stand_ins import STAND_INS
from infra.forms.stacks import LastStep
from infra.lab.assembly import record
from infra.stack.profiles import KRAFT_IMAGE
from infra.stack.runtime import ServiceState
from trending.errors import EngineUnavailable, ImageUnavailable, NotOurs, PortTaken
from trending.settings import LabSettings, ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container
    from real.harness import RealStack

    from infra.lab.assembly import Lab

pytestmark = pytest.mark.docker
NEVER_ASKED_FOR = frozenset({"stream", "page"})


@pytest.fixture(scope="module")
def images(docker_engine: None) -> dict[str, str]:
    """Public name → stand-in that is on this machine."""
    return {each.stands_for: each.image for each in STAND_INS}


def inspect(container: str) -> dict[str, Any]:
    with engine() as client:
        found: dict[str, Any] = client.containers.get(container).attrs
        return found


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
    lab = prepared(stack)
    for service in lab.stack.services:
        lab.runtime.start(service)
    for service in lab.stack.services:
        seen = inspect(lab.stack.qualified(service.name))
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
        assert host["IpcMode"] == "private"
        assert host["NetworkMode"] == f"{stack.name}_default"
        assert (host["PidMode"], host["UTSMode"], host["UsernsMode"], host["CapAdd"], host["Devices"]) == ("", "", "", None, None)
        assert {mount["Type"] for mount in seen["Mounts"]} == {"volume"}
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


@pytest.mark.row(1, "D", "E")
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
    output = stack.up(until="topic")
    assert "runtime embedded: no Docker engine answers" in output


@pytest.mark.row(2, "D")
def test_row_2_an_absent_image_is_named_and_nothing_is_half_started(docker_stack: RealStack, images: dict[str, str]) -> None:
    docker_stack.settings["kafka_image"] = "example.invalid/nobody/kafka:1.2.3"
    output = docker_stack.up(code=ImageUnavailable.exit_code)
    assert "example.invalid/nobody/kafka:1.2.3" in output
    assert "make images" in output
    docker_stack.assert_nothing_left()


@pytest.mark.row(4, "D")
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


SMALLEST_HEAP_MB = 192
"""What the settings allow. With the 128 MiB that Kafka's cleaner takes of itself no broker started with it."""


def prepared(stack: RealStack) -> Lab:
    """Record a docker stack of which nothing is started yet, and return its lab."""
    wanted = StackSettings(
        name=stack.name,
        profile=ProfileName(stack.profile),
        port=stack.port,
        zookeeper_port=stack.port + 5,
        runtime=RuntimeKind.DOCKER,
        heap_mb=256,
    )
    lab, _runtime = record(LabSettings(stack=wanted))
    return lab


@pytest.mark.row(5, "D")
def test_row_5_equal_is_adopted_drifted_recreated_with_its_data_foreign_refused_and_kept(
    docker_stack: RealStack, images: dict[str, str], foreign: list[Container]
) -> None:
    stack = docker_stack
    with engine() as client:
        foreign.append(client.containers.create(images[KRAFT_IMAGE], name=container_named(stack), entrypoint=["sleep", "600"]))
        output = stack.up(code=NotOurs.exit_code)
        assert f"a container named {container_named(stack)} exists that this stack did not make" in output
        assert client.containers.get(container_named(stack)).id == foreign[0].id
        foreign.pop().remove(force=True)
    stack.bring_up(LastStep.PRODUCER)
    first = inspect(container_named(stack))["Id"]
    assert not stack.bring_up(LastStep.PRODUCER).changed
    assert inspect(container_named(stack))["Id"] == first
    output = stack.up(heap_mb=str(SMALLEST_HEAP_MB), until="producer")
    assert "kafka: recreated" in output
    assert inspect(container_named(stack))["Id"] != first
    stack.require_kept()


def container_named(stack: RealStack) -> str:
    return f"{stack.name}-kafka"


@pytest.mark.row(14, "D")
def test_row_14_a_killed_zookeeper_a_broker_restarted_before_its_session_ends_and_a_deleted_volume(
    zookeeper_stack: RealStack,
) -> None:
    stack = zookeeper_stack
    stack.bring_up(LastStep.PRODUCER)

    stack.kill(stack.service_pid("zookeeper"))
    stack.wait_well(without=NEVER_ASKED_FOR)
    before = stack.figure("producer", "acknowledged")
    stack.wait_until(lambda: stack.figure("producer", "acknowledged") > before, 30, "the producer goes on")

    with engine() as client:
        client.containers.get(container_named(stack)).kill("SIGKILL")
    stack.wait_until(lambda: stack.service_state() is ServiceState.EXITED, 20, "the kill is seen")
    stack.up(until="producer")
    stack.wait_well(without=NEVER_ASKED_FOR)
    stack.require_kept()

    # One of the two volumes gone: refused with the remedy, and nothing is edited.
    stack.down(volumes=False)
    with engine() as client:
        for name in ("zookeeper-data", "zookeeper-log"):
            client.volumes.get(f"{stack.name}_{name}").remove()
    output = stack.up(code=12)
    assert "one of its volumes is missing" in output
    assert "VOLUMES=1" in output
    with engine() as client:
        assert client.volumes.get(f"{stack.name}_kafka-data")


@pytest.mark.row(5, "D")
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
