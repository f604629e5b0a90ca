"""What every task of the lab has in common: its retries, and the line it reports."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect import Task
    from prefect.client.schemas.objects import State, TaskRun

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2
RETRY_SECONDS = 0.5


def worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Tell whether another attempt may end differently: not after an error that says it is final."""
    try:
        state.result()
    except LabError as error:
        return error.retriable
    except Exception:  # noqa: BLE001 - whatever else a task raised may pass
        return True
    return False


def step(
    name: str, *, timeout_seconds: float, retries: int = RETRIES, task_run_name: str | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task that retries what can heal, ends after ``timeout_seconds`` and keeps no result."""
    return task(
        name=name,
        task_run_name=task_run_name,
        timeout_seconds=timeout_seconds,
        retries=retries,
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=worth_retrying,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def say(line: str) -> None:
    """Report one line: to the run's log in Prefect and, through the log record's mark, to the terminal."""
    mark = {"lab": True}
    try:
        get_run_logger().info(line, extra=mark)
    except MissingContextError:
        logging.getLogger("trending").info(line, extra=mark)
