"""The last lines of a stack's services and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.supervision.output_tail import tail
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.lab.assembly import Lab

LINES = 40


def output_tail(lab: Lab, component: str, lines: int) -> str:
    """Return the last lines of a service's output, or of a program's two streams; empty if there are none."""
    service = lab.stack.find(component)
    if service is not None:
        return lab.runtime.output(service, lines)
    parts = (tail(lab.paths.output_file(component, stream), lines) for stream in ("err", "out"))
    return "\n".join(part for part in parts if part)


def output_as_markdown(lab: Lab, components: Iterable[str]) -> str:
    """Return the last lines of each component as Markdown, fenced by four back quotes, since the output may contain three.

    Output that cannot be read is replaced by the reason: this runs when something has failed already.
    """
    return "\n".join(f"## {component}\n\n````\n{_told(lab, component) or '(nothing)'}\n````\n" for component in components)


def _told(lab: Lab, component: str) -> str:
    try:
        return output_tail(lab, component, LINES)
    except LabError as error:
        return f"(cannot be read: {error.cause})"
