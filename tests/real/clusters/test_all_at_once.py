"""Clusters as a company has them, all at once: Kafka, Spark and PostgreSQL that are there already, and what dies in each."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType
from postgres_cluster import PASSWORD
from real.clusters.guests import allow, allow_stack, make_user
from real.conftest import new_stack
from real.places import places_of

from infra.forms.stacks import LastStep
from infra.lab.store import store_place
from infra.spark_cluster.standalone import WORKERS, cluster_supervisor
from trending.postgresql.place import PostgresPlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgres_cluster import Cluster
    from real.harness import RealStack

JOURNEY_SECONDS = 360.0
CANARY = "canary-guest-51"
GUEST, GUESTS_PASSWORD = "guest", f'{CANARY} "and" \\ what a JAAS line escapes'
TOPIC = "guests_tweets"


@pytest.fixture
def began() -> float:
    """When the journey began, on the monotonic clock: brokers and workers have still to be started."""
    return time.monotonic()


@pytest.fixture
def theirs(began: float, real_home: Path) -> Iterator[RealStack]:
    """Three secure brokers that are another stack's: to the stack under test they are somebody else's cluster."""
    owner = new_stack()
    owner.settings = {"secure": "true", "brokers": "3", "replication": "3", "heap_mb": "512"}
    owner.bring_up(LastStep.TOPIC)
    yield owner
    owner.down()


@pytest.fixture
def guest(
    stack: RealStack, theirs: RealStack, postgres: Cluster, master: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RealStack]:
    """A stack that is a guest everywhere: none of its brokers, executors and tables is on its own servers."""
    inside = theirs.lab.stack.connection
    make_user(inside, GUEST, GUESTS_PASSWORD)
    allow_stack(inside, GUEST, stack.name, TOPIC)
    monkeypatch.setenv("PASSWORD_OF_GUEST", GUESTS_PASSWORD)
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    secret.chmod(0o600)
    stack.runtime = "external"
    stack.settings = {
        "bootstrap": inside.bootstrap,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "kafka_user": GUEST,
        "kafka_secret": "env:PASSWORD_OF_GUEST",
        "ca_file": inside.settings["ssl.ca.location"],
        "topic": TOPIC,
        "partitions": "3",
        "replication": "3",
        "spark_master": master,
        "store_url": postgres.url,
        "store_secret": f"file:{secret}",
        "stage_records": "1",
        "rate": "200",
        "page_port": "0",
    }
    yield stack
    for name in (TOPIC, f"{TOPIC}.dlq", "trending_probe"):
        allow(inside, GUEST, ResourceType.TOPIC, name, AclOperation.DELETE)
    stack.down()


def worker_pid() -> int:
    status = cluster_supervisor().status(WORKERS[0])
    assert status is not None
    return status.pid


def test_a_guest_on_three_clusters_loses_nothing_while_parts_of_each_die(
    guest: RealStack, theirs: RealStack, postgres: Cluster, began: float
) -> None:
    """A worker is killed, then the database crashes, then a broker is killed: what dies comes back, and the count is exact.

    The executors write every batch to the database themselves.
    """
    guest.bring_up(LastStep.STREAM)
    guest.wait_progress()
    driver, killed = guest.program_pid("stream"), worker_pid()
    os.kill(killed, signal.SIGKILL)
    guest.wait_progress()
    guest.wait_until(lambda: worker_pid() not in {0, killed}, 30, "supervisord has brought the worker back")
    postgres.restart(6.0)
    guest.wait_progress()
    theirs.kill(theirs.service_pid("kafka-2"))
    guest.wait_progress()
    assert guest.program_pid("stream") == driver, "the job has lived through all of it"
    assert "spark cluster spark://127.0.0.1:" in guest.command("status", f"--name={guest.name}", code=None)
    guest.audit(resume=False)
    place = store_place(guest.lab)
    assert isinstance(place, PostgresPlace)
    postgres.require_staged(place.schema_name)
    assert places_of(CANARY.encode(), guest.paths.home) == {"access.json": 0o600}, "no log, no executor's directory"
    assert places_of(PASSWORD.encode(), guest.paths.home) == {}, "the executors have had it in memory"
    assert time.monotonic() - began < JOURNEY_SECONDS
