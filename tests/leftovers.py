"""What a test leaves behind in its process: descriptors, threads and children that were not there before it.

Only Linux tells of them cheaply, in /proc; elsewhere threads alone are compared. Nothing is collected as garbage for it: a socket
that lives until the collector finds it is left over.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Iterator

DESCRIPTORS = Path("/proc/self/fd")
THREADS = Path("/proc/self/task")
GRACE_SECONDS = 2.0
"""A thread that was told to end, or a process that was killed, may take this long; a test that leaves nothing waits for none."""
SHARED_THREADS = frozenset({"RunSyncEventLoopThread", "GlobalEventLoopThread", "APILogWorkerThread", "EventsWorkerThread"})
"""Prefect starts each of them once a process, when it first needs it, and ends none before the process ends."""
POOL = "AnyIO worker thread"
"""A thread of the pool of one of their loops; it goes when it has been idle for ten seconds."""


@dataclass(frozen=True)
class Left:
    """One thing: its kind, and what tells it from the next of its kind."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def present() -> frozenset[Left]:
    """Return what the process has at this moment."""
    return frozenset((*descriptors(), *threads(), *children()))


def left_since(before: frozenset[Left], grace: float = GRACE_SECONDS, *, shared_client: bool = False) -> list[str]:
    """Return what is there now, was not ``before``, and is there at every look of ``grace`` seconds.

    A file that a thread of the module's writes four times a second is there at some looks, and may be there at the last one.
    ``shared_client`` says that the test worked with a Prefect client of the session, whose connections come and go.
    """
    deadline = time.monotonic() + grace
    left = without_shared(present() - before, shared_client=shared_client)
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left &= without_shared(present() - before, shared_client=shared_client)
    told = sorted(f"{each} {command_of(each.name)}" if each.kind == "child" else str(each) for each in left)
    return [*told, *(holders() if any(each.kind == "pipe" for each in left) else ())]


def without_shared(left: frozenset[Left], *, shared_client: bool) -> frozenset[Left]:
    """Leave out Prefect's shared threads and, where one started or a client is shared, event loops and connections."""
    shared = {each for each in left if each.kind == "thread" and each.name.rpartition(" ")[0] in {*SHARED_THREADS, POOL}}
    theirs = {each for each in left if each.kind in {"socket", "anon_inode"}} if shared or shared_client else set()
    return left - shared - theirs


def descriptors() -> Iterator[Left]:
    if not DESCRIPTORS.is_dir():
        return
    for number in os.listdir(DESCRIPTORS):  # noqa: PTH208 - a tenth of the time
        try:
            target = os.readlink(f"{DESCRIPTORS}/{number}")  # noqa: PTH115
        except FileNotFoundError:  # the listing's own
            continue
        yield Left(kind_of(target), f"{number} {target}")


def kind_of(target: str) -> str:
    """Return what a descriptor's link in /proc points to, in a word."""
    prefix = target.partition(":")[0]
    return prefix if prefix in {"socket", "pipe", "anon_inode"} else "file"


def threads() -> Iterator[Left]:
    for thread in threading.enumerate():
        yield Left("thread", f"{thread.name} {thread.ident}")


def children() -> Iterator[Left]:
    """Yield the children of every thread, zombies too: whoever starts a process waits for it."""
    if not THREADS.is_dir():
        return
    for thread in os.listdir(THREADS):  # noqa: PTH208 - a tenth of the time
        try:
            pids = Path(f"{THREADS}/{thread}/children").read_text(encoding="ascii").split()
        except FileNotFoundError:  # the thread has ended
            continue
        for pid in pids:
            yield Left("child", pid)


def descendants() -> list[psutil.Process]:
    """Return the processes below this one; where it has no child, without reading of all of the machine's whose they are."""
    if THREADS.is_dir() and not any(children()):
        return []
    return psutil.Process().children(recursive=True)


def holders() -> Iterator[str]:
    """Yield who may hold a pipe: the clients of librdkafka that live, each with what refers to it, and the threads of C code.

    librdkafka wakes each of its broker threads through a pipe, so one of its clients is behind most pipes with both ends here.
    """
    for client in gc.get_objects():
        if isinstance(client, (Producer, Consumer, AdminClient)):
            referrers = sorted(str(getattr(each, "f_code", type(each))) for each in gc.get_referrers(client))
            yield f"{type(client).__name__} held by {referrers}"
    yield f"threads {sorted(thread_names())}"


def thread_names() -> Iterator[str]:
    if not THREADS.is_dir():
        return
    for thread in os.listdir(THREADS):  # noqa: PTH208 - a tenth of the time
        with suppress(FileNotFoundError):  # the thread has ended
            yield Path(f"{THREADS}/{thread}/comm").read_text("utf-8").strip()


def command_of(pid: str) -> str:
    try:
        return " ".join(psutil.Process(int(pid)).cmdline())
    except psutil.Error:
        return "?"
