"""``make bench``: measure the rows of PERFORMANCE.md against their peers. ``ARGS="--rows 3,4 --rounds 5 --tweets 300000"``."""

from __future__ import annotations

import argparse
import signal

from benchmarks.contest import Contest
from benchmarks.report import write_results
from benchmarks.rows import groups
from benchmarks.sizes import Sizes


def main() -> None:
    """Measure what is asked for, print the table, write the results after each group: an interruption loses one at most."""
    every = sorted({row.number for group in groups(Sizes()) for row in group.rows})
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each participant")
    parser.add_argument("--rows", default=",".join(map(str, every)), help="rows, separated by commas")
    Sizes.add_options(parser)
    options = parser.parse_args()
    wanted = {int(number) for number in options.rows.split(",")}
    if wanted - set(every) or options.rounds < 1:
        parser.error(f"there are rows {every}, and rounds is at least 1")
    try:
        sizes = Sizes.of(options)
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what runs is ended and swept
    results = []
    for group in groups(sizes):
        rows = [row for row in group.rows if row.number in wanted]
        if not rows:
            continue
        try:
            results += Contest(group.participants, rows).run(options.rounds, lambda line: print(line, flush=True))
        finally:
            group.close()
        path, table = write_results(results)
    print(table.read_text(encoding="utf-8"), path, sep="\n")


if __name__ == "__main__":
    main()
