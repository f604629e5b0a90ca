"""``python -m trending.producer SPECIFICATION``: the producer program."""

from __future__ import annotations

from trending.producer.program import main
from trending.programs.lifecycle import run_program
from trending.programs.specifications import ProducerSpec

if __name__ == "__main__":
    run_program(ProducerSpec, main)
