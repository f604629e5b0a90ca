"""Our Compose files under the real docker-compose, and what the lab's commands make of a stack that is Compose's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from real.conftest import skip_or_fail

from infra.docker.compose import FILES
from infra.docker.compose_stack import compose_stack
from infra.docker.engine import engine
from infra.docker.runtime import PIDS, RESTARTS
from infra.docker.stand_ins import STAND_INS
from infra.host.paths import CHECKOUT, StackPaths
from infra.kafka.client import BrokerClient
from infra.operations.description import describe_compose
from infra.stack.profiles import KAFKA_IMAGE, KRAFT_IMAGE, ZOOKEEPER_IMAGE, declare
from trending.errors import NotOurs, StackAbsent
from trending.kafka.connection import KafkaConnection
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real.harness import RealStack

pytestmark = pytest.mark.docker
SOONER = {"interval": "1s", "retries": 2}
"""The containers' own check as declared, but for its clock: as declared, it takes 48 s to find a frozen broker unhealthy."""
IMAGES = {each.stands_for: each.image for each in STAND_INS}


class Compose:
    """docker-compose on one of our files, under the name and ports of a test's stack."""

    def __init__(self, stack: RealStack, profile: ProfileName, impatience: Path) -> None:
        self.stack, self.profile, self._impatience = stack, profile, impatience
        services = ["kafka"] if profile is ProfileName.KRAFT else ["zookeeper", "kafka"]
        impatience.write_text(json.dumps({"services": {name: {"healthcheck": SOONER} for name in services}}), encoding="ascii")
        self.prefix = f"{stack.name}-by-compose-"
        kafka = KRAFT_IMAGE if profile is ProfileName.KRAFT else KAFKA_IMAGE
        self._environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": stack.name,
            "LAB_PREFIX": self.prefix,
            "LAB_READ_ONLY": "true",
            "TRENDING_PORT": str(stack.port),
            "TRENDING_ZOOKEEPER_PORT": str(stack.port + 5),
            "TRENDING_KAFKA_IMAGE": IMAGES[kafka],
            "TRENDING_ZOOKEEPER_IMAGE": IMAGES[ZOOKEEPER_IMAGE],
        }

    def run(self, *arguments: str) -> str:
        command = ["docker-compose", "-f", str(FILES[self.profile]), "-f", str(self._impatience), *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def inspect(self, service: str) -> dict[str, Any]:
        with engine() as client:
            found: dict[str, Any] = client.containers.get(self.prefix + service).attrs
            return found

    def java(self, service: str) -> int:
        init = psutil.Process(self.inspect(service)["State"]["Pid"])
        return next(child.pid for child in init.children(recursive=True) if child.name() == "java")

    def healthy(self) -> bool:
        """Whether status would find nothing wrong, looked at in this process."""
        seen = compose_stack(self.stack.name)
        return seen is not None and not any(line.trouble for line in describe_compose(seen))


@pytest.fixture(params=list(ProfileName))
def compose(request: pytest.FixtureRequest, docker_stack: RealStack, tmp_path: Path) -> Iterator[Compose]:
    """A stack brought up by docker-compose, with its data deleted afterwards."""
    if shutil.which("docker-compose") is None:
        skip_or_fail("docker", "docker-compose is not on the path: apt-get install docker-compose")
    made = Compose(docker_stack, request.param, tmp_path / "sooner.json")
    try:
        made.run("up", "-d")
        yield made
    finally:
        made.run("down", "-v")


def assert_tester_works(stack: RealStack) -> None:
    """Assert that the user's smoke test finds the broker, makes its topic and passes."""
    command, environment = [sys.executable, "tests/tester.py"], {**os.environ, "TRENDING_NAME": stack.name}
    sent = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.startswith(f">>> 1. INICIANDO PRODUTOR (Enviando mensajes a localhost:{stack.port})...\n")
    assert sent.stdout.endswith(">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!\n")


def test_status_shows_a_compose_stack_and_up_and_down_leave_it_alone(compose: Compose) -> None:
    stack, name = compose.stack, f"--name={compose.stack.name}"
    stack.wait_until(compose.healthy, 90, "the Compose stack is healthy")
    status = stack.command("status", name)
    wanted = StackSettings(
        name=stack.name, profile=compose.profile, port=stack.port, zookeeper_port=stack.port + 5, runtime=RuntimeKind.DOCKER
    )
    services = declare(wanted, RuntimeKind.DOCKER, StackPaths.of(stack.name), "").services
    assert status.count("healthy") >= len(services)
    for service in services:
        line = next(line for line in status.splitlines() if line.split()[:1] == [service.name])
        assert line.split()[1:4] == ["running", "healthy", str(service.ports[0])]
        seen = compose.inspect(service.name)
        host = seen["HostConfig"]
        assert seen["State"]["Health"]["Status"] == "healthy"
        assert (host["Memory"], host["MemorySwap"]) == (service.memory_mb * 2**20,) * 2
        assert (host["CapDrop"], host["SecurityOpt"], host["PidsLimit"]) == (["ALL"], ["no-new-privileges"], PIDS)
        assert (host["Init"], host["ReadonlyRootfs"], list(host["Tmpfs"])) == (True, True, ["/tmp"])  # noqa: S108
        assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": RESTARTS}
        published = [binding for each in seen["NetworkSettings"]["Ports"].values() for binding in each or []]
        assert published == [{"HostIp": "127.0.0.1", "HostPort": str(service.ports[0])}]
    assert f"localhost:{stack.port}" in status

    client = BrokerClient(KafkaConnection(f"localhost:{stack.port}"))
    assert client.topic("trending_probe", 5) is None, "looking made a topic"
    client.round_trip(10)

    assert_tester_works(stack)

    before = {service.name: compose.inspect(service.name)["Id"] for service in services}
    refused = stack.up(code=NotOurs.exit_code)
    assert f"Docker Compose has a stack named {stack.name}" in refused
    assert f"docker compose -p {stack.name} down" in refused
    told = stack.down_command()
    assert "is left alone" in told
    assert f"docker compose -p {stack.name} down" in told
    assert before == {service.name: compose.inspect(service.name)["Id"] for service in services}
    assert (stack.containers(), stack.running(), stack.paths.root.exists()) == ([], set(), False)
    assert compose.healthy()

    # Frozen: the port stays open, the container's own check and the ladder from this machine both see it.
    broker = compose.java("kafka")
    stack.kill(broker, signal.SIGSTOP)
    try:
        frozen = stack.command("status", name, code=1)
        assert next(line for line in frozen.splitlines() if line.split()[:1] == ["kafka"]).split()[1:3] == [
            "running",
            "unhealthy",
        ]
        stack.wait_until(
            lambda: compose.inspect("kafka")["State"]["Health"]["Status"] == "unhealthy", 90, "the container's own check fails"
        )
    finally:
        stack.kill(broker, signal.SIGCONT)
    stack.wait_until(compose.healthy, 60, "healthy again")

    compose.run("stop", "kafka")
    stopped = stack.command("status", name, code=1)
    assert next(line for line in stopped.splitlines() if line.split()[:1] == ["kafka"]).split()[1] in {"stopped", "exited"}
    compose.run("down", "-v")
    assert "there is no stack" in stack.command("status", name, code=StackAbsent.exit_code)
