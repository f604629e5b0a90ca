"""Real stacks: one home and one Prefect server a session, jars shared with the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from real.harness import NUMBERS, RealStack
from real.served import Served, serving

from infra.docker.engine import engine, has_image
from infra.docker.presence import engine_answers
from infra.docker.stand_ins import STAND_INS
from infra.host.paths import CHECKOUT, StackPaths
from infra.prefect_services.server import current_server, ensure_server, stop_server
from infra.stack.state import StackState, Wanted, write_state
from trending.settings import LabSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOT = int(os.environ.get("PYTEST_XDIST_WORKER", f"gw{os.getpid() % 3}").removeprefix("gw")) % 3
"""Two workers of the suite, and with luck two runs of it, use names and ports of their own."""
FIRST_PORT = 21000 + SLOT * 3600
"""Below 32768, where the kernel takes ports for outgoing connections."""
PLACES = 35
"""Stacks that a worker's ports have room for; the one after takes the first one's place, which is down by then."""
HOMES = ("TRENDING_HOME", "PREFECT_HOME")
"""Each worker of the suite has a server with a database of its own, whatever make has set."""
REQUIRED = frozenset(filter(None, os.environ.get("TRENDING_REQUIRE", "").split(",")))


def skip_or_fail(word: str, silence: str | None) -> None:
    """Skip for the reason in ``silence``, if any; where TRENDING_REQUIRE names ``word``, fail instead."""
    if silence is None:
        return
    if word in REQUIRED:
        pytest.fail(f"TRENDING_REQUIRE names {word} and {silence}")
    pytest.skip(silence)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.no_cover)  # the work is done in other processes


@pytest.fixture(scope="session")
def real_home() -> Iterator[Path]:
    """A lab home of the session, in which the checkout's jars and class archives are linked."""
    home = Path(tempfile.mkdtemp(prefix="trending-test-"))
    real = Path(os.environ.get("TRENDING_REAL_HOME") or CHECKOUT / ".trending")
    for shared in ("jars", "cds"):
        (home / shared).symlink_to(real / shared)
    before = {name: os.environ.get(name) for name in HOMES}
    os.environ |= {"TRENDING_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}
    ensure_server()
    # A stack that is wanted up keeps the server for the whole session: `down` stops it with the last such stack.
    keeper = StackSettings(name="keeper", port=20999)
    state = StackState(wanted=Wanted.UP, runtime=RuntimeKind.EMBEDDED, cluster_id="keeper", settings=LabSettings(stack=keeper))
    write_state(StackPaths.of("keeper"), state)
    yield home
    os.environ["TRENDING_HOME"] = str(home)
    stop_server()
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(autouse=True)
def _at_home(real_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(real_home))


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """Skip without a Docker engine and images, unless TRENDING_REQUIRE names docker: then fail."""
    skip_or_fail("docker", engine_answers() or missing_stand_ins())


def missing_stand_ins() -> str | None:
    """Return why the tests can't use the engine's images, or None: they run on the stand-ins."""
    with engine() as client:
        missing = [each.image for each in STAND_INS if not has_image(client, each.image)]
    return f"the images {', '.join(missing)} are not built: make images" if missing else None


def new_stack(runtime: str = "embedded", profile: str = "kraft") -> RealStack:
    """Return a stack of its own name and ports; nothing is started."""
    number = next(NUMBERS)
    return RealStack(f"t{SLOT}{number:02}", FIRST_PORT + 100 * (1 + (number - 1) % PLACES), runtime, profile)


@pytest.fixture
def stack(real_home: Path) -> Iterator[RealStack]:
    """An embedded stack of the test's own, taken down afterwards."""
    stack = new_stack()
    yield stack
    stack.down()


@pytest.fixture
def docker_stack(real_home: Path, docker_engine: None) -> Iterator[RealStack]:
    """A kraft stack in containers of the test's own, taken down afterwards."""
    stack = new_stack("docker")
    yield stack
    stack.down()


@pytest.fixture
def zookeeper_stack(real_home: Path, docker_engine: None) -> Iterator[RealStack]:
    """A zookeeper stack in containers of the test's own, taken down afterwards."""
    stack = new_stack("docker", "zookeeper")
    yield stack
    stack.down()


@pytest.fixture(params=["embedded", pytest.param("docker", marks=pytest.mark.docker)])
def any_stack(request: pytest.FixtureRequest, real_home: Path) -> Iterator[RealStack]:
    """A kraft stack in each runtime."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    stack = new_stack(request.param)
    yield stack
    stack.down()


@pytest.fixture(scope="session")
def served(real_home: Path) -> Iterator[Served]:
    """The session's server with a worker, brought up by the command that a person uses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRENDING_HOME", str(real_home))
        done = subprocess.run(
            [sys.executable, "-m", "flows.commands.serve"],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "[ok] worker" in done.stdout
        server = current_server()
        assert server is not None
        yield from serving(server)
