from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from prefect.states import Completed, Failed

from infra.console.reporting import say
from tasks.lab_task import RETRIES, lab_task, worth_retrying
from tasks.page import wait_for_page
from tasks.producer import wait_for_producer
from tasks.services import wait_for_service
from tasks.stream import wait_for_catch_up, wait_for_stream
from trending.errors import (
    BudgetSpent,
    ConfigurationConflict,
    DamagedDownload,
    Interrupted,
    InvalidInput,
    NotReady,
    PortTaken,
    ServiceDied,
)

if TYPE_CHECKING:
    from prefect import Task


def failed(error: Exception) -> Any:
    return Failed(message="it failed", data=error)


@pytest.mark.parametrize("error", [NotReady("a"), ServiceDied("a"), OSError("a"), TimeoutError("a"), KeyError("a")])
def test_what_may_heal_is_worth_retrying(error: Exception) -> None:
    assert worth_retrying(None, None, failed(error))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [ConfigurationConflict("a"), PortTaken("a"), InvalidInput("a"), BudgetSpent("a"), DamagedDownload("a")],
)
def test_what_is_final_is_not_worth_retrying(error: Exception) -> None:
    assert not worth_retrying(None, None, failed(error))  # type: ignore[arg-type]


def test_what_took_the_place_of_a_signals_exception_is_not_worth_retrying() -> None:
    for number, error in ((signal.SIGTERM, NotReady("a")), (signal.SIGINT, OSError("a"))):
        error.__context__ = Interrupted(number)
        assert not worth_retrying(None, None, failed(error))  # type: ignore[arg-type]


def test_success_is_not_worth_retrying() -> None:
    assert not worth_retrying(None, None, Completed(data=1))  # type: ignore[arg-type]


def test_a_lab_task_is_a_task_with_name_retries_and_timeout_and_stays_a_function() -> None:
    @lab_task(name="add-one", timeout_seconds=5)
    def add_one(number: int) -> int:
        return number + 1

    assert add_one.fn(1) == 2
    assert (add_one.name, add_one.retries, add_one.timeout_seconds) == ("add-one", RETRIES, 5.0)
    assert add_one.persist_result is False


def test_a_line_is_reported_without_an_engine_too(said: list[str]) -> None:
    say("it is up")
    assert said == ["it is up"]


@pytest.mark.parametrize("wait", [wait_for_service, wait_for_producer, wait_for_stream, wait_for_page, wait_for_catch_up])
def test_a_wait_has_one_deadline_and_is_not_tried_again(wait: Task[..., Any]) -> None:
    assert wait.name.startswith("wait-for-")
    assert wait.retries == 0
