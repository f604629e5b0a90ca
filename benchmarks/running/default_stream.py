"""The streaming job with the JVM as Spark starts it: none of the lab's options. Argument: its specification. A peer of row 10."""

from __future__ import annotations

from trending.programs.lifecycle import run_program
from trending.programs.specifications import StreamSpec
from trending.stream import session
from trending.stream.job import main

if __name__ == "__main__":
    session.DRIVER_OPTIONS = ()
    run_program(StreamSpec, main)
