"""Which module a command is."""

from __future__ import annotations

NO_FLOWS = {
    "logs": "infra.commands.logs",
    "observe": "infra.commands.observe",
    "replay": "infra.commands.replay",
    "serve": "flows.commands.serve",
    "spy": "infra.commands.spy",
    "status": "infra.commands.status",
}
"""Command → its module, of those that are no flow and that users run."""


def module_of(command: str) -> str:
    """Return the module that ``python -m`` runs for this command: a flow's is the flow's own."""
    return NO_FLOWS.get(command, f"flows.{command}")
