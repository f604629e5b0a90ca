from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack

from flows import audit as module
from flows import start_up
from infra.audits.counting_progress import CountingProgress
from infra.forms.proving import AuditForm
from infra.forms.stacks import StartUpForm
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab
from infra.operations.description import describe
from infra.stack.state import stack_held
from trending.errors import (
    AuditFailed,
    AuditIncomplete,
    ConfigurationConflict,
    Interrupted,
    StackAbsent,
    StackBusy,
    UndoAbandoned,
)
from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns
from trending.producer.ledger_writer import LedgerWriter
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import ProducerSettings
from trending.text import local_time
from trending.tweets.rule import minute_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakes.world import World

    from trending.kafka.record_columns import RecordColumns

PROBE = b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}'

pytestmark = pytest.mark.usefixtures("plain")


@pytest.fixture(autouse=True)
def stack(world: World, plain: None) -> None:
    del plain
    start_up.start_up(StartUpForm(stack=lab_stack()))
    world.forget_history()


def audit(**settings: Any) -> Any:
    return module.audit(AuditForm(name="lab", **settings))


def count_nothing_up_to(end: int) -> None:
    """Let the stream have counted the log to an offset, without a tweet in it."""
    with closing(Store(StackPaths.of("lab").store)) as store:
        (epoch,) = store.known_epochs()
        store.write(epoch.checkpoint, Batch(number=0, at=60.0, tweets={}, foreign={}), {0: end})


def lost_tweet() -> Record:
    tweet = {"usuario": "@a", "texto": "x #Spark", "hashtag_principal": "#Spark", "timestamp": time.time()}
    return Record(0, 7, time.time(), json.dumps(tweet).encode(), {})


def append(world: World, *records: Record) -> None:
    world.append(StackPaths.of("lab"), *records)


def test_a_running_stack_is_audited_and_nothing_in_it_changes(world: World, artifacts: dict[str, str]) -> None:
    with stack_held(StackPaths.of("lab")):
        assert audit().clean
    assert world.changes == []
    assert "lost 0, duplicated 0" in artifacts["audit"]


@pytest.mark.parametrize("held", [True, False])
def test_a_fault_found_beside_another_command_is_told_with_it(world: World, said: list[str], *, held: bool) -> None:
    append(world, replace(lost_tweet(), append_time=time.time() - 100))
    with stack_held(StackPaths.of("lab")) if held else nullcontext(), pytest.raises(AuditFailed):
        audit()
    assert any("another command works on this stack" in line for line in said) is held


def test_what_is_in_flight_is_told_and_a_stream_that_stands_still_fails_the_audit(world: World, said: list[str]) -> None:
    append(world, replace(lost_tweet(), append_time=time.time() - 20))
    report = audit()
    assert (report.clean, report.in_flight, report.lost) == (True, 1, 0)
    assert "audit: in flight: 1, oldest 20 s" in report.lines(None)
    world.records = [replace(lost_tweet(), append_time=time.time() - 41)]
    with pytest.raises(AuditFailed):
        audit()
    assert "audit: in flight: 1, oldest 41 s: the stream stands still" in said


def test_at_rest_nothing_may_be_in_flight(world: World) -> None:
    append(world, lost_tweet())
    with pytest.raises(AuditFailed):
        audit(at_rest=True)
    assert "producer" in world.programs


def test_the_producer_is_stopped_the_log_read_and_the_producer_started_again(world: World, artifacts: dict[str, str]) -> None:
    assert audit(at_rest=True).clean
    order = [call for call in world.calls if call.split()[0] in {"remove", "ends", "read", "launch"}]
    assert order[0] == "remove producer"
    assert order[-1] == "launch producer"
    assert order.index("read tweets_topic") > order.index("ends of tweets_topic")
    assert "lost 0, duplicated 0" in artifacts["audit"]
    assert "producer" in world.programs


