"""Flows: each file holds one flow, which has one deployment."""

from infra.console.imports import tell_in_one_line

tell_in_one_line()
