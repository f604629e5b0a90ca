from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from fakes.clock import FakeClock
from fakes.trending import counting
from IPython.core.inputtransformer2 import TransformerManager

from flows.notebook import cells as module
from flows.notebook import keeper as notebook_keeper
from flows.notebook import processes
from flows.notebook.cells import Notebook, arguments_of, choose_settings, last_block, last_offsets, open_notebook, work_between
from flows.notebook.code_views import file_part, function
from flows.notebook.keeper import MARK
from flows.notebook.maker import NOTEBOOKS, notebook
from flows.notebook.processes import relay, runner, start_keeper
from infra.forms.stacks import StartUpForm
from infra.host.paths import CHECKOUT, StackPaths
from trending.errors import InvalidInput, LabError
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from pathlib import Path

BY_HAND = {"mano", "grupos"}
"""Cells that show how to do something without the project's commands; they need a broker."""


def code_of(language: str) -> list[Any]:
    cells = nbformat.read(CHECKOUT / NOTEBOOKS[language], as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


BLOCK = "=====\nBatch {n} - Snapshot en 2026-11-23 09:28:11\n|#Spark|{n}|\n=====\n"


class Shown:
    """Stands in for IPython's display handle."""

    pictures: list[str]

    def __init__(self) -> None:
        Shown.pictures = []

    def display(self, picture: Any) -> None:
        self.pictures.append(picture.data)

    update = display


class Commands:
    """Stands in for the runner: what was run, and errors to order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.fail: type[BaseException] | None = None

    def __call__(self, command: str, arguments: list[str]) -> None:
        self.calls.append((command, arguments))
        if self.fail:
            raise self.fail

    @property
    def names(self) -> list[str]:
        return [name for name, _arguments in self.calls]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands()
    monkeypatch.setattr(module, "_open", {})
    monkeypatch.setattr(module, "runner", lambda _mark: made)
    monkeypatch.setattr(module, "start_keeper", lambda _name, _mark: lambda: made.calls.append(("keeper told", [])))
    monkeypatch.setattr(module, "DisplayHandle", Shown)
    return made


def count(paths: StackPaths, tweets: dict[tuple[int, str], int], batch: int = 1) -> None:
    paths.data.mkdir(parents=True, exist_ok=True)
    store = Store(paths.store)
    counting.write(store, "one", Batch(number=batch, at=60.0, tweets=tweets, foreign={}))
    store.close()


@pytest.mark.parametrize("language", NOTEBOOKS)
def test_the_notebook_is_what_its_source_makes_and_has_no_outputs(language: str) -> None:
    committed = CHECKOUT / NOTEBOOKS[language]
    assert committed.read_text(encoding="utf-8") == notebook(language), "make docs"
    nbformat.validate(nbformat.read(committed, as_version=4))
    code = code_of(language)
    assert code
    for cell in code:
        assert cell.outputs == []
        assert cell.execution_count is None
        if cell.id not in {"entorno", "hora", *BY_HAND}:  # the first runs before flows/notebook/cells.py can be imported
            assert len(cell.source.splitlines()) <= 8, "what a cell does belongs into flows/notebook/cells.py"


def test_both_notebooks_have_the_same_cells_and_run_the_same_commands() -> None:
    first, second = (nbformat.read(CHECKOUT / name, as_version=4).cells for name in NOTEBOOKS.values())
    assert [(cell.id, cell.cell_type) for cell in first] == [(cell.id, cell.cell_type) for cell in second]
    for one, other in zip(first, second, strict=True):
        assert one.metadata == other.metadata
        if one.cell_type == "code":
            assert calls_of(one.source) == calls_of(other.source), one.id
        else:
            assert one.source.strip() != other.source.strip(), f"{one.id} is not translated"
            assert one.source.count("<details>") == other.source.count("<details>"), one.id
    assert "‖" not in notebook("es") + notebook("en")
    assert sum("**Pregunta.**" in cell.source for cell in first) == sum("**Question.**" in cell.source for cell in second) >= 8


def calls_of(source: str) -> list[str]:
    """Return which names a cell calls, in the order of its tree."""
    tree = ast.parse(TransformerManager().transform_cell(source))
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("language", NOTEBOOKS)
def test_every_cell_runs_on_a_machine_of_pretend_and_the_order_is_start_ups(
    language: str, commands: Commands, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scope: dict[str, Any] = {}
    monkeypatch.setattr("flows.notebook.cells.SystemClock", FakeClock)
    for cell in code_of(language):
        if cell.id in BY_HAND:
            continue
        if "show_ranking" in cell.source:
            count(scope["lab"].paths, {(0, "#Spark"): 3})
        plain = TransformerManager().transform_cell(cell.source)
        exec(compile(plain, cell.id, "exec"), scope)  # noqa: S102 - the notebook's own cells
    starts = ["start_up"] * 3
    experiments = [*starts, "game_day"]
    first = ["start_up", "start_up", "spy", "start_up", "status"]
    assert commands.names == [*first, *experiments, "audit", "tear_down", "keeper told"]
    asked = [arguments for name, arguments in commands.calls if name == "start_up"]
    assert [arguments[-1] for arguments in asked] == ["--until=topic", "--until=producer", *["--until=page"] * 4]
    assert [[each for each in arguments if each.startswith("--rate=")] for arguments in asked[2:]] == [
        ["--rate=5.0"],
        ["--rate=250.0"],
        ["--rate=5.0"],
        ["--rate=5.0"],
    ]
    triggers = [[each for each in arguments if each.startswith("--trigger_seconds=")] for arguments in asked[4:]]
    assert triggers == [["--trigger_seconds=1.0"], ["--trigger_seconds=30.0"]]
    assert Shown.pictures[-1].count("<tr>") == 2
    assert ("Puesto" if language == "es" else "Rank") in Shown.pictures[-1]
    printed = capsys.readouterr().out
    assert "Spark: 0 batches" in printed
    window = "ventana" if language == "es" else "window"
    shown = re.findall(r"(?m)^ +(\d+) s  (\w+) +(\w+) +(.*)$", printed)
    assert shown == [
        ("0", "arrival", "tweet", f"{window} +0 min"),
        ("0", "event", "tweet", f"{window} +0 min"),
        ("15", "arrival", "tweet", f"{window} +1 min"),
        ("15", "event", "tweet", f"{window} +0 min"),
        ("180", "arrival", "tweet", f"{window} +3 min"),
        ("180", "event", "reject", "late: its window closed before it was appended"),
    ]


def test_code_is_shown_as_it_is_in_its_file() -> None:
    text = (CHECKOUT / "src/trending/stream/job.py").read_text(encoding="utf-8")
    shown = function("src/trending/stream/job.py", "count_hashtags", "start_query").data
    first, second = shown.split("\n\n\n")
    assert first in text
    assert second in text
    assert "readStream" in first
    assert "def _hand_over" in function("src/trending/producer/program.py", "_hand_over").data
    compose = file_part("infra/compose.yaml", "services:", "volumes:\n  compose").data
    assert compose.startswith("services:\n  kafka:")
    assert "KAFKA_PROCESS_ROLES" in compose
    assert compose.splitlines()[-1].startswith("        max-file")
    with pytest.raises(LabError, match="no function nobody"):
        function("src/trending/stream/job.py", "nobody")
    with pytest.raises(LabError, match="no part from 'nothing:'"):
        file_part("infra/compose.yaml", "nothing:", "volumes:")


def test_the_jobs_work_and_the_checkpoint_are_told_in_figures(tmp_path: Path) -> None:
    begin, end = {"batches": 3.0, "seconds_total": 1.0}, {"batches": 7.0, "seconds_total": 3.5}
    assert work_between(begin, end, 20.0) == "4 batches, 0.62 s/batch, 2.5 s of 20 s at work"
    assert work_between({}, {}, 5.0) == "0 batches, 0.0 s of 5 s at work"
    for number, offset in ((9, 40), (10, 50)):
        path = tmp_path / "key" / "offsets" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'v1\n{{}}\n{{"tweets_topic":{{"0":{offset}}}}}', encoding="utf-8")
        os.utime(path, (1, 1))
    assert last_offsets(tmp_path) == 'batch 10: {"tweets_topic":{"0":50}}'


def test_a_notebook_has_a_name_of_its_own_and_free_ports_and_is_opened_once(commands: Commands) -> None:
    first = open_notebook(runtime="embedded", rate=5)
    assert first.name == f"notebook-{os.getpid()}"
    assert first.settings.stack.runtime is RuntimeKind.EMBEDDED
    assert first.settings.page.page_port == first.settings.stack.port + 6
    port = first.settings.stack.port
    again = open_notebook(runtime="embedded", rate=7)
    assert again is first
    assert (again.settings.producer.rate, again.settings.stack.port) == (7, port)
    first.close()
    assert open_notebook() is not first


@pytest.mark.parametrize("options", [{"name": "trending"}, {"rate": -1}, {"speed": 3}])
def test_a_wrong_option_is_refused_before_anything_is_started(commands: Commands, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        open_notebook(**options)
    assert commands.calls == []


@pytest.mark.parametrize("secure", [True, False])
def test_the_arguments_say_exactly_the_settings(*, secure: bool) -> None:
    options = {"runtime": "embedded", "secure": secure, "rate": 2.5, "seed": 7, "time_zone": "Europe/Madrid", "port": 23000}
    settings = choose_settings("notebook-1", options, None)
    assert module.parse(StartUpForm, arguments_of(settings), "up") == settings


def test_the_arguments_say_where_the_cluster_and_the_store_are() -> None:
    options = {
        "runtime": "external",
        "bootstrap": "localhost:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "kafka_user": "lab",
        "kafka_secret": "env:KAFKA_PASSWORD",
        "store_url": "postgresql+psycopg://lab@localhost:5432/lab",
    }
    settings = choose_settings("notebook-1", options, None)
    assert module.parse(StartUpForm, arguments_of(settings), "up") == settings


def test_a_window_of_another_clocks_future_is_not_the_current_one(commands: Commands) -> None:
    notebook = open_notebook()
    count(notebook.paths, {(0, "#Spark"): 3, (60 * 10**9, "#future"): 1})
    assert "#Spark" in notebook._look()


def test_the_table_is_drawn_anew_every_five_seconds_for_a_bounded_time(commands: Commands) -> None:
    opened = open_notebook()
    clock = FakeClock(lambda: count(opened.paths, {(60, "#Spark"): 3 + clock.naps}))
    watched = Notebook(opened.settings, commands, lambda: None, clock)
    count(opened.paths, {(0, "#Old"): 9, (60, "#Spark"): 2, (60, "<script>"): 1})
    watched.show_ranking(seconds=12, every=5)
    assert clock.monotonic() == 1012
    assert len(Shown.pictures) == 4
    assert [re.findall(r"#Spark</td><td [^>]*>(\d+)", picture) for picture in Shown.pictures] == [["2"], ["3"], ["4"], ["5"]]
    assert "&lt;script&gt;" in Shown.pictures[-1]
    assert not any("<script" in picture or "#Old" in picture for picture in Shown.pictures)
    assert "#Spark 5" in watched.draw_counts().data
    assert watched.draw_minutes().data.count("<rect") == 2


def test_looking_before_anything_was_counted_says_what_to_do(commands: Commands) -> None:
    with pytest.raises(LabError, match="has not been started"):
        open_notebook().show_ranking(seconds=0)


def test_a_tear_down_that_fails_leaves_it_to_the_keeper(commands: Commands) -> None:
    opened = open_notebook()
    commands.fail = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        opened.close()
    assert "keeper told" not in commands.names
    assert open_notebook() is opened


def test_what_an_earlier_kernel_of_the_same_pid_left_is_taken_down_first(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "read_state", lambda _paths: object())
    open_notebook()
    assert commands.calls == [("tear_down", [f"--name=notebook-{os.getpid()}", "--volumes"])]


def test_the_last_whole_block_is_shown(commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    whole = BLOCK.format(n=1) + BLOCK.format(n=2)
    assert last_block(whole) + "\n" == BLOCK.format(n=2)
    assert last_block(f"{whole}refused in batch 3: 1 late: partition 0, offset 9\n") + "\n" == BLOCK.format(n=2)
    opened = open_notebook()
    opened.print_block()
    assert "todavía" in capsys.readouterr().out
    opened.paths.output.mkdir(parents=True)
    (opened.paths.output / "stream.out.log").write_text(whole, encoding="utf-8")
    opened.print_block()
    assert capsys.readouterr().out == BLOCK.format(n=2)


def test_a_commands_lines_come_as_it_prints_them_and_its_exit_code_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    run = runner("mark")
    with pytest.raises(LabError, match="logs ended with exit code 11") as caught:
        run("logs", ["--name=nobody"])
    assert "there is no stack nobody" in capsys.readouterr().out
    assert "make up NAME=nobody" in caught.value.evidence


SLEEPER = """
import signal, sys, time
def end(*_): print("undone", flush=True); sys.exit(130)
signal.signal(signal.SIGTERM, end)
print("started", flush=True)
time.sleep(60)
"""


def test_an_interrupted_cell_waits_for_the_commands_undoing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    package = tmp_path / "flows"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sleeper.py").write_text(SLEEPER, encoding="utf-8")
    monkeypatch.setattr(processes, "CHECKOUT", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = threading.Event()

    def relay_until_started(process: subprocess.Popen[str]) -> str:
        if not started.is_set():
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            started.set()
            signal.raise_signal(signal.SIGINT)
        return relay(process)

    monkeypatch.setattr(processes, "relay", relay_until_started)
    with pytest.raises(KeyboardInterrupt):
        runner("mark")("sleeper", [])
    assert capsys.readouterr().out == "undone\n"


NAME = f"notebook-{os.getpid()}"
"""Another run of the suite beside this one has keepers of its own."""
KEPT = """
import sys
from flows.notebook.cells import start_keeper
done = start_keeper("{name}", "{mark}")
print("kept", flush=True)
sys.stdin.readline()
if {told}: done()
"""


def keepers() -> list[int]:
    return [
        process.pid
        for process in notebook_keeper.psutil.process_iter(["cmdline"])
        if process.info["cmdline"] and NAME in process.info["cmdline"]
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(("told", "killed"), [(True, False), (False, False), (False, True)])
def test_the_keeper_cleans_up_after_any_end_of_the_kernel_unless_it_was_told(told: bool, killed: bool, home: Path) -> None:  # noqa: FBT001
    paths = StackPaths.of(NAME)
    paths.root.mkdir(parents=True)
    paths.state.write_text("damaged", encoding="ascii")  # a take-down with its data deletes it all the same
    (paths.data / "kafka").mkdir(parents=True)
    (paths.data / "kafka" / "meta.properties").touch()  # so that the data is known to be here, with a Docker engine or without
    kernel = subprocess.Popen(
        [sys.executable, "-c", KEPT.format(name=NAME, mark="m", told=told)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert kernel.stdout is not None
    assert kernel.stdin is not None
    assert kernel.stdout.readline() == b"kept\n"
    assert len(keepers()) == 1
    if killed:
        kernel.kill()
    kernel.communicate()
    deadline = time.monotonic() + 60
    while keepers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert keepers() == []
    assert paths.root.exists() is told
    assert list(home.glob("*.log")) == []


def test_the_keeper_interrupts_the_notebooks_commands_and_only_those() -> None:
    mine, other = (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", word], env={**os.environ, MARK: mark})
        for word, mark in (("flows.start_up", "mine"), ("flows.start_up", "other"))
    )
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, MARK: "mine"})
    try:
        assert [process.pid for process in notebook_keeper.commands_of("mine")] == [mine.pid]
    finally:
        for process in (mine, other, program):
            process.kill()
            process.wait()


@pytest.mark.thorough
def test_a_take_down_that_fails_leaves_its_words(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_keeper, "commands_of", lambda _mark: [])
    notebook_keeper.clean_up("Not A Name", "m")
    assert "name" in (home / "Not A Name.log").read_text(encoding="utf-8")


def test_a_keeper_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "interpreter", lambda: "/bin/false")
    with pytest.raises(LabError, match="could not be started"):
        start_keeper(NAME, "m")
