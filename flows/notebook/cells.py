"""The functions that the cells of Notebook.ipynb call: the lab's commands as child processes, and pictures of the store.

A child process is independent of the kernel's event loop and imports, and is interrupted like a command in a terminal. Prefect
is not imported here.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from typing import TYPE_CHECKING

from IPython.display import HTML, DisplayHandle

from flows.notebook.processes import Run, runner, start_keeper
from infra.forms.stacks import LastStep, StartUpForm
from infra.forms.terminal import parse
from infra.host.clock import Clock, SystemClock
from infra.host.paths import StackPaths
from infra.host.processes import free_port
from infra.lab.store import place_of, store_exists
from infra.stack.state import read_state
from trending.drawing.notebook_pictures import count_lines, minute_columns, ranking_table, sample
from trending.errors import InvalidInput, LabError
from trending.programs.heartbeat import read_heartbeat
from trending.serving.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from trending.drawing.notebook_pictures import Sample
    from trending.serving.reader import StoreSnapshot

FIRST_PORT = 19092
PORTS = 100
"""Size of the range in which a notebook's ports lie."""
PAGE_SHIFT = 6
ZOOKEEPER_SHIFT = 5
BLOCK_RULE = "====="
NO_BLOCK = {"es": "Spark todavía no ha escrito ninguna clasificación.", "en": "Spark has not written any ranking yet."}
_open: dict[str, Notebook] = {}


class Notebook:
    """The notebook's stack. Every method can be called repeatedly, also after an interruption."""

    def __init__(self, settings: StartUpForm, run: Run, close: Callable[[], None], clock: Clock | None = None) -> None:
        self.settings = settings
        self.language = "es"
        self._run = run
        self._close = close
        self._clock = clock or SystemClock()
        self._samples: list[Sample] = []

    @property
    def name(self) -> str:
        """Name of the stack, for commands in a terminal."""
        return self.settings.stack.name

    @property
    def paths(self) -> StackPaths:
        """The stack's paths."""
        return StackPaths.of(self.name)

    def start(self, until: str = LastStep.PAGE) -> None:
        """Start the stack up to and including a step; existing parts are adopted."""
        self._run("start_up", [*arguments_of(self.settings), f"--until={LastStep(until)}"])

    def status(self) -> None:
        """Print the parts of the stack and their state."""
        self._run("status", [f"--name={self.name}"])

    def spy(self, limit: int = 5) -> None:
        """Print the first records of the topic."""
        self._run("spy", [f"--name={self.name}", f"--limit={limit}"])

    def show_ranking(self, seconds: float = 30.0, every: float = 5.0) -> None:
        """Show the current ranking as a table and update it every few seconds, for ``seconds`` in total."""
        deadline = self._clock.monotonic() + seconds
        handle = DisplayHandle()
        handle.display(HTML(self._look()))
        while (left := deadline - self._clock.monotonic()) > 0:
            self._clock.sleep(min(every, left))
            handle.update(HTML(self._look()))

    def _look(self) -> str:
        snapshot, now = self._snapshot(), time.time()
        self._samples.append(sample(snapshot.windows, now))
        return ranking_table(snapshot.windows[-1] if snapshot.windows else None, now, self.settings.stream.zone, self.language)

    def _snapshot(self) -> StoreSnapshot:
        state = read_state(self.paths)
        place = place_of(self.paths, state.settings, state.cluster_id) if state else self.paths.store
        if not store_exists(place):
            cause = "nothing was counted yet: the Spark job has not been started"
            raise LabError(cause, str(place), "run the cells above, from the top")
        reader = StoreReader(place)
        try:
            return reader.snapshot(as_of=time.time())
        finally:
            reader.close()

    def draw_counts(self) -> HTML:
        """Return how the leading hashtags grew while the table was shown."""
        return HTML(count_lines(self._samples, self.language))

    def draw_minutes(self) -> HTML:
        """Return the tweets of each window."""
        return HTML(minute_columns(self._snapshot().windows, self.settings.stream.zone, self.language))

    def print_block(self) -> None:
        """Print the last ranking that the Spark job wrote to its console."""
        log = self.paths.output_file("stream")
        sys.stdout.write(last_block(log.read_text(encoding="utf-8") if log.exists() else "", self.language) + "\n")

    def print_checkpoint(self) -> None:
        """Print the offsets of the last batch, by topic and partition, as Spark's checkpoint has them."""
        sys.stdout.write(last_offsets(self.paths.checkpoints) + "\n")

    def measure_work(self, seconds: float) -> None:
        """Watch the Spark job for so long, and print how many batches it ran and how long it worked."""
        begin = self._work()
        self._clock.sleep(seconds)
        end = self._work()
        settings = self.settings
        line = f"{settings.producer.rate:g} tweets/s, trigger {settings.stream.trigger_seconds:g} s"
        sys.stdout.write(f"{line}: {work_between(begin, end, seconds)}\n")

    def _work(self) -> Mapping[str, float]:
        beat = read_heartbeat(self.paths.heartbeat("stream"))
        return beat.figures if beat else {}

    def break_it(self, fault: str) -> None:
        """Have a game day of one fault: break it, wait until all is well, audit."""
        self._run("game_day", [f"--name={self.name}", f"--faults={fault}"])

    def prove(self) -> None:
        """Stop the producer, let Spark catch up, recount the log and compare; raises LabError if anything differs."""
        self._run("audit", [f"--name={self.name}", "--no-resume"])

    def close(self) -> None:
        """Take the stack down with its data."""
        self._run("tear_down", [f"--name={self.name}", "--volumes"])
        self._samples.clear()
        _open.pop(self.name, None)
        self._close()


