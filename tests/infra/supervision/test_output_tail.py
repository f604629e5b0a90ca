from __future__ import annotations

from typing import TYPE_CHECKING

from infra.supervision.output_tail import tail

if TYPE_CHECKING:
    from pathlib import Path


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 100_000 + "\nlast\n")
    assert tail(log, 1) == "last"
    assert len(tail(log, 10)) <= 64 * 1024
