"""A home of its own for every test."""

from fakes.homes import home, java17

__all__ = ["home", "java17"]
