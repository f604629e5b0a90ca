"""A real supervisord, in a directory whose path has what people's paths have."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
import socket as socketlib
import stat
import subprocess
import sys
import time
import xmlrpc.client
from typing import TYPE_CHECKING

import psutil
import pytest
from fakes.clock import FakeClock
from supervisor.options import ServerOptions
from supervisor.xmlrpc import Faults

from infra.host.paths import BUDGET_FILE
from infra.host.processes import STACK_VARIABLE, stack_processes
from infra.stack.declaration import Program
from infra.supervision import private_files as private
from infra.supervision.budget import SETTLED_SECONDS, note_death, read_budget
from infra.supervision.configuration import forget_program, forget_programs, write_configuration, write_program
from infra.supervision.control_socket import socket_of, supervisords
from infra.supervision.supervisor import FINAL_EXIT_CODES, ProgramStatus, Supervisor, clean_environment
from trending.errors import InvalidInput, LabError, NotOurs, NotReady, SupervisorUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STACK = f"test-supervisor-{os.getpid()}"
END = "make down NAME=lab"
SHOW = "import os,sys,time; [print(f'{k}={v}') for k, v in os.environ.items()]; print(sys.argv[1:], flush=True); time.sleep(60)"


def sh(name: str, script: str, stop_seconds: int = 5) -> Program:
    return Program(name, ("sh", "-c", script), {}, stop_seconds, f"hash of {script}")


PROGRAMS = (
    sh("steady", "echo steady; exec sleep 60"),
    sh("twelve", "sleep 1.15; exit 12"),
    sh("two", "sleep 1.15; exit 2"),
    sh("other", "sleep 1.15; exit 5"),
    sh("stubborn", "trap '' TERM; while :; do sleep 0.05; done", 1),
    Program("shown", (sys.executable, "-S", "-c", SHOW, "50 %", "a b", "ñ"), {"WITH": "100 % ñ, and; more"}, 5, "d1"),
)


def eventually(true: Callable[[], bool], seconds: float = 6.0 + 2 * SETTLED_SECONDS) -> None:
    """Wait; the listener books the next death only once it has given up another program, which takes as long as that settles."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


SPECIAL = {
    "a comment": "a #b ;c",
    "brackets": "[run] [!a] *?",
    "expansions": "%(here)s %(ENV_HOME)s %% 100%",
    "quotes": 'it\'s "here"',
    "backslashes": "a\\b\\n\\",
    "all": "el niño 1 # 2 ; [x] %(here)s ' \" \\ $HOME `id` ~ , = \t.",
}
"""What paths may have, and supervisord's configuration takes for something else."""


