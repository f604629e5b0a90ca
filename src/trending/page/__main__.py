"""``python -m trending.page SPECIFICATION``: the page program."""

from __future__ import annotations

from trending.page.program import main
from trending.programs.lifecycle import run_program
from trending.programs.specifications import PageSpec

if __name__ == "__main__":
    run_program(PageSpec, main)
