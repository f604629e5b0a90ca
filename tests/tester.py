"""Five messages through the topic and back: ``python tests/tester.py``; exits 0 only if all of them came back.

Works with any Kafka: the one at ``--bootstrap``; else the stack that TRENDING_NAME names; else the lab's running stack
``trending``; else the broker that Docker Compose brought up; else localhost:9092. Its first line says which address it is.
"""

import argparse
import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Run the probe and print the contract's lines; returns the exit code."""
    from infra.console.standard_streams import make_streams_endure  # noqa: PLC0415 - see the bottom of this file
    from infra.lab.brokers import find_broker  # noqa: PLC0415
    from trending.errors import LabError  # noqa: PLC0415
    from trending.kafka.probe import run_probe  # noqa: PLC0415

    parser = argparse.ArgumentParser(description="Five messages through the topic and back.")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="address of the broker; by default that of the stack that runs")
    options = parser.parse_args(arguments)

    def show(line: str) -> None:
        print(line, flush=True)  # noqa: T201

    make_streams_endure()  # the contract's words have accents, which not every terminal can show
    try:
        broker = find_broker(options.bootstrap, os.environ.get("TRENDING_NAME"))
        run_probe(broker.connection, broker.topic, TIMEOUT_SECONDS, show, broker.ensure_topic)
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    # Started by any Python, it goes on with the one that `make setup` made.
    environment = CHECKOUT / ".venv" / "bin" / "python"
    if Path(sys.prefix) != environment.parent.parent and environment.exists():
        os.execv(environment, [str(environment), *sys.argv])  # noqa: S606
    from infra.console.crash_reports import run_reported

    run_reported(lambda: main(sys.argv[1:]))
