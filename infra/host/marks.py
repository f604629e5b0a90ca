"""The mark by which processes and what Docker has of a stack are found: its id, and for people its name, user and home."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.host.paths import StackPaths, lab_home, lives_elsewhere
from infra.host.processes import COMPONENT_VARIABLE, HOME_VARIABLE, STACK_VARIABLE, marked_processes, terminal_pids
from infra.host.user import user_name
from trending.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_VARIABLE = "TRENDING_STACK_NAME"
USER_VARIABLE = "TRENDING_STACK_USER"


@dataclass(frozen=True, order=True)
class Mark:
    """Whose something is. The id alone decides; it is made of name and home."""

    stack_id: str
    name: str
    user: str
    home: str

    @property
    def called(self) -> str:
        """What a person calls it; also Prefect's services, whose name no stack can have."""
        return self.name.replace("_", "-")

    @property
    def homeless(self) -> bool:
        """Whether the home is not on this machine any more, since its checkout was moved or deleted."""
        try:
            return bool(self.home) and not Path(self.home).is_dir()
        except OSError:  # another user's, which may not be looked at: it is there
            return False

    @property
    def forgotten(self) -> bool:
        """Whether no state file leads to it: its home is gone, or is this one and has none of the stack."""
        if self.home != str(lab_home()) or "_" in self.name:  # Prefect's services have no state file
            return self.homeless
        return bool(self.name) and not StackPaths(Path(self.home), self.name).state.exists()


def mark_of(stack_id: str, name: str) -> Mark:
    """Return the mark of a stack of this user and this home."""
    return Mark(stack_id, name, user_name(os.getuid()), str(lab_home()))


def mark_variables(stack_id: str) -> dict[str, str]:
    """Return the variables that mark a process; an id is the stack's name, a hyphen and the hash of its home."""
    mark = mark_of(stack_id, stack_id.rpartition("-")[0])
    return {STACK_VARIABLE: stack_id, NAME_VARIABLE: mark.name, USER_VARIABLE: mark.user, HOME_VARIABLE: mark.home}


def mark_of_process(pid: int) -> Mark | None:
    """Return the mark of a stack's process; None for any other, also for one at a terminal, and where this user may not ask."""
    try:
        mark = _mark_in(psutil.Process(pid).environ())
    except psutil.Error:
        return None
    ours = mark.stack_id and mark.name and pid not in terminal_pids() and not lives_elsewhere(pid, mark.home)
    return mark if ours else None


def _mark_in(values: Mapping[str, str]) -> Mark:
    return Mark(*(values.get(each, "") for each in (STACK_VARIABLE, NAME_VARIABLE, USER_VARIABLE, HOME_VARIABLE)))


def forgotten_processes() -> list[tuple[Mark, str, int]]:
    """Return mark, component (empty for a supervisord) and pid of the living processes that no state file leads to."""
    found, theirs = [], terminal_pids()
    for process, values in marked_processes():
        mark = _mark_in(values)
        if mark.forgotten and process.pid not in theirs:
            found.append((mark, values.get(COMPONENT_VARIABLE, ""), process.pid))
    return found


def require_homeless(name: str, home: str) -> tuple[str, ...]:
    """Return the ids of what may be called ``name`` in a home that is gone; raises InvalidInput for one that is there.

    No stack has an id like that of Prefect's services, which has a low line in place of the name's hyphen.
    """
    place = Path(home)
    if not place.is_absolute() or not Mark("", name, "", home).homeless:
        known = "there" if place.is_absolute() else "no absolute path"
        cause = f"left_by is the home of a checkout that is gone, and {home} is {known}"
        raise InvalidInput(cause, "nothing was touched", "run make down in that checkout; make status lists what others left")
    return tuple(dict.fromkeys(StackPaths(place, each).stack_id for each in (name, name.replace("-", "_"))))
