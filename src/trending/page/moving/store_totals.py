"""How much the store has counted of the topic that is counted now, up to which offsets, and when an audit has proved it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from trending.serving import epochs, pruning
from trending.serving.counts import RANKING, UNTAGGED, metadata
from trending.serving.others import OTHERS
from trending.serving.store import EPOCHS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

_SUMS = (
    (RANKING.c.checkpoint, RANKING.c.tweets),
    (UNTAGGED.c.checkpoint, UNTAGGED.c.records),
    (OTHERS.c.checkpoint, OTHERS.c.tweets),
    (metadata.tables["rejected"].c.checkpoint, metadata.tables["rejected"].c.records),
    (pruning.SUMMARIES.c.checkpoint, pruning.SUMMARIES.c.tweets),
    (pruning.SUMMARIES.c.checkpoint, pruning.SUMMARIES.c.untagged),
)
_SEALS = metadata.tables["seals"]


class Totals(NamedTuple):
    """What was counted of one topic: ``starts`` and ``ends`` are partition → offset, the ends exclusive.

    ``counted`` are its tweets, untagged records and rejects; foreign records are nobody's tweets. ``proved_at`` is when the last
    clean audit was sealed, seconds since the epoch, or None. ``first`` says that no other topic was counted before.
    """

    topic_id: str
    first: bool
    starts: Mapping[int, int]
    ends: Mapping[int, int]
    counted: int
    proved_at: float | None


def read(connection: Connection) -> Totals | None:
    """Return the totals as of the connection's moment, every row of the store added up; None where no epoch has begun."""
    known = epochs.read(connection, EPOCHS)
    if not known:
        return None
    topic_id = known[-1].topic_id
    ours = [epoch for epoch in known if epoch.topic_id == topic_id]
    checkpoints = [epoch.checkpoint for epoch in ours]
    counted = 0
    for checkpoint, records in _SUMS:
        counted += int(
            connection.execute(select(func.coalesce(func.sum(records), 0)).where(checkpoint.in_(checkpoints))).scalar_one()
        )
    proved = connection.execute(select(_SEALS.c.made_at).where(_SEALS.c.topic_id == topic_id)).scalar_one_or_none()
    starts = {part: offset for epoch in reversed(ours) for part, offset in epoch.starts.items()}
    ends = {part: offset for epoch in ours for part, offset in epoch.counted_to().items()}
    return Totals(topic_id, known[0].topic_id == topic_id, starts, ends, counted, proved)
