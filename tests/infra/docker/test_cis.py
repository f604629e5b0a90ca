"""CIS Docker Benchmark 1.6, section 5, row by row, on what the engine is sent for every service. Record 134 has the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fakes.engine import FakeEngine

from infra.docker.runtime import DockerRuntime
from infra.host.paths import StackPaths
from infra.stack.profiles import declare
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from infra.stack.declaration import Stack

LEAST_PORT = 1024
MOST_RESTARTS = 5
Body = dict[str, Any]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    engine = FakeEngine(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    yield engine
    engine.close()


def declared(place: Path, profile: ProfileName) -> Stack:
    settings = StackSettings(name="lab", profile=profile, brokers=3)
    return declare(settings, RuntimeKind.DOCKER, StackPaths(place, "lab"), "x" * 22)


def sent(fake: FakeEngine, stack: Stack, place: Path, *, read_only: bool) -> list[Body]:
    """Return what the engine is asked to create for each service of the stack."""
    image = {"Id": "sha256:1", "Config": {"Labels": {"trending.read-only": str(read_only).lower()}}}
    network = {"Id": "n1", "Name": stack.network, "Labels": {}}
    container = {"Id": "c1", "Name": "/c1", "State": {"Status": "created"}, "Config": {"Labels": {}, "Image": "x"}}
    fake.answers |= {f"/images/{service.image}/json": (200, image) for service in stack.services}
    fake.answers |= {
        "/networks": (200, []),
        "/networks/create": (201, network),
        "/networks/n1": (200, network),
        "/volumes/create": (201, {"Name": "v1", "Labels": {}}),
        "/containers/create": (201, {"Id": "c1"}),
        "/containers/c1/json": (200, container),
        "/containers/c1/start": (204, ""),
    }
    runtime = DockerRuntime(stack, StackPaths(place, "lab"), lambda _line: None)
    for service in stack.services:
        runtime.start(service)
    return [body for path, body in fake.bodies if path.endswith("/containers/create")]


def published(body: Body) -> list[tuple[str, int]]:
    """Return host address and port of everything that is published."""
    bound = [each for some in body["HostConfig"]["PortBindings"].values() for each in some]
    return [(each["HostIp"], int(each["HostPort"])) for each in bound]


ROWS: dict[str, Callable[[Body, Body], bool]] = {
    "5.2 AppArmor's profile is on": lambda _body, host: not any("apparmor" in each for each in host["SecurityOpt"]),
    "5.4 capabilities are dropped": lambda _body, host: host["CapDrop"] == ["ALL"] and not host.get("CapAdd"),
    "5.5 not privileged": lambda _body, host: not host.get("Privileged"),
    "5.6 no directory of the host": lambda _body, host: not any(each.startswith("/") for each in host["Binds"]),
    "5.8 no privileged port": lambda body, _host: all(port >= LEAST_PORT for _address, port in published(body)),
    "5.9 no port but the declared ones": lambda body, host: (
        set(body["ExposedPorts"]) == set(host["PortBindings"]) and not host.get("PublishAllPorts")
    ),
    "5.10 not the host's network": lambda _body, host: host["NetworkMode"] == "lab_default",
    "5.11 memory is limited": lambda _body, host: 0 < host["Memory"] == host["MemorySwap"],
    "5.14 ports are on loopback": lambda body, _host: {address for address, _port in published(body)} == {"127.0.0.1"},
    "5.15 restarts are few, and after a failure": lambda _body, host: (
        host["RestartPolicy"]["Name"] == "on-failure" and 0 < host["RestartPolicy"]["MaximumRetryCount"] <= MOST_RESTARTS
    ),
    "5.16 not the host's processes": lambda _body, host: not host.get("PidMode"),
    "5.17 not the host's IPC, nor another container's": lambda _body, host: host.get("IpcMode") == "private",
    "5.18 no device": lambda _body, host: not host.get("Devices") and not host.get("DeviceCgroupRules"),
    "5.19 the engine's ulimits": lambda _body, host: not host.get("Ulimits"),
    "5.20 mounts are not shared": lambda _body, host: not any("shared" in each for each in host["Binds"]),
    "5.21 not the host's UTS": lambda _body, host: not host.get("UTSMode"),
    "5.22 seccomp's profile is on": lambda _body, host: not any("seccomp" in each for each in host["SecurityOpt"]),
    "5.25 the engine's cgroup": lambda _body, host: not host.get("CgroupParent"),
    "5.26 no new privileges": lambda _body, host: "no-new-privileges" in host["SecurityOpt"],
    "5.28 a pinned image": lambda body, _host: re.search(r":\d+\.\d+\.\d+$", body["Image"]) is not None,
    "5.29 processes are limited": lambda _body, host: 0 < host["PidsLimit"] <= 512,
    "5.30 not the default bridge": lambda _body, host: host["NetworkMode"] not in {"bridge", "default"},
    "5.31 not the host's users": lambda _body, host: not host.get("UsernsMode"),
    "5.32 no socket of Docker's": lambda _body, host: "docker.sock" not in str(host["Binds"]),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("profile", list(ProfileName))
def test_a_row_of_the_benchmark_holds_for_every_container(
    row: str, profile: ProfileName, fake: FakeEngine, tmp_path: Path
) -> None:
    stack = declared(tmp_path, profile)
    bodies = sent(fake, stack, tmp_path, read_only=True)
    assert len(bodies) == len(stack.services) >= 3
    assert [body["Hostname"] for body in bodies if not ROWS[row](body, body["HostConfig"])] == []


@pytest.mark.parametrize("read_only", [True, False])
def test_row_5_13_the_root_is_read_only_where_the_image_can_be(read_only: bool, fake: FakeEngine, tmp_path: Path) -> None:  # noqa: FBT001
    bodies = sent(fake, declared(tmp_path, ProfileName.KRAFT), tmp_path, read_only=read_only)
    assert {bool(body["HostConfig"].get("ReadonlyRootfs")) for body in bodies} == {read_only}
    assert all(list(body["HostConfig"]["Tmpfs"]) == ["/tmp"] for body in bodies)  # noqa: S108 - the container's own
