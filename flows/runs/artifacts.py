"""Artifacts of several flows: the ranking as a table, the last lines of output."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, cast

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from infra.console.progress import followed_by
from infra.console.reporting import say
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab
from infra.lab.output import output_as_markdown
from infra.lab.store import store_exists, store_place
from infra.stack.state import read_state
from infra.supervision.programs import programs_there
from trending.errors import endings_passed_on
from trending.text import local_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID


@contextmanager
def as_evidence(what: str) -> Iterator[None]:
    """Report an error in leaving a piece of evidence, and go on: it must not hide the failure that the evidence is for."""
    try:
        with endings_passed_on():
            yield
    except Exception as error:  # noqa: BLE001 - Prefect's server, the store or a log: whichever fails
        say(f"{what} could not be left with the run: {type(error).__name__}: {error}")


@contextmanager
def progress_left(key: str, description: str) -> Iterator[None]:
    """Leave under ``key`` how far the long work meanwhile is; nothing where the work is too short to tell of itself."""
    made: list[UUID] = []

    def leave(percent: float) -> None:
        with as_evidence("the progress"):
            if made:
                update_progress_artifact(made[0], percent)
            else:
                made.append(cast("UUID", create_progress_artifact(percent, key=key, description=description)))

    with followed_by(leave):
        yield
    if made:
        leave(100.0)


def leave_ranking(stack: str) -> None:
    """Leave the ranking of the latest window that has tweets, its first hundred hashtags, under ``ranking-STACK``."""
    from trending.serving.ranking_query import RankingQuery  # noqa: PLC0415 - SQLAlchemy, 0.2 s that every run would wait for
    from trending.serving.reader import TOP, StoreReader  # noqa: PLC0415 - as above

    with as_evidence("the ranking"):
        lab = open_lab(stack)
        place = store_place(lab)
        if not store_exists(place):
            return
        with closing(StoreReader(place)) as reader:
            window = reader.ranking(RankingQuery(as_of=time.time(), limit=TOP))
        if window is None:
            return
        table = [{"rank": place, "hashtag": name, "tweets": tweets} for place, (name, tweets) in enumerate(window.ranked, 1)]
        start = local_time(window.start, lab.settings.stream.zone)
        span = f"The {window.seconds} s from {start}"
        description = f"{span}: {window.tweets} tweets, {window.hashtags} hashtags, as the store has them"
        create_table_artifact(table, key=f"ranking-{stack}", description=description)


def leave_output(stack: str, output: str, description: str) -> None:
    """Leave the Markdown of ``last_lines`` under ``logs-STACK``; nothing if it is empty."""
    with as_evidence("the last lines of the logs"):
        if output:
            create_markdown_artifact(output, key=f"logs-{stack}", description=description)


def last_lines(stack: str, components: Iterable[str] = ()) -> str:
    """Return the last lines of these components as Markdown, or of all that the stack has; empty without a stack."""
    if read_state(StackPaths.of(stack)) is None:
        return ""
    lab = open_lab(stack)
    return output_as_markdown(lab, components or (*(service.name for service in lab.stack.services), *programs_there(lab.paths)))
