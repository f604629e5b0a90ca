"""Change the rate of the producer at work."""

from __future__ import annotations

from infra.commands.simulator.asking import change_rate
from infra.console.reporting import say
from infra.forms.producing import RateForm
from infra.forms.terminal import run_command


def main(settings: RateForm) -> None:
    """Change it, and say from which record on."""
    say(change_rate(settings))


if __name__ == "__main__":
    run_command(RateForm, main, ".venv/bin/python -m infra.commands.simulator.rate")
