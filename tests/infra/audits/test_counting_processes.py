"""The processes that count a long log: their answers in turns, their deaths, and that none is left."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from fakes.audits.sent_log import read
from fakes.trending.counting import epoch

from infra.audits import counting_processes
from infra.audits.counting_processes import Log, count_log
from trending.audit.recounting.blocks import Job, cut
from trending.audit.recounting.recount import Recount
from trending.errors import LabError, NotReady
from trending.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Program = Callable[..., list[str]]

pytestmark = pytest.mark.thorough
PROGRAM = """
import os, pickle, sys, time
{first}
sys.path.insert(0, {path!r})
from fakes.audits.sent_log import read
from trending.audit.recounting import block_counter
count = block_counter.count
block_counter.count = lambda job, block, *_rest: count(job, block, read)
{before}
block_counter.main()
"""
NOWHERE = KafkaConnection("nowhere:1")
LOG = {0: 40, 1: 7}


def count(command: list[str] | None, monkeypatch: pytest.MonkeyPatch, processes: int = 2) -> tuple[Recount, list[int]]:
    """Count the log, by a command's processes or in this one, and return what was found and the blocks that were told of.

    A process takes a third of a second to start, so there are only as many as it takes.
    """
    whole, blocks = Recount((epoch("c", ends=LOG),)), []
    if command:
        monkeypatch.setattr(counting_processes, "_COMMAND", command)
        monkeypatch.setattr(counting_processes, "LONG", 10)
        monkeypatch.setattr(counting_processes, "_BLOCK", 9)
        monkeypatch.setattr(os, "cpu_count", lambda: processes)
    log = Log(NOWHERE, "tweets", partial(read, NOWHERE, "tweets"))
    count_log(log, dict.fromkeys(LOG, 0), LOG, {}, whole, blocks.append)
    return whole, blocks


@pytest.fixture
def program() -> Iterator[Program]:
    """Return a function that makes a command of a process which reads the test's log.

    It does something ``first``, or ``before`` it counts, with everything imported.
    """
    path = str(Path(__file__).parents[2])

    def command(before: str = "", *, first: str = "") -> list[str]:
        return [sys.executable, "-c", PROGRAM.format(path=path, before=before, first=first)]

    yield command
    assert [each for each in psutil.Process().children() if "fakes.audits.sent_log" in " ".join(each.cmdline())] == []


def test_three_processes_count_what_one_does(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, told = count(None, monkeypatch)
    assert told == []
    whole, blocks = count(program(), monkeypatch, processes=3)
    assert blocks == [9, 9, 9, 9, 4, 7]
    for name in ("tweets", "unproven", "repeated", "disordered", "latest", "first", "last", "first_appends", "without_id"):
        assert getattr(whole, name) == getattr(alone, name), name
    assert sum(whole.tweets.values()) == sum(LOG.values())


@pytest.mark.parametrize(
    ("death", "words"),
    [
        ({"first": "sys.exit('no such module')"}, "exit code 1: no such module"),
        ({"first": "os.kill(os.getpid(), 9)"}, "exit code -9: it said nothing"),
        ({"before": "block_counter.count = lambda *_call: 1 / 0"}, "ZeroDivisionError"),
    ],
    ids=["it leaves", "it is killed", "it fails"],
)
def test_a_process_that_dies_is_one_error_with_its_last_words(
    program: Program, death: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LabError, match="a process that counts the log has died") as caught:
        count(program(**death), monkeypatch)
    assert words in caught.value.evidence


def test_what_reading_raises_there_is_raised_here(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (
        "from trending.errors import NotReady\n"
        "def silent(*_call):\n    raise NotReady('nothing arrives', '30 s', 'make status')\n"
        "block_counter.count = silent"
    )
    with pytest.raises(NotReady, match="nothing arrives"):
        count(program(before), monkeypatch)


def test_an_interrupted_count_leaves_no_process(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = program("block_counter.count = lambda *_call: time.sleep(60)")

    def interrupt(*_call: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("infra.audits.counting_processes.pickle.load", interrupt)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        count(whole, monkeypatch)
    assert time.monotonic() - began < 20


def test_a_process_ends_with_its_audit(program: Program) -> None:
    slow = program("block_counter.count = lambda *_call: time.sleep(60)")
    with subprocess.Popen(slow, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        pickle.dump(Job(NOWHERE, "tweets", (epoch("c"),), {}, cut({}, {0: 3}, 3)), process.stdin)
        process.stdin.flush()
        process.stdin.close()  # as when the audit is killed
        assert process.wait(20) == 1
