"""Notebook.ipynb, executed by a real kernel on a real stack: from top to bottom, and ended at the worst moments."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import venv
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import psutil
import pytest
from jupyter_core.utils import ensure_event_loop, run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from packaging.requirements import Requirement
from real.harness import RealStack

from flows.notebook.keeper import UNDO_SECONDS
from infra.host.paths import CHECKOUT, StackPaths
from infra.host.processes import stack_processes
from infra.stack.state import read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CELL_SECONDS = 300
PARAMETERS = {
    "RUNTIME": '"embedded"',
    "TRIGGER_SECONDS": "2",
    "WATCH_SECONDS": "6",
    "RATE_TIMES": "10",
    "TRIGGERS": "(1,)",  # a driver started anew for each, 20 s
}
BY_HAND = ("mano", "grupos")
"""Cells that need a broker and start nothing."""
RESTARTING = ("ritmo", "intervalo", "averia")
"""Experiments that start something anew; a fast test compares the twin's code with theirs."""


@pytest.fixture(scope="module", autouse=True)
def _event_loop() -> Iterator[None]:
    """Jupyter's blocking calls make one event loop a thread, and keep it: the module's, closed at its end."""
    loop = ensure_event_loop()
    yield
    loop.close()


@pytest.fixture(autouse=True)
def _as_a_person_starts_jupyter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PREFECT_", "PYTEST_")) or (name.startswith("TRENDING_") and name != "TRENDING_HOME"):
            monkeypatch.delenv(name)


def notebook(file: str) -> Any:
    """Return the committed notebook, its parameters set for a small embedded stack."""
    read = nbformat.read(CHECKOUT / file, as_version=4)
    cell = next(each for each in read.cells if "parameters" in each.metadata.get("tags", []))
    for name, value in PARAMETERS.items():
        assert f"\n{name} = " in f"\n{cell.source}"
        cell.source += f"\n{name} = {value}"
    return read


class Kernel:
    """A kernel that executes the cells up to a point; one that starts a part may be skipped, since a later one does it too."""

    def __init__(self, name: str = "Notebook.ipynb") -> None:
        self.client = NotebookClient(notebook(name), timeout=CELL_SECONDS, resources={"metadata": {"path": str(CHECKOUT)}})

    @property
    def pid(self) -> int:
        pid: int = self.client.km.provisioner.pid  # type: ignore[union-attr]
        return pid

    @property
    def paths(self) -> StackPaths:
        return StackPaths.of(f"notebook-{self.pid}")

    def run(self, last: str, skip: tuple[str, ...] = ()) -> None:
        for index, cell in enumerate(self.client.nb.cells):
            if cell.id not in skip:
                self.client.execute_cell(cell, index)
            if cell.id == last:
                return

    def interrupt(self, name: str, after: float) -> bool:
        """Execute a cell and press Jupyter's interrupt button ``after`` so many seconds; returns whether it was still running."""
        index, cell = next((index, cell) for index, cell in enumerate(self.client.nb.cells) if cell.id == name)
        button = threading.Timer(after, lambda: os.kill(self.pid, signal.SIGINT))
        button.start()
        failed: CellExecutionError | None = None
        try:
            self.client.execute_cell(cell, index)
        except CellExecutionError as error:
            failed = error
        finally:
            button.join()
        assert failed is None or failed.ename in {"KeyboardInterrupt", "Interrupted"}, failed
        return failed is not None

    def shut_down(self) -> None:
        """End the kernel as closing its tab does."""
        run_sync(self.client.km.shutdown_kernel)()  # type: ignore[union-attr]

    def texts(self, kind: str) -> str:
        """Return everything that the cells showed: ``stream`` for printed lines, ``text/html`` for pictures."""
        outputs = [output for cell in self.client.nb.cells for output in cell.get("outputs", [])]
        return "\n".join(
            str(each.get("text", "") if kind == "stream" else each.get("data", {}).get(kind, "")) for each in outputs
        )


@pytest.fixture
def kernel(real_home: object) -> Iterator[Kernel]:
    made = Kernel()
    with made.client.setup_kernel():
        yield made


def keepers(name: str) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] and name in each.info["cmdline"]]


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.1)


def assert_nothing_left(paths: StackPaths, port: int) -> None:
    wait_until(lambda: keepers(paths.name) == [], UNDO_SECONDS + 120, "the keeper is done")
    RealStack(paths.name, port).assert_nothing_left()
    assert not paths.root.exists()
    assert list(paths.home.glob("notebook-*.log")) == []


def port_of(paths: StackPaths) -> int:
    state = read_state(paths)
    assert state is not None
    return state.settings.stack.port


@pytest.mark.parametrize(("name", "skipped"), [("Notebook.ipynb", ()), ("Notebook.en.ipynb", RESTARTING)])
def test_it_runs_from_top_to_bottom_proves_the_count_and_leaves_nothing(
    name: str, skipped: tuple[str, ...], real_home: object
) -> None:
    kernel = Kernel(name)
    with kernel.client.setup_kernel():
        run_through(kernel, skipped)