def open_notebook(**options: object) -> Notebook:
    """Return this kernel's notebook, opened if need be. The options are those of ``make up``, except the name.

    Raises InvalidInput for one that is unknown or out of its bounds, before anything is started.
    """
    if "name" in options:
        cause = "a notebook has a stack of its own, named after its kernel"
        raise InvalidInput(cause, f"name={options['name']!r}", "leave the name out")
    name = f"notebook-{os.getpid()}"
    earlier = _open.get(name)
    settings = choose_settings(name, options, earlier.settings if earlier else None)
    if earlier:
        earlier.settings = settings
        return earlier
    mark = uuid.uuid4().hex
    run = runner(mark)
    if read_state(StackPaths.of(name)) is not None:
        # Left by an earlier kernel with this pid, for example after a power failure.
        run("tear_down", [f"--name={name}", "--volumes"])
    opened = _open[name] = Notebook(settings, run, start_keeper(name, mark))
    return opened


def choose_settings(name: str, options: Mapping[str, object], earlier: StartUpForm | None) -> StartUpForm:
    """Return the options as start-up's form, with the ports of the existing stack or else with free ones."""
    port = earlier.stack.port if earlier else free_port(FIRST_PORT, PORTS)
    ports = {"port": port, "zookeeper_port": port + ZOOKEEPER_SHIFT, "page_port": port + PAGE_SHIFT}
    filled = {**ports, **options, "name": name}
    return parse(StartUpForm, [_argument(option, value) for option, value in filled.items()], "open_notebook")


def arguments_of(settings: StartUpForm) -> list[str]:
    """Return the settings as command-line arguments."""
    sections = settings.model_dump(mode="json", exclude={"until"})
    return [_argument(name, value) for fields in sections.values() for name, value in fields.items() if value is not None]


def _argument(name: str, value: object) -> str:
    """Return a setting as an argument; what is true or false has no value there."""
    return f"--{name if value else f'no-{name}'}" if isinstance(value, bool) else f"--{name}={value}"


def work_between(begin: Mapping[str, float], end: Mapping[str, float], seconds: float) -> str:
    """Return the batches between two looks at the job's figures, and its time at work, in words that need no language."""
    batches, spent = (end.get(name, 0.0) - begin.get(name, 0.0) for name in ("batches", "seconds_total"))
    mean = f", {spent / batches:.2f} s/batch" if batches > 0 else ""
    return f"{batches:.0f} batches{mean}, {spent:.1f} s of {seconds:g} s at work"


def last_offsets(checkpoints: Path) -> str:
    """Return the last line of the newest file of offsets: the topic with its partitions."""
    files = [path for path in checkpoints.glob("*/offsets/*") if path.name.isdecimal()]
    newest = max(files, key=lambda path: (path.stat().st_mtime, int(path.name)), default=None)
    if newest is None:
        return "Spark: 0 batches"
    return f"batch {newest.name}: {newest.read_text(encoding='utf-8').splitlines()[-1]}"


def last_block(output: str, language: str = "es") -> str:
    """Return the last whole block of the job's output."""
    parts = output.split(f"{BLOCK_RULE}\n")
    whole = [part for part in parts if part.startswith("Batch ")]
    return f"{BLOCK_RULE}\n{whole[-1]}{BLOCK_RULE}" if whole else NO_BLOCK[language]
