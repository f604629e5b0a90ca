"""The free property: a random scenario in random combinations, for ``make soak``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pairs.combination import MOST, drawn_piece, drawn_rows
from pairs.trial import carry_out, faults_of
from real.harness import RealStack

from infra.console.reporting import say
from infra.forms.stacks import LastStep
from infra.host.processes import free_port
from trending.errors import AuditFailed

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

PORT = 29192
PORTS = 10


def try_combinations(random: Random, number: int, folder: Path) -> None:
    """Play scenarios in so many combinations, at most eight at a time; raises AuditFailed where one is not the truth."""
    if not number:
        return
    folder.mkdir()
    stack = RealStack("pairs", free_port(PORT, PORTS), settings={"page_port": "0"})
    faults: list[str] = []
    try:
        stack.bring_up(LastStep.TOPIC)
        for turn, first in enumerate(range(0, number, MOST)):
            piece, rows = drawn_piece(random), drawn_rows(random, min(MOST, number - first))
            say(f"scenario {turn + 1}: {piece}")
            outcomes = carry_out(f"localhost:{stack.port}", rows, piece, folder, f"{turn}-")
            for each in outcomes:
                say(f"{each.row}: {each.records} records, {each.batches} batches, {len(each.truth.ranking)} windows")
            faults = faults_of(outcomes)
            if faults:
                cause = f"{len(faults)} differences in rankings of the same scenario"
                raise AuditFailed(cause, "; ".join(faults[:10]), "KILLS_SEED=... repeats it")
    finally:
        stack.down(volumes=not faults)