@pytest.mark.row(35)
@pytest.mark.parametrize("name", SPECIAL.values(), ids=SPECIAL)
def test_a_supervisord_and_its_programs_run_wherever_the_directory_lies(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    directory = tmp_path / name / "run"
    directory.mkdir(parents=True)
    for other in (tmp_path / "a" / "run", tmp_path / "r" / "run"):  # what a pattern would find in place of the directory
        (other / "programs").mkdir(parents=True)
        (other / "programs" / "foreign.conf").write_text("[program:foreign]\ncommand=sleep 60\n")
    out = directory / "seen.json"
    seen = "[sys.argv[1:], os.getcwd(), os.environ['WHERE']]"
    script = f"import json,os,sys,time; json.dump({seen}, open(sys.argv[1],'w')); time.sleep(60)"
    program = Program(
        "shown", (sys.executable, "-S", "-c", script, str(out), name, "; x", "#"), {"WHERE": str(directory)}, 5, "d"
    )
    supervisor = Supervisor(directory, f"{STACK}-special", END)
    try:
        assert supervisor.start()
        for each in (sh("before", "exec sleep 60"), program, sh("after", "exec sleep 60")):
            supervisor.launch(each)
        eventually(lambda: out.exists() and out.stat().st_size > 0)
        assert json.loads(out.read_text()) == [[str(out), name, "; x", "#"], str(directory), str(directory)]
        assert supervisor.status("foreign") is None
        eventually(lambda: bool(stack_processes(f"{STACK}-special", "budget")))
        supervisor.remove("before")
        assert supervisor.status("before") is None
        assert state(supervisor, "after").alive
        assert (directory / "logs" / "shown.err.log").exists()
    finally:
        supervisor.shutdown()
    assert not stack_processes(f"{STACK}-special")
    assert list(runtime.iterdir()) == []


@pytest.mark.row(35)
@pytest.mark.parametrize("name", ["two\nlines", "a\rb", "no utf-8 \udcff"])
def test_a_path_that_no_configuration_can_contain_is_refused_by_name(name: str, tmp_path: Path) -> None:
    directory = tmp_path / name
    directory.mkdir()
    with pytest.raises(InvalidInput, match="contains a line end, or is no UTF-8"):
        Supervisor(directory, f"{STACK}-refused", END).start()


@pytest.mark.row(35)
def test_programs_of_a_supervisord_of_an_earlier_version_are_declared_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration includes the programs from files, and says in a setting whose it is."""
    directory = tmp_path / "run"
    (directory / "logs").mkdir(parents=True)
    monkeypatch.chdir(directory)
    path = write_configuration(directory, "mark")
    mine = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith(";"))
    path.write_text(mine.replace("[supervisord]", f"[supervisord]\ndirectory={directory}") + "[include]\nfiles=programs/*.conf\n")
    assert socket_of(directory) == directory / "supervisor.sock"
    write_program(directory, sh("steady", "sleep 60"))
    options = ServerOptions()
    options.realize(["-c", str(path)])
    assert [group.name for group in options.process_group_configs] == ["budget", "steady"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("supervisor") / "el niño 100 % listo" / "run"


@pytest.fixture(scope="module")
def supervisor(directory: Path) -> Iterator[Supervisor]:
    """One supervisord for the module, with every program launched at once, since each needs a second to settle."""
    mine = Supervisor(directory, STACK, END)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
        patch.setenv("TRENDING_RATE", "5")
        directory.mkdir(parents=True)
        assert mine.start()
        for program in PROGRAMS:
            mine.launch(program)
    yield mine
    mine.shutdown()


def state(supervisor: Supervisor, name: str) -> ProgramStatus:
    status = supervisor.status(name)
    assert status is not None
    return status


def pid(supervisor: Supervisor, name: str) -> int:
    return state(supervisor, name).pid


def test_starting_it_again_starts_nothing(supervisor: Supervisor) -> None:
    before = supervisor._call("supervisor.getPID")
    assert supervisor.running()
    assert not supervisor.start()
    assert supervisor._call("supervisor.getPID") == before


def test_a_program_that_was_launched_runs_and_writes_its_log(supervisor: Supervisor) -> None:
    eventually(lambda: state(supervisor, "steady").state == "RUNNING")
    status = state(supervisor, "steady")
    assert status.alive
    assert psutil.Process(status.pid).name() == "sleep"
    assert abs(status.started - time.time()) < 30
    assert (supervisor.output / "steady.out.log").read_text() == "steady\n"


def test_an_unknown_program_has_no_status_and_can_be_stopped_and_removed(supervisor: Supervisor) -> None:
    assert supervisor.status("nobody") is None
    supervisor.stop("nobody")
    supervisor.remove("nobody")
    assert supervisor.status("nobody") is None


@pytest.mark.row(36)
def test_programs_see_their_arguments_and_environment_unchanged_and_nothing_of_prefect(supervisor: Supervisor) -> None:
    log = supervisor.output / "shown.out.log"
    eventually(lambda: log.exists() and "\n['50 %'" in log.read_text(encoding="utf-8"))
    *pairs, arguments = log.read_text(encoding="utf-8").splitlines()
    environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    assert arguments == "['50 %', 'a b', 'ñ']"
    assert environment["WITH"] == "100 % ñ, and; more"
    assert environment[STACK_VARIABLE] == STACK
    assert environment["TRENDING_COMPONENT"] == "shown"
    assert environment["TRENDING_DRIFT"] == "d1"
    assert not [name for name in environment if name.startswith("PREFECT_")]
    assert "TRENDING_RATE" not in environment


@pytest.mark.parametrize(("name", "exit_code"), [("two", 2), ("twelve", 12)])
def test_a_final_exit_code_is_not_followed_by_a_restart(supervisor: Supervisor, name: str, exit_code: int) -> None:
    eventually(lambda: state(supervisor, name).state == "EXITED")
    assert state(supervisor, name).exit_code == exit_code
    assert not state(supervisor, name).alive


def test_any_other_exit_is_followed_by_a_restart(supervisor: Supervisor, directory: Path) -> None:
    eventually(lambda: "other" in read_budget(directory / BUDGET_FILE))
    eventually(lambda: state(supervisor, "other").alive)


@pytest.mark.row(19)
def test_a_program_that_was_killed_comes_back_under_another_pid(supervisor: Supervisor) -> None:
    eventually(lambda: state(supervisor, "steady").state == "RUNNING")
    before = pid(supervisor, "steady")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: state(supervisor, "steady").alive and pid(supervisor, "steady") != before)


def test_deaths_that_nobody_expected_are_booked(supervisor: Supervisor, directory: Path) -> None:
    eventually(lambda: "steady" in read_budget(directory / BUDGET_FILE))
    assert not {"two", "twelve"} & set(read_budget(directory / BUDGET_FILE))
    assert read_budget(directory / BUDGET_FILE)["steady"].last_words == "terminated by SIGKILL"
    assert supervisor.running()


def test_a_stopped_program_stays_stopped_and_stays_known(supervisor: Supervisor) -> None:
    gone = pid(supervisor, "shown")
    supervisor.stop("shown")
    assert state(supervisor, "shown").state == "STOPPED"
    assert not psutil.pid_exists(gone)
    supervisor.stop("shown")
    assert not state(supervisor, "shown").alive


def test_a_removed_program_is_forgotten_though_it_ignores_sigterm(supervisor: Supervisor) -> None:
    gone = pid(supervisor, "stubborn")
    supervisor.remove("stubborn")
    assert supervisor.status("stubborn") is None
    assert not psutil.pid_exists(gone)


def test_programs_that_are_asked_to_stop_end_beside_each_other(supervisor: Supervisor) -> None:
    names = ("slow-1", "slow-2")
    for name in names:
        supervisor.launch(sh(name, "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.05; done"))
    eventually(lambda: all(state(supervisor, name).state == "RUNNING" for name in names))
    began = time.monotonic()
    for name in (*names, "nobody"):
        supervisor.ask_to_stop(name)
    assert time.monotonic() - began < 1, "nothing is waited for"
    for name in names:
        supervisor.remove(name)
        assert supervisor.status(name) is None
    supervisor.ask_to_stop(names[0])


def test_launching_again_takes_the_new_declaration(supervisor: Supervisor) -> None:
    supervisor.launch(sh("other", "echo anew; exec sleep 60"))
    eventually(lambda: "anew" in (supervisor.output / "other.out.log").read_text())
    assert state(supervisor, "other").alive


@pytest.mark.row(27)
def test_a_spent_budget_stops_the_program_even_after_a_restart_of_supervisord(supervisor: Supervisor, directory: Path) -> None:
    budget = directory / BUDGET_FILE
    supervisor.shutdown()
    for _ in range(5):
        assert not note_death(budget, "frail", time.time())
    assert supervisor.start()
    assert supervisor.status("steady") is None, "programs of an earlier life are declared anew, never by themselves"
    supervisor.launch(sh("frail", "exit 1"))
    eventually(lambda: state(supervisor, "frail").state == "STOPPED")
    assert read_budget(budget)["frail"].spent
    assert read_budget(budget)["frail"].last_words == "exit status 1"
    log = supervisor.output / "budget.err.log"
    eventually(lambda: "frail died more than 5 times" in log.read_text())


def test_a_shutdown_leaves_no_process_and_no_socket_and_works_twice(supervisor: Supervisor, directory: Path) -> None:
    supervisor.start()
    supervisor.launch(sh("steady", "exec sleep 60"))
    # supervisord, its listener and the program, which is invisible for the moment in which it becomes `sleep`
    eventually(lambda: len(stack_processes(STACK)) >= 3)
    supervisor.shutdown()
    assert stack_processes(STACK) == []
    assert not socket_of(directory).exists()
    assert not supervisor.running()
    assert supervisor.status("steady") is None
    supervisor.shutdown()


def frozen(supervisor: Supervisor) -> psutil.Process:
    process = psutil.Process(supervisor._call("supervisor.getPID"))
    process.suspend()
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    return process


@pytest.mark.row(25)
def test_a_frozen_supervisord_is_not_waited_for_not_joined_by_another_and_ended_by_its_mark(
    supervisor: Supervisor, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start()
    supervisor.launch(Program("steady", ("sleep", "60"), {}, 5, "d", {"KEY": "pnu_secret"}))
    eventually(lambda: len(stack_processes(STACK)) >= 3)
    process = frozen(supervisor)
    supervisor._patience = 0.2
    monkeypatch.setattr("infra.supervision.supervisor.ENDING_SECONDS", 0.2)
    started = time.monotonic()
    assert not supervisor.running()
    assert state(supervisor, "steady").pid in {each.pid for each in stack_processes(STACK, "steady")}
    with pytest.raises(SupervisorUnreachable, match="is there and can't be asked") as caught:
        supervisor.start()
    assert f"{END} ends it by its mark" in caught.value.next_command
    with pytest.raises(NotReady, match="supervisord does not answer"):
        supervisor.stop("steady")
    assert time.monotonic() - started < 5
    assert f"pid {process.pid}" in caught.value.evidence
    supervisor.shutdown()
    assert stack_processes(STACK) == []
    assert list((directory / "programs").iterdir()) == [], "the declarations may hold secrets"


def test_a_supervisord_whose_socket_is_gone_is_neither_joined_nor_ended_and_its_programs_are_seen_by_mark(
    supervisor: Supervisor, directory: Path
) -> None:
    """A cleaner of temporary files, or a person, has deleted the socket: its programs are well."""
    supervisor.start()
    supervisor.launch(sh("steady", "exec sleep 60"))
    eventually(lambda: state(supervisor, "steady").state == "RUNNING")
    before, living = state(supervisor, "steady"), {process.pid for process in stack_processes(STACK)}
    socket_of(directory).unlink()
    with pytest.raises(SupervisorUnreachable, match="can't be asked") as caught:
        supervisor.start()
    assert "its socket" in caught.value.evidence
    assert "is gone" in caught.value.evidence
    seen = state(supervisor, "steady")
    assert (seen.pid, seen.alive) == (before.pid, True)
    assert abs(seen.started - before.started) < 2
    assert supervisor.status("nobody") is None
    with pytest.raises(NotReady, match="no supervisord listens"):
        supervisor.launch(sh("steady", "exec sleep 60"))
    assert {process.pid for process in stack_processes(STACK)} == living
    supervisor.shutdown()
    assert stack_processes(STACK) == []
    assert supervisor.unreachable() == ""


def test_a_copied_directory_does_not_lead_to_the_originals_supervisord(
    supervisor: Supervisor, directory: Path, tmp_path: Path
) -> None:
    """Neither where the configuration came along, nor where the socket's own file did."""
    supervisor.start()
    copied = tmp_path / "copy"
    shutil.copytree(directory, copied, ignore=lambda _place, names: [name for name in names if name.endswith(".sock")])
    copy = Supervisor(copied, f"{STACK}-copy", END)
    assert not copy.running()
    copy.shutdown()
    socket_of(copied).symlink_to(socket_of(directory))
    assert not copy.running(), "who answers says whose he is"
    assert supervisor.running()


@pytest.mark.row(35)
def test_nothing_is_touched_where_another_homes_supervisord_works_in_the_same_directory(
    supervisor: Supervisor, directory: Path
) -> None:
    """As by a bind mount: Prefect's server in the other home lost its socket, and its programs their declarations."""
    supervisor.start()
    supervisor.launch(PROGRAMS[0])
    before = {place: place.read_bytes() for place in (directory / "supervisord.conf", directory / "programs" / "steady.conf")}
    other = Supervisor(directory, f"{STACK}-elsewhere", END)
    for work in (other.start, other.shutdown, other.require_reachable):
        with pytest.raises(NotOurs, match="this is its directory under another path") as caught:
            work()
        assert STACK in caught.value.cause
    assert {place: place.read_bytes() for place in before} == before
    assert supervisor.running()


def test_one_that_answers_only_the_second_question_is_not_joined_by_another(
    supervisor: Supervisor, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start()
    living = psutil.Process(supervisor._call("supervisor.getPID"))
    answers = iter([False, True])
    again = Supervisor(directory, STACK, END)
    monkeypatch.setattr(again, "running", lambda: next(answers, True))
    with pytest.raises(SupervisorUnreachable):
        again.start()
    assert [process.pid for process in supervisords(STACK)] == [living.pid]


@pytest.mark.row(35)
@pytest.mark.parametrize("variable", ["TMPDIR", "XDG_RUNTIME_DIR", "HOME"])
def test_a_supervisord_is_found_whatever_the_shell_exports(
    supervisor: Supervisor, directory: Path, tmp_path: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start()
    monkeypatch.setenv(variable, str(tmp_path))
    another = Supervisor(directory, STACK, END)
    assert another.running()
    assert not another.start()


@pytest.mark.row(31)
def test_a_supervisord_in_a_path_too_long_for_a_socket_has_one_in_a_directory_for_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("ñandú " * 20) / "run"
    deep.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    mine = Supervisor(deep, f"{STACK}-deep", END)
    assert mine.start()
    socket = socket_of(deep)
    assert socket.parent != deep
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert Supervisor(deep, f"{STACK}-deep", END).running()
    mine.shutdown()
    assert not socket.parent.exists()
    assert mine.start(), "its record names a place that is gone"
    fresh = socket_of(deep)
    assert fresh.parent not in {deep, socket.parent}
    mine.shutdown()
    assert not fresh.parent.exists()


def test_a_supervisord_that_accepts_and_never_answers_is_asked_shorter_and_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.supervision.supervisor.QUESTION_SECONDS", 0.3)
    monkeypatch.setattr("infra.supervision.supervisor.IMPATIENT_SECONDS", 0.01)
    (tmp_path / "programs").mkdir()
    with socketlib.socket(socketlib.AF_UNIX) as listener:
        listener.bind(str(socket_of(tmp_path)))
        listener.listen(1)
        mute = Supervisor(tmp_path, f"{STACK}-mute", END)
        started = time.monotonic()
        assert not mute.running()
        assert time.monotonic() - started >= 0.3
        assert mute.status("stream") is None
        assert not mute.running()  # its queue is full by now, which is silence as well
        assert not mute.running()
        with pytest.raises(NotReady, match="does not answer"):
            mute.launch(sh("steady", "exec sleep 60"))
        assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "value", ["plain", "pa #ss", "pa;ss", "pa ;ss", 'pa"ss', "'p' \"a\"", "p%ss %(x)s", "two\nlines", "ñ\\ "]
)
def test_a_program_gets_every_character_of_its_environment_and_its_secrets(
    tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As supervisord reads it, without one: its own parser on the file, then what the command does first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    write_configuration(tmp_path, STACK)
    write_program(tmp_path, Program("worker", ("the", "command"), {"SHOWN": value}, 3, "x", {"KEY": value}))
    options = ServerOptions()
    options.realize(["-c", str(tmp_path / "supervisord.conf")])
    (section,) = [each for group in options.process_group_configs for each in group.process_configs if each.name == "worker"]
    assert "KEY" not in section.environment
    for name, shown in section.environment.items():
        monkeypatch.setenv(name, shown)
    monkeypatch.setenv("KEY", "of an earlier life")
    argv = shlex.split(section.command)[3:]
    became: list[str] = []
    monkeypatch.setattr("sys.argv", ["private", *argv])
    monkeypatch.setattr("os.execvp", lambda _file, words: became.extend(words))
    private.main()
    assert became == ["the", "command"]
    assert (os.environ["SHOWN"], os.environ["KEY"]) == (value, value)


@pytest.mark.row(37)
def test_what_supervisord_reads_is_for_the_user_alone(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir(mode=0o755)
    configuration = write_configuration(tmp_path, STACK)
    write_program(tmp_path, Program("worker", ("it",), {}, 3, "x", {"PREFECT_API_KEY": "pnu_secret"}))
    assert "pnu_secret" not in (tmp_path / "programs" / "worker.conf").read_text()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (configuration, *(tmp_path / "programs").iterdir())}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "programs").stat().st_mode) == 0o700


def test_a_supervisord_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.supervision.configuration.place_socket", lambda _directory: tmp_path / ("s" * 120))
    broken = Supervisor(tmp_path, f"{STACK}-broken", END)
    with pytest.raises(NotReady, match="did not start") as caught:
        broken.start()
    assert caught.value.evidence


def test_a_supervisord_that_does_not_end_is_named_with_its_pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        frozen = Supervisor(tmp_path, STACK, END, FakeClock())
        monkeypatch.setattr(frozen, "_call", {"supervisor.getPID": child.pid, "supervisor.getIdentification": STACK}.get)
        with pytest.raises(LabError) as caught:
            frozen.shutdown()
        assert caught.value.next_command == f"kill -9 {child.pid}"
        child.kill()


def test_a_supervisord_that_is_a_zombie_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        dead = Supervisor(tmp_path, STACK, END, FakeClock())

        def call(method: str) -> int | str | None:
            if psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE:
                raise NotReady("no supervisord listens")
            if method == "supervisor.shutdown":
                os.kill(child.pid, signal.SIGKILL)
                eventually(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
            return {"supervisor.getPID": child.pid, "supervisor.getIdentification": STACK}.get(method)

        monkeypatch.setattr(dead, "_call", call)
        dead.shutdown()
        assert not dead.running()


@pytest.mark.row(36)
def test_the_environment_of_programs_is_utf8_whatever_the_users_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "POSIX")
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "x")
    monkeypatch.setenv("SOMETHING_ELSE", "left out")
    environment = clean_environment("mark")
    assert environment["LC_ALL"] == "C.UTF-8"
    assert environment[STACK_VARIABLE] == "mark"
    assert "SOMETHING_ELSE" not in environment
    assert "PREFECT__FLOW_RUN_ID" not in environment


