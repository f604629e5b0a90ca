"""Before an audience: the stack comes up, the page opens in its view for a projector, and three things to say are printed.

When the start fails, or takes longer than an audience waits, the recording is offered. It says itself that it is one.
"""

from __future__ import annotations

import os
import webbrowser
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

from flows.runs.server import with_server
from flows.start_up import recorded_settings, start_up
from infra.console.reporting import write_line
from infra.forms.showing import PresentForm
from infra.forms.terminal import run_command
from infra.operations.services import check_start
from infra.presentation.rehearsal import START_SECONDS
from trending.errors import InvalidInput, LabError
from trending.settings import PageSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
OFFER = "make replay-demo shows a recording, which says that it is one"
IN_ENGLISH = (
    "Three things to say:",
    "1. What moves: each bar is a hashtag's tweets of the whole current minute, counted by Spark as Kafka received them.",
    "2. Break it: make game-day FAULTS=broker-killed. The broker dies, comes back by itself, and the ranking goes on.",
    "3. Prove it: make audit. What Kafka acknowledged, what its log holds and what Spark counted agree: lost 0, duplicated 0.",
)
IN_SPANISH = (
    "Tres cosas que decir:",
    "1. Qué se mueve: cada barra muestra los tuits de un hashtag en el minuto actual; Spark los cuenta según llegan a Kafka.",
    "2. Rómpalo: make game-day FAULTS=broker-killed. El broker muere, vuelve solo y la clasificación sigue.",
    "3. Demuéstrelo: make audit. Lo que Kafka confirmó, lo que guarda y lo que Spark contó coinciden: lost 0, duplicated 0.",
)


def main(settings: PresentForm) -> None:
    """Start, open the page where this machine has a screen, print what to say.

    Raises InvalidInput without a page; what the start raised, after the offer.
    """
    if not settings.page.page_port:
        cause = "an audience sees the page, and PAGE_PORT is 0"
        raise InvalidInput(cause, "nothing was started", f"make present PAGE_PORT={PageSettings().page_port}")
    whole = settings.start_up(settings.stack, settings.page)
    with offering_the_recording():
        check_start(whole)
        with_server(lambda: start_up(whole))
    address = settings.page.projector_address
    opened = any(os.environ.get(name) for name in _SCREENS) and webbrowser.open(address)
    write_line("")
    write_line(f"{'the page is open' if opened else 'open the page'}: {address}")
    for line in things_to_say():
        write_line(line)


@contextmanager
def offering_the_recording(seconds: float = START_SECONDS) -> Iterator[None]:
    """Within, offer the recording once after ``seconds``, and when an error of the lab's leaves the block."""
    timer = Timer(seconds, write_line, (f"the start takes longer than {seconds:g} s; in another terminal, {OFFER}",))
    timer.daemon = True
    timer.start()
    try:
        yield
    except LabError:
        write_line(f"the start failed; {OFFER}")
        raise
    finally:
        timer.cancel()


def things_to_say() -> tuple[str, ...]:
    """Return them in Spanish where the terminal's language is, otherwise in English."""
    language = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return IN_SPANISH if language.startswith("es") else IN_ENGLISH


if __name__ == "__main__":
    run_command(PresentForm, main, ".venv/bin/python -m flows.commands.present", recorded_settings)
