"""The producer of the usual tutorial: one JSON message, a flush, a second of sleep. Arguments: bootstrap, topic."""

from __future__ import annotations

import json
import random
import sys
import time

from confluent_kafka import Producer

HASHTAGS = ("#Spark", "#BigData", "#RealTime", "#IA")


def main() -> None:
    """Send for ever."""
    bootstrap, topic = sys.argv[1:]
    producer = Producer({"bootstrap.servers": bootstrap})
    while True:
        hashtag = random.choice(HASHTAGS)
        tweet = {
            "usuario": "@DataFan",
            "texto": f"increíble la velocidad de {hashtag}",
            "hashtag_principal": hashtag,
            "timestamp": time.time(),
        }
        producer.produce(topic, json.dumps(tweet).encode())
        producer.flush()
        time.sleep(1)


if __name__ == "__main__":
    main()
