"""A peer of row 8: Quix Streams counts hashtags in windows of a minute. Runs in the peers' environment.

Arguments: bootstrap, topic, number of tweets, a directory for its state. Prints tweets and seconds as JSON: from the first
count of a tweet to the last, so its start is not counted.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from uuid import uuid4

from quixstreams import Application


def main() -> None:
    """Count so many tweets."""
    bootstrap, topic, number, state = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    app = Application(
        broker_address=bootstrap,
        consumer_group=f"bench-quix-{uuid4().hex[:6]}",
        auto_offset_reset="earliest",
        state_dir=state,
        loglevel="ERROR",
    )
    seen = 0
    began = ended = 0.0

    def mark(count: dict[str, object]) -> dict[str, object]:
        nonlocal seen, began, ended
        seen += 1
        if seen == 1:
            began = time.monotonic()
        elif seen == number:
            ended = time.monotonic()
            app.stop()
        return count

    frame = app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="bytes"))
    frame.group_by("hashtag_principal").tumbling_window(timedelta(minutes=1)).count().current().apply(mark)
    app.run(timeout=60.0)
    if seen < number:
        sys.exit(f"{seen} of {number} tweets came")
    print(json.dumps({"records": number - 1, "seconds": ended - began}))


if __name__ == "__main__":
    main()
