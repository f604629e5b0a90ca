"""A health check's findings, its record from check to check, and the decision on what to repair. Plain data."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from infra.host.clock import seconds_since
from infra.host.json_files import write_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from trending.errors import LabError

REPAIRS = 3
"""Repairs of one component within the period; after that, a person must look at it."""
PERIOD_SECONDS = 3600.0


class Verdict(StrEnum):
    """The verdict on a component. BLOCKED: it cannot be judged, because a component that it depends on is down."""

    HEALTHY = "healthy"
    WARNING = "warning"
    BLOCKED = "blocked"
    UNHEALTHY = "unhealthy"


class Repair(StrEnum):
    """How to bring a component back: start it, or restart it if it runs but does nothing."""

    NONE = ""
    START = "start"
    RESTART = "restart"


@dataclass(frozen=True)
class Finding:
    """One component's verdict, the evidence for it and the command to run next."""

    component: str
    verdict: Verdict
    evidence: str
    next_command: str = ""
    repair: Repair = Repair.NONE
    version: str = ""
    """The broker's version, set only by the look at versions."""


def down(component: str, error: LabError, repair: Repair = Repair.NONE) -> Finding:
    """Return the finding of a component that is down, with the error's evidence and next command."""
    evidence = f"{error.cause}: {error.evidence}" if error.evidence else error.cause
    return Finding(component, Verdict.UNHEALTHY, evidence, error.next_command, repair)


class HealthRecord(BaseModel):
    """The record kept between checks.

    ``repairs`` are times in seconds since the epoch; ``alerted`` are the components whose spent budget has been reported.
    ``at`` is the time of the last check, 0 before the first; ``repaired`` counts all repairs since the record began; ``kafka`` is
    the broker's version. The live page reads the file for its metrics.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)
    verdicts: dict[str, Verdict] = {}
    since: dict[str, float] = {}
    repairs: dict[str, list[float]] = {}
    alerted: list[str] = []
    at: float = 0.0
    repaired: dict[str, int] = {}
    kafka: str = ""

    def recent_repairs(self, component: str, now: float) -> list[float]:
        """Return the repairs of ``component`` that still count against its budget at ``now``."""
        return [at for at in self.repairs.get(component, []) if seconds_since(at, now) < PERIOD_SECONDS]


@dataclass(frozen=True)
class Decision:
    """The one finding to repair, or the reason for none; ``given_up`` are the components with a spent budget."""

    repair: Finding | None = None
    held_back: str = ""
    given_up: tuple[str, ...] = ()


def overall(findings: Sequence[Finding]) -> Verdict:
    """Return the worst verdict, where a blocked component counts as unhealthy."""
    worst = {Verdict.UNHEALTHY, Verdict.BLOCKED} & {each.verdict for each in findings}
    if worst:
        return Verdict.UNHEALTHY
    return Verdict.WARNING if any(each.verdict is Verdict.WARNING for each in findings) else Verdict.HEALTHY


def block(findings: Sequence[Finding], needs: dict[str, tuple[str, ...]]) -> list[Finding]:
    """Return the findings; an unhealthy one becomes BLOCKED if a component that it needs is unhealthy itself.

    ``needs`` is component → components. A dead broker makes topic, producer and job unhealthy; only the broker needs repair.
    """
    down = {each.component for each in findings if each.verdict is Verdict.UNHEALTHY}
    blocked = []
    for each in findings:
        reason = sorted(down & _all_needs(each.component, needs)) if each.component in down else []
        if reason:
            evidence = f"waits for {', '.join(reason)}; {each.evidence}"
            blocked.append(replace(each, verdict=Verdict.BLOCKED, evidence=evidence, repair=Repair.NONE))
        else:
            blocked.append(each)
    return blocked


def _all_needs(component: str, needs: dict[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    waiting = list(needs.get(component, ()))
    while waiting:
        need = waiting.pop()
        if need not in found:
            found.add(need)
            waiting.extend(needs.get(need, ()))
    return found


def decide(findings: Sequence[Finding], record: HealthRecord, now: float) -> Decision:
    """Return what to repair at ``now`` (seconds since the epoch): at most one component, within its budget.

    Several components that are down at once share a cause, which restarting them one by one would hide: nothing is repaired.
    """
    down = [each for each in findings if each.verdict is Verdict.UNHEALTHY]
    if not down:
        return Decision()
    spent = tuple(each.component for each in down if each.repair and len(record.recent_repairs(each.component, now)) >= REPAIRS)
    if len(down) > 1:
        names = ", ".join(each.component for each in down)
        return Decision(held_back=f"{len(down)} components are down at once ({names}): nothing is touched", given_up=spent)
    culprit = down[0]
    if not culprit.repair:
        return Decision(held_back=f"{culprit.component} can't be repaired by starting it again")
    if spent:
        reason = (
            f"{culprit.component} was repaired {REPAIRS} times within {PERIOD_SECONDS / 60:.0f} min: a person must look at it"
        )
        return Decision(held_back=reason, given_up=spent)
    return Decision(repair=culprit)


def changes(before: HealthRecord, findings: Sequence[Finding]) -> dict[str, tuple[str, str]]:
    """Return component → (verdict before, verdict now) for those that changed; a new component counts as healthy before."""
    return {
        each.component: (known, each.verdict)
        for each in findings
        if (known := before.verdicts.get(each.component, Verdict.HEALTHY)) != each.verdict
    }


def read_record(path: Path) -> HealthRecord:
    """Return the last check's record, or an empty one if there is none or it cannot be read."""
    try:
        return HealthRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return HealthRecord()


@contextmanager
def record_held(path: Path) -> Iterator[None]:
    """Hold the record's lock, so that only one of two simultaneous checks reports a change."""
    with FileLock(path.with_suffix(".lock"), timeout=30):
        yield


def note_repair(path: Path, component: str, now: float | None = None) -> None:
    """Book a repair before it is done, so that it counts even if the healer is killed in the middle."""
    now = time.time() if now is None else now
    with record_held(path):
        record = read_record(path)
        repairs = {**record.repairs, component: [*record.recent_repairs(component, now), now]}
        repaired = {**record.repaired, component: record.repaired.get(component, 0) + 1}
        write_model(path, record.model_copy(update={"repairs": repairs, "repaired": repaired}))


def reset_repairs(path: Path) -> None:
    """Reset every component's budget. The verdicts stay, so that a recovery is noticed."""
    with record_held(path):
        write_model(path, read_record(path).model_copy(update={"repairs": {}, "alerted": []}))


def note_findings(
    path: Path, findings: Sequence[Finding], given_up: tuple[str, ...], now: float
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Record a check; returns the changes since the last one, and the given-up components that were not reported yet."""
    with record_held(path):
        before = read_record(path)
        changed = changes(before, findings)
        fresh = [component for component in given_up if component not in before.alerted]
        healthy = {each.component for each in findings if each.verdict is Verdict.HEALTHY}
        record = HealthRecord(
            verdicts={each.component: each.verdict for each in findings},
            since={
                each.component: now if each.component in changed else before.since.get(each.component, now) for each in findings
            },
            repairs=before.repairs,
            alerted=[component for component in [*before.alerted, *fresh] if component not in healthy],
            at=now,
            repaired=before.repaired,
            kafka=next((each.version for each in findings if each.version), before.kafka),
        )
        write_model(path, record)
        return changed, fresh
