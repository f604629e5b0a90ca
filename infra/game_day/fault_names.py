"""The names of the faults, whom they strike, and the longest times that one may be held and waited for: what the form needs."""

from __future__ import annotations

from enum import StrEnum


class FaultName(StrEnum):
    """The faults that can be chosen; which of them a stack has depends on its runtime and size."""

    BROKER_KILLED_BY_HAND = "broker-killed-by-hand"
    BROKER_MEMORY_KILLED = "broker-memory-killed"
    BROKER_HEAP_EXHAUSTED = "broker-heap-exhausted"
    BROKER_KILLED = "broker-killed"
    BROKER_FROZEN = "broker-frozen"
    ONE_BROKER_OF_THREE_KILLED = "one-broker-of-three-killed"
    TOPIC_ASKED_FOR_OTHERWISE = "topic-asked-for-otherwise"
    PRODUCER_KILLED = "producer-killed"
    PRODUCER_FROZEN = "producer-frozen"
    DRIVER_KILLED = "driver-killed"
    JVM_KILLED = "jvm-killed"
    SUPERVISOR_KILLED = "supervisor-killed"


FIRST_AND_LAST = 0
"""In place of a producer's number. The first one books what all of them do, and the others are alike."""
LONGEST_HOLD_SECONDS = 60
LONGEST_LIMIT_SECONDS = 600
"""Upper bounds in the form; the task's timeout is computed from them."""
