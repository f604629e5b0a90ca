"""The tasks' functions on a machine of pretend, without engine."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack
from fakes.stacks import beat, make

from infra.health.examination import ladders
from infra.lab.assembly import open_lab
from infra.operations import audit, producer, stream, topic
from infra.operations import program_ladder as heartbeat
from infra.operations import services as infrastructure
from infra.operations.epochs import counting_epoch, known_topic_id
from infra.operations.undo import found_before, undo
from infra.producers.replaying import alone
from infra.supervision.supervisor import ProgramStatus
from trending.errors import (
    AuditFailed,
    BudgetSpent,
    ConfigurationConflict,
    InvalidInput,
    NotReady,
    PrerequisiteMissing,
    ServiceDied,
)
from trending.programs.heartbeat import FINISHED, WAITING, write_heartbeat
from trending.settings import LabSettings, ProducerSettings, StreamSettings, WindowTime

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

    from infra.lab.assembly import Lab


@pytest.fixture
def beating(world: World) -> Lab:
    """A stack whose producer was launched."""
    lab = make()
    producer.launch_producer("lab")
    assert "producer" in world.programs
    return lab


def test_a_fresh_heartbeat_of_the_present_life_is_returned(beating: Lab) -> None:
    assert heartbeat.fresh_heartbeat(beating, "producer").phase == "working"


def test_a_heartbeat_of_an_earlier_life_does_not_count(beating: Lab) -> None:
    beat(beating, "producer", pid=os.getpid() + 1)
    with pytest.raises(NotReady, match="producer has given no sign of life yet"):
        heartbeat.fresh_heartbeat(beating, "producer")


def test_an_old_heartbeat_is_that_of_a_frozen_program(beating: Lab) -> None:
    beat(beating, "producer", at=time.time() - 60, phase="sending")
    with pytest.raises(NotReady, match="runs, but gives no sign of life") as caught:
        heartbeat.fresh_heartbeat(beating, "producer")
    assert "its last heartbeat is 60 s old: sending" in caught.value.evidence


def test_a_program_that_beats_and_has_done_nothing_is_not_ready(beating: Lab) -> None:
    beat(beating, "producer", note="the broker is silent", phase="waiting")
    with pytest.raises(NotReady, match="producer is waiting and has no acknowledged yet") as caught:
        heartbeat.beating(beating, "producer", "acknowledged")[-1].check()
    assert caught.value.evidence == "the broker is silent"


def test_the_ladder_of_a_program_ends_at_its_figure(beating: Lab) -> None:
    rungs = heartbeat.beating(beating, "producer", "acknowledged")
    assert [rung.name for rung in rungs] == ["running", "heartbeat", "acknowledged"]
    assert [rung.check() for rung in rungs] == [f"RUNNING, pid {os.getpid()}", "working", "acknowledged 7"]


def test_a_job_that_has_started_again_and_finds_nothing_new_is_ready(beating: Lab) -> None:
    """As when a scenario is over, or waits for its first window: Spark runs no batch without records, and is idle."""
    stream.submit_stream("lab")
    beat(beating, "stream", phase="running", figures={"offset.0": 7.0})
    with pytest.raises(NotReady, match="stream is running and has no batches yet"):
        stream.stream_ladder(beating)[-1].check()
    beat(beating, "stream", phase="running", figures={"offset.0": 7.0, "read_until": time.time()})
    assert stream.stream_ladder(beating)[-1].check() == "idle: everything in the log is counted"
    assert ladders(beating)["stream"](beating)[-1].check() == "idle: everything in the log is counted"


def test_waiting_for_a_program_that_has_died_fails_at_once(beating: Lab, world: World) -> None:
    world.ended["producer"] = ProgramStatus("producer", "EXITED", 0, 2, "", 0.0)
    with pytest.raises(ServiceDied):
        producer.wait_for_producer("lab")
    world.ended["producer"] = ProgramStatus("producer", "FATAL", 0, 2, "", 0.0)
    with pytest.raises(BudgetSpent):
        producer.wait_for_producer("lab")
    assert beating.settings


@pytest.mark.usefixtures("world")
def test_an_unusable_catalogue_is_refused_before_the_producer_is_started(tmp_path: Path) -> None:
    broken = tmp_path / "catalogue.json"
    broken.write_text("[1, 2")
    lab = make(producer=ProducerSettings(catalogue=str(broken)))
    with pytest.raises(InvalidInput):
        producer.launch_producer("lab")
    assert lab.supervisor.status("producer") is None


@pytest.mark.usefixtures("world")
def test_a_scenarios_content_is_in_the_specification_and_not_its_path(tmp_path: Path) -> None:
    texts = {}
    for name in ("one", "other"):
        path = tmp_path / f"{name}.yaml"
        path.write_text("version: 1\nrate: {base: 5}\nhashtags: {named: {'#a': 1}}\n", encoding="utf-8")
        texts[name] = producer.producer_spec(make(producer=ProducerSettings(scenario=str(path))))
    assert texts["one"] == texts["other"]
    path.write_text("version: 1\nrate: {base: 6}\nhashtags: {named: {'#a': 1}}\n", encoding="utf-8")
    assert producer.producer_spec(make(producer=ProducerSettings(scenario=str(path)))) != texts["one"]
    assert producer.producer_spec(make()).scenario == ""


@pytest.mark.usefixtures("world")
def test_a_seed_that_is_asked_for_replaces_the_scenarios() -> None:
    own, asked = (
        producer.scenario_of(LabSettings(producer=ProducerSettings(scenario="classroom", seed=seed))) for seed in (None, 77)
    )
    assert own is not None
    assert asked is not None
    assert (own.seed, asked.seed) == (1, 77)


def test_a_scenario_of_the_other_window_time_is_refused_with_the_command_that_would_do(world: World) -> None:
    settings = LabSettings(stack=lab_stack(), producer=ProducerSettings(scenario="late-data"))
    with pytest.raises(ConfigurationConflict) as caught:
        infrastructure.prepare_stack(settings)
    assert caught.value.cause == "the scenario late-data is made for window time event, and this stack counts by arrival"
    assert caught.value.next_command == "make up SCENARIO=late-data WINDOW_TIME=event"
    assert world.calls == []


def test_late_tweets_must_be_surely_late_in_the_stacks_windows(world: World) -> None:
    stream = StreamSettings(window_time=WindowTime.EVENT, window_seconds=300)
    settings = LabSettings(stack=lab_stack(), producer=ProducerSettings(scenario="late-data"), stream=stream)
    with pytest.raises(ConfigurationConflict, match="must begin at 370 in windows of 300 s"):
        infrastructure.check_own_start(settings)
    assert world.calls == []


@pytest.mark.parametrize("phase", [WAITING, FINISHED])
def test_a_producer_whose_scenario_has_not_begun_or_is_over_is_ready(phase: str, beating: Lab) -> None:
    beat(beating, "producer", figures={"acknowledged": 0}, phase=phase)
    assert producer.wait_for_producer("lab")["acknowledged"] == phase


@pytest.mark.row(31)
def test_preparing_without_java_records_nothing(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteMissing):
        infrastructure.prepare_stack(LabSettings(stack=lab_stack()))
    assert found_before("lab").running == frozenset()
    assert world.calls == []


def test_preparing_tells_of_the_processes_it_had_to_end(world: World, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infrastructure, "end_orphans", lambda _lab: 3)
    assert infrastructure.prepare_stack(LabSettings(stack=lab_stack())) == "runtime embedded: as asked for"
    assert said == ["ended 3 processes that an earlier supervisor left behind"]
    assert world.calls == ["prepare"]


def test_memory_is_checked_only_where_nothing_runs_yet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_little() -> str:
        cause = "too little memory"
        raise PrerequisiteMissing(cause)

    lab = make()
    monkeypatch.setattr(infrastructure, "check_memory", too_little)
    infrastructure.prepare_stack(lab.settings)
    world.supervised = False
    with pytest.raises(PrerequisiteMissing):
        infrastructure.prepare_stack(lab.settings)


def test_both_topics_are_created_once(world: World) -> None:
    make()
    assert set(world.topics) == {"tweets_topic", "tweets_topic.dlq"}
    assert topic.create_topic("lab") == "adopted"


@pytest.mark.row(33)
def test_both_topics_keep_records_for_the_time_and_up_to_the_size_asked_for(world: World, said: list[str]) -> None:
    make(stack=lab_stack(retention_hours=24, retention_mb=64))
    for name in ("tweets_topic", "tweets_topic.dlq"):
        settings = world.topic_settings[name]
        assert (settings["retention.ms"], settings["retention.bytes"]) == ("86400000", "67108864")
        assert (settings["segment.ms"], settings["segment.bytes"]) == ("10800000", "8388608"), "an eighth each"
    assert not any("retention" in line for line in said), "a topic that is made has them from the beginning"


def test_a_topic_that_exists_is_given_the_retention_asked_for_and_it_is_said(world: World, said: list[str]) -> None:
    make()
    world.topic_settings["tweets_topic"].update({"retention.bytes": "-1", "other": "kept"})
    assert topic.create_topic("lab") == "adopted"
    assert world.topic_settings["tweets_topic"]["retention.bytes"] == str(16384 << 20)
    assert world.topic_settings["tweets_topic"]["other"] == "kept"
    assert said[-1] == "tweets_topic: retention.bytes was -1 and is 17179869184 now"


@pytest.mark.parametrize(("megabytes", "segment"), [(8, 1 << 20), (1 << 20, 1 << 30)])
def test_segments_stay_within_what_kafka_takes(megabytes: int, segment: int) -> None:
    assert topic.retention(lab_stack(retention_mb=megabytes))["segment.bytes"] == str(segment)


@pytest.mark.usefixtures("world")
def test_the_streams_specification_lies_with_the_data() -> None:
    lab = make()
    specification = stream.stream_spec(lab, counting_epoch(lab, known_topic_id(lab)))
    assert specification.start_offsets == {0: 7}
    assert specification.checkpoint_id == specification.checkpoint.name
    assert specification.store.parent == lab.paths.data
    assert specification.dead_letters == "tweets_topic.dlq"
    assert specification.group == "lab-stream"


@pytest.mark.usefixtures("world")
def test_the_stream_is_waited_for_until_it_has_the_logs_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make()
    stream.submit_stream("lab")
    write_heartbeat(lab.paths.heartbeat("stream"), "working", {"batches": 1, "offset.0": 6})
    clock = FakeClock()
    monkeypatch.setattr(stream, "SystemClock", lambda: clock)
    with pytest.raises(NotReady, match=r"behind on partitions \[0\]"):
        stream.wait_for_catch_up("lab", 2.0)
    assert clock.now - 1000 >= 2
    write_heartbeat(lab.paths.heartbeat("stream"), "working", {"batches": 1, "offset.0": 7})
    assert stream.wait_for_catch_up("lab") == {0: 7}


@pytest.mark.usefixtures("world")
def test_an_audit_needs_a_range() -> None:
    make()
    with pytest.raises(AuditFailed, match="nothing was ever submitted"):
        audit.audit_log("lab", {0: 7})


@pytest.mark.usefixtures("world")
def test_while_producers_elsewhere_send_what_is_young_is_in_flight_for_a_report_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not stopped, so the log grows behind what the stream has counted: that proves no standstill."""
    lab = make()
    longest: list[float] = []
    monkeypatch.setattr(audit, "examine", lambda _lab, seconds, **_range: longest.append(seconds))
    audit.examine_log(lab)
    monkeypatch.setattr(audit, "other_producers", lambda _lab: ["laptop"])
    audit.examine_log(lab)
    assert longest == [0.0, lab.settings.stream.trigger_seconds + audit.STANDING_SECONDS]


