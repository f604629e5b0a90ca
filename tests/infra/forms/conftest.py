"""A fake machine, and flows as plain functions, for commands that are tried on a stack."""

from fakes.plain import artifacts, plain, world
from fakes.terminal import own_process, said

__all__ = ["artifacts", "own_process", "plain", "said", "world"]
