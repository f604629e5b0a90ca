"""The ledger's tables: of a file, which has one producer's runs, and of a schema, where several producers share them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Identity, Integer, MetaData, Table

from trending.dialects import EveryText, Name
from trending.producer import redriven

FORM = 1
"""Number of the shared tables' form, kept with them: raise it with every change of one."""
metadata = MetaData()
RUNS = Table(
    "runs",
    metadata,
    Column("run", Name, primary_key=True),
    Column("reserved", BigInteger, nullable=False),
    Column("topic_id", Name),
)
Table(
    "acked",
    metadata,
    Column("run", Name, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_sequence", BigInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
)
Table(
    "unplaced",
    metadata,
    Column("run", Name, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_sequence", BigInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("end_offset", BigInteger, nullable=False),
)
Table(
    "counts",
    metadata,
    Column("run", Name, primary_key=True),
    Column("minute", BigInteger, primary_key=True),
    Column("hashtag", EveryText, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
)
SPREAD = Table(
    "spread",
    metadata,
    Column("run", Name, primary_key=True),
    Column("first_minute", BigInteger, primary_key=True),
    Column("last_minute", BigInteger, primary_key=True),
    Column("hashtag", EveryText, primary_key=True),
    Column("tweets", BigInteger, nullable=False),
)
FAILED = Table(
    "failed",
    metadata,
    Column("run", Name, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("reason", EveryText, nullable=False),
)
EXPIRED = Table(
    "expired",
    metadata,
    Column("run", Name, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("acknowledged", BigInteger, nullable=False),
)
EXPIRED_COUNTS = Table(
    "expired_counts",
    metadata,
    Column("run", Name, primary_key=True),
    Column("last_minute", BigInteger, nullable=False),
    Column("tweets", BigInteger, nullable=False),
)
REDRIVEN = redriven.table_of(metadata)
BY_HAND = Table("by_hand", metadata, Column("run", Name, primary_key=True), Column("sent_at", Name), Column("tweet", EveryText))
"""Runs of a single tweet that somebody has sent: none of them is a producer's life. The tweet is as it was sent, in JSON."""
REPLAYS = Table(
    "replays",
    metadata,
    Column("run", Name, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("ended", Boolean, nullable=False),
)
"""Runs of what was recorded elsewhere and sent again, numbered in their order: none of them is a producer's life. One that has
``ended`` was acknowledged whole."""
# What is known of scenarios that are played; trending.producer.sources.booked reads and writes it.
PLAYS = Table(
    "plays",
    metadata,
    Column("run", Name, primary_key=True),
    Column("topic_id", Name, nullable=False),
    Column("scenario", Name, nullable=False),
    Column("content", EveryText, nullable=False),
    Column("partitions", Integer, nullable=False),
    Column("stay", Integer, nullable=False),
    Column("begin", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
)
SHIFTS = Table(
    "shifts",
    metadata,
    Column("run", Name, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("milliseconds", BigInteger, nullable=False),
)
# Of producers that share a scenario: below which number of a partition all is acknowledged, and below which each one draws.
REACHED = Table(
    "reached",
    metadata,
    Column("run", Name, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
)
DRAWN = Table(
    "drawn",
    metadata,
    Column("run", Name, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("producers", Integer, nullable=False),
    Column("below", BigInteger, nullable=False),
)
# What is asked of the producer at work, and what it has made of it: trending.producer.sources.control.
ASKED = Table(
    "asked",
    metadata,
    Column("request", Name, primary_key=True),
    Column("until", Float, nullable=False),
    Column("content", EveryText, nullable=False),
    Column("refused", EveryText, nullable=False),
    Column("way", EveryText, nullable=False),
)
CHANGES = Table(
    "changes",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("request", Name, nullable=False, unique=True),
    Column("run", Name, nullable=False),
    Column("topic_id", Name, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
    Column("content", EveryText, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("base", Float),
)
OF_THE_FILE = frozenset({PLAYS, SHIFTS, REACHED, DRAWN, ASKED, CHANGES, BY_HAND, REPLAYS})
"""Scenarios, what changes them, tweets sent by hand and replays are in the stack's own ledger, which is a file."""


def _shared() -> MetaData:
    """Return the tables of a file, with what tells several producers apart."""
    found = MetaData()
    for table in metadata.sorted_tables:
        if table not in OF_THE_FILE:
            table.to_metadata(found)
    runs = found.tables["runs"]
    runs.append_column(Column("producer", Name, nullable=False))
    runs.append_column(Column("number", BigInteger, Identity(), nullable=False))
    Table(
        "producers",
        found,
        Column("producer", Name, primary_key=True),
        Column("life", Name, nullable=False),
        Column("seen_at", Float, nullable=False),
        Column("ended", Boolean, nullable=False),
        Column("written", Name, nullable=False),
        Column("host", EveryText, nullable=False),
    )
    return found


SHARED = _shared()
PRODUCERS = SHARED.tables["producers"]
"""Who writes: the life that has the name, when it was last heard of by the server's clock, whether it said that it ends."""
