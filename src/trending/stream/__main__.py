"""``python -m trending.stream SPECIFICATION``: the stream program."""

from __future__ import annotations

from trending.programs.lifecycle import run_program
from trending.programs.specifications import StreamSpec
from trending.stream.job import main

if __name__ == "__main__":
    run_program(StreamSpec, main)