@pytest.mark.usefixtures("world")
def test_while_a_replay_is_at_work_what_is_young_is_in_flight_at_rest_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = make()
    longest: list[float] = []
    said: list[str] = []
    monkeypatch.setattr(audit, "say", said.append)
    monkeypatch.setattr(audit, "examine", lambda _lab, seconds, **_range: longest.append(seconds))
    with alone(lab.paths):
        audit.examine_log(lab)
    assert said == ["a replay went on sending: what came meanwhile is in flight"]
    lab.paths.replay.touch()  # as one that was killed leaves it
    audit.examine_log(lab)
    assert longest == [lab.settings.stream.trigger_seconds + audit.STANDING_SECONDS, 0.0]


@pytest.mark.row(34)
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("verdicts", [[False, True], [True], [False, False, False]])
def test_a_difference_of_an_audit_whose_log_grew_meanwhile_is_no_proof(
    monkeypatch: pytest.MonkeyPatch, verdicts: list[bool]
) -> None:
    make()
    examined: list[bool] = []

    def examine(_lab: Lab) -> SimpleNamespace:
        examined.append(verdicts[len(examined)])
        return SimpleNamespace(report=SimpleNamespace(clean=examined[-1]))

    monkeypatch.setattr(audit, "examine_log", examine)
    grown = iter([{0: 9}, {0: 12}, {0: 15}])
    monkeypatch.setattr(audit, "wait_for_catch_up", lambda _stack: next(grown))
    monkeypatch.setattr(audit, "log_ends", lambda *_: {0: (0, 99)})
    assert audit.audit_log("lab", {0: 7}).clean is verdicts[-1]
    assert examined == verdicts


