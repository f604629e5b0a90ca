"""The processes that count a long log: one a core, a block each in turns, put together in the order of the offsets.

A process takes 150 MiB and some time to start, so a short log is counted in this one (docs/decisions/0119).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from infra.host.environment import built_environment
from trending.audit.recounting.blocks import BlockCount, Job, cut, join
from trending.audit.recounting.recount import recount
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from trending.audit.recounting.recount import Recount
    from trending.audit.recounting.sequences import SequenceRanges
    from trending.kafka.connection import KafkaConnection
    from trending.kafka.record_columns import RecordColumns

LONG = 1_000_000
"""Records from which on there are several processes; one takes four seconds for so many."""
_BLOCK = 500_000
"""Offsets of a block: its ids and counts are some 5 MB, and its reader fetches 100,000 records too many."""
_MOST = 4
"""Processes at most, for the sake of memory."""
_COMMAND = (sys.executable, "-m", "trending.audit.recounting.block_counter")
_END_SECONDS = 5.0
_LAST_WORDS = 500


class Log(NamedTuple):
    """A topic's log, and how this process reads it from some offsets to others."""

    connection: KafkaConnection
    topic: str
    read: Callable[[Mapping[int, int], Mapping[int, int]], Iterable[RecordColumns]]


def count_log(
    log: Log,
    start: Mapping[int, int],
    end: Mapping[int, int],
    acknowledged: Mapping[str, SequenceRanges],
    whole: Recount,
    counted: Callable[[int], None] = lambda _offsets: None,
) -> None:
    """Go on counting from ``start`` to ``end`` (partition → offset, exclusive), in several processes where it is worth it.

    ``counted`` is told of the offsets of each block that is done. Raises what reading raises, and LabError where a process dies.
    """
    offsets = sum(max(0, stop - start.get(part, 0)) for part, stop in end.items())
    processes = min(_MOST, os.cpu_count() or 1)
    if offsets < LONG or processes < 2:  # noqa: PLR2004 - one is this one
        recount(log.read(start, end), whole.epochs, acknowledged, whole)
        return
    blocks = cut(start, end, _BLOCK)
    jobs = [
        Job(log.connection, log.topic, whole.epochs, acknowledged, blocks[first::processes], whole.truth.plays)
        for first in range(processes)
    ]
    for block, found in zip(blocks, _in_turns(jobs, _COMMAND), strict=True):
        join(whole, found)
        counted(block.stop - block.start)


def _in_turns(jobs: Sequence[Job], command: Sequence[str]) -> Iterator[BlockCount]:
    """Yield what the jobs' processes find, a block of each in turns; none of them outlives this."""
    with ExitStack() as stack:
        answers = [stack.enter_context(_process(job, command)) for job in jobs]
        for number in range(sum(len(job.blocks) for job in jobs)):
            yield next(answers[number % len(answers)])


@contextmanager
def _process(job: Job, command: Sequence[str]) -> Iterator[Iterator[BlockCount]]:
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=built_environment()) as process,
    ):
        jobs, found = cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout)
        try:
            with suppress(BrokenPipeError):  # what it has died of is told by whoever waits for its answers
                pickle.dump(job, jobs, pickle.HIGHEST_PROTOCOL)
                jobs.flush()
            yield _answers(process, found, said)
        finally:
            process.kill()
            with suppress(BrokenPipeError):
                jobs.close()


def _answers(process: subprocess.Popen[bytes], found: BinaryIO, said: BinaryIO) -> Iterator[BlockCount]:
    while True:
        try:
            answer = pickle.load(found)  # noqa: S301 - our own process has written it
        except (EOFError, pickle.UnpicklingError) as error:
            code = process.wait(_END_SECONDS)
            said.seek(0)
            words = said.read()[-_LAST_WORDS:].decode(errors="replace").strip()
            cause = "a process that counts the log has died"
            raise LabError(cause, f"exit code {code}: {words or 'it said nothing'}", "make audit") from error
        if isinstance(answer, LabError):
            raise answer
        yield answer
