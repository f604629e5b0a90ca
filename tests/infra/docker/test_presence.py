"""Whether an engine answers, and that nobody waits for the SDK where none can."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.docker.presence import DEFAULT_HOST, Address, engine_answers, nobody_listens, plain_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.row(1)
def test_a_socket_at_which_nobody_listens_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = f"unix://{tmp_path / 'docker.sock'}"
    monkeypatch.setenv("DOCKER_HOST", host)
    assert nobody_listens() == f"no Docker engine answers at {host}"
    assert engine_answers() == nobody_listens()


def test_somebody_who_listens_is_asked_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        assert not nobody_listens()


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "ssh://somewhere", "gopher://somewhere", "unix://"])
def test_what_is_no_socket_of_this_machine_is_the_sdks_to_tell(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert not nobody_listens()


def test_without_a_word_on_docker_its_usual_socket_is_meant() -> None:
    assert plain_address() == Address(DEFAULT_HOST)


@pytest.mark.parametrize("where", [".docker/config.json", ".dockercfg"])
def test_a_file_in_which_a_context_may_be_chosen_is_the_sdks_to_read(where: str, tmp_path: Path) -> None:
    file = tmp_path / where
    file.parent.mkdir(exist_ok=True)
    file.touch()
    assert plain_address() is None
    assert not nobody_listens()


def test_a_context_that_the_environment_chooses_is_the_sdks_to_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "far-away")
    assert plain_address() is None
    monkeypatch.delenv("DOCKER_CONTEXT")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert plain_address() == Address(DEFAULT_HOST)
    (tmp_path / "config.json").touch()
    assert plain_address() is None


LOOK = """
import sys
from infra.commands import status
from infra.docker.compose_stack import compose_stack
from infra.docker.marks import docker_marks
from infra.docker.presence import engine_answers
assert docker_marks("lab-1", 1).silence == engine_answers() != None
assert compose_stack("lab") is None
print([name for name in ("docker", "requests") if name in sys.modules])
"""


def test_status_imports_no_sdk_where_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'docker.sock'}")
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
