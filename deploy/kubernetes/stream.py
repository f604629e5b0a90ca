# ruff: noqa: INP001 - a file of the image, in no package
"""The driver's main file in the image: runs the streaming job with the specification that is its only argument."""

from __future__ import annotations

import runpy

runpy.run_module("trending.stream", run_name="__main__", alter_sys=True)
