from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flows.commands import lab
from flows.commands.modules import COMMANDS
from infra.host.command_environment import command_environment
from infra.host.paths import CHECKOUT
from infra.lab import packages
from trending.errors import InvalidInput, PrerequisiteMissing

if TYPE_CHECKING:
    from pathlib import Path

MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
DEVELOPERS = {"setup", "jars", "archives", "dashboard", "images", "compose", "docs", "server-stop"}
"""Targets of ``make`` that run a module of the product and are no command of its users'."""
EXPORTED = {
    "PYTHONPATH": "/elsewhere",
    "PYTHONHOME": "",
    "PYTHONWARNINGS": "error",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_API_URL": "http://127.0.0.1:1/api",
    "PREFECT_CLIENT_CUSTOM_HEADERS": "{}",
    "PREFECT_PROFILE": "theirs",
    "SSL_CERT_FILE": "/nowhere/at/all.pem",
    "UNRELATED": "a b",
}


def targets() -> dict[str, str]:
    """Target → the module that its recipe runs, of the product's."""
    rules = re.findall(r"^([a-z][a-z -]*):[^\n]*\n\t@(?:\w+=\S+ )?\$\(PY\) -m ((?:flows|infra)[.\w]+)", MAKEFILE, re.MULTILINE)
    return {target: module for names, module in rules for target in names.split()}


def test_each_command_of_make_is_one_of_lab_with_the_same_module() -> None:
    made = {target: module for target, module in targets().items() if target not in DEVELOPERS}
    assert len(made) > 20
    assert {word: COMMANDS[word].module for word in made if word in COMMANDS} == made
    assert set(COMMANDS) - set(made) <= {"prerequisites"}, "a command that make does not have"


@pytest.mark.parametrize("exported", [{}, EXPORTED], ids=["plain", "with what a shell may export"])
@pytest.mark.parametrize("home", ["", "some home"])
def test_the_environment_is_the_one_that_make_builds(exported: dict[str, str], home: str, tmp_path: Path) -> None:
    shell = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **exported}
    shell |= {"TRENDING_HOME": str(tmp_path / home)} if home else {}
    copy = tmp_path / "checkout"
    copy.mkdir()
    (copy / "Makefile").write_text(MAKEFILE + "\nshown:\n\t@env -0\n", encoding="utf-8")
    shown = subprocess.run(["make", "-s", "shown"], cwd=copy, env=shell, capture_output=True, text=True, check=True).stdout
    of_make = dict(line.split("=", 1) for line in shown.replace(str(copy), str(CHECKOUT)).split("\0") if line)
    without = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKE_TERMERR", "MAKE_TERMOUT", "PWD", "OLDPWD", "SHLVL", "_"}
    assert command_environment(shell) == {name: value for name, value in of_make.items() if name not in without}


def test_it_runs_from_a_directory_with_packages_of_the_same_names(tmp_path: Path) -> None:
    for package in ("flows", "infra", "trending"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    command = [sys.executable, "-P", "-m", "flows.commands.lab"]
    listed = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert [word for word in COMMANDS if not re.search(rf"^  {word} ", listed, re.MULTILINE)] == []
    asked = subprocess.run([*command, "status", "--name=none-such"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "there is no stack none-such" in asked.stderr
    assert asked.returncode != 0


def test_the_script_of_the_environment_works_through_a_link(tmp_path: Path) -> None:
    bin_ = tmp_path / "env with a blank" / "bin"
    bin_.mkdir(parents=True)
    shutil.copy(CHECKOUT / "infra" / "console" / "lab.sh", bin_ / "lab")
    (bin_ / "python").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (bin_ / "python").chmod(0o755)
    (bin_ / "lab").chmod(0o755)
    (tmp_path / "lab").symlink_to(bin_ / "lab")
    ran = subprocess.run([str(tmp_path / "lab"), "up", "--rate", "5 0"], capture_output=True, text=True, check=True)
    assert ran.stdout == "-P|-m|flows.commands.lab|up|--rate|5 0|"
    assert "install -m 755 infra/console/lab.sh $(VENV)/bin/lab" in MAKEFILE


def test_a_word_that_is_no_command_is_told_with_one_like_it() -> None:
    with pytest.raises(InvalidInput, match="there is no command 'upp'") as caught:
        lab.main(["upp"])
    assert caught.value.evidence == "did you mean up?"
    with pytest.raises(InvalidInput, match="zzz") as caught:
        lab.main(["zzz"])
    assert caught.value.next_command == "lab --help"


@pytest.mark.parametrize(
    ("word", "option"), [("up", "--rate"), ("down", "--volumes"), ("tweet", "--text"), ("replay-demo", "--store")]
)
def test_the_options_of_a_command_are_those_of_its_form(word: str, option: str) -> None:
    assert option in lab.options_of(word)


def test_what_takes_no_options_has_none_to_complete() -> None:
    assert lab.options_of("prefect") == lab.options_of("nonsense") == []


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("he", {"health"}), ("game", {"game-day"})],
)
def test_bash_completes_a_word(typed: str, expected: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    lab.main(["--completion", "bash"])
    script = capsys.readouterr().out
    ask = f'{script}\nCOMP_WORDS=(lab {typed}); COMP_CWORD=1; _lab; printf "%s\\n" "${{COMPREPLY[@]}}"'
    function = f'lab() {{ "{sys.executable}" -P -m flows.commands.lab "$@"; }}\n'
    done = subprocess.run(["bash", "-c", function + ask], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == expected


def test_a_shell_without_completion_is_told_which_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    with pytest.raises(InvalidInput, match="tcsh") as caught:
        lab.main(["--completion"])
    assert "bash, zsh, fish" in caught.value.evidence


def test_an_environment_of_another_lock_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "STAMP", tmp_path / ".complete")
    with pytest.raises(PrerequisiteMissing, match=r"today's requirements\.lock") as caught:
        lab.main(["status"])
    assert caught.value.next_command == "make setup"


def test_a_command_becomes_its_module_with_the_options_and_marks_of_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(lab.os, "execve", lambda _program, command, environment: begun.append((command, environment)))
    monkeypatch.setattr(lab, "_require_current", lambda: None)
    for arguments in (["up", "RATE=5", "--port", "19092"], ["stop"], ["serve-stop"]):
        lab.main(arguments)
    (up, _), (stop, marked), (served, _) = begun
    assert up[1:] == ["-P", "-m", "flows.start_up", "--rate=5", "--port", "19092"]
    assert stop[1:] == ["-P", "-m", "flows.tear_down"]
    assert marked["TRENDING_STOP_ONLY"] == "true"
    assert served[1:] == ["-P", "-m", "infra.prefect_services.server", "stop"]


def test_a_restart_ends_with_the_code_of_a_stop_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[list[str]] = []
    monkeypatch.setattr(lab, "_require_current", lambda: None)
    monkeypatch.setattr(lab.os, "execve", lambda _program, command, _environment: begun.append(command))
    monkeypatch.setattr(lab.os, "spawnve", lambda *_: 4)
    assert lab.main(["restart"]) == 4
    monkeypatch.setattr(lab.os, "spawnve", lambda *_: 0)
    assert lab.main(["restart", "--name=other"]) == 0
    assert [command[3:] for command in begun] == [["flows.start_up", "--name=other"]]
