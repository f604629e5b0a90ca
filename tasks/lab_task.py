"""What all tasks of the lab share: retries, and a handler that sends their lines to the log of the run."""

from __future__ import annotations

import logging
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

from infra.console.interruptions import deliver_dropped_signals, of_a_signal
from infra.console.reporting import LOGGER
from infra.forms.next_commands import with_stack
from trending.errors import LabError, endings_passed_on, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect import Task
    from prefect.client.schemas.objects import State, TaskRun

P = ParamSpec("P")
R = TypeVar("R")

RETRIES = 2
RETRY_SECONDS = 0.5


def worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether another attempt may succeed; it cannot after an error that is final, and need not after a signal's.

    A signal's exception on its way out meets clean-ups, and what one of them raises takes its place.
    """
    try:
        state.result()
    except LabError as error:
        return error.retriable and not of_a_signal(error)
    except Exception as error:  # noqa: BLE001 - whatever else a task raised may pass, unless it is a signal's in C code
        return isinstance(unwrapped(error), Exception) and not of_a_signal(error)
    return False


def lab_task(
    name: str, *, timeout_seconds: float, retries: int = RETRIES, task_run_name: str | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task that retries errors that can pass, ends after ``timeout_seconds`` and keeps no result.

    A signal that C code has made an error of is a signal to Prefect too: it would try the step again, and nobody would end it.
    """
    made = task(
        name=name,
        task_run_name=task_run_name,
        timeout_seconds=timeout_seconds,
        retries=retries,
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=worth_retrying,
        cache_policy=NO_CACHE,
        persist_result=False,
    )

    def wrap(step: Callable[P, R]) -> Task[P, R]:
        @wraps(step)
        def passing(*arguments: P.args, **named: P.kwargs) -> R:
            with endings_passed_on():
                return step(*arguments, **named)

        return made(passing)

    return wrap


def report_to_prefect() -> None:
    """Send the lab's own lines to the log of the current run, in addition to the terminal. Calling it again does nothing."""
    logger = logging.getLogger(LOGGER)
    if any(isinstance(handler, RunLog) for handler in logger.handlers):
        return
    logger.addHandler(RunLog())
    # A level of its own, so that the lab's lines appear whatever PREFECT_LOGGING_LEVEL says.
    logger.setLevel(logging.INFO)


class RunLog(APILogHandler):
    """Prefect's handler, which sends records to the server; silent outside a run, where nobody would find them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record if it was logged in a run, its commands with the name of the run's stack."""
        if FlowRunContext.get() is not None or TaskRunContext.get() is not None:
            super().emit(_with_stack(record))


def _with_stack(record: logging.LogRecord) -> logging.LogRecord:
    named = copy(record)  # the terminal's handler gets the record too
    named.msg, named.args = with_stack(record.getMessage()), None
    return named


report_to_prefect()
# A run of a deployment, whose process is Prefect's, passes through no command.
deliver_dropped_signals()
