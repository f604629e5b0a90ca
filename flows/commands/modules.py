"""The module of each command."""

from __future__ import annotations

NO_FLOWS = {
    "evaluate": "flows.commands.evaluate",
    "export": "infra.commands.export",
    "logs": "infra.commands.logs",
    "naive": "flows.commands.naive",
    "observe": "infra.commands.observe",
    "rebuild": "infra.commands.rebuild",
    "redrive": "infra.commands.redrive",
    "replay": "infra.commands.replay",
    "serve": "flows.commands.serve",
    "spy": "infra.commands.spy",
    "status": "infra.commands.status",
    "truth": "infra.commands.simulator.truth",
    "tweet": "infra.commands.simulator.tweet",
    "verify": "infra.commands.simulator.verify",
}
"""Command → its module, for users' commands that are not flows."""


def module_of(command: str) -> str:
    """Return the module that ``python -m`` runs for this command; a flow's command is the flow's module."""
    return NO_FLOWS.get(command, f"flows.{command}")
