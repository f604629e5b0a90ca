"""What the run of a flow says in Prefect names the stack in its commands, as the terminal does."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from infra.console.interruptions import heard_in_flow
from infra.forms.next_commands import concerning, stack_of
from trending.errors import endings_passed_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

Form = TypeVar("Form", bound="BaseModel")
R = TypeVar("R")


def names_its_stack(flow: Callable[[Form], R]) -> Callable[[Form], R]:
    """Have the flow's errors and lines name the stack of its form: the run's state, its log and its artifacts show them.

    Without it the next command of a run on ``lab2`` would read ``make down``, which takes another stack down.
    """

    @wraps(flow)
    def named(settings: Form) -> R:
        with concerning(stack_of(settings)), endings_passed_on(), heard_in_flow():
            return flow(settings)

    # Prefect reads the form's type from it, and would look for its name among this module's.
    named.__signature__ = inspect.signature(flow, eval_str=True)  # type: ignore[attr-defined]
    return named
