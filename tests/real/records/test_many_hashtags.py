"""FAULTS.md row 23: more hashtags than anybody reads. Memory is bounded, the leading ones stay, and the others are a sum."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from confluent_kafka import Producer

from infra.forms.stacks import LastStep
from trending.serving.reader import StoreReader
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from real.harness import RealStack

    from trending.serving.ranking_query import Window

HASHTAGS = 200_000
KEPT = 1_000
LEADER = "#leader"
LONG_ONES = 200_000
"""With 1,120 bytes each they are a heap of the smallest size that is allowed, twice: in the tasks' answers, and put together."""
DRIVER_MB = 512
BESIDE_MB = 512
"""What a driver's JVM has beside its heap: classes, code, buffers, and the state store's own memory."""
PYTHON_MB = 450


def send(stack: RealStack) -> None:
    """Send a tweet for each of very many hashtags, and several for one, without ids: another producer's."""
    producer = Producer(stack.lab.stack.connection.client({"linger.ms": 50, "compression.type": "lz4"}))
    for number in range(HASHTAGS):
        for hashtag in (f"#tag{number}", LEADER) if number % 1000 == 0 else (f"#tag{number}",):
            tweet = {"usuario": "@many", "texto": hashtag, "hashtag_principal": hashtag, "timestamp": time.time()}
            producer.produce("tweets_topic", json.dumps(tweet).encode())
        if number % 10_000 == 0:
            producer.flush(30)
    assert producer.flush(30) == 0


def send_long_ones(stack: RealStack) -> None:
    """Send a tweet for each of many hashtags, which are as long as any, in bytes too."""
    producer = Producer(stack.lab.stack.connection.client({"linger.ms": 50, "compression.type": "lz4"}))
    for number in range(LONG_ONES):
        hashtag = f"#{number:07d}".ljust(MAX_HASHTAG, "\N{FIRE}")
        tweet = {"usuario": "@long", "texto": "", "hashtag_principal": hashtag, "timestamp": time.time()}
        producer.produce("tweets_topic", json.dumps(tweet, ensure_ascii=False).encode())
        if number % 10_000 == 0:
            producer.flush(30)
    assert producer.flush(30) == 0


def windows(stack: RealStack) -> tuple[Window, ...]:
    with closing(StoreReader(stack.lab.paths.store)) as reader:
        return reader.snapshot().windows


def resident_mb(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 2**20


@pytest.mark.row(23, "E")
def test_of_two_hundred_thousand_hashtags_the_first_stay_and_the_audit_finds_the_sum_of_the_others(stack: RealStack) -> None:
    # The window is over a minute after its end then, and not after three.
    stack.settings |= {"window_seconds": "10", "allowed_skew_seconds": "0", "ranking_hashtags": str(KEPT)}
    stack.bring_up()
    send(stack)
    driver, beside = stack.jvm_pid(), stack.program_pid("stream")
    memory, python = 0.0, 0.0

    def is_trimmed() -> bool:
        nonlocal memory, python
        memory, python = max(memory, resident_mb(driver)), max(python, resident_mb(beside))
        found = windows(stack)
        trimmed = [window for window in found if window.other_hashtags]
        return sum(window.other_hashtags for window in trimmed) >= HASHTAGS - KEPT * (len(trimmed) + 1)

    stack.wait_until(is_trimmed, 200, "the windows are over and trimmed")
    assert memory < DRIVER_MB + BESIDE_MB
    assert python < PYTHON_MB
    assert stack.jvm_pid() == driver, "it never ran out of memory"
    for window in windows(stack):
        if window.other_hashtags:
            assert window.hashtags - window.other_hashtags == KEPT
            assert window.ranked[0][0] == LEADER
            assert window.tweets == sum(tweets for _hashtag, tweets in window.ranked) + (window.hashtags - len(window.ranked))
    output = stack.audit(resume=False)
    assert f"audit: tweets of other producers: {HASHTAGS + HASHTAGS // 1000}" in output


@pytest.mark.row(23, "E")
def test_long_hashtags_of_one_batch_do_not_fill_the_drivers_heap(stack: RealStack) -> None:
    stack.settings |= {"driver_mb": "480"}
    stack.bring_up(until=LastStep.PRODUCER)
    send_long_ones(stack)
    stack.bring_up()
    driver = stack.jvm_pid()
    stack.wait_until(lambda: sum(window.hashtags for window in windows(stack)) > LONG_ONES, 150, "all are counted")
    assert stack.jvm_pid() == driver, "it never ran out of memory"
    output = stack.audit(resume=False)
    assert f"audit: tweets of other producers: {LONG_ONES}" in output
