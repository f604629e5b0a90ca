"""FAULTS.md row 34: a transaction left open holds its own partition until the broker aborts it, and nothing else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from real.harness import plain, python

from flows import audit
from infra.health.examination import examine
from infra.health.freshness import FRESHNESS
from infra.health.verdicts import Repair, Verdict, decide, read_record
from trending.kafka.open_transactions import LONGEST_SECONDS, SWEEP_SECONDS, held_partitions

if TYPE_CHECKING:
    from real.harness import RealStack

    from infra.health.verdicts import Finding

HANG = """
import os, sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "left"})
producer.init_transactions(30)
producer.begin_transaction()
for _number in range(3):
    producer.produce("tweets_topic", sys.argv[2], partition=1)
producer.flush(20)
os._exit(0)
"""
LATER_SECONDS = 20.0
"""What a busy machine may take beyond the broker's own times."""


def freshness(stack: RealStack) -> Finding:
    findings = examine(stack.lab)
    assert not decide(findings, read_record(stack.paths.health), time.time()).repair, "nothing is repaired"
    return next(each for each in findings if each.component == FRESHNESS)


@pytest.mark.row(34, "D", "E")
def test_an_open_transaction_holds_its_partition_only_and_everything_goes_on_after_the_brokers_abort(
    any_stack: RealStack,
) -> None:
    stack = any_stack
    stack.settings |= {"partitions": "2", "rate": "50"}
    stack.bring_up()
    stack.wait_until(lambda: stack.figure("stream", "offset.1") > 20, 60, "both partitions are counted")
    stack.wait_until(lambda: freshness(stack).verdict is Verdict.HEALTHY, 90, "nothing is behind")
    born = stack.program_pid("stream")
    connection = stack.lab.stack.connection
    tweet = {"usuario": "@a", "texto": "b #Left", "hashtag_principal": "#Left", "timestamp": time.time()}
    with python(HANG, connection.bootstrap, json.dumps(tweet)) as somebody:
        assert somebody.wait(60) == 0
    began = time.monotonic()
    stack.wait_until(lambda: len(held_partitions(connection, "tweets_topic", 5.0)) == 1, 20, "partition 1 is held")

    (held,) = held_partitions(connection, "tweets_topic", 5.0)
    assert held.partition == 1
    named = f"holds partition 1 at offset {held.stable}"
    stack.wait_until(lambda: named in freshness(stack).evidence, 30, "health names it, and nothing else is behind")
    finding = freshness(stack)
    assert (finding.verdict, finding.repair) == (Verdict.WARNING, Repair.NONE), finding.evidence
    status = stack.command("status", f"--name={stack.name}")
    assert f"an open transaction holds partition 1 at offset {held.stable}" in status
    before = stack.figure("stream", "offset.0")
    stack.wait_until(lambda: stack.figure("stream", "offset.0") > before + 50, 30, "the other partition goes on")
    assert stack.figure("stream", "offset.1") == held.stable
    with plain():
        report = audit.recount(stack.name, resume=True)
    assert report.clean, report.lines(None)
    assert time.monotonic() - began < LONGEST_SECONDS, "this was seen while the transaction was open"
    assert report.behind > 0
    assert f"acknowledged behind an open transaction, not audited yet: {report.behind}" in "\n".join(report.lines(None))

    over = LONGEST_SECONDS + SWEEP_SECONDS + LATER_SECONDS - (time.monotonic() - began)
    stack.wait_until(lambda: not held_partitions(connection, "tweets_topic", 0.5), over, "the broker ends the transaction")
    stack.wait_until(lambda: stack.figure("stream", "offset.1") > held.end, 30, "its partition goes on")
    stack.wait_until(lambda: freshness(stack).verdict is Verdict.HEALTHY, 30, "everything is healthy")
    assert stack.program_pid("stream") == born
    output = stack.audit()
    assert "tweets of other producers: 0" in output
    assert "groups dropped by Spark's watermark: 0" in output
