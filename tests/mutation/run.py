"""``make mutants MODULE=trending.tweets.rule``: how many changes of a module its room's fast tests notice.

Outside CI, at most an hour. All of it happens in a copy of the checkout, which is deleted afterwards. docs/mutants.md has the
results and the survivors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mutation.copy_of_checkout import copy, room_of_tests
from pydantic import Field

from infra.console.reporting import say
from infra.forms.terminal import run_command
from trending.errors import LabError
from trending.sections import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

MUTMUT = (sys.executable, "-m", "mutmut")
LONGEST_SECONDS = 3600
NICENESS = 10
WANTED = 0.9


class MutantsForm(Section):
    """Change a module in every small way, one at a time, and see which changes its tests notice."""

    module: str = Field(pattern=r"^trending(\.[a-z_]+){2}$", description="A module of the data plane, as it is imported.")


def main(settings: MutantsForm) -> None:
    """Print the figures and every survivor; raises LabError where mutmut fails, or less than nine in ten are noticed."""
    os.nice(NICENESS)
    with tempfile.TemporaryDirectory(prefix="trending-mutants-") as name:
        place = Path(name)
        copy(settings.module, place)
        say(f"{settings.module} is changed, and {room_of_tests(settings.module)} run against each change")
        _mutmut(place, "run", "--max-children", "1")
        _mutmut(place, "export-cicd-stats")
        stats = json.loads((place / "mutants" / "mutmut-cicd-stats.json").read_bytes())
        for survivor in survivors(_mutmut(place, "results")):
            say(_mutmut(place, "show", survivor))
    say(figures(stats))
    require_enough(stats)


def _mutmut(place: Path, *arguments: str) -> str:
    """Run a command of mutmut's in the copy and return what it says; raises LabError where it fails or takes too long."""
    try:
        done = subprocess.run(
            [*MUTMUT, *arguments],
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        cause = f"mutmut takes longer than {LONGEST_SECONDS // 60} minutes"
        raise LabError(cause, " ".join(arguments), "make mutants of a smaller module") from error
    if done.returncode:
        cause = f"mutmut {arguments[0]} failed"
        raise LabError(cause, done.stdout[-2000:], "")
    return done.stdout


def survivors(results: str) -> list[str]:
    """Return the mutants that no test noticed, from mutmut's list of results."""
    lines = (line.strip().partition(": ") for line in results.splitlines())
    return [name for name, _colon, fate in lines if fate in {"survived", "no tests", "suspicious"}]


def figures(stats: Mapping[str, int]) -> str:
    """Return mutmut's figures in a line. One that makes a test hang was noticed too."""
    noticed = stats["killed"] + stats["timeout"]
    return f"mutants {stats['total']}, noticed {noticed} ({noticed / stats['total']:.1%}), survived {stats['total'] - noticed}"


def require_enough(stats: Mapping[str, int]) -> None:
    """Raise LabError where the tests notice less than nine in ten changes."""
    if stats["killed"] + stats["timeout"] < WANTED * stats["total"]:
        cause = "the tests notice too few changes"
        raise LabError(cause, figures(stats), "write the tests that the survivors ask for")


if __name__ == "__main__":
    run_command(MutantsForm, main, "python -m mutation.run")
