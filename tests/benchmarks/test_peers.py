"""The peers' environment: made once for a lock, named by it, and a reason not to take part where it can't be made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.contest import Unmeasurable
from benchmarks.peers import environment
from benchmarks.peers.environment import LOCK, peers_python


class Commands:
    """Stands for subprocess.run: notes what is run, and fails from the word on that it is given."""

    def __init__(self) -> None:
        self.run: list[list[str]] = []
        self.fails_at = ""

    def __call__(self, command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        self.run.append(command)
        failed = bool(self.fails_at) and self.fails_at in command
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(command, int(failed), "", "no index answers" if failed else "")


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    made = Commands()
    monkeypatch.setattr(environment.subprocess, "run", made)
    return made


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text("kafka-python==3.0.12\n", encoding="utf-8")
    return path


def test_the_environment_is_made_once_from_the_lock_alone(commands: Commands, lock: Path) -> None:
    python = peers_python(lock)
    _venv, install = commands.run
    assert install == [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(lock)]
    assert peers_python(lock) == python
    assert len(commands.run) == 2


def test_another_lock_has_another_environment(commands: Commands, lock: Path) -> None:
    first = peers_python(lock)
    lock.write_text("kafka-python==3.0.13\n", encoding="utf-8")
    assert peers_python(lock) != first
    assert len(commands.run) == 4


def test_without_it_a_peer_is_not_measured_and_the_next_run_tries_again(commands: Commands, lock: Path) -> None:
    commands.fails_at = "pip"
    with pytest.raises(Unmeasurable, match="cannot be made: no index answers"):
        peers_python(lock)
    commands.fails_at = ""
    assert peers_python(lock).name == "python"


def test_the_lock_has_hashes_and_names_no_index() -> None:
    text = LOCK.read_text(encoding="utf-8")
    names = [line.split("==")[0] for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert {"kafka-python", "khaos-cli", "pathway", "quixstreams"} <= set(names)
    assert text.count("--hash=sha256:") >= len(names)
    assert "://" not in text
