"""Open the live page on a recorded store: no broker, no Spark, no Prefect server. Ctrl-C ends it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from flows.command_line import run_command
from flows.forms import ReplayForm
from trending.errors import InvalidInput
from trending.page.__main__ import main as show
from trending.program import stop_on_signals
from trending.settings import StackSettings, WindowTime
from trending.specification import PageSpec


def main(settings: ReplayForm) -> None:
    """Serve the page until a signal comes; raises InvalidInput where there is no store."""
    store = Path(settings.store).absolute()
    if not store.is_file():
        cause = f"there is no recorded store {settings.store}"
        raise InvalidInput(cause, "a stack's own is data/serving.sqlite in its directory", "make replay-demo STORE=…")
    stop = stop_on_signals()
    with tempfile.TemporaryDirectory(prefix="trending-replay-") as place:
        spec = PageSpec(
            bootstrap="",
            topic=StackSettings().topic,
            heartbeat=Path(place) / "page.json",
            settings=settings.page,
            stack_id="replay",
            name=store.stem,
            store=store,
            window_time=WindowTime.ARRIVAL,
            time_zone=None,
        )
        sys.stdout.write(f"the recorded store is shown at {settings.page.address}; Ctrl-C ends it\n")
        show(spec, stop)


if __name__ == "__main__":
    run_command(ReplayForm, main, "python -m flows.replay")
