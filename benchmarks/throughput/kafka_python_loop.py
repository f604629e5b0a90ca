"""The peer of row 3: the producer of the usual tutorial with kafka-python, its sleep removed. Runs in the peers' environment.

Arguments: bootstrap, topic, number of tweets. Prints tweets and seconds as JSON, until the last one is acknowledged.
"""

from __future__ import annotations

import json
import random
import sys
import time

from kafka import KafkaProducer

USERS = ("@DataFan", "@SparkGuru", "@PythonDev", "@KafkaQueen", "@StreamLover")
PHRASES = ("increíble la velocidad de", "hoy aprendí algo nuevo sobre", "no puedo dejar de leer sobre")
HASHTAGS = ("#Spark", "#BigData", "#RealTime", "#IA")


def make_tweet() -> dict[str, object]:
    """Return a random tweet."""
    hashtag = random.choice(HASHTAGS)
    return {
        "usuario": random.choice(USERS),
        "texto": f"{random.choice(PHRASES)} {hashtag}",
        "hashtag_principal": hashtag,
        "timestamp": time.time(),
    }


def main() -> None:
    """Send, flush once at the end."""
    bootstrap, topic, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    producer = KafkaProducer(bootstrap_servers=bootstrap, value_serializer=lambda tweet: json.dumps(tweet).encode("utf-8"))
    producer.partitions_for(topic)
    began = time.monotonic()
    for _tweet in range(number):
        producer.send(topic, value=make_tweet())
    producer.flush()
    print(json.dumps({"records": number, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