@pytest.mark.usefixtures("world")
def test_a_difference_of_an_audit_whose_log_stood_still_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    make()
    monkeypatch.setattr(audit, "examine_log", lambda *_: SimpleNamespace(report=SimpleNamespace(clean=False)))
    monkeypatch.setattr(audit, "wait_for_catch_up", lambda _stack: pytest.fail("nothing has changed"))
    assert audit.audit_log("lab", {0: 7}).clean is False


@pytest.mark.usefixtures("world")
def test_what_runs_is_present_and_a_stack_that_nobody_made_has_nothing() -> None:
    assert found_before("lab").running == frozenset()
    lab = make()
    assert found_before("lab").running == {"kafka"}
    producer.launch_producer("lab")
    assert found_before("lab").running == {"kafka", "producer"}
    assert lab.supervisor.running()


def test_undoing_what_was_never_recorded_does_nothing(world: World, said: list[str]) -> None:
    undo("lab", found_before("lab"), NotReady("it is not ready"))
    assert world.calls == []
    assert said == []


@pytest.mark.usefixtures("world")
def test_stopping_a_service_keeps_it_known_and_its_data() -> None:
    lab = make()
    infrastructure.stop_service("lab", "kafka")
    assert lab.runtime.observe(lab.stack.services[0]).state == "stopped"
    assert (open_lab("lab").paths.data / "kafka").exists()


