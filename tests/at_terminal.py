"""A process of somebody's terminal, for tests of what the lab leaves alone."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import contextmanager

from infra.host.processes import parent_and_terminal

SHELL = """
import fcntl, os, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp("sleep", ["sleep", "60"])
"""


@contextmanager
def at_terminal(**variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has a terminal of its own, and these variables."""
    reader, terminal = pty.openpty()
    environment = {**os.environ, **variables}
    command = [sys.executable, "-S", "-c", SHELL]
    child = subprocess.Popen(command, env=environment, stdin=terminal, start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while not parent_and_terminal(child.pid)[1]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield child
    finally:
        child.kill()
        child.wait()
        os.close(terminal)
        os.close(reader)
