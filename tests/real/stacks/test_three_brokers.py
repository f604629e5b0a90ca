"""FAULTS.md row 13: one of three brokers killed, replication 3, min ISR 2, on either runtime."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient

from infra.forms.stacks import LastStep
from infra.operations.description import describe
from infra.stack.profiles import broker_name
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import ends_of, log_ends, read_log

if TYPE_CHECKING:
    from real.harness import RealStack

TOPIC = "tweets_topic"
ELECTION_SECONDS = 30.0
"""The controller fences a silent broker after 9 s (broker.session.timeout.ms); a new controller may have to be elected first."""
NOTICING_SECONDS = 10.0
"""From a new leader to the first record that it gets: the client's metadata refresh with its back-off and its resent batch, which
take 1 to 3 s on a quiet machine."""


def leaders(stack: RealStack, *, without: str) -> dict[int, int]:
    """Return partition → leader as the brokers other than ``without`` have it; -1 where there is none."""
    others = [f"localhost:{service.ports[0]}" for service in stack.lab.stack.brokers if service.name != without]
    view = AdminClient(KafkaConnection(",".join(others)).client()).list_topics(TOPIC, timeout=5)
    return {number: partition.leader for number, partition in view.topics[TOPIC].partitions.items()}


def longest_pauses(stack: RealStack) -> dict[int, float]:
    """Return partition → longest time between two appended records, by the brokers' append times."""
    ends = ends_of(log_ends(stack.lab.stack.connection, TOPIC))
    times: dict[int, list[float]] = {partition: [] for partition in ends}
    for record in read_log(stack.lab.stack.connection, TOPIC, {}, ends):
        times[record.partition].append(record.append_time)
    return {partition: max(later - earlier for earlier, later in pairwise(at)) for partition, at in times.items()}


@pytest.mark.row(13, "D", "E")
def test_one_of_three_brokers_killed_loses_nothing_and_pauses_no_longer_than_the_election(any_stack: RealStack) -> None:
    stack = any_stack
    stack.settings |= {"brokers": "3", "replication": "3", "partitions": "3", "rate": "50"}
    stack.bring_up(LastStep.STREAM)
    assert "brokers: 3" in next(line.detail for line in describe(stack.lab) if line.name == broker_name(3))
    victim = leaders(stack, without="")[0]
    name = broker_name(victim)

    stack.kill(stack.service_pid(name))
    killed = time.monotonic()
    stack.wait_until(
        lambda: not {-1, victim} & set(leaders(stack, without=name).values()),
        ELECTION_SECONDS,
        "every partition has a new leader",
    )
    election = time.monotonic() - killed
    before = stack.figure("producer", "acknowledged")
    stack.wait_until(lambda: stack.figure("producer", "acknowledged") > before + 500, 30, "acknowledgements go on")
    assert stack.figure("producer", "failed") == 0
    stack.wait_progress()
    pauses = longest_pauses(stack)
    assert max(pauses.values()) < election + NOTICING_SECONDS, f"pauses {pauses}, the election took {election:.1f} s"

    stack.wait_well(without=frozenset({"page"}))  # with the killed one back in the cluster
    stack.audit()
