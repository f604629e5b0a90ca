"""What commands say, for the tests of the lessons."""

from fakes.terminal import said

__all__ = ["said"]
