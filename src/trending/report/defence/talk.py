"""The speaker's notes: what to say on each slide, how long it may take, and when it should be over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report.blocks import Chapter, Points, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.report.wording import Wording

MINUTE = 60


def notes(slides: Sequence[Chapter], tell: Wording) -> tuple[Chapter, ...]:
    """Return a chapter for each slide."""
    made, over = [], 0
    whole = sum(slide.seconds for slide in slides)
    for slide in slides:
        over += slide.seconds
        if slide.seconds:
            time = tell("notes_time", seconds=str(slide.seconds), over=as_clock(over), whole=as_clock(whole))
        else:
            time = tell("notes_spare")
        made.append(Chapter(slide.title, (Points((time,)), Text(slide.notes))))
    return tuple(made)


def as_clock(seconds: int) -> str:
    """Return minutes and seconds."""
    return f"{seconds // MINUTE}:{seconds % MINUTE:02}"
