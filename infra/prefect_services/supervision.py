"""The supervisord that runs Prefect's server and worker, the lock for starting and stopping them, and the worker's note."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from infra.host.paths import lab_home, short_hash
from infra.prefect_services.credentials import services_directory
from infra.stack.holder import acquire, words_of_holder
from infra.supervision.supervisor import Supervisor
from trending.errors import StackBusy
from trending.private_file import write_private

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

WORKER = "prefect-worker"
HELD_SECONDS = 240.0
"""How long a command waits for another one that is starting or stopping the server: a busy server's minute and two starts."""


def services_supervisor() -> Supervisor:
    """Return the supervisord of Prefect's server and worker. It belongs to no stack, so a take-down cannot end its own worker."""
    return Supervisor(services_directory(), services_identity(), "make server-stop")


def services_identity() -> str:
    """Return the mark of server and worker in this home."""
    # No stack can have this name: with a name as of stacks, NAME=prefect-server would take this supervisord for its own.
    return f"prefect_services-{short_hash(str(lab_home()), 8)}"


@contextmanager
def services_held() -> Iterator[None]:
    """Hold the lock for starting and stopping server and worker; raises StackBusy if another command holds it too long."""
    path = services_directory() / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        acquire(lock, "the Prefect server", HELD_SECONDS)
    except Timeout as error:
        cause = f"another command has been starting or stopping the Prefect server for {HELD_SECONDS:.0f} s"
        raise StackBusy(cause, f"{path}: {words_of_holder(path)}", "make server-stop, then once more") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def server_used() -> Iterator[None]:
    """Within the block, the server is no idle one: a command that uses it may have recorded nothing yet of what it starts.

    The kernel frees the lock when the command dies. One that is just stopping the server is waited for.
    """
    with _users_file() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def server_idle() -> Iterator[bool]:
    """Yield whether no command uses the server; within the block none begins to."""
    with _users_file() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _users_file() -> BinaryIO:
    services_directory().mkdir(parents=True, exist_ok=True)
    return (services_directory() / "users").open("ab")


def serving() -> bool:
    """Whether `make serve` has started a worker; then no single command may stop the server.

    This reads a note instead of asking supervisord: on a busy machine supervisord did not answer, and a take-down stopped a
    server that was in use.
    """
    return worker_note().exists()


def note_serving() -> None:
    """Note that `make serve` is about to start a worker; an existing note is kept."""
    if not worker_note().exists():
        worker_note().parent.mkdir(parents=True, exist_ok=True)
        write_private(worker_note(), "")


def worker_note() -> Path:
    """Return the note's path. It says what the worker was started for, and exists until server and worker are stopped."""
    return services_directory() / "worker.drift"
