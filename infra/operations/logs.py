"""The last lines of a stack's services and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.supervision.log_tail import tail
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.lab.assembly import Lab

PAGE_LINES = 40


def log_tail(lab: Lab, component: str, lines: int) -> str:
    """Return the last lines of a service's output, or of a program's two streams; empty for what writes none."""
    service = lab.stack.find(component)
    if service is not None:
        return lab.runtime.logs(service, lines)
    parts = (tail(lab.paths.log(component, stream), lines) for stream in ("err", "out"))
    return "\n".join(part for part in parts if part)


def log_page(lab: Lab, components: Iterable[str]) -> str:
    """Return a Markdown page with the last lines of each component; four back quotes, since a log may have three.

    A log that can't be read is told in its place: the page is made when something has failed already.
    """
    return "\n".join(f"## {component}\n\n````\n{_told(lab, component) or '(nothing)'}\n````\n" for component in components)


def _told(lab: Lab, component: str) -> str:
    try:
        return log_tail(lab, component, PAGE_LINES)
    except LabError as error:
        return f"(cannot be read: {error.cause})"
