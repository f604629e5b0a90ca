"""What the ledger has of a scenario that is played: its content, its start, its place, and by what it was shifted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import insert, select, update

from trending.database import as_of_one_moment
from trending.dialects import run_sql
from trending.producer.places.opened import opened
from trending.producer.places.tables import PLAYS, REACHED, RUNS, SHIFTS
from trending.producer.sources.control import read_changes
from trending.simulator.records import Records
from trending.simulator.scenario import Scenario, hash_of_scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from trending.simulator.draws import Integers
    from trending.simulator.live.changes import Change


STAY_SECONDS = 0.1
"""Records of so long go to the same partition, and at most so many:"""
MOST_STAYING = 50_000
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Shift:
    """From ``first`` on, the records of a partition come so many milliseconds later than planned."""

    partition: int
    first: int
    milliseconds: int


@dataclass(frozen=True)
class Booked:
    """A scenario that is played on a topic, under one run for all lives of the producer.

    ``begin`` is its start in milliseconds since the epoch. ``stay`` records in a row, a stretch, go to one of ``partitions``,
    then as many to the next; with a skew its share of the stretches goes to partition 0, and the others take turns. All records
    below ``position`` are acknowledged, and in a partition those below what it has in ``reached``, which several
    producers write. ``changes`` are what was asked for while it was played.
    """

    run: str
    topic_id: str
    scenario: str
    content: str
    partitions: int
    stay: int
    begin: int
    position: int = 0
    shifts: tuple[Shift, ...] = field(default=())
    changes: tuple[Change, ...] = field(default=())
    reached: Mapping[int, int] = field(default_factory=dict, hash=False)

    @property
    def skew(self) -> int | None:
        """How many of a million stretches go to partition 0; None where all partitions take turns."""
        return _skew_of(self.content)

    def records(self) -> Records:
        """Return what makes its records."""
        return Records(Scenario.model_validate_json(self.content), self.changes)

    def partition(self, number: int) -> int:
        """Return the partition of a record."""
        if self.partitions == 1 or self.skew is None:
            return number // self.stay % self.partitions
        return int(self.partitions_of(np.array([number]))[0])

    def partitions_of(self, numbers: Integers) -> Integers:
        """Return the partitions of records."""
        stretches = numbers // self.stay
        if self.partitions == 1 or self.skew is None:
            return stretches % self.partitions
        # In whole numbers: however far it has come, each machine says the same.
        before = stretches * self.skew // _MILLION
        first = (stretches + 1) * self.skew // _MILLION > before
        return np.where(first, 0, 1 + (stretches - before) % (self.partitions - 1))

    def acknowledged_below(self, partition: int) -> int:
        """Return the number below which all records of a partition are acknowledged."""
        return max(self.position, self.reached.get(partition, 0))

    def begins(self, numbers: Integers) -> Integers:
        """Return the scenario's start for each of these records, with what it was shifted by, in milliseconds of the epoch."""
        found = np.full(len(numbers), self.begin, np.int64)
        if self.shifts:
            partitions = self.partitions_of(numbers)
            for partition in range(self.partitions):
                own = sorted((each.first, each.milliseconds) for each in self.shifts if each.partition == partition)
                here = partitions == partition
                places = np.searchsorted([first for first, _shift in own], numbers[here], side="right")
                found[here] += np.array([0, *(shift for _first, shift in own)])[places]
        return found


@lru_cache(maxsize=16)
def _skew_of(content: str) -> int | None:
    skew = Scenario.model_validate_json(content).tweets.partitions.skew
    return None if skew is None else round(skew * _MILLION)


_BEGIN = "INSERT INTO runs (run, reserved, topic_id) VALUES (?, 0, ?) ON CONFLICT (run) DO NOTHING"
_REACH = (
    "INSERT INTO reached (run, partition, position) VALUES (?, ?, ?) ON CONFLICT (run, partition) DO UPDATE SET "
    "position = excluded.position"
)
_COLUMNS = ("run", "topic_id", "scenario", "content", "partitions", "stay", "begin", "position")


