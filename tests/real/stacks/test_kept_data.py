"""Data whose state file is lost, on the real engine and in real directories: adopted, refused or left, never deleted."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.docker.engine import engine
from infra.docker.labels import STACK_LABEL
from infra.docker.volumes import CLUSTER_LABEL
from infra.host.paths import CHECKOUT
from infra.prefect_services.server import stop_server
from infra.supervision.control_socket import socket_of

if TYPE_CHECKING:
    from real.harness import RealStack

SMALL = {"until": "topic"}
LOOKS = 50
"""New clients, of which a third failed."""
LOOKING = """
import sys
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import open_consumer
from confluent_kafka import TopicPartition
for _look in range(int(sys.argv[3])):
    consumer = open_consumer(KafkaConnection(sys.argv[1]))
    consumer.list_topics(sys.argv[2], timeout=10)
    consumer.get_watermark_offsets(TopicPartition(sys.argv[2], 0), timeout=10)
    consumer.close()
"""
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
"""As Debian's installer writes /etc/hosts."""


def volumes(stack: RealStack) -> dict[str, str]:
    """Return the stack's volumes with the cluster that their label names."""
    with engine() as client:
        found = client.volumes.list(filters={"name": f"{stack.name}_"})
        return {str(each.name): (each.attrs.get("Labels") or {}).get(CLUSTER_LABEL, "") for each in found}


@pytest.mark.row(35, "D")
@pytest.mark.docker
def test_a_volume_that_no_state_remembers_outlives_a_failed_start_and_is_adopted_by_the_next(docker_stack: RealStack) -> None:
    """Its label is not needed for it: the id is read from the data of a volume that has none, as those of older versions."""
    stack = docker_stack
    volume = f"{stack.name}_kafka-data"
    with engine() as client:
        client.volumes.create(volume, labels={STACK_LABEL: stack.paths.stack_id})
    stack.up(**SMALL)
    cluster = stack.lab.state.cluster_id
    stack.down(volumes=False)
    shutil.rmtree(stack.paths.root)

    said = stack.up(code=12, brokers="3", replication="1", **SMALL)
    assert "was made with PROFILE=kraft BROKERS=1" in said
    said = stack.up(code=12, partitions="4", **SMALL)
    assert "exists with other settings" in said, "it was adopted, started, and undone"
    assert volumes(stack) == {volume: ""}
    assert not stack.paths.state.exists()
    assert stack.containers() == []

    assert f"has data of cluster {cluster} that no state file remembers: it is adopted" in stack.up(**SMALL)
    assert stack.lab.state.cluster_id == cluster
    stack.down(volumes=False)
    shutil.rmtree(stack.paths.root)
    assert f"this carries its mark: volume {volume}" in stack.down(volumes=False)
    assert volumes(stack) == {volume: ""}
    assert "its data is gone too" in stack.down()
    assert volumes(stack) == {}


@pytest.mark.row(35, "D")
@pytest.mark.docker
def test_the_volume_of_another_home_is_refused_as_foreign_and_left(
    docker_stack: RealStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = docker_stack
    home = os.environ["TRENDING_HOME"]
    stack.up(**SMALL)
    stack.down(volumes=False)
    (volume,) = volumes(stack).items()
    assert volume[1] == stack.lab.state.cluster_id, "a new volume is labelled with its cluster"
    with tempfile.TemporaryDirectory(prefix="tl-") as elsewhere:
        monkeypatch.setenv("TRENDING_HOME", elsewhere)
        (Path(elsewhere) / "jars").symlink_to(Path(home) / "jars")
        said = stack.up(code=5, **SMALL)
        assert f"a volume named {volume[0]} exists that this stack did not make; it is left alone" in said
        assert "nothing to take down" in stack.down()
        stack.command("audit", f"--name={stack.name}", code=11)
        stop_server()  # the one that this home's commands started
        monkeypatch.setenv("TRENDING_HOME", home)
    assert dict([volume]) == volumes(stack)


@pytest.mark.row(35, "E")
def test_directories_that_no_state_remembers_outlive_an_interrupted_start(stack: RealStack) -> None:
    stack.up(until="producer")
    cluster = stack.lab.state.cluster_id
    stack.down(volumes=False)
    stack.paths.state.unlink()
    starting = stack.start("start_up", *stack.up_arguments(until="producer"))
    stack.wait_until(lambda: stack.paths.state.exists() and socket_of(stack.paths.run).exists(), 60, "the start is under way")
    starting.send_signal(signal.SIGINT)
    output, _nothing = starting.communicate(timeout=60)
    assert starting.returncode == 130, output
    assert (stack.paths.data / "kafka" / "meta.properties").exists()
    assert (stack.paths.data / "ledger.sqlite").exists()
    assert not stack.paths.state.exists()
    stack.up()
    assert stack.lab.state.cluster_id == cluster
    stack.audit()


@pytest.mark.row(35, "E")
def test_a_stack_is_found_from_a_shell_with_other_directories_and_a_lost_socket_ends_nothing(
    stack: RealStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack.up(until="producer")
    before = (stack.service_pid(), stack.program_pid("producer"), stack.supervisord().pid)
    for variable in ("TMPDIR", "XDG_RUNTIME_DIR", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert "nothing was changed" in stack.up(until="producer")
    no_client_fails_where_localhost_has_an_address_of_ipv6_too(stack, tmp_path / "hosts")
    socket_of(stack.paths.run).unlink()
    said = stack.command("status", f"--name={stack.name}", code=1)
    assert "socket" in said
    assert "left over" not in said
    refused = stack.up(code=6, until="producer")
    assert f"make down NAME={stack.name} ends it by its mark" in refused
    assert f"pid {before[2]}" in refused
    healed = stack.command("health_check", f"--name={stack.name}", "--heal", code=15)
    assert "can't be asked" in healed
    assert (stack.service_pid(), stack.program_pid("producer"), stack.supervisord().pid) == before
    stack.down(volumes=False)
    stack.assert_nothing_left()


def no_client_fails_where_localhost_has_an_address_of_ipv6_too(stack: RealStack, hosts: Path) -> None:
    """Each client dials ``::1`` first, where nobody listens; in a mount namespace of its own, with that file as /etc/hosts."""
    hosts.write_text(HOSTS, encoding="ascii")
    lab = stack.lab
    looking = [sys.executable, "-c", LOOKING, lab.stack.connection.bootstrap, lab.settings.stack.topic, str(LOOKS)]
    there = f"mount --bind {shlex.quote(str(hosts))} /etc/hosts && exec {shlex.join(looking)}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", there], cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
