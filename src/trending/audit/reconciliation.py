"""The audit: the batch layer that recounts the log and reconciles producer, log and store.

Each number has its own source: acknowledged comes from the producer's ledger, in log from a fresh read, counted from the store.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.errors import AuditFailed
from trending.text import local_time, printable
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from trending.audit.recount import Recount
    from trending.audit.second_reading import Disagreement
    from trending.producer.ledger import Ledger
    from trending.stream.letters import Letters

MAX_DIFFERENCES = 20
"""At most this many differences are printed; the reported total is always exact."""


@dataclass(frozen=True)
class Difference:
    """A count on which two sources disagree; ``window`` is the window's start, in seconds since the epoch."""

    window: int
    hashtag: str
    in_log: int
    other: int
    witness: str


def not_audited(partition: int, offset: int) -> str:
    """Return the line about the records that were in the topic before this stack began to count."""
    return f"records before offset {offset} of partition {partition} belong to an earlier life and are not audited"


@dataclass(frozen=True)
class AuditReport:
    """The audit's figures. ``clean`` is the verdict: nothing lost, nothing duplicated, nothing dropped, no disagreement.

    ``start`` is partition → offset at which the audited range begins; ``behind`` is what was acknowledged beyond its end.
    """

    acknowledged: int
    in_log: int
    counted: int
    lost: int
    duplicated: int
    unknown_arrived: int
    not_attempted: int
    given_up: int
    without_id: int
    foreign: int
    rejected: Mapping[str, int]
    dead_letters: int
    dropped_by_spark: int
    differences: tuple[Difference, ...]
    start: Mapping[int, int] = field(default_factory=dict)
    behind: int = 0
    untagged: int = 0
    read_again: int = 0
    disagreements: tuple[Disagreement, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, duplicated or dropped, and all sources agree."""
        return not (
            self.lost or self.duplicated or self.not_attempted or self.dropped_by_spark or self.differences or self.disagreements
        ) and self.dead_letters == sum(self.rejected.values())

    def lines(self, zone: ZoneInfo | None) -> list[str]:
        """Return the report as printed; the last line is the headline."""
        late, future = self.rejected.get(Reason.LATE, 0), self.rejected.get(Reason.FUTURE, 0)
        others = sum(self.rejected.values()) - late - future
        lines = [
            *(f"audit: {not_audited(part, offset)}" for part, offset in sorted(self.start.items()) if offset),
            f"audit: unknown outcome, arrived: {self.unknown_arrived}",
            f"audit: given up by the producer: {self.given_up}",
            f"audit: tweets of other producers: {self.without_id}",
            f"audit: foreign records: {self.foreign}",
            f"audit: untagged: {self.untagged}",
            f"audit: late: {late}",
            f"audit: future: {future}",
            f"audit: rejected for other reasons: {others}, dead letters: {self.dead_letters}",
            *(f"audit:   {reason}: {count}" for reason, count in sorted(self.rejected.items())),
            f"audit: groups dropped by Spark's watermark: {self.dropped_by_spark}",
            f"audit: records read a second time: {self.read_again}, disagreements: {len(self.disagreements)}",
            *(f"audit:   {each}" for each in self.disagreements[:MAX_DIFFERENCES]),
        ]
        if self.behind:
            lines.append(f"audit: acknowledged behind an open transaction, not audited yet: {self.behind}")
        if self.not_attempted:
            lines.append(f"audit: ids in the log that were never attempted: {self.not_attempted}")
        for row in self.differences[:MAX_DIFFERENCES]:
            window = local_time(row.window, zone)
            lines.append(f"audit: differs: {window} {printable(row.hashtag)}: log {row.in_log}, {row.witness} {row.other}")
        if len(self.differences) > MAX_DIFFERENCES:
            lines.append(f"audit: differs: and {len(self.differences) - MAX_DIFFERENCES} more")
        lines.append(
            f"audit: acknowledged {self.acknowledged}, in log {self.in_log}, counted {self.counted}, "
            f"lost {self.lost}, duplicated {self.duplicated}"
        )
        return lines

    def require_clean(self) -> None:
        """Raise AuditFailed unless the report is clean."""
        if not self.clean:
            cause = "the audit found a difference"
            raise AuditFailed(cause, "; ".join(self.lines(None)[-3:]), "make status")


@dataclass(frozen=True)
class StreamFigures:
    """The stream's own counts, read from the serving store."""

    counts: Mapping[tuple[int, str], int]
    rejects: Mapping[tuple[int, str], array[int]]
    dropped: int
    untagged: Mapping[int, int] = field(default_factory=dict)


def reconcile(
    ledger: Ledger,
    start: dict[int, int],
    log: Recount,
    stream: StreamFigures,
    letters: Letters,
    ends: Mapping[int, int] | None = None,
) -> AuditReport:
    """Compare ledger, log and store by window and hashtag, since differences in totals can cancel out.

    lost = acknowledged ids absent from the log + tweets, untagged records and rejects of the log missing from the store;
    duplicated = ids twice in the log + those counted beyond the log. Nothing past ``ends`` is looked at.
    """
    ends = ends or {}
    acknowledged = ledger.acknowledged_ids(start, ends)
    differences = _differences(log.tweets, stream.counts, "store")
    differences += _differences(_named(log.untagged), _named(stream.untagged), "store")
    missing = sum(max(0, row.in_log - row.other) for row in differences)
    beyond = sum(max(0, row.other - row.in_log) for row in differences)
    unbooked, overbooked = _beyond(log.rejects, stream.rejects), _beyond(stream.rejects, log.rejects)
    differences += _ledger_differences(ledger, start, ends, log)
    arrived = acknowledged & log.ids.keys()
    twice = sum(times - 1 for times in log.ids.values())
    attempted = log.ids.keys() & _attempted(ledger, log)
    return AuditReport(
        acknowledged=len(acknowledged),
        in_log=len(log.ids),
        counted=sum(stream.counts.values()) - log.without_id,
        lost=len(acknowledged - arrived) + missing + unbooked,
        duplicated=twice + beyond + overbooked,
        unknown_arrived=len(attempted - acknowledged),
        not_attempted=len(log.ids.keys() - attempted),
        given_up=ledger.failed,
        without_id=log.without_id,
        foreign=log.foreign,
        rejected=_by_reason(log.rejects),
        dead_letters=sum(letters.account_for(*key, offsets) for key, offsets in log.rejects.items()),
        dropped_by_spark=stream.dropped,
        differences=tuple(differences),
        start=start,
        behind=ledger.acknowledged_behind(ends),
        untagged=log.untagged.total(),
        read_again=log.second.records,
        disagreements=tuple(log.second.disagreements),
    )


def _beyond(these: Mapping[tuple[int, str], array[int]], those: Mapping[tuple[int, str], array[int]]) -> int:
    """Return the number of rejects that only the first one has, by partition, reason and offset."""
    return sum(len(set(offsets) - set(those.get(key, ()))) for key, offsets in these.items() if offsets != those.get(key))


def _by_reason(rejects: Mapping[tuple[int, str], array[int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for (_partition, reason), offsets in rejects.items():
        found[reason] += len(offsets)
    return dict(found)


def _attempted(ledger: Ledger, log: Recount) -> set[tuple[str, int]]:
    return {(run, sequence) for run, sequence in log.ids if sequence < ledger.reserved.get(run, 0)}


def _differences(in_log: Mapping[tuple[int, str], int], other: Mapping[tuple[int, str], int], witness: str) -> list[Difference]:
    keys = sorted(in_log.keys() | other.keys())
    return [
        Difference(*key, in_log.get(key, 0), other.get(key, 0), witness)
        for key in keys
        if in_log.get(key, 0) != other.get(key, 0)
    ]


def _named(untagged: Mapping[int, int]) -> dict[tuple[int, str], int]:
    """Return counts by window as ``_differences`` takes them; the name is only printed."""
    return {(window, "(untagged)"): records for window, records in untagged.items()}


def _ledger_differences(ledger: Ledger, start: Mapping[int, int], ends: Mapping[int, int], log: Recount) -> list[Difference]:
    """Compare the ledger's counts by append minute with the log's, for the runs that lie completely within the range.

    A late or future tweet is compared like any other. An id of ours on a record that is no tweet at all is a difference: it was
    sent and acknowledged as one.
    """
    cut = {
        row.run
        for row in ledger.intervals
        if row.first_offset < start.get(row.partition, 0) or row.end_offset > ends.get(row.partition, row.end_offset)
    }
    expected: Counter[tuple[int, str]] = Counter()
    found: Counter[tuple[int, str]] = Counter()
    for (run, minute, hashtag), tweets in ledger.counts.items():
        if run not in cut:
            expected[minute, hashtag] += tweets
    for (run, minute, hashtag), tweets in log.minutes.items():
        if run not in cut:
            found[minute, hashtag] += tweets
    return _differences(found, expected, "ledger")
