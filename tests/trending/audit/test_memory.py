"""What an audit takes besides ledger, log and store themselves, whose counts grow with the hashtags."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
from fakes.audits.audited import MINUTE
from fakes.trending.counting import epoch

from trending.audit.reconciliation import Ledgers, LogRange, reconcile
from trending.audit.recounting.recount import Recount
from trending.producer.ledger import Interval, Ledger
from trending.serving.store import StoreView
from trending.stream.letters import Letters

HASHTAGS = 5_000
MINUTES = 3
MOST_BYTES = 250
"""A count. Sorted sets of all keys and copies of all counts took 480; each witness has 170 to 350 a count itself."""


def test_what_agrees_is_not_copied_to_be_compared() -> None:
    counted = [(MINUTE + 60 * minute, f"#{number}") for minute in range(MINUTES) for number in range(HASHTAGS)]
    number = len(counted)
    counting = replace(epoch("checkpoint"), ends={0: number}, last_batch=0)
    log = Recount((counting,))
    log.tweets.update({("checkpoint", *key): 1 for key in counted})
    log.minutes.update({("run", *key): 1 for key in counted})
    log.ids["run"].add(np.arange(number, dtype=np.uint64))
    ledger = Ledger((Interval("run", 0, 0, number - 1, 0),), {("run", *key): 1 for key in counted}, {"run": number}, 0)
    store = StoreView((counting,), Counter({("checkpoint", *key): 1 for key in counted}), {}, 0)
    part = LogRange({0: 0}, {0: 0}, {0: number}, MINUTE + 200.0)
    tracemalloc.start()
    try:
        report = reconcile(Ledgers(ledger, ledger), part, log, store, Letters(), 0.0)
        _held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.clean, report.lines(None)
    assert report.in_log == report.counted == number
    assert peak < MOST_BYTES * number
