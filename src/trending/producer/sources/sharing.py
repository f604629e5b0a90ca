"""Several producers that play one scenario: each has partitions of its own, and nothing else of the run is divided.

What changes a scenario applies from a record that none of them has drawn. So each says in the ledger, a second ahead, below
which number it draws; the first producer, which takes the changes, goes behind all of these. Both are transactions of one file,
one after the other: whoever says later sees the change, and whoever said before draws only what lies below it.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, select

from trending.dialects import run_sql
from trending.errors import ConfigurationConflict, NotReady
from trending.producer.places.opened import opened
from trending.producer.places.tables import DRAWN
from trending.producer.reading_back import lives_in
from trending.producer.sources import booked
from trending.producer.sources.control import read_changes
from trending.programs.heartbeat import write_heartbeat
from trending.simulator.scenario import Scenario, hash_of_scenario

if TYPE_CHECKING:
    import threading

    from sqlalchemy import Connection

    from trending.producer.places.opened import OpenedLedger
    from trending.producer.sources.booked import Booked
    from trending.programs.specifications import ProducerSpec
    from trending.simulator.live.changes import Change

logger = logging.getLogger("trending.producer")

AHEAD_SECONDS = 1.0
"""A producer among several says so far ahead what it draws: one commit a second, and a change waits for as long."""
WAIT_SECONDS = 0.2
AWAITING = "starting: waits for the first producer"
_DRAWS = (
    "INSERT INTO drawn (run, place, producers, below) VALUES (?, ?, ?, ?) ON CONFLICT (run, place) DO UPDATE SET "
    "producers = excluded.producers, below = CASE WHEN excluded.below > drawn.below THEN excluded.below ELSE drawn.below END"
)


class Share(NamedTuple):
    """Which of several producers this one is: ``place`` counts from 0."""

    place: int
    producers: int

    @property
    def alone(self) -> bool:
        """Whether there are no others."""
        return self.producers == 1

    def partitions(self, count: int) -> tuple[int, ...]:
        """Return the partitions that this producer alone writes to; raises ConfigurationConflict where it would have none."""
        found = tuple(range(self.place, count, self.producers))
        if not found:
            cause = f"{self.producers} producers share {count} partitions, so that one of them has none"
            raise ConfigurationConflict(cause, f"producer {self.place + 1}", f"make up PRODUCERS={count}")
        return found


def draws_below(connection: Connection, run: str, share: Share, below: int) -> tuple[Change, ...]:
    """Write that a producer draws records below a number from now on; returns all that has changed the scenario by then.

    The number never goes back, whatever the partitions were of which a producer of that place has drawn.
    """
    run_sql(connection, _DRAWS, (run, share.place, share.producers, below))
    return read_changes(connection, run)


def drawn_below(connection: Connection, run: str, share: Share) -> int:
    """Return the number below which all lies that any producer has drawn, or draws without looking here again.

    Raises NotReady while that of one is not known: it has not read back yet what lives before it have sent.
    """
    known = select(DRAWN.c.place).where(DRAWN.c.run == run, DRAWN.c.producers == share.producers)
    absent = set(range(share.producers)) - set(connection.execute(known).scalars())
    if absent:
        cause = f"producer {min(absent) + 1} of {share.producers} has not begun to send"
        raise NotReady(cause, "it reads back first what is in the log", "make status")
    found: int = connection.execute(select(func.max(DRAWN.c.below)).where(DRAWN.c.run == run)).scalar_one()
    return found


def forget_drawn(connection: Connection, run: str) -> None:
    """Delete what several producers have said: one alone draws what it likes, so that nothing of it holds any more."""
    connection.execute(delete(DRAWN).where(DRAWN.c.run == run))


def play_of(ledger: OpenedLedger, topic_id: str, scenario: str) -> Booked | None:
    """Return what the last life on the topic has played, if it is the scenario with that hash."""
    lives = lives_in(ledger, topic_id)
    if not lives:
        return None
    with ledger.engine.connect() as connection:
        found = booked.read_play(connection, lives[0])
    return found if found is not None and found.scenario == scenario else None


def has_begun(spec: ProducerSpec, stop: threading.Event) -> bool:
    """Wait until the first producer has booked the scenario's start; False where it is time to end before.

    Before that it reads back what an earlier run has sent, from all partitions, and nobody else may write.
    """
    scenario = hash_of_scenario(Scenario.model_validate_json(spec.scenario))
    with closing(opened(spec.ledger)) as ledger:
        while not stop.is_set():
            write_heartbeat(spec.heartbeat, AWAITING)
            if play_of(ledger, spec.topic_id, scenario) is not None:
                return True
            time.sleep(WAIT_SECONDS)
    return False
