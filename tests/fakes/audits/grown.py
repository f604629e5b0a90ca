"""A stack over a long time: a log that retention cuts, and beside it the real ledger and the real store, pruned."""

from __future__ import annotations

import sqlite3
from array import array
from collections import Counter, defaultdict
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

from fakes.audits.audited import by_reading, tweet
from fakes.trending.counting import TOPIC_ID, epoch

from trending.audit.evidence import Evidence
from trending.audit.examination import Examination, examine_topic
from trending.audit.sealing import Kept
from trending.kafka.log_reader import Record
from trending.kafka.log_start import LogStart
from trending.kafka.record_columns import by_columns
from trending.kafka.rejects import OFFSET, Rejects
from trending.producer.ledger import read_ledger
from trending.producer.ledger_writer import LedgerWriter
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import Rule
from trending.stream.letters import Letters
from trending.tweets.rule import Reason, classify, minute_of, window_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from trending.audit.audit_report import AuditReport
    from trending.kafka.record_columns import RecordColumns
    from trending.producer.ledger import Ledger


_tweet = cache(tweet)
"""By arrival the timestamp matters to nobody: one value a hashtag."""


class Site:
    """Log, ledger and store of a stack. ``firsts`` are partition → first offset that retention has left."""

    def __init__(self, folder: Path, partitions: int = 1, window_seconds: int = 60) -> None:
        self.ledger_path = folder / "ledger.sqlite"
        self.store_path = folder / "serving.sqlite"
        self.store = Store(self.store_path)
        self.window_seconds = window_seconds
        self.checkpoint = "c"
        self.store.take_over(epoch("c", starts=dict.fromkeys(range(partitions), 0), rule=Rule(window_seconds=window_seconds)))
        self.log: list[list[Record]] = [[] for _ in range(partitions)]
        self.firsts = dict.fromkeys(range(partitions), 0)
        self.now = 0.0
        self.skew = 0.0
        self.batch = 0
        self.rejected: Counter[str] = Counter()
        self._letters: set[tuple[int, int]] = set()
        self._counts: Counter[tuple[int, str]] = Counter()
        self._changed: set[tuple[int, str]] = set()
        self._rejects: defaultdict[int, array[int]] = defaultdict(lambda: array(OFFSET))
        self.begin_life("run-0")

    def begin_life(self, run: str) -> None:
        """Begin another life of the producer."""
        self.run = run
        self.sequence = 0
        self.unanswered: list[tuple[range, int, int, tuple[str, ...]]] = []
        self.writer = LedgerWriter(self.ledger_path, run, TOPIC_ID)

    def send(self, partition: int, at: float, *hashtags: str, seconds: float = 0.0, acknowledge: bool = True) -> None:
        """Append tweets as one burst, all at one moment or the last so many seconds later.

        Those that are not acknowledged may be so later, see ``acknowledge``.
        """
        self.now = max(self.now, at)
        if self.sequence + len(hashtags) > self.writer.reserved:
            self.writer.reserve(self.sequence + 100_000)
        log, sequences = self.log[partition], range(self.sequence, self.sequence + len(hashtags))
        offset = len(log)
        for place, hashtag in enumerate(hashtags):
            headers: dict[str, bytes | None] = {"id": f"{self.run}:{sequences[place]}".encode()}
            appended = at + seconds * place / max(1, len(hashtags) - 1)
            log.append(Record(partition, offset + place, appended, _tweet(hashtag), headers))
            window = window_start(appended, self.window_seconds)
            self._counts[window, hashtag] += 1
            self._changed.add((window, hashtag))
        self.now = max(self.now, at + seconds)
        self.sequence += len(hashtags)
        self.unanswered.append((sequences, partition, offset, hashtags))
        if acknowledge:
            self.acknowledge(len(self.unanswered) - 1)

    def acknowledge(self, place: int) -> None:
        """Let the ledger learn of a burst that was sent in this life."""
        sequences, partition, offset, hashtags = self.unanswered.pop(place)
        first, last = (self.log[partition][each].append_time for each in (offset, offset + len(sequences) - 1))
        self.writer.acknowledge_run(sequences, partition, offset)
        self.writer.count(Counter(hashtags), minute_of(first), minute_of(last))

    def reject(self, partition: int, at: float) -> None:
        """Append a record that is no tweet, with its letter."""
        self.now = max(self.now, at)
        offset = len(self.log[partition])
        self.log[partition].append(Record(partition, offset, at, b"{", {}))
        self._rejects[partition].append(offset)
        self._letters.add((partition, offset))
        self.rejected[Reason.BAD_JSON] += 1

    def write(self) -> None:
        """Write what came since the last time, to both files."""
        self.writer.commit()
        rejects = tuple(Rejects.of(part, Reason.BAD_JSON, offsets) for part, offsets in sorted(self._rejects.items()))
        changed = {key: self._counts[key] for key in self._changed}
        self.store.write(self.checkpoint, Batch(self.batch, self.now, changed, {}, rejects), self.ends())
        self.batch += 1
        self._changed.clear()
        self._rejects.clear()

    def hand_over(self, checkpoint: str, window_seconds: int) -> None:
        """Write what came, then let another checkpoint count on from there."""
        self.write()
        self.checkpoint, self.window_seconds, self.batch = checkpoint, window_seconds, 0
        self.store.take_over(epoch(checkpoint, rule=Rule(window_seconds=window_seconds)))
        self._counts.clear()

    def trim(self, kept: int) -> None:
        """Trim the next window that has ended and has more hashtags than are ``kept`` by name."""
        self.store.trim(self.checkpoint, window_start(self.now, self.window_seconds) - self.window_seconds, kept)

    def ends(self) -> dict[int, int]:
        return {part: len(log) for part, log in enumerate(self.log)}

    def expire(self, firsts: Mapping[int, int]) -> None:
        """Do as retention does."""
        for part, first in firsts.items():
            self.firsts[part] = max(self.firsts[part], min(first, len(self.log[part])))

    def expire_older(self, at: float) -> None:
        """Take what was appended before a moment."""
        for part, log in enumerate(self.log):
            while self.firsts[part] < len(log) and log[self.firsts[part]].append_time < at:
                self.firsts[part] += 1

    def rebuild(self) -> None:
        """Empty the store, and count anew what the log has, as `make rebuild` does."""
        self.writer.commit()
        self.store.forget()
        self.store.take_over(epoch(self.checkpoint, starts=dict(self.firsts), rule=Rule(window_seconds=self.window_seconds)))
        self._counts.clear()
        for part, log in enumerate(self.log):
            for record in log[self.firsts[part] :]:
                hashtag = classify(record.value, record.append_time, Rule()).label
                self._counts[window_start(record.append_time, self.window_seconds), hashtag] += 1
        self._changed = set(self._counts)
        self.write()

    def start(self) -> LogStart:
        since = (log[self.firsts[part]].append_time for part, log in enumerate(self.log) if self.firsts[part] < len(log))
        return LogStart(dict(self.firsts), min(since, default=self.now))

    def prune(self, until: float) -> None:
        """Prune both files; of the store's windows those that end by ``until`` and that the log has lost."""
        start = self.start()
        self.writer.prune(start)
        self.store.prune(self.checkpoint, min(start.gone_until, until), start.firsts)

    def audit(self, meanwhile: Callable[[], None] = lambda: None) -> AuditReport:
        """Audit everything as ``infra.operations.audit`` does; see ``examine``."""
        return self.examine(meanwhile=meanwhile).report

    def examine(
        self, *, since_seal: bool = False, seals: bool = False, meanwhile: Callable[[], None] = lambda: None
    ) -> Examination:
        """Audit all that the log has, or go on from the seal that the store has; the new seal is kept if it ``seals``.

        ``meanwhile`` happens between reading the log and the second ledger. Raises Unfit where the seal is.
        """
        stored = self.store.known_seals().get(TOPIC_ID) if since_seal else None
        kept = Kept.of(stored) if stored else None
        known = [kept.seal.known()] if kept else []
        ledger = read_ledger(self.ledger_path, known)
        view = self.store.view(kept.seal.closed_by(), kept.seal.batches()) if kept else self.store.view()
        letters = Letters(set(self._letters))
        if kept:
            behind = {place for place in self._letters if place[1] >= kept.seal.ends[place[0]]}
            letters = Letters(behind | set(kept.seal.letters.places))
        log = {part: (first, len(self.log[part])) for part, first in self.firsts.items()}
        evidence = Evidence(ledger, view, self.now, "tweets", view.epochs, kept, log, letters, "letters-1", {0: 0}, self.skew)

        def read(start: Mapping[int, int], end: Mapping[int, int]) -> Iterator[RecordColumns]:
            return by_columns(record for part, log in enumerate(self.log) for record in log[start[part] : end[part]])

        def ledger_now() -> Ledger:
            meanwhile()
            return read_ledger(self.ledger_path, known)

        found = examine_topic(evidence, by_reading(read), ledger_now, 0.0)
        if found.seal and seals:
            self.store.seal(found.seal.stored(), kept.windows if kept else {})
        return found

    def rows(self) -> dict[str, int]:
        """Return table → its rows, of both files."""
        return rows_of(self.ledger_path) | rows_of(self.store_path)

    def close(self) -> None:
        self.writer.close()
        self.store.close()


def rows_of(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608 - our own