def booked_at(wall: float, scenario: Scenario, run: str, topic_id: str, partitions: int, window_seconds: int) -> Booked:
    """Return a scenario that begins at the next whole window, or at once where it says so; ``wall`` is the time now."""
    seconds = window_seconds if scenario.start == "window" else 0
    begin = -int(-wall // seconds) * seconds * 1000 if seconds else int(wall * 1000)
    stay = max(1, min(MOST_STAYING, int(scenario.rate.base * scenario.time_scale * STAY_SECONDS)))
    content = scenario.model_dump_json(by_alias=True)
    return Booked(run, topic_id, hash_of_scenario(scenario), content, partitions, stay, begin)


def book(connection: Connection, play: Booked) -> None:
    """Write that a scenario begins, under a run of which nothing is reserved yet; its shifts are booked by themselves."""
    run_sql(connection, _BEGIN, (play.run, play.topic_id))
    connection.execute(insert(PLAYS).values({name: getattr(play, name) for name in _COLUMNS}))


def book_shifts(connection: Connection, run: str, shifts: Iterable[Shift]) -> None:
    """Write shifts, of which there is at least one, before the first record that they apply to is made.

    One that is replaced has moved no record: its life has ended before.
    """
    for each in shifts:
        same = (SHIFTS.c.run == run, SHIFTS.c.partition == each.partition, SHIFTS.c.first == each.first)
        connection.execute(SHIFTS.delete().where(*same))
        row = {"run": run, "partition": each.partition, "first": each.first, "milliseconds": each.milliseconds}
        connection.execute(insert(SHIFTS).values(row))


def book_position(connection: Connection, run: str, position: int, partitions: Iterable[int] | None = None) -> None:
    """Write that all records below this number are acknowledged, in these partitions or in all."""
    if partitions is not None:
        run_sql(connection, _REACH, [(run, partition, position) for partition in partitions])
        return
    connection.execute(update(PLAYS).where(PLAYS.c.run == run).values(position=position))


def read_play(connection: Connection, run: str) -> Booked | None:
    """Return what is booked of a run; None where it plays no scenario."""
    row = connection.execute(select(PLAYS).where(PLAYS.c.run == run)).one_or_none()
    if row is None:
        return None
    shifts = connection.execute(select(SHIFTS).where(SHIFTS.c.run == run).order_by(SHIFTS.c.first))
    found = tuple(Shift(each.partition, each.first, each.milliseconds) for each in shifts)
    reached = connection.execute(select(REACHED.c.partition, REACHED.c.position).where(REACHED.c.run == run))
    return Booked(
        **{name: getattr(row, name) for name in _COLUMNS},
        shifts=found,
        changes=read_changes(connection, run),
        reached={each.partition: each.position for each in reached},
    )


def read_plays(place: Path, topic_id: str | None = None) -> dict[str, Booked]:
    """Return run → what is booked of each scenario that was played, the last one last; empty without a ledger.

    With ``topic_id`` those on that topic.
    """
    if not place.exists():
        return {}
    ledger = opened(place)
    try:
        with as_of_one_moment(ledger.engine) as connection:
            query = select(PLAYS.c.run).order_by(PLAYS.c.begin)
            query = query if topic_id is None else query.where(PLAYS.c.topic_id == topic_id)
            runs = connection.execute(query).scalars().all()
            found = {run: read_play(connection, run) for run in runs}
    finally:
        ledger.close()
    return {run: play for run, play in found.items() if play is not None}


def reserved(connection: Connection, run: str) -> int:
    """Return the number below which records of a run may have been sent."""
    found: int | None = connection.execute(select(RUNS.c.reserved).where(RUNS.c.run == run)).scalar_one_or_none()
    return found or 0
