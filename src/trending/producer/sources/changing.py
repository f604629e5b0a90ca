"""What is asked of a scenario that is played, as a change of its records from one of them on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trending.errors import ConfigurationConflict
from trending.simulator.live.changes import MOST_CHANGES, Change, TrendChange, require_room

if TYPE_CHECKING:
    from trending.producer.sources.booked import Booked
    from trending.simulator.live.changes import RateChange
    from trending.simulator.records import Records


def change_from(first: int, played: Booked, records: Records, asked: RateChange | TrendChange, wall: float) -> Change:
    """Return what is asked for at a moment, from the record ``first`` on; raises LabError where it cannot be.

    ``records`` are those of the play.
    """
    if records.count is not None and first >= records.count:
        cause = "the scenario is over"
        raise ConfigurationConflict(cause, f"it had {records.count} records", "make up SEED=… plays it once more")
    if len(played.changes) >= MOST_CHANGES:
        cause = f"this run of the scenario was changed {MOST_CHANGES} times already"
        raise ConfigurationConflict(cause, "", "make up SEED=… begins a new one")
    scale = records.scenario.time_scale
    now = (wall - int(played.begins(np.array([first]))[0]) / 1000) * scale
    # Between the record before it and itself: the times of records never go back.
    at = min(max(now, records.time(first - 1) if first else 0.0), records.time(first))
    if isinstance(asked, TrendChange):
        require_room(records.trends, asked.trend(at, scale))
    return Change(first, at, asked)
