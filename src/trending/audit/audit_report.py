"""The audit's report: its figures, its verdict, the lines as printed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from trending.errors import AuditFailed, AuditIncomplete
from trending.text import local_time, printable
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from trending.audit.recounting.second_reading import Disagreement
    from trending.audit.recounting.truths import TruthPart

MAX_DIFFERENCES = 20
"""At most this many differences are printed; the reported total is always exact."""


@dataclass(frozen=True)
class Difference:
    """A count on which two sources disagree; ``window`` is the window's start, in seconds since the epoch.

    ``seconds`` is the window's length where the store has windows of several lengths, else None.
    """

    window: int
    hashtag: str
    in_log: int
    other: int
    witness: str
    seconds: int | None = None


def not_audited(partition: int, offset: int) -> str:
    """Return the line about the records that were in the topic before this stack began to count."""
    return f"records before offset {offset} of partition {partition} belong to an earlier life and are not audited"


class Change(NamedTuple):
    """What of a checkpoint the store holds otherwise than when it was sealed.

    It is a *window* by its start, the sum of the windows before it that are *summarised*, or all *rejects*.
    """

    checkpoint: str
    window: int | None
    what: Literal["window", "summarised", "rejects"] = "window"

    def named(self, zone: ZoneInfo | None) -> str:
        """Return what is said of it."""
        if self.window is None:
            return f"rejects of {self.checkpoint}"
        before = "the sum of those before window" if self.what == "summarised" else "window"
        return f"{before} {local_time(self.window, zone)} of {self.checkpoint}"


@dataclass(frozen=True)
class SealUsed:
    """A seal that the audit goes on from: when it was made, in seconds since the epoch, and how far it reaches."""

    made_at: float
    topic: str
    ends: Mapping[int, int]
    records: int

    def line(self, zone: ZoneInfo | None) -> str:
        """Return the line about it."""
        reach = ", ".join(f"partition {part} to offset {end}" for part, end in sorted(self.ends.items()))
        return f"audit: since the seal of {local_time(self.made_at, zone)}, which covers {self.records} records: {reach}"


class ProducersPart(NamedTuple):
    """What the audit has of one producer among several; the lab's own has no ``name``.

    ``unknown`` are records of it in the log that are not acknowledged. A producer that was ``silent_since`` has not said that it
    ends: it may come back, and read back what became of them.
    """

    name: str
    acknowledged: int
    unknown: int
    silent_since: float | None = None

    def line(self, zone: ZoneInfo | None) -> str:
        """Return the line about it."""
        who = f"of producer {self.name}" if self.name else "of the lab's own producer"
        unknown = f", unknown outcome, arrived {self.unknown}" if self.unknown else ""
        silent = ""
        if self.silent_since is not None:
            silent = f"; it did not end, and was last heard of at {local_time(self.silent_since, zone)}"
        return f"audit:   {who}: acknowledged {self.acknowledged}{unknown}{silent}"

    def plus(self, other: ProducersPart) -> ProducersPart:
        """Return both parts of the same producer, of two topics, as one."""
        return self._replace(acknowledged=self.acknowledged + other.acknowledged, unknown=self.unknown + other.unknown)


@dataclass(frozen=True)
class AuditReport:
    """The audit's figures. ``clean`` is the verdict: nothing lost, nothing duplicated, nothing dropped, no disagreement.

    ``start`` is partition → offset at which the audited range begins; ``behind`` is what was acknowledged beyond its end.

    In flight is what the log has and the stream has not counted yet: a line of its own, and no loss while it is young.
    ``oldest`` is the age of the first such record in seconds, ``longest`` the age from which on the stream stands still; 0 where
    everything must have been counted. The verdict is *incomplete* where something can't be verified any more:
    ``not_verifiable`` tweets were acknowledged for a topic that is gone, ``expired`` records were deleted by retention after
    they had been counted, and ``letters_expired`` dead letters. ``kept`` is partition → first and end offset of what the log has
    of the audited range; ``acknowledged_before`` records lie before it and no seal has found them. ``summarised`` tweets were
    counted in windows of which the store has only the sum. ``letters_twice`` are dead letters that another one repeats.
    A seal has found ``covered`` acknowledged tweets of a topic that is gone, and ``expired_sealed`` offsets of one that is there:
    both take nothing from the verdict. ``seals`` are what the audit goes on from, ``unused`` says of others why not, ``changed``
    is what the store holds otherwise than when it was sealed.
    ``disordered`` are places of a partition where a tweet of one of our senders follows one that it sent later.
    ``too_many_open`` are the counts of open windows where there are too many of them to be sealed, ``over_closing`` tweets that
    keep the ledger's minutes from being closed: it is open on which side of that moment they lie.
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
    in_flight: int = 0
    oldest: float = 0.0
    longest: float = math.inf
    not_verifiable: int = 0
    expired: int = 0
    untagged: int = 0
    read_again: int = 0
    disagreements: tuple[Disagreement, ...] = ()
    letters_twice: int = 0
    letters_expired: int = 0
    sent_back: int = 0
    kept: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    acknowledged_before: int = 0
    summarised: int = 0
    disordered: int = 0
    covered: int = 0
    expired_sealed: int = 0
    seals: tuple[SealUsed, ...] = ()
    unused: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    too_many_open: int = 0
    over_closing: int = 0
    producers: tuple[ProducersPart, ...] = ()
    """What each has acknowledged. Nothing is told of it where there are no others than the lab's own."""
    truths: tuple[TruthPart, ...] = ()
    """What the log has of each scenario, against the truth of its seed."""

    @property
    def stands_still(self) -> bool:
        """Whether the stream should have counted what is in flight."""
        return self.in_flight > 0 and self.oldest >= self.longest

    @property
    def complete(self) -> bool:
        """Whether everything that was acknowledged and counted could be verified."""
        return not (self.not_verifiable or self.expired or self.letters_expired)

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, duplicated or dropped, and all sources agree."""
        wrong = self.lost or self.duplicated or self.not_attempted or self.disordered or self.dropped_by_spark
        letters = self.letters_twice or self.dead_letters + self.letters_expired != sum(self.rejected.values())
        untrue = any(not each.holds for each in self.truths)
        return not (wrong or self.changed or self.differences or self.disagreements or letters or untrue or self.stands_still)

    def lines(self, zone: ZoneInfo | None) -> list[str]:
        """Return the report as printed; the last line is the headline."""
        late, future = self.rejected.get(Reason.LATE, 0), self.rejected.get(Reason.FUTURE, 0)
        others = sum(self.rejected.values()) - late - future
        lines = [
            *(f"audit: {why}: everything is counted anew" for why in self.unused),
            *(seal.line(zone) for seal in self.seals),
            *(f"audit: {not_audited(part, offset)}" for part, offset in sorted(self.start.items()) if offset),
            *(
                f"audit: the log has offsets {first} to {end} of partition {part}"
                for part, (first, end) in sorted(self.kept.items())
            ),
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
        lines += self._lines_of_letters()
        lines += self._lines_of_the_unverified()
        lines += self._lines_of_faults(zone)
        lines += [f"audit: {line}" for truth in self.truths for line in truth.lines()]
        if any(each.name for each in self.producers):
            lines += [each.line(zone) for each in self.producers]
        lines.append(
            f"audit: acknowledged {self.acknowledged}, in log {self.in_log}, counted {self.counted}, "
            f"lost {self.lost}, duplicated {self.duplicated}"
        )
        return lines

    def _lines_of_the_unverified(self) -> list[str]:
        """Return what is said of records that are not there to be compared, or not yet."""
        still = ": the stream stands still" if self.stands_still and self.longest else ""
        said = (
            (self.in_flight, f"in flight: {self.in_flight}, oldest {self.oldest:.0f} s{still}"),
            (self.not_verifiable, f"not verifiable, their topic is gone: {self.not_verifiable}"),
            (self.covered, f"covered by a seal, their topic is gone: {self.covered}"),
            (self.expired, f"expired after counting: {self.expired}"),
            (self.expired_sealed, f"expired, and covered by the seal: {self.expired_sealed}"),
            (self.acknowledged_before, f"acknowledged before what the log has: {self.acknowledged_before}"),
            (self.summarised, f"counted in windows that are summarised: {self.summarised}"),
            (self.too_many_open, f"not sealed, too many counts in open windows: {self.too_many_open}"),
            (self.over_closing, f"not sealed, tweets on both sides of the last closed minute: {self.over_closing}"),
            (self.behind, f"acknowledged behind an open transaction, not audited yet: {self.behind}"),
        )
        return [f"audit: {line}" for number, line in said if number]

    def _lines_of_faults(self, zone: ZoneInfo | None) -> list[str]:
        """Return the faults that are in none of the headline's figures, and every difference."""
        lines = []
        if self.not_attempted:
            lines.append(f"audit: ids in the log that were never attempted: {self.not_attempted}")
        if self.disordered:
            lines.append(f"audit: order of one sender broken: {self.disordered}")
        changed = [each.named(zone) for each in self.changed[:MAX_DIFFERENCES]]
        lines += [f"audit: the store has changed behind the seal: {what}" for what in changed]
        if len(self.changed) > MAX_DIFFERENCES:
            lines.append(f"audit: the store has changed behind the seal: and {len(self.changed) - MAX_DIFFERENCES} more")
        for row in self.differences[:MAX_DIFFERENCES]:
            length = "" if row.seconds is None else f" ({row.seconds} s)"
            window = local_time(row.window, zone) + length
            lines.append(f"audit: differs: {window} {printable(row.hashtag)}: log {row.in_log}, {row.witness} {row.other}")
        if len(self.differences) > MAX_DIFFERENCES:
            lines.append(f"audit: differs: and {len(self.differences) - MAX_DIFFERENCES} more")
        return lines

    def _lines_of_letters(self) -> list[str]:
        """Return what is only said of the dead letters where there is something to say."""
        said = (
            ("sent back, acknowledged", self.sent_back),
            ("that are there twice", self.letters_twice),
            ("expired", self.letters_expired),
        )
        return [f"audit: dead letters {what}: {number}" for what, number in said if number]

    def require_clean(self) -> None:
        """Raise AuditFailed unless the report is clean, AuditIncomplete where it is and not everything could be verified."""
        if not self.clean:
            if self.changed:
                cause = "the store has changed behind the seal of an audit that was clean"
                way = "make audit AUDIT=full tells by how much; make rebuild counts anew from the log"
                raise AuditFailed(cause, "; ".join(self.lines(None)[-3:]), way)
            cause = "the audit found a difference"
            raise AuditFailed(cause, "; ".join(self.lines(None)[-3:]), "make status")
        if not self.complete:
            cause = "the audit found no difference, and could not verify everything"
            way = "make rebuild counts anew what the log still has"
            raise AuditIncomplete(
                cause, f"not verifiable {self.not_verifiable}, expired {self.expired + self.letters_expired}", way
            )

    def joined(self, other: AuditReport) -> AuditReport:
        """Return the report about this topic and another one. What was given up and dropped is known of the stack only."""
        sums: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in _SUMMED}
        return replace(
            self,
            **sums,
            rejected=dict(Counter(self.rejected) + Counter(other.rejected)),
            oldest=max(self.oldest, other.oldest),
            differences=self.differences + other.differences,
            producers=_joined(self.producers, other.producers),
        )


def _joined(ours: tuple[ProducersPart, ...], theirs: tuple[ProducersPart, ...]) -> tuple[ProducersPart, ...]:
    """Return the parts of the same producers added up."""
    found = {each.name: each for each in ours}
    for each in theirs:
        found[each.name] = found[each.name].plus(each) if each.name in found else each
    return tuple(found[name] for name in sorted(found))


_SUMMED = (
    "acknowledged",
    "in_log",
    "counted",
    "lost",
    "duplicated",
    "unknown_arrived",
    "not_attempted",
    "without_id",
    "foreign",
    "dead_letters",
    "behind",
    "in_flight",
    "not_verifiable",
    "expired",
    "untagged",
    "read_again",
    "disagreements",
    "letters_twice",
    "letters_expired",
    "sent_back",
    "acknowledged_before",
    "summarised",
    "disordered",
    "expired_sealed",
    "seals",
    "truths",
    "unused",
    "changed",
    "too_many_open",
    "over_closing",
)