@pytest.mark.row(36)
def test_the_environment_of_programs_has_nothing_of_makes_and_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://hooks.example/SECRET"
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "GNUMAKEFLAGS", "ALERT_URL", "TRENDING_ALERT_URL"):
        monkeypatch.setenv(name, address)
    monkeypatch.setenv("RATE", "5")  # a setting, though nobody gave it by its full name
    monkeypatch.setenv("FAULTS", "jvm-killed")
    monkeypatch.setenv("TRENDING_FAULTS", "jvm-killed")
    monkeypatch.setenv("TRENDING_HOME", "/lab")
    monkeypatch.setenv("HOME", "/root")
    environment = clean_environment("mark")
    assert address not in environment.values()
    assert not {"MAKELEVEL", "RATE", "FAULTS", "TRENDING_HOME"} & set(environment)
    assert environment["HOME"] == "/root"


def info(name: str, word: str) -> dict[str, object]:
    return {"name": name, "statename": word, "pid": 5, "exitstatus": 0, "spawnerr": "", "start": 0}


class FakeRpc:
    """Answers as supervisord does: a state a call, and a fault for stopProcess."""

    def __init__(self, fault: int, *words: str) -> None:
        self.fault = fault
        self.words = list(words)

    def __call__(self, method: str, *arguments: object) -> dict[str, object]:
        if method == "supervisor.getProcessInfo" and self.words:
            return info(str(arguments[0]), self.words.pop(0) if len(self.words) > 1 else self.words[0])
        raise xmlrpc.client.Fault(self.fault, "a fault")