def run_through(kernel: Kernel, skipped: tuple[str, ...]) -> None:
    paths, pid = kernel.paths, kernel.pid
    kernel.run("prueba", skip=skipped)
    port = port_of(paths)
    printed, pictures = kernel.texts("stream"), kernel.texts("text/html")
    assert "lost 0, duplicated 0" in printed
    assert '"hashtag_principal":"#' in printed
    assert "Top hashtags en este minuto:" in printed
    assert [line for line in printed.splitlines() if line.startswith(("A: ", "B: "))] == [
        f'{group}: offset {number}, {{"n": {number}}}' for group in "AB" for number in range(5)
    ]
    assert "batch " in printed
    if not skipped:
        assert len(re.findall(r"(?m)^5(?:0)? tweets/s, trigger [12] s: \d+ batches, [\d.]+ s/batch", printed)) == 3
        assert "1 of 1 faults survived" in printed
    table = next(cell for cell in kernel.client.nb.cells if cell.id == "tabla")
    (shown,) = [output for output in table.outputs if "text/html" in output.get("data", {})]
    assert shown.data["text/html"].count("<tr>") >= 3, "a heading and at least two hashtags"
    assert pictures.count("<svg") == 2
    index, close = next((index, cell) for index, cell in enumerate(kernel.client.nb.cells) if cell.id == "final")
    kernel.client.execute_cell(close, index)
    assert psutil.pid_exists(pid), "the kernel lives and has taken its stack down all the same"
    assert_nothing_left(paths, port)


@pytest.mark.row(9, "E")
def test_a_kernel_killed_while_it_starts_kafka_leaves_nothing(kernel: Kernel) -> None:
    paths, pid = kernel.paths, kernel.pid
    ports: list[int] = []

    def strike() -> None:
        wait_until(lambda: bool(stack_processes(paths.stack_id, "kafka")), 120, "Kafka's process is there")
        ports.append(port_of(paths))
        os.kill(pid, signal.SIGKILL)

    striker = threading.Thread(target=strike)
    striker.start()
    with pytest.raises(DeadKernelError):
        kernel.run("infraestructura")
    striker.join()
    assert_nothing_left(paths, ports[0])


def test_a_kernel_shut_down_after_the_producer_leaves_nothing(kernel: Kernel) -> None:
    paths = kernel.paths
    kernel.run("productor", skip=("infraestructura", *BY_HAND))
    port = port_of(paths)
    assert stack_processes(paths.stack_id, "producer")
    kernel.shut_down()
    assert_nothing_left(paths, port)


@pytest.mark.row(8, "E")
@pytest.mark.parametrize("cell", ["infraestructura", "productor", "spark"])
def test_interrupted_in_a_cell_that_starts_something_and_closed_it_leaves_nothing(kernel: Kernel, cell: str) -> None:
    paths = kernel.paths
    kernel.run("abrir")
    assert kernel.interrupt(cell, after=4.0), "it takes longer than that"
    kernel.shut_down()
    wait_until(lambda: keepers(paths.name) == [], UNDO_SECONDS + 120, "the keeper is done")
    assert stack_processes(paths.stack_id) == []
    assert not paths.root.exists()
    assert list(paths.home.glob("notebook-*.log")) == []


def test_interrupted_in_each_of_the_cells_that_look_it_goes_on_and_interrupted_in_the_last_it_leaves_nothing(
    kernel: Kernel,
) -> None:
    paths = kernel.paths
    kernel.run("spark", skip=("infraestructura", "productor", "tema", *BY_HAND))
    port = port_of(paths)
    for cell in ("tema", "tabla", "lineas", "columnas", "consola", "prueba"):
        kernel.interrupt(cell, after=1.5)
    assert kernel.interrupt("tabla", after=1.5), "the table is shown for longer than that"
    kernel.run("prueba", skip=tuple(each.id for each in kernel.client.nb.cells if each.id != "prueba"))
    assert "lost 0, duplicated 0" in kernel.texts("stream")
    kernel.interrupt("final", after=1.0)
    kernel.shut_down()
    assert_nothing_left(paths, port)


def test_a_kernel_killed_while_it_shows_the_table_leaves_nothing(kernel: Kernel) -> None:
    paths, pid = kernel.paths, kernel.pid
    kernel.run("spark", skip=("infraestructura", "productor", "tema", *BY_HAND))
    port = port_of(paths)
    threading.Timer(3.0, lambda: os.kill(pid, signal.SIGKILL)).start()
    index, cell = next((index, cell) for index, cell in enumerate(kernel.client.nb.cells) if cell.id == "tabla")
    with pytest.raises(DeadKernelError):
        kernel.client.execute_cell(cell, index)
    assert_nothing_left(paths, port)


def bare_kernel(place: Path) -> str:
    """Make a kernel of another environment, which has ipykernel and nothing of the project; return its specification's name."""
    venv.create(place / "other", symlinks=True)
    site_packages = next((place / "other" / "lib").glob("python*/site-packages"))
    for name in needs_of("ipykernel", set()):
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top != ".." and not (site_packages / top).exists():
                (site_packages / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    specification = {
        "argv": [str(place / "other" / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "another",
        "language": "python",
    }
    (place / "kernels" / "another").mkdir(parents=True)
    (place / "kernels" / "another" / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")
    return "another"


def needs_of(name: str, known: set[str]) -> set[str]:
    """Return the distribution's name and those of all that it needs here."""
    if name not in known:
        known.add(name)
        for each in map(Requirement, distribution(name).requires or ()):
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                needs_of(each.name, known)
    return known


def test_a_kernel_of_another_environment_takes_the_projects(
    real_home: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a Jupyter that was there before is, and Colab but for git, apt and a Python of its own."""
    name = bare_kernel(tmp_path)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "")
    made = Kernel()
    made.client.kernel_name = name
    with made.client.setup_kernel():
        paths = made.paths
        with pytest.raises(CellExecutionError, match="ModuleNotFoundError"):
            made.run("abrir", skip=("entorno",))
        made.run("infraestructura")
        port = port_of(paths)
        assert "topic: created" in made.texts("stream")
        made.shut_down()
    assert_nothing_left(paths, port)
