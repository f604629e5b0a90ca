"""A home of its own for every test."""

from fakes.homes import home, java17
from fakes.plain import world
from fakes.terminal import said

__all__ = ["home", "java17", "said", "world"]
