"""A program of the stack with a trap at its kill points: ``python -m kills.program DIRECTORY PROGRAM SPECIFICATION``.

It is what a test declares to supervisord in the program's place. The product knows nothing of it.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kills.points import lay
from kills.trap import Trap

from infra.host.paths import CHECKOUT, short_hash
from infra.supervision.programs import kind_of

if TYPE_CHECKING:
    from infra.stack.declaration import Program


def trapped(program: Program, directory: Path) -> Program:
    """Return the declaration of a program of the lab's with traps in ``directory``."""
    place = program.command.index(f"trending.{kind_of(program.name)}")
    command = (*program.command[:place], "kills.program", str(directory), program.name, *program.command[place + 1 :])
    environment = {**program.environment, "PYTHONPATH": str(CHECKOUT / "tests")}
    return replace(program, command=command, environment=environment, drift_hash=short_hash(" ".join(command)))


def main() -> None:
    """Become the program, with a trap at each of its points."""
    directory, program, specification = sys.argv[1:]
    kind = kind_of(program)
    lay(kind, Trap(Path(directory), program).reach)
    sys.argv = [program, specification]
    runpy.run_module(f"trending.{kind}", run_name="__main__")


if __name__ == "__main__":
    main()
