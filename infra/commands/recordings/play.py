"""Play a recording of the page, or open the page on a recorded store: no broker, no Spark, no Prefect server. Ctrl-C ends it."""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from infra.forms.showing import PlayForm
from infra.forms.terminal import run_command
from infra.host.processes import free_port, port_owner, usual_or_free
from trending.errors import InvalidInput, PortTaken
from trending.page.program import main as show
from trending.page.program import play
from trending.page.recorded.events import read_first
from trending.programs.lifecycle import stop_on_signals
from trending.programs.specifications import PageSpec
from trending.settings import PageSettings, StackSettings
from trending.text import for_make


def main(settings: PlayForm) -> None:
    """Serve the page until a signal arrives; raises InvalidInput if there is no such file, or it is none of ours."""
    shown = Path(settings.store or settings.recording).absolute()
    if settings.store:
        _require_store(shown)
    else:
        read_first(shown)
    which = f"STORE={for_make(settings.store)}" if settings.store else f"RECORDING={for_make(str(shown))}"
    usual = PageSettings().page_port
    if not settings.page.page_port:
        cause = "PAGE_PORT=0 means no page, and there is nothing else to show it on"
        raise InvalidInput(cause, "nothing was started", f"make replay-demo PAGE_PORT={usual}")
    page = settings.page.model_copy(update={"page_port": usual_or_free(settings.page.page_port, usual)})
    if (owner := port_owner(page.page_port)) is not None:
        cause = f"the page's port is taken ({owner})"
        free = free_port(page.page_port + 1, 1)
        raise PortTaken(cause, "nothing was started", f"make replay-demo {which} PAGE_PORT={free}")
    stop = stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="trending-recording-") as place:
        spec = PageSpec(
            bootstrap="",
            topic=StackSettings().topic,
            heartbeat=Path(place) / "page.json",
            settings=page,
            stack_id="recording",
            name=shown.stem,
            store=shown,
            time_zone=None,
        )
        what = "recorded store is shown" if settings.store else "recording is played"
        sys.stdout.write(f"the {what} at {page.address}; Ctrl-C ends it\n")
        if settings.store:
            show(spec, stop)
        else:
            play(spec, shown, stop)


def _require_store(store: Path) -> None:
    if not store.is_file():
        cause = f"there is no recorded store {store}"
        raise InvalidInput(cause, "a stack's own is data/serving.sqlite in its directory", "make replay-demo STORE=…")
    if lack := _lack(store):
        cause = f"{store} is no recorded store"
        raise InvalidInput(cause, lack, "make replay-demo STORE=…")


def _lack(store: Path) -> str:
    """Return what the file lacks to be a serving store, in words; empty where it is one."""
    try:
        with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as connection:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        return str(error)
    return ", ".join(f"no table {name}" for name in ("ranking", "batches") if name not in there)


if __name__ == "__main__":
    run_command(PlayForm, main, ".venv/bin/python -m infra.commands.recordings.play")
