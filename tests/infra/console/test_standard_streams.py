"""Output that nothing ends: neither an encoding nor a reader that goes. Row 36."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.host.paths import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SAYS = """
import sys
from infra.console.standard_streams import make_streams_endure, reader_has_gone
make_streams_endure()
for line in range(5000):
    print("kafka: created · ¡éxito! →")
if len(sys.argv) > 1:
    print("gone" if reader_has_gone() else "read", file=sys.stderr)
"""


@pytest.fixture
def says(tmp_path: Path) -> Path:
    """A command that prints."""
    script = tmp_path / "says.py"
    script.write_text(SAYS, encoding="utf-8")
    return script


def run(says: Path, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell, in which $SAYS is the script that prints."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=CHECKOUT,
        env={**os.environ, "PY": sys.executable, "SAYS": str(says), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )


@pytest.mark.row(36)
@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]
)
def test_a_terminal_without_utf8_gets_question_marks(says: Path, variables: dict[str, str]) -> None:
    done = run(says, '"$PY" "$SAYS"', **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("kafka: created ? ?")


@pytest.mark.row(36)
def test_a_reader_that_has_enough_ends_no_command(says: Path) -> None:
    done = run(says, '"$PY" "$SAYS" asked | head -1')
    assert (done.returncode, done.stderr.strip()) == (0, "gone")
    assert done.stdout == "kafka: created · ¡éxito! →\n"


@pytest.mark.row(36)
@pytest.mark.parametrize("closed", [">&-", "2>&- >&-", ">/dev/full"])
def test_closed_descriptors_end_no_command_and_a_full_disk_is_told(says: Path, closed: str) -> None:
    done = run(says, f'"$PY" "$SAYS" {closed}')
    assert (done.returncode == 0) == (closed != ">/dev/full")
    assert ("No space left" in done.stderr) == (closed == ">/dev/full")
    assert "Exception ignored" not in done.stderr, "what is written at exit is lost in silence"
