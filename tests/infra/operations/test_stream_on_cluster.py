"""The streaming job on a cluster, on a machine of pretend: what is asked first, what it gets, and how its refusal is told."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from fakes.stacks import beat, make

from infra.lab.assembly import open_lab
from infra.operations import stream
from infra.operations.epochs import counting_epoch, key_of, known_topic_id
from infra.stack.state import write_state
from infra.supervision.budget import Deaths
from trending.errors import ClusterFull, ConfigurationConflict, NotReady, ServiceDied
from trending.private_file import write_private
from trending.settings import StreamSettings
from trending.stream.cluster.master import WAITING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.world import World

    from infra.lab.assembly import Lab

PACKAGE = Path("/lab/package/trending-job-1.zip")
REFUSAL = """26/11/29 23:00:32 WARN TaskSetManager: Lost task 0.0
\tat java.base/java.lang.Thread.run(Thread.java:840)
2026-11-29 23:00:52,105 ERROR trending the cluster's executors cannot call the driver at 192.0.2.7
  evidence: app-1/4 is now EXITED
  next: give DRIVER_HOST=another
2026-11-29 23:00:52,105 INFO py4j.clientserver Closing down clientserver connection
"""


@pytest.fixture
def master() -> Iterator[str]:
    """A master that takes connections, and does nothing with them."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"spark://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "ensure_package", lambda: PACKAGE)


def switch(lab: Lab, master: str) -> Lab:
    """Record another master as start-up does."""
    given = lab.settings.model_copy(update={"stream": StreamSettings(spark_master=master)})
    write_state(lab.paths, lab.state.model_copy(update={"settings": given}))
    return open_lab("lab")


def died(lab: Lab) -> None:
    lab.paths.budget.write_bytes(msgspec.json.encode({"stream": Deaths(at=[time.time()])}))
    lab.paths.output.mkdir(parents=True, exist_ok=True)
    lab.paths.output_file("stream", "err").write_text(REFUSAL, encoding="utf-8")


def test_another_master_restarts_the_job_on_the_same_checkpoint(world: World, master: str) -> None:
    lab = make()
    stream.submit_stream("lab")
    key, before = key_of(lab, known_topic_id(lab)), counting_epoch(lab, known_topic_id(lab))
    there = switch(lab, master)
    world.forget_history()
    stream.submit_stream("lab")
    assert key_of(there, known_topic_id(there)) == key
    specification = stream.stream_spec(there, before)
    assert (specification.package, specification.checkpoint_id) == (PACKAGE, before.checkpoint)
    assert stream.stream_spec(lab, before).package is None, "tasks in the driver need none"


@pytest.mark.usefixtures("world")
def test_a_job_that_runs_is_not_stopped_for_a_master_that_is_not_there() -> None:
    lab = make()
    stream.submit_stream("lab")
    switch(lab, "spark://127.0.0.1:1")
    with pytest.raises(NotReady, match="no Spark master answers"):
        stream.submit_stream("lab")
    status = lab.supervisor.status("stream")
    assert status is not None
    assert status.alive


@pytest.mark.usefixtures("world")
def test_the_cluster_that_was_started_here_is_called_with_its_secret(master: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = switch(make(), master)
    epoch = counting_epoch(lab, known_topic_id(lab))
    assert stream.stream_spec(lab, epoch).settings.spark_properties is None
    secret = lab.paths.home / "spark-cluster" / "spark.properties"
    secret.parent.mkdir()
    write_private(secret.parent / "master", f"{master} http://127.0.0.1:1")
    assert stream.stream_spec(lab, epoch).settings.spark_properties == str(secret)
    monkeypatch.setattr(stream, "cluster_master", lambda: "spark://127.0.0.1:2")
    assert stream.stream_spec(lab, epoch).settings.spark_properties is None, "the secret is for nobody else"


@pytest.mark.usefixtures("world")
def test_a_refused_job_is_told_at_its_first_death_and_in_its_own_words(master: str) -> None:
    lab = switch(make(), master)
    stream.submit_stream("lab")
    died(lab)
    beat(lab, "stream", figures={})
    with pytest.raises(ServiceDied, match="executors cannot call the driver at") as found:
        stream.wait_for_stream("lab")
    assert (found.value.evidence, found.value.next_command) == ("app-1/4 is now EXITED", "give DRIVER_HOST=another")


@pytest.mark.usefixtures("world")
def test_a_death_after_the_first_batch_is_the_supervisors_to_heal(master: str) -> None:
    lab = switch(make(), master)
    stream.submit_stream("lab")
    died(lab)
    for figures in ({"batches": 3.0}, {"read_until": 1.0}):
        beat(lab, "stream", figures=figures)
        assert stream.wait_for_stream("lab")["cluster"] == master


@pytest.mark.usefixtures("world")
def test_a_cluster_without_room_is_told_at_once_to_whoever_waits_for_the_start(master: str) -> None:
    lab = switch(make(), master)
    stream.submit_stream("lab")
    beat(lab, "stream", phase=WAITING, figures={})
    with pytest.raises(ClusterFull, match=f"the cluster at {master} has no room for the job") as found:
        stream.wait_for_stream("lab")
    assert not found.value.retriable


@pytest.mark.usefixtures("world")
def test_a_job_that_runs_is_not_stopped_for_an_address_that_nobody_could_call(master: str) -> None:
    lab = make()
    stream.submit_stream("lab")
    settings = StreamSettings(spark_master=master, driver_host="127.0.0.2", driver_bind_address="127.0.0.1")
    write_state(lab.paths, lab.state.model_copy(update={"settings": lab.settings.model_copy(update={"stream": settings})}))
    with pytest.raises(ConfigurationConflict, match="cannot call the driver at"):
        stream.submit_stream("lab")
    status = lab.supervisor.status("stream")
    assert status is not None
    assert status.alive


@pytest.mark.parametrize("elsewhere", [False, True])
def test_executors_elsewhere_are_given_the_time_that_their_first_batch_takes(
    world: World, master: str, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    lab = make()
    if elsewhere:
        switch(lab, master)
    waited: list[float] = []
    monkeypatch.setattr(stream, "climb", lambda _rungs, timeout, *_more: waited.append(timeout))
    stream.wait_for_stream("lab")
    assert waited == [stream.CLUSTER_READY_SECONDS if elsewhere else stream.READY_SECONDS]
