"""The machine room, without Prefect: declares, runs, examines and repairs stacks."""

from infra.console.imports import tell_in_one_line

tell_in_one_line()
