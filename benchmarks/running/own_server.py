"""The Prefect server that a participant's commands need: one that was not there is ended with the participant."""

from __future__ import annotations

from infra.prefect_services.server import ensure_server, stop_server


class OwnServer:
    """Started by ``start`` unless one runs, and then ended by ``stop``."""

    def __init__(self) -> None:
        self._ours = False

    def start(self) -> None:
        """Have a server running."""
        self._ours = ensure_server().started or self._ours

    def stop(self) -> None:
        """End the server if it was started here."""
        if self._ours:
            stop_server()
        self._ours = False
