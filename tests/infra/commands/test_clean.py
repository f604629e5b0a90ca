"""``make clean`` in a scratch checkout: it refuses while something runs, and needs nothing but the standard library."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingUnixStreamServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from infra.commands import clean, relocation
from infra.host.marks import NAME_VARIABLE
from infra.host.paths import CHECKOUT, StackPaths
from infra.host.processes import HOME_VARIABLE, STACK_VARIABLE
from trending.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.row(35)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with what `make clean` needs and what it deletes; no engine answers."""
    root = tmp_path / "check out"
    for name in (
        "Makefile",
        "infra/__init__.py",
        "infra/console",
        "infra/host",
        "infra/commands",
        "infra/docker",
        "infra/stack/__init__.py",
        "infra/stack/belongings.py",
        "src/trending/__init__.py",
        "src/trending/errors.py",
    ):
        source, target = CHECKOUT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _ = shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    for name in (".venv/bin", ".trending/stacks/lab/data"):
        (root / name).mkdir(parents=True)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    for name in ("TRENDING_HOME", "PREFECT_HOME", "MAKEFLAGS", "MAKELEVEL"):
        monkeypatch.delenv(name, raising=False)
    return root


def make_clean(checkout: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    python = f"PYTHON={getattr(sys, '_base_executable', sys.executable)} -S"  # no packages to be had
    return subprocess.run(["make", "clean", python, *settings], cwd=checkout, capture_output=True, text=True, check=False)


def state(checkout: Path, text: str) -> None:
    (checkout / ".trending/stacks/lab/state.json").write_text(text)


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for child in children:
        child.kill()
        child.wait()


def test_where_nothing_runs_it_deletes_and_says_what_it_could_not_see(checkout: Path) -> None:
    done = make_clean(checkout)
    assert done.returncode == 0, done.stderr
    assert "whether Docker has something of this checkout could not be seen" in done.stdout
    assert not (checkout / ".venv").exists()
    assert not (checkout / ".trending").exists()


@pytest.mark.parametrize("venv", ["docs", ".", "", "..", "{elsewhere}", ".venv/../docs", "theirs", "strange"])
def test_it_deletes_no_directory_that_the_set_up_did_not_make(venv: str, checkout: Path) -> None:
    elsewhere = checkout.parent / "elsewhere"
    kept = [checkout / "docs/page", elsewhere / "page", checkout / "theirs/page", checkout / "strange/page"]
    for page in kept:
        page.parent.mkdir(parents=True)
        page.touch()
    environment(checkout / "theirs", elsewhere)  # of another checkout, which is there
    (checkout / "strange/pyvenv.cfg").touch()  # somebody's virtual environment
    done = make_clean(checkout, f"VENV={venv.format(elsewhere=elsewhere)}")
    assert done.returncode != 0
    assert "is not deleted" in done.stderr
    assert "next: make clean deletes" in done.stderr
    assert [page for page in kept if not page.exists()] == []
    assert (checkout / ".trending/stacks/lab/data").exists()
    assert (checkout / ".venv/bin").exists()


@pytest.mark.parametrize("set_up_at", ["here", "a place that is gone"])
def test_an_environment_that_the_set_up_made_elsewhere_goes(set_up_at: str, checkout: Path) -> None:
    venv = checkout.parent / "my venv"
    environment(venv, checkout if set_up_at == "here" else checkout.parent / "gone")
    done = make_clean(checkout, f"VENV={venv}")
    assert done.returncode == 0, done.stderr
    assert not venv.exists()
    assert (checkout / ".venv/bin").exists()
    assert not (checkout / ".trending").exists()


@pytest.mark.parametrize("venv", ["none", ".venv docs", "-docs"])
def test_where_there_is_no_such_environment_only_the_rest_goes(venv: str, checkout: Path) -> None:
    (checkout / "docs").mkdir()
    assert make_clean(checkout, f"VENV={venv}").returncode == 0
    assert (checkout / "docs").exists()
    assert not (checkout / ".trending").exists()


@pytest.mark.parametrize(
    "place",
    [
        "thesis.txt",
        "exports/x.parquet",
        "stacks/lab/thesis.txt",
        "stacks/lab/data/checkpoints/x",
        "stacks/mine/thesis.txt",
        "stacks/.thesis.txt",
        "stacks/.lab.copied/thesis.txt",
    ],
)
def test_it_deletes_nothing_while_somebodys_file_lies_in_the_home(place: str, checkout: Path) -> None:
    mine = checkout / ".trending" / place
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("three years of work", encoding="ascii")
    done = make_clean(checkout)
    assert done.returncode
    by_directory = mine.parent.name in {"exports", ".lab.copied"}  # the second is how the lab says to set a stack aside
    assert f"  {mine.parent if by_directory else mine}\n" in done.stderr
    assert mine.exists()
    assert (checkout / ".venv").exists()
    mine.unlink()
    if by_directory:
        mine.parent.rmdir()
    assert make_clean(checkout).returncode == 0
    assert not (checkout / ".trending").exists()


@pytest.mark.parametrize("place", ["", "stacks", "stacks/lab", "stacks/lab/data", "stacks/lab/data/kafka"])
def test_it_names_a_link_behind_which_something_would_stay(place: str, checkout: Path, tmp_path: Path) -> None:
    link, elsewhere = checkout / ".trending" / place, tmp_path / "elsewhere"
    if link.exists():
        link.rename(elsewhere)
    else:
        elsewhere.mkdir()
    link.symlink_to(elsewhere)
    done = make_clean(checkout)
    assert done.returncode
    assert f"{place} leads to {elsewhere}\n" in done.stderr
    assert link.is_symlink()


def test_what_the_lab_makes_in_its_home_is_nobody_elses(checkout: Path) -> None:
    home = checkout / ".trending"
    for name in (*HOME, "stacks/.lab.lock", "stacks/lab/state.json", "stacks/lab/run/supervisord.conf"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text('{"runtime": "embedded"}', encoding="ascii")
    done = make_clean(checkout)
    assert done.returncode == 0, done.stderr
    assert not home.exists()


HOME = ("jars/.spark.lock", "ivy/x", "cds/x.jsa", "crashes/x.txt", "prefect/prefect.db", "server/password", "package/x.zip")


def test_it_says_what_a_stack_has_elsewhere_which_nobody_knows_afterwards(checkout: Path) -> None:
    checkpoints = ["/mnt/shared/lab-1", "s3a://bucket/prefix/lab-1"]
    serving = {"store_url": "postgresql+psycopg://u@db/counts"}
    known = {"checkpoints_made": checkpoints, "topics_made": {"tweets": "id"}, "settings": {"serving": serving}}
    state(checkout, json.dumps({"runtime": "embedded", **known}))
    done = make_clean(checkout)
    assert done.returncode == 0
    (line,) = [each for each in done.stdout.splitlines() if "this stays" in each]
    for word in (*checkpoints, "the topic tweets", "a schema in postgresql+psycopg://u@db/counts"):
        assert word in line
    assert "stack lab" in line
    state_of = checkout / ".trending/stacks/lab"
    state_of.mkdir(parents=True)
    for text in (json.dumps({"runtime": "embedded"}), "[]", "no JSON"):
        state(checkout, text)
        assert clean.kept_elsewhere(checkout / ".trending") == []


def environment(venv: Path, checkout: Path) -> None:
    """A virtual environment as the set-up of a checkout leaves it."""
    path_file = venv / "lib/python3.11/site-packages" / relocation.PATH_FILE
    path_file.parent.mkdir(parents=True, exist_ok=True)
    path_file.write_text(f"{checkout}\n{checkout}/src\n")
    (venv / "pyvenv.cfg").touch()


def test_it_refuses_while_a_process_carries_the_mark_of_a_stack_of_the_checkout(
    checkout: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    stack_id = StackPaths(checkout / ".trending", "lost").stack_id
    started.append(subprocess.Popen(["sleep", "60"], env={**os.environ, STACK_VARIABLE: stack_id}))
    done = make_clean(checkout)
    assert done.returncode != 0
    assert f"pid {started[0].pid}: sleep 60" in done.stderr
    assert (checkout / ".venv").exists()
    assert (checkout / ".trending/stacks/lab/data").exists()


def test_it_refuses_while_something_was_started_from_the_environment_though_by_a_relative_path(
    checkout: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    shutil.copy(shutil.which("sleep") or "", checkout / ".venv/bin/python")
    started.append(subprocess.Popen([".venv/bin/python", "60"], cwd=checkout))
    done = make_clean(checkout)
    assert done.returncode != 0
    assert f"pid {started[0].pid}" in done.stderr
    assert (checkout / ".venv").exists()


def test_it_refuses_while_a_set_up_is_at_work_which_names_the_environment(
    checkout: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """As ``python3 -m venv .venv`` does: it deleted what that was writing, and pip took it for the network."""
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", ".venv"]
    started.append(subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE))
    assert started[-1].stdout
    with started[-1].stdout as output:
        output.readline()
    done = make_clean(checkout)
    assert done.returncode
    assert f"pid {started[-1].pid}" in done.stderr
    assert (checkout / ".venv").exists()


def test_it_refuses_while_something_of_the_checkout_runs_on_that_was_started_before_it_was_moved(
    checkout: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    run = checkout / ".trending/stacks/lab/run"
    run.mkdir()
    old = checkout / ".trending"
    marks = {STACK_VARIABLE: StackPaths(old, "lab").stack_id, NAME_VARIABLE: "lab", HOME_VARIABLE: str(old)}
    started.append(subprocess.Popen(["sleep", "60"], cwd=run, env={**os.environ, **marks}))
    moved = checkout.rename(checkout.parent / "moved")
    done = make_clean(moved)
    assert done.returncode != 0
    assert f"pid {started[0].pid}: sleep 60" in done.stderr
    assert f"next: make down NAME=lab LEFT_BY='{old}' ends what ran when this checkout was moved" in done.stderr
    assert (moved / ".trending/stacks/lab/data").exists()


def test_another_checkouts_stack_is_no_reason(checkout: Path, started: list[subprocess.Popen[bytes]]) -> None:
    stack_id = StackPaths(checkout.parent / ".trending", "lost").stack_id
    started.append(subprocess.Popen(["sleep", "60"], env={**os.environ, STACK_VARIABLE: stack_id}))
    assert make_clean(checkout).returncode == 0


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ('{"runtime": "docker", "wanted": "up"}', True),
        ("{", True),
        ('{"runtime": "docker", "wanted": "down"}', True),  # by a take-down that could not reach Docker
        ('{"runtime": "embedded", "wanted": "up"}', False),
    ],
)
def test_while_docker_is_silent_the_state_decides(text: str, refused: bool, checkout: Path) -> None:  # noqa: FBT001
    state(checkout, text)
    done = make_clean(checkout)
    assert (done.returncode != 0) is refused
    assert (checkout / ".trending").exists() is refused
    assert ("perhaps the stack lab" in done.stderr) is refused


class Engine(BaseHTTPRequestHandler):
    containers: list[dict[str, Any]] = []  # noqa: RUF012 - the test's own
    volumes: list[dict[str, Any]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        asked = urlsplit(self.path).path
        answers = {"/containers/json": self.containers, "/networks": [], "/volumes": {"Volumes": self.volumes}}
        content = json.dumps(answers[asked]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def address_string(self) -> str:
        return "a Unix socket"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Engine]]:
    """An engine of pretend at a Unix socket."""
    place = checkout.parent / "d.sock"
    with ThreadingUnixStreamServer(str(place), Engine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
        yield Engine
        server.shutdown()
        thread.join()
    Engine.containers, Engine.volumes = [], []


def labels(checkout: Path) -> dict[str, str]:
    return {clean.LABEL: StackPaths(checkout / ".trending", "lab").stack_id}


@pytest.mark.parametrize(("container", "refused"), [("running", True), ("paused", True), ("exited", False)])
def test_it_asks_docker_by_mark(container: str, refused: bool, checkout: Path, engine: type[Engine]) -> None:  # noqa: FBT001
    engine.containers = [
        {"Names": ["/lab-kafka"], "State": container, "Labels": labels(checkout)},
        {"Names": ["/theirs"], "State": "running", "Labels": {clean.LABEL: "lab-00000000"}},
        {"Names": ["/theirs-by-docker-commit"], "State": "running", "Labels": labels(checkout)},
    ]
    engine.volumes = [{"Name": "lab_kafka-data", "Labels": labels(checkout)}, {"Name": "other", "Labels": None}]
    done = make_clean(checkout)
    assert (done.returncode != 0) is refused
    assert "theirs" not in done.stderr
    assert "could not be seen" not in done.stdout
    if refused:
        assert "container lab-kafka" in done.stderr
    else:
        assert "these volumes with data stay: lab_kafka-data; make up adopts them" in done.stdout


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("where", ["elsewhere", "here", ""])
def test_a_stack_of_another_engine_than_the_one_that_answers_is_not_taken_for_absent(where: str, checkout: Path) -> None:
    made_at = {"elsewhere": "DOCKER_CONTEXT=desktop", "here": f"DOCKER_HOST={os.environ['DOCKER_HOST']}"}.get(where, "")
    state(checkout, json.dumps({"runtime": "docker", "wanted": "up", "engine": made_at}))
    done = make_clean(checkout)
    assert (done.returncode != 0) is (where == "elsewhere")
    assert ("in the Docker engine of DOCKER_CONTEXT=desktop" in done.stderr) is (where == "elsewhere")


def test_a_frozen_engine_is_one_that_cannot_be_asked(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = checkout.parent / "frozen.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}")
    monkeypatch.setattr(clean, "ENGINE_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        begun = time.monotonic()
        assert clean.refusal(checkout / ".trending", checkout / ".venv") == []
    assert time.monotonic() - begun < 5
    assert "could not be seen (no Docker engine answers at" in capsys.readouterr().out


def test_an_engine_that_only_dockers_own_client_can_ask_is_one_that_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://far")
    with pytest.raises(EngineUnavailable, match="without Docker's own client"):
        clean.docker_things(tmp_path)


def test_marks_are_those_that_processes_and_containers_carry() -> None:
    from infra.docker.labels import STACK_LABEL  # noqa: PLC0415 - the two are written twice, since clean may import nothing

    assert (clean.MARK, clean.LABEL) == (STACK_VARIABLE, STACK_LABEL)
    assert (clean.NAME, clean.HOME) == (NAME_VARIABLE, HOME_VARIABLE)
