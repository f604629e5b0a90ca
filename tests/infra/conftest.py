"""A home of its own for every test, and a machine of pretend for those that ask for it."""

from fakes.homes import home, java17
from fakes.plain import world
from fakes.terminal import said

__all__ = ["home", "java17", "said", "world"]
