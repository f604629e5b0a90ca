"""A peer of row 8: Pathway counts hashtags. Runs in the peers' environment.

Arguments: bootstrap, topic, number of tweets. Prints tweets and seconds as JSON: the whole run over what the topic holds, without
Python's imports.
"""

from __future__ import annotations

import json
import sys
import time
from uuid import uuid4

import pathway as pw


class Tweet(pw.Schema):  # type: ignore[misc] # the lab's environment has no Pathway, and mypy no types of it
    """What is read of a tweet."""

    hashtag_principal: str


def main() -> None:
    """Count everything that is in the topic."""
    bootstrap, topic, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": f"bench-pathway-{uuid4().hex[:6]}",
        "auto.offset.reset": "earliest",
        "session.timeout.ms": "6000",
    }
    tweets = pw.io.kafka.read(settings, topic=topic, format="json", schema=Tweet, mode="static")
    counts = tweets.groupby(tweets.hashtag_principal).reduce(tweets.hashtag_principal, number=pw.reducers.count())
    found: dict[str, int] = {}

    def keep(key: object, row: dict[str, object], time: int, is_addition: bool) -> None:  # noqa: FBT001, ARG001 - Pathway's form
        if is_addition:
            found[str(row["hashtag_principal"])] = int(str(row["number"]))

    pw.io.subscribe(counts, on_change=keep)
    began = time.monotonic()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    seconds = time.monotonic() - began
    if sum(found.values()) < number:
        sys.exit(f"{sum(found.values())} of {number} are counted")
    print(json.dumps({"records": sum(found.values()), "seconds": seconds}))


if __name__ == "__main__":
    main()
