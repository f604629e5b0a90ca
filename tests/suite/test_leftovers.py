"""The suite's own guard: it sees what a test leaves, and nothing else."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import leftovers
import pytest
from confluent_kafka.admin import AdminClient
from leftovers import Left, left_since, present, without_shared

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["pytester"]


def leave_a_socket() -> Callable[[], object]:
    return socket.create_server(("127.0.0.1", 0)).close


def leave_a_file() -> Callable[[], object]:
    return tempfile.TemporaryFile().close


def leave_a_thread() -> Callable[[], object]:
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="left")
    thread.start()
    return lambda: (over.set(), thread.join())


def leave_a_child() -> Callable[[], object]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return lambda: (child.kill(), child.wait())


def leave_a_zombie() -> Callable[[], object]:
    child = subprocess.Popen(["true"])
    time.sleep(0.05)
    return child.wait


@pytest.mark.skipif(not leftovers.DESCRIPTORS.is_dir(), reason="descriptors and children are only told by Linux's /proc")
@pytest.mark.parametrize(
    ("leave", "kind"),
    [
        (leave_a_socket, "socket"),
        (leave_a_file, "file"),
        (leave_a_thread, "thread"),
        (leave_a_child, "child"),
        (leave_a_zombie, "child"),
    ],
)
def test_what_is_left_is_told_by_its_kind_until_it_is_gone(leave: Callable[[], Callable[[], object]], kind: str) -> None:
    before = present()
    end = leave()
    left = left_since(before, grace=0)
    end()
    assert [each.partition(" ")[0] for each in left] == [kind]
    assert left_since(before) == []


def test_what_goes_by_itself_a_moment_later_is_not_left_over() -> None:
    before = present()
    thread = threading.Thread(target=time.sleep, args=(0.1,))
    thread.start()
    assert left_since(before) == []
    thread.join()


def test_prefects_shared_threads_excuse_their_connections_and_nothing_else() -> None:
    loop = Left("thread", "GlobalEventLoopThread 4711")
    theirs = {Left("socket", "12 socket:[1]"), Left("anon_inode", "13 anon_inode:[eventpoll]")}
    others = {Left("file", "14 /tmp/x"), Left("pipe", "15 pipe:[2]"), Left("child", "99"), Left("thread", "mine 1")}
    assert without_shared(frozenset({loop, *theirs, *others}), shared_client=False) == others
    assert without_shared(frozenset({*theirs, *others}), shared_client=True) == others
    assert without_shared(frozenset({*theirs, *others}), shared_client=False) == theirs | others


def test_a_pipe_is_told_with_the_clients_that_may_hold_it_and_what_holds_them() -> None:
    """A client of librdkafka's that nobody destroys leaves a pipe for each broker that it knows."""
    before = present()
    kept = {"client": AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})}
    left = left_since(before, grace=0.1)
    kept.clear()
    assert [each.partition(" ")[0] for each in left][:2] == ["pipe", "pipe"]
    assert next(each for each in left if each.startswith("AdminClient")).startswith("AdminClient held by [\"<class 'dict'>\"")
    assert "rdk:" in left[-1]
    assert left_since(before) == []


def test_it_costs_less_than_a_millisecond() -> None:
    fastest = min(timed() for _ in range(20))
    assert fastest < 0.001


def timed() -> float:
    started = time.perf_counter()
    present()
    return time.perf_counter() - started


LEAVES = """
import socket

kept = []

def test_that_leaves_a_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_that_leaves_none():
    socket.create_server(("127.0.0.1", 0)).close()
    kept.pop().close()

def test_that_leaves_one_to_the_collector():
    cycle = [socket.create_server(("127.0.0.1", 0))]
    cycle.append(cycle)
    kept.append(cycle)

def test_that_closes_it():
    kept.pop()[0].close()
"""
AWAITS_NOTHING = """
async def nothing(): ...

def test_that_forgets_a_coroutine_in_a_cycle():
    cycle = [nothing()]
    cycle.append(cycle)
"""
FAILS = """
import weakref

class Client: ...

def test_that_fails_with_a_client():
    client = Client()
    global alive
    alive = weakref.ref(client)
    try:
        raise ValueError
    except ValueError as error:
        raise AssertionError from error

def test_that_finds_it_gone():
    assert alive() is None
"""
KEEPS = """
import sys

async def nothing(): ...

def test_that_keeps_a_coroutine_in_a_cycle():
    sys.kept = [nothing()]
    sys.kept.append(sys.kept)
"""
DROPS = """
import sys

def test_that_drops_it():
    del sys.kept
"""
SUITE = Path(__file__).parents[1]


@pytest.mark.thorough
def test_the_test_that_left_it_fails_and_no_other(pytester: pytest.Pytester) -> None:
    pytester.makeconftest((SUITE / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini(f"[pytest]\npythonpath = {SUITE}\nfilterwarnings = error")
    pytester.makepyfile(test_a=LEAVES, test_b=AWAITS_NOTHING, test_c="def test_that_is_innocent(): ...")
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    ran.assert_outcomes(passed=6, errors=3)
    ran.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_that_leaves_a_socket*",
            "*ERROR at teardown of test_that_leaves_one_to_the_collector*",
            "*ERROR at teardown of test_that_forgets_a_coroutine_in_a_cycle*",  # only the collector finds it
        ]
    )


@pytest.mark.thorough
def test_what_a_failed_test_had_in_its_hands_does_not_live_on(pytester: pytest.Pytester) -> None:
    pytester.makeconftest((SUITE / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini(f"[pytest]\npythonpath = {SUITE}\nfilterwarnings = error")
    pytester.makepyfile(test_a=FAILS)
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    ran.assert_outcomes(passed=1, failed=1)


@pytest.mark.thorough
def test_what_becomes_garbage_in_a_later_module_is_found_at_the_end(pytester: pytest.Pytester) -> None:
    pytester.makeconftest((SUITE / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini(f"[pytest]\npythonpath = {SUITE}\nfilterwarnings = error")
    pytester.makepyfile(test_a=KEEPS, test_b=DROPS)
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    ran.assert_outcomes(passed=2, errors=1)
    ran.stdout.fnmatch_lines(["*ERROR at teardown of test_that_drops_it*", "*coroutine 'nothing' was never awaited*"])


def test_a_file_that_a_thread_writes_again_and_again_is_nothing_left(tmp_path: Path) -> None:
    written, over = tmp_path / "beat.fresh", threading.Event()

    def write() -> None:
        while not over.is_set():
            with written.open("wb"):
                over.wait(0.05)
            over.wait(0.05)

    before = present()
    thread = threading.Thread(target=write)
    thread.start()
    left = left_since(before, grace=1)
    over.set()
    thread.join()
    assert left == [f"thread {thread.name} {thread.ident}"]
