"""Five messages through the topic and back: ``python tests/tester.py``; exits 0 only if all of them came back.

Uses the running stack's address; TRENDING_NAME chooses another stack than ``trending``.
"""

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 30.0


def main() -> int:
    """Run the probe and print the contract's lines; returns the exit code."""
    from pydantic import ValidationError  # noqa: PLC0415 - see the bottom of this file

    from infra.host.standard_streams import make_streams_endure  # noqa: PLC0415
    from infra.lab.assembly import open_lab  # noqa: PLC0415
    from trending.errors import InvalidInput, LabError  # noqa: PLC0415
    from trending.kafka.probe import run_probe  # noqa: PLC0415
    from trending.settings import StackSettings  # noqa: PLC0415

    make_streams_endure()  # the contract's words have accents, which not every terminal can show
    try:
        stack = StackSettings(name=os.environ.get("TRENDING_NAME", "trending"))
    except ValidationError as error:
        sys.stderr.write(f"error: TRENDING_NAME: {error.errors()[0]['msg']}\n")
        return InvalidInput.exit_code
    try:
        lab = open_lab(stack.name)
        run_probe(lab.stack.connection, lab.settings.stack.topic, TIMEOUT_SECONDS, lambda line: print(line, flush=True))  # noqa: T201
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    # Started by any Python, it goes on with the one that `make setup` made.
    environment = CHECKOUT / ".venv" / "bin" / "python"
    if Path(sys.prefix) != environment.parent.parent and environment.exists():
        os.execv(environment, [str(environment), *sys.argv])  # noqa: S606
    sys.exit(main())
