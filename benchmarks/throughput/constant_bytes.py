"""The peer of row 5: the same bytes again and again through librdkafka, one ``produce`` each; nothing is generated, nothing kept.

Arguments: bootstrap, topic, number of messages, and a file with the message. Prints messages and seconds as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from confluent_kafka import Producer

from trending.producer.program import PRODUCER_SETTINGS, linger_ms

LOOK_EVERY = 10_000


def main() -> None:
    """Send, wait for the last acknowledgement, tell how long that took."""
    bootstrap, topic, number, message = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).read_bytes()
    producer = Producer({**PRODUCER_SETTINGS, "bootstrap.servers": bootstrap, "linger.ms": linger_ms(1e6)})
    producer.list_topics(topic, timeout=30)
    produce = producer.produce
    began = time.monotonic()
    for sent in range(number):
        while True:
            try:
                produce(topic, message)
            except BufferError:
                producer.poll(0.1)
            else:
                break
        if not sent % LOOK_EVERY:
            producer.poll(0)
    left = producer.flush(60)
    if left:
        sys.exit(f"{left} messages are not acknowledged")
    print(json.dumps({"records": number, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