def test_a_long_recount_says_how_far_it_is(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.audits.counting_progress.say", said.append)
    clock = FakeClock()

    def slow() -> Iterator[RecordColumns]:
        for _batch in range(8):
            clock.sleep(2)
            yield from by_columns([lost_tweet()] * 500)

    assert len(list(CountingProgress(4_008, clock).followed(slow()))) == 8
    assert said == [
        "counted anew: 1,500 of 4,008 records of the log, some 10 s left",
        "counted anew: 3,000 of 4,008 records of the log, some 4 s left",
    ]


def test_how_far_a_long_audit_is_stays_with_its_run_and_of_a_short_one_nothing_does(
    world: World, artifacts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tweets = [replace(lost_tweet(), offset=offset) for offset in range(10)]
    append(world, *tweets)
    audit()
    assert "progress" not in artifacts
    monkeypatch.setattr("infra.audits.counting_progress.REPORT_SECONDS", 0.0)
    append(world, *(replace(tweet, offset=tweet.offset + 10) for tweet in tweets))
    audit()
    assert artifacts["progress"] == "100.0"


def test_the_ranking_is_left_as_a_table_once_there_is_one(artifacts: dict[str, str]) -> None:
    audit()
    assert "ranking-lab" not in artifacts
    window = 1_699_999_980
    with closing(Store(StackPaths.of("lab").store)) as store:
        tweets = {(window, "#Kafka"): 3, (window, "#Spark"): 5, (window - 60, "#Old"): 9}
        (epoch,) = store.known_epochs()
        store.write(epoch.checkpoint, Batch(number=0, at=60.0, tweets=tweets, foreign={}), epoch.starts)
    with pytest.raises(AuditFailed):
        audit()
    assert artifacts["ranking-lab"] == str(
        [{"rank": 1, "hashtag": "#Spark", "tweets": 5}, {"rank": 2, "hashtag": "#Kafka", "tweets": 3}]
    )


def test_the_producer_stays_stopped_when_asked_for(world: World) -> None:
    assert audit(resume=False).clean
    assert "producer" not in world.programs


@pytest.mark.parametrize("error", [ConfigurationConflict("the log cannot be read"), Interrupted()])
def test_the_producer_is_started_again_though_the_audit_failed(error: BaseException, world: World) -> None:
    world.fail("read tweets_topic", error)
    with pytest.raises(type(error)):
        audit(at_rest=True)
    assert "producer" in world.programs


def test_an_audit_that_is_abandoned_says_how_the_producer_comes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("infra.console.interruptions.say", told.append)
    world.fail("read tweets_topic", Interrupted())
    world.fail("launch producer", UndoAbandoned())
    with pytest.raises(UndoAbandoned):
        audit(at_rest=True)
    assert "producer" not in world.programs
    assert told == ["whether the producer is as it was is not known: make up NAME=lab starts it if it is stopped"]


def test_a_producer_that_was_not_there_is_not_started(world: World) -> None:
    world.programs.pop("producer")
    assert audit(at_rest=True).clean
    assert "launch producer" not in world.changes
    assert "producer" not in world.programs
    assert open_lab("lab").state.resting == set(), "status and health go on missing it"


def test_all_of_several_producers_are_stopped_where_the_first_one_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes on sending would be in flight when the log's end is read."""
    world.topics["tweets_topic"] = replace(world.topics["tweets_topic"], partitions=2)
    several = ProducerSettings(scenario="classroom", producers=2)
    start_up.start_up(StartUpForm(stack=lab_stack(partitions=2), producer=several))
    world.programs.pop("producer")
    monkeypatch.setattr(module, "wait_for_catch_up", lambda _stack: {0: 7, 1: 7})
    ran = module.with_producer_stopped("lab", lambda _stack, _ends: set(world.programs), resume=True)
    assert ran == {"stream", "page"}
    assert {"producer", "producer-2"} <= world.programs.keys()


def test_a_stack_that_rests_on_purpose_is_in_no_trouble(world: World) -> None:
    assert audit(resume=False).clean
    lines = {line.name: line for line in describe(open_lab("lab"))}
    assert (lines["producer"].detail, lines["producer"].trouble) == ("not asked for", False)
    world.programs.pop("stream")
    assert next(line for line in describe(open_lab("lab")) if line.name == "stream").trouble, "nobody asked for that"


def test_a_lost_tweet_fails_the_audit_with_its_figures(world: World, said: list[str], artifacts: dict[str, str]) -> None:
    append(world, lost_tweet())
    count_nothing_up_to(8)
    with pytest.raises(AuditFailed) as caught:
        audit()
    assert "lost 1" in caught.value.evidence
    assert "lost 1, duplicated 0" in said[-1]
    assert "#Spark" in artifacts["audit"]
    assert "producer" in world.programs


def test_an_audit_of_nothing_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_HOME", "/nowhere")
    with pytest.raises(StackAbsent):
        audit()


def test_an_audit_at_rest_waits_for_whoever_holds_the_stack(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "stack_held", lambda paths: stack_held(paths, 0.05))
    with stack_held(StackPaths.of("lab")), pytest.raises(StackBusy):
        audit(at_rest=True)
    assert world.changes == []


def test_the_command_prints_the_headline_last(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "with_server", lambda run: run())
    module.main(AuditForm(name="lab"))
    assert said[-1].startswith("audit: acknowledged")


def counted_tweet(world: World) -> int:
    """Let the log have a tweet that nobody sends twice, counted up to the log's end; returns its window."""
    record = replace(lost_tweet(), append_time=time.time() - 3600)
    append(world, record)
    window = minute_of(record.append_time)
    with closing(Store(StackPaths.of("lab").store)) as store:
        (epoch,) = store.known_epochs()
        store.write(epoch.checkpoint, Batch(0, 60.0, {(window, "#Spark"): 1}, {}), {0: 8})
    return window


def kept_seals() -> list[str]:
    with closing(Store(StackPaths.of("lab").store)) as store:
        return list(store.known_seals())


def in_store(statement: str, *values: object) -> None:
    with closing(sqlite3.connect(StackPaths.of("lab").store)) as store, store:
        store.execute(statement, values)


def test_a_clean_audit_is_sealed_and_the_next_one_goes_on_from_there(world: World) -> None:
    counted_tweet(world)
    assert audit().seals == ()
    world.records = []  # whoever reads it again finds nothing
    report = audit()
    assert report.clean
    assert "which covers 1 records: partition 0 to offset 8" in report.lines(None)[0]
    assert report.lines(None)[-1] == "audit: acknowledged 0, in log 0, counted 0, lost 0, duplicated 0"
    assert report.without_id == 1


@pytest.mark.parametrize("settings", [{"audit": "full"}, {"at_rest": True}])
def test_an_audit_of_everything_leans_on_no_seal_and_breaks_those_it_refutes(world: World, settings: dict[str, Any]) -> None:
    counted_tweet(world)
    assert audit().clean
    assert audit(**settings).seals == ()
    assert len(kept_seals()) == 1
    world.records = []
    with pytest.raises(AuditFailed):
        audit(**settings)
    assert kept_seals() == []


def test_a_stream_that_stands_still_breaks_no_seal(world: World) -> None:
    counted_tweet(world)
    assert audit().clean
    append(world, replace(lost_tweet(), offset=8, append_time=time.time() - 1000))
    with pytest.raises(AuditFailed):
        audit(audit="full")
    assert len(kept_seals()) == 1


def test_a_count_that_changed_in_a_sealed_window_is_told_with_its_window(world: World, said: list[str]) -> None:
    window = counted_tweet(world)
    append(world, replace(lost_tweet(), offset=8, value=PROBE))  # an hour later: the window is closed
    with closing(Store(StackPaths.of("lab").store)) as store:
        (epoch,) = store.known_epochs()
        store.write(epoch.checkpoint, Batch(1, 60.0, {}, {}), {0: 9})
    assert audit().clean
    in_store("UPDATE ranking SET tweets = 2")
    with pytest.raises(AuditFailed, match="changed behind the seal") as caught:
        audit()
    assert "AUDIT=full" in caught.value.next_command
    assert f"window {local_time(window, open_lab('lab').settings.stream.zone)} of" in "\n".join(said)
    assert len(kept_seals()) == 1, "what it says is still true of the log"


def test_a_seal_that_does_not_fit_is_left_out_with_the_reason(world: World, said: list[str]) -> None:
    counted_tweet(world)
    assert audit().clean
    in_store("UPDATE epochs SET window_time = 'event'")
    world.records = [replace(record, value=PROBE) for record in world.records]
    in_store("DELETE FROM ranking")
    report = audit()
    assert report.seals == ()
    assert "is another one, or was closed elsewhere: everything is counted anew" in report.lines(None)[0]
    assert any("is not used, since epoch" in line for line in said)


def test_a_seal_of_another_form_is_left_out_and_replaced(world: World) -> None:
    counted_tweet(world)
    assert audit().clean
    in_store("UPDATE seals SET form = 99")
    assert "its form 99 is not known here" in audit().lines(None)[0]
    assert "since the seal" in audit().lines(None)[0]


def test_what_was_acknowledged_for_a_topic_that_is_gone_is_covered_by_its_seal(world: World) -> None:
    counted_tweet(world)
    record = replace(world.records[0], key=b"t1:0123456789ab:0")
    world.records = [record]
    with closing(Store(StackPaths.of("lab").store)) as store:
        (epoch,) = store.known_epochs()
    with closing(LedgerWriter(StackPaths.of("lab").ledger, "0123456789ab", epoch.topic_id)) as ledger:
        ledger.reserve(5)
        ledger.acknowledge(0, 0, 7, record.append_time, "#Spark")
    assert audit().acknowledged == 1
    world.topics[epoch.topic] = replace(world.topics[epoch.topic], topic_id="made anew")
    world.records = []
    with closing(Store(StackPaths.of("lab").store)) as store:
        store.take_over(replace(epoch, checkpoint="other", topic_id="made anew", starts={0: 0}, ends={}, last_batch=None))
        store.write("other", Batch(0, 60.0, {}, {}), {0: 8})
    report = audit()
    assert (report.clean, report.complete, report.covered, report.not_verifiable) == (True, True, 1, 0)
    assert "audit: covered by a seal, their topic is gone: 1" in report.lines(None)
    with pytest.raises(AuditIncomplete) as caught:
        audit(audit="full")
    assert "not verifiable 1" in caught.value.evidence
    with closing(LedgerWriter(StackPaths.of("lab").ledger, "0123456789ab", epoch.topic_id)) as ledger:
        ledger.acknowledge(1, 0, 8, record.append_time, "#Spark")
    with pytest.raises(AuditIncomplete):
        audit()


def test_a_seal_that_cannot_be_written_is_told_and_changes_no_verdict(
    world: World, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_tweet(world)
    monkeypatch.setattr("trending.database.BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(StackPaths.of("lab").store, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        assert audit().clean
        somebody.execute("ROLLBACK")
    assert any("the audit is not sealed: the seal cannot be written" in line and "locked" in line for line in said)
    assert kept_seals() == []
