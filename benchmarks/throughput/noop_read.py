"""The peer of row 17: a Spark process with the job's session reads a topic into ``noop``. Argument: its specification."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.throughput.spark_driver import read_into_noop
from trending.programs.specifications import StreamSpec
from trending.stream.session import build_session


def main() -> None:
    """Read the topic, end."""
    spec = StreamSpec.load(Path(sys.argv[1]))
    spec.scratch.mkdir(parents=True, exist_ok=True)
    session = build_session(spec)
    read_into_noop(session, spec)
    session.stop()


if __name__ == "__main__":
    main()
