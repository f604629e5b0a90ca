"""``make bench``: measure the rows of PERFORMANCE.md against their peers. ``ARGS="--rows 1,2 --rounds 5"``."""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack

from benchmarks.bare_parts import BareParts
from benchmarks.contest import Contest, Row
from benchmarks.manual_procedure import ManualProcedure
from benchmarks.our_start_up import OurStartUp, OurStartUpInDocker
from benchmarks.prefect_costs import Asked, BareProbes, DefaultWorker, HealthCheck, OnAStack, OurWorker
from benchmarks.report import write_results
from benchmarks.viewers import Following, Unwatched, Watched

RANKING = "nothing running but the Prefect server → first complete ranking printed, s"
ROWS = (
    Row(1, RANKING, ours=OurStartUp.name, peer=ManualProcedure.name, goal=0.25),
    Row(2, RANKING, ours=OurStartUp.name, peer=BareParts.name, goal=1.15),
    Row(11, "health check, s", ours=HealthCheck.name, peer=BareProbes.name, goal=1.5),
    Row(12, "a deployment's run asked for → running, s", ours=OurWorker.name, peer=DefaultWorker.name, goal=0.3),
    Row(15, f"{RANKING}; containers against local processes", ours=OurStartUpInDocker.name, peer=OurStartUp.name, goal=1.3),
    Row(16, "a batch, s; 50 viewers of the page against none", ours=Watched.name, peer=Unwatched.name, goal=1.1),
)


def main() -> None:
    """Measure what is asked for, print the table, write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each participant")
    parser.add_argument("--rows", default=",".join(str(row.number) for row in ROWS), help="rows, separated by commas")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what runs is ended and swept
    wanted = {int(number) for number in options.rows.split(",")}
    unknown = wanted - {row.number for row in ROWS}
    if unknown or options.rounds < 1:
        parser.error(f"there are rows {[row.number for row in ROWS]}, and rounds is at least 1")
    with ExitStack() as afterwards:
        ours, in_docker = OurStartUp(), OurStartUpInDocker()
        afterwards.callback(ours.close)
        afterwards.callback(in_docker.close)
        costs: list[OnAStack | Asked | Following] = [
            HealthCheck(),
            BareProbes(),
            OurWorker(),
            DefaultWorker(),
            Watched(),
            Unwatched(),
        ]
        for cost in costs:
            afterwards.callback(cost.close)
        contest = Contest(
            [ours, in_docker, BareParts(), ManualProcedure(), *costs], [row for row in ROWS if row.number in wanted]
        )
        results = contest.run(options.rounds, lambda line: print(line, flush=True))
    path, table = write_results(results)
    print(table.read_text(encoding="utf-8"), path, sep="\n")


if __name__ == "__main__":
    main()
