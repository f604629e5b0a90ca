"""What a game day does to brokers that are somebody else's: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.errors import NotOurs

if TYPE_CHECKING:
    import psutil

    from infra.stack.declaration import Service


class NoSabotage:
    """Refuses everything: what does not carry the stack's mark is never broken."""

    @property
    def keeper(self) -> str:
        """Who starts a broker again that died."""
        return "whoever runs the cluster"

    @property
    def contained(self) -> bool:
        """Nothing is known of a limit of memory."""
        return False

    def process(self, service: Service) -> psutil.Process:
        """Raise NotOurs."""
        raise _refusal(service)

    def pause(self, service: Service) -> None:
        """Raise NotOurs."""
        raise _refusal(service)

    def resume(self, service: Service) -> None:
        """Raise NotOurs."""
        raise _refusal(service)

    def kill(self, service: Service) -> None:
        """Raise NotOurs."""
        raise _refusal(service)


def _refusal(service: Service) -> NotOurs:
    cause = f"{service.name} is a broker of a cluster that is not this stack's own, and is not broken on purpose"
    return NotOurs(cause, "runtime external", "make game-day FAULTS=… with faults of the programs")
