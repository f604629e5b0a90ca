"""Give the scenario that is played one more trend."""

from __future__ import annotations

from infra.commands.simulator.asking import start_trend
from infra.console.reporting import say
from infra.forms.producing import TrendForm
from infra.forms.terminal import run_command


def main(settings: TrendForm) -> None:
    """Start it, and say from which record on."""
    say(start_trend(settings))


if __name__ == "__main__":
    run_command(TrendForm, main, ".venv/bin/python -m infra.commands.simulator.trend")