def test_a_broker_with_a_known_hole_is_told_once_at_start_up(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(infrastructure, "climb", lambda *_arguments: {infrastructure.CLUSTER_ID: "of-this-stack"})
    monkeypatch.setattr(infrastructure, "note_cluster", lambda _lab, _cluster: None)
    brokers = [service.name for service in make(stack=lab_stack(brokers=3)).stack.services]
    for name in brokers:
        infrastructure.wait_for_service("lab", name)
    assert "CVE" not in caplog.text
    world.kafka_version = "3.9.2"
    for name in brokers:
        infrastructure.wait_for_service("lab", name)
    assert caplog.text.count("CVE-2026-111115") == 1
    told = "warning: Kafka 3.9.2 has CVE-2026-111115 and CVE-2026-111108: denial of service before authentication; "
    assert told in caplog.text


@pytest.mark.parametrize(("brokers", "seconds"), [(1, 60.0), (3, 120.0)])
@pytest.mark.usefixtures("world")
def test_several_brokers_have_longer_than_one(brokers: int, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their JVMs start side by side, and none is ready before there is a quorum."""
    waited: list[float] = []

    def climbed(_rungs: object, timeout: float, *_more: object) -> dict[str, str]:
        waited.append(timeout)
        return {infrastructure.CLUSTER_ID: "of-this-stack"}

    monkeypatch.setattr(infrastructure, "climb", climbed)
    monkeypatch.setattr(infrastructure, "note_cluster", lambda _lab, _cluster: None)
    for service in make(stack=lab_stack(brokers=brokers)).stack.services:
        infrastructure.wait_for_service("lab", service.name)
    assert waited == [seconds] * brokers
