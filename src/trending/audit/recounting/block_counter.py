"""The process that counts blocks: ``python -m trending.audit.recounting.block_counter``, its job on standard input.

It answers on standard output with a ``BlockCount`` for each block, in their order, or with the error that ended it. Both are
pickled, as the job is. It ends with the audit, when its standard input is closed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO

from trending.audit.recounting.blocks import Block, BlockCount, Job
from trending.audit.recounting.truths import Truths
from trending.errors import LabError
from trending.kafka.record_columns import read_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trending.kafka.record_columns import RecordColumns


def count(job: Job, block: Block, read: Callable[..., Iterable[RecordColumns]] = read_columns) -> BlockCount:
    """Count one block; raises NotReady as ``read_columns`` does."""
    found = BlockCount(job.epochs, truth=Truths(job.plays))
    for columns in read(job.connection, job.topic, {block.partition: block.start}, {block.partition: block.stop}):
        found.add(columns, job.acknowledged)
    return found


def answer(job: Job, out: BinaryIO, read: Callable[..., Iterable[RecordColumns]] = read_columns) -> None:
    """Write the count of each block, or the error that ended it."""
    try:
        for block in job.blocks:
            pickle.dump(count(job, block, read), out, pickle.HIGHEST_PROTOCOL)
            out.flush()
    except LabError as error:
        pickle.dump(error, out, pickle.HIGHEST_PROTOCOL)
        out.flush()


def main() -> None:
    """Do the job that is on standard input, and end when that is closed."""
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to the audit too, which ends its processes
        signal.signal(number, signal.SIG_IGN)
    job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the audit that has started this process
    threading.Thread(target=_end_with_audit, daemon=True).start()
    answer(job, sys.stdout.buffer)


def _end_with_audit() -> None:
    # Not by sys.stdin, whose lock the interpreter wants at its end.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
