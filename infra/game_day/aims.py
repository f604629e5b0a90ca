"""What a fault is aimed at where several components could have it: each of the producers that share a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from infra.game_day.fault_names import FIRST_AND_LAST
from trending.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.game_day.faults import Fault


class Aim(NamedTuple):
    """A fault and, where several components can have it, the one that gets it."""

    fault: str
    component: str = ""

    def __str__(self) -> str:
        return f"{self.fault} of {self.component}" if self.component else str(self.fault)


def aims_of(faults: Iterable[Fault], name: str, struck: int) -> list[Aim]:
    """Return at what a fault is aimed: of several producers at the one with the number ``struck``, or the first and the last."""
    aims = [each.aim for each in faults if each.name == name]
    if len(aims) < 2:  # noqa: PLR2004 - nothing to choose
        return aims or [Aim(name)]
    return [aims[0], aims[-1]] if struck == FIRST_AND_LAST else [aims[struck - 1]]


def require_struck(producers: int, struck: int) -> None:
    """Raise InvalidInput for a producer that a stack with so many does not have."""
    if struck > producers:
        cause = f"there is no producer {struck} to be struck"
        raise InvalidInput(cause, f"the stack has {producers}", f"leave out STRUCK_PRODUCER, or at most {producers}")