@pytest.fixture
def alone(tmp_path: Path) -> tuple[Supervisor, FakeClock]:
    """A supervisor that talks to nobody, on a clock of pretend."""
    clock = FakeClock()
    return Supervisor(tmp_path, STACK, END, clock), clock


def test_a_program_that_somebody_else_is_stopping_is_waited_for(
    alone: tuple[Supervisor, FakeClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, clock = alone
    monkeypatch.setattr(mine, "_call", FakeRpc(Faults.NOT_RUNNING, "STOPPING", "STOPPING", "STOPPED"))
    mine.stop("stream")
    assert clock.naps == 2


class Restarting:
    """Answers as supervisord does for a program that has just died: it starts it again after ``asked`` questions."""

    def __init__(self, asked: int) -> None:
        self.state = "EXITED"
        self.asked = asked

    def __call__(self, method: str, *arguments: object) -> object:
        if method == "supervisor.stopProcess":
            if self.state in {"EXITED", "STOPPED"}:
                raise xmlrpc.client.Fault(Faults.NOT_RUNNING, "NOT_RUNNING")
            self.state = "STOPPED"
            return True
        self.asked -= 1
        if self.state == "EXITED" and self.asked < 1:
            self.state = "STARTING"
        return info(str(arguments[0]), self.state) | {"exitstatus": 1}


def test_a_program_between_its_death_and_its_next_start_is_stopped_too(
    alone: tuple[Supervisor, FakeClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, _clock = alone
    program = Restarting(asked=4)
    monkeypatch.setattr(mine, "_call", program)
    mine.stop("stream")
    assert program.state == "STOPPED"


def test_a_program_that_has_ended_for_good_is_not_waited_for(
    alone: tuple[Supervisor, FakeClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, clock = alone
    final = int(FINAL_EXIT_CODES.split(",")[0])
    ended = FakeRpc(Faults.NOT_RUNNING, "EXITED")
    monkeypatch.setattr(mine, "_call", lambda *asked: ended(*asked) | {"exitstatus": final})
    mine.stop("stream")
    assert clock.naps == 0


def test_a_program_that_stays_in_stopping_is_named_in_the_end(
    alone: tuple[Supervisor, FakeClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, clock = alone
    monkeypatch.setattr(mine, "_call", FakeRpc(Faults.NOT_RUNNING, "STOPPING"))
    with pytest.raises(LabError, match="the program stream does not end"):
        mine.stop("stream")
    assert 60 <= clock.now - 1000 < 61


def test_a_program_that_dies_at_once_is_launched_all_the_same(
    alone: tuple[Supervisor, FakeClock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, _clock = alone
    (tmp_path / "programs").mkdir()

    def call(method: str, *_arguments: object) -> None:
        if method == "supervisor.getProcessInfo":
            raise xmlrpc.client.Fault(Faults.BAD_NAME, "unknown")
        if method == "supervisor.startProcess":
            raise xmlrpc.client.Fault(Faults.SPAWN_ERROR, "it was dead before supervisord answered")

    monkeypatch.setattr(mine, "_call", call)
    mine.launch(sh("frail", "exit 1"))


def test_a_fault_that_nobody_expected_is_not_swallowed(
    alone: tuple[Supervisor, FakeClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, _clock = alone
    monkeypatch.setattr(mine, "_call", FakeRpc(Faults.FAILED))
    for ask in (mine.stop, mine.status):
        with pytest.raises(xmlrpc.client.Fault):
            ask("stream")


def test_a_program_is_forgotten_on_a_full_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = write_configuration(tmp_path, STACK)
    alone = configuration.read_text()
    for name in ("stream", "producer"):
        write_program(tmp_path, Program(name, ("it",), {}, 3, "x"))

    def full_disk(_path: Path, _text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("infra.supervision.configuration.write_private", full_disk)
    forget_program(tmp_path, "stream")
    assert "[program:producer]" in configuration.read_text()
    assert "[program:stream]" not in configuration.read_text()
    forget_programs(tmp_path)
    assert configuration.read_text() == alone
    assert stat.S_IMODE(configuration.stat().st_mode) == 0o600
