"""What runs leave in Prefect's UI for several flows: the ranking as a table, the last lines of the logs."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from infra.lab import open_lab
from infra.paths import StackPaths
from infra.state import read_state
from tasks.logs import log_page
from tasks.undo import PROGRAMS
from trending.block import local_time
from trending.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable


def leave_ranking(stack: str) -> None:
    """Leave the ranking of the latest window that has tweets, all of it, under ``ranking-STACK``; nothing before the first."""
    lab = open_lab(stack)
    if not lab.paths.store.exists():
        return
    with closing(Store(lab.paths.store)) as store:
        ranking = store.latest_ranking()
    if not ranking:
        return
    table = [{"rank": place, "hashtag": each.hashtag, "tweets": each.tweets} for place, each in enumerate(ranking, 1)]
    start = local_time(ranking[0].window_start, lab.settings.stream.zone)
    create_table_artifact(table, key=f"ranking-{stack}", description=f"The minute from {start}, as the store has it")


def leave_logs(stack: str, page: str, description: str) -> None:
    """Leave the page made by ``last_lines`` under ``logs-STACK``; nothing where it is empty."""
    if page:
        create_markdown_artifact(page, key=f"logs-{stack}", description=description)


def last_lines(stack: str, components: Iterable[str] = ()) -> str:
    """Return a Markdown page with the last lines of these components, or of all that the stack has; empty without a stack."""
    if read_state(StackPaths.of(stack)) is None:
        return ""
    lab = open_lab(stack)
    return log_page(lab, components or (*(service.name for service in lab.stack.services), *PROGRAMS))
