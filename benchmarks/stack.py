"""The benchmark's own stack: its settings, made anew for every measurement, gone afterwards with its data."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.host.processes import free_port
from infra.lab.assembly import Lab, record
from infra.operations.take_down import take_down
from trending.settings import LabSettings, PageSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "bench"
PORT = 29092


def settings(runtime: RuntimeKind = RuntimeKind.EMBEDDED) -> LabSettings:
    """Return default settings but for name, port and runtime: most peers are local processes without a page."""
    return LabSettings(stack=StackSettings(name=NAME, port=free_port(PORT, 11), runtime=runtime), page=PageSettings(page_port=0))


@contextmanager
def gone_before_and_after() -> Iterator[None]:
    """Have nothing of the stack on the machine when the body begins, and nothing after it."""
    _sweep()
    try:
        yield
    finally:
        _sweep()


@contextmanager
def declared() -> Iterator[Lab]:
    """Give the stack's declaration and places, of which nothing runs, for a script that starts the parts itself."""
    with gone_before_and_after():
        lab, _why = record(settings())
        for place in (lab.paths.run, lab.paths.data):
            place.mkdir(parents=True, exist_ok=True)
        yield lab


def _sweep() -> None:
    take_down(NAME, volumes=True)
