"""The parts of the streaming job that need no JVM; the job itself is tested against a real one."""

from __future__ import annotations

import json
import threading
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending import counting
from fakes.trending.checkpoint import BATCHES, make, stream_spec
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import AnalysisException, StreamingQueryException

from trending.errors import ConfigurationConflict, LabError, NotReady
from trending.places.objects import ObjectPlace
from trending.programs.heartbeat import read_heartbeat
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import WATERMARK_SECONDS, WINDOW_LENGTHS, Rule, WindowTime
from trending.stream import job as stream
from trending.stream.job import BATCH_SECONDS, MAX_BACKOFF_SECONDS, is_lost_broker, main, run_job, watch
from trending.stream.progress import ProgressListener
from trending.tweets.rule import FUTURE_AFTER, LAST_DATE, LATE_AFTER, Kind, classify, window_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fakes.trending.kafka import FakeKafka, FakeTime

    from trending.programs.specifications import StreamSpec

LOST = StreamingQueryException("org.apache.kafka.common.errors.TimeoutException: Timeout of 10000ms expired")
SHORTENED = StreamingQueryException("Partition tweets-0's offset was changed from 100 to 0: UnknownTopicOrPartition")


@pytest.fixture
def spec(tmp_path: Path, kafka: FakeKafka) -> StreamSpec:
    return stream_spec(tmp_path, kafka.topic_ids["tweets"], {0: 0})


@pytest.fixture
def begun(spec: StreamSpec) -> StreamSpec:
    """The specification of a job whose epoch is open."""
    begin(spec)
    return spec


def begin(spec: StreamSpec) -> None:
    with closing(Store(Path(str(spec.store)))) as store:
        store.take_over(counting.epoch(spec.checkpoint_id))


class CountedStop(threading.Event):
    """An event that nobody waits for: it notes what it was asked to wait, and is set after so many waits."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.left = waits
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        self.left -= 1
        if self.left <= 0:
            self.set()
        return self.is_set()


class Query:
    """A streaming query that runs for so many looks, then ends with or without an exception."""

    def __init__(self, looks: int, error: StreamingQueryException | None = None) -> None:
        self._looks = looks
        self._error = error
        self.stopped = False
        self.busy = 0
        self.on_batch_end: Callable[[], None] = lambda: None

    @property
    def status(self) -> dict[str, Any]:
        """Return Spark's status; each look brings the batch at hand nearer to its end, while ``busy`` is left."""
        busy, self.busy = self.busy > 0, self.busy - 1
        if busy and not self.busy:
            self.on_batch_end()
        return {"message": "Waiting for data to arrive", "isTriggerActive": busy}

    @property
    def isActive(self) -> bool:  # noqa: N802 - Spark's name
        self._looks -= 1
        return self._looks >= 0 and not self.stopped

    def stop(self) -> None:
        self.stopped = True

    def awaitTermination(self, _seconds: float) -> bool:  # noqa: N802 - Spark's name
        if self._error is not None:
            raise self._error
        return True


def watch_query(query: Query, spec: StreamSpec, stop: threading.Event) -> None:
    disguised: Any = query
    watch(disguised, ProgressListener(lambda _run, _groups: None, {0: 41}), spec, stop)


def test_the_watermark_is_as_wide_as_the_rule_for_late_tweets_and_the_future_it_lets_in() -> None:
    by_now = {mode: seconds for mode, seconds in WATERMARK_SECONDS.items() if mode is not WindowTime.ORIGINAL}
    assert by_now == {WindowTime.ARRIVAL: 60, WindowTime.EVENT: LATE_AFTER + FUTURE_AFTER}
    assert WATERMARK_SECONDS[WindowTime.ORIGINAL] > LAST_DATE, "by original times it stays before 1970"


@pytest.mark.row(24)
@given(st.builds(Rule, st.sampled_from(WindowTime), st.sampled_from(WINDOW_LENGTHS)), st.floats(0, 1e5), st.floats(-8e3, 10))
def test_the_watermark_has_passed_the_window_of_no_tweet_that_counts_whatever_its_length(
    rule: Rule, append_time: float, ahead: float
) -> None:
    """The newest time that Spark can have seen by then is one of the future that the rule lets in."""
    value = b'{"hashtag_principal":"#a","timestamp":%f}' % (append_time + ahead)
    kind, _label, time = classify(value, append_time, rule)
    newest = append_time + (FUTURE_AFTER if rule.window_time is WindowTime.EVENT else 0)
    if kind is Kind.TWEET:
        end = window_start(time, rule.window_seconds) + rule.window_seconds
        assert end > newest - WATERMARK_SECONDS[rule.window_time]


@pytest.mark.row(30)
@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("org.apache.kafka.common.errors.TimeoutException: Timeout of 10000ms expired before the position", True),
        ("java.util.concurrent.ExecutionException: ... DisconnectException", True),
        ("UnknownTopicOrPartitionException: This server does not host this topic-partition", True),
        ("LeaderNotAvailableException", True),
        ("Partition tweets-0's offset was changed from 100 to 0, some data may have been missed. TimeoutException", False),
        ("java.lang.OutOfMemoryError: Java heap space", False),
        ("Cannot fetch offset 3 (OffsetOutOfRangeException)", False),
        ("PythonException: LabError: 1 dead letters were not acknowledged", False),
        ("", False),
    ],
)
def test_only_a_lost_broker_is_waited_for(text: str, *, lost: bool) -> None:
    assert is_lost_broker(StreamingQueryException(text)) is lost


def test_the_heartbeat_tells_the_querys_own_status_while_it_runs(spec: StreamSpec) -> None:
    watch_query(Query(looks=3), spec, stop := CountedStop(99))
    beat = read_heartbeat(spec.heartbeat)
    assert beat is not None
    assert (beat.phase, beat.note) == ("running", "Waiting for data to arrive")
    assert beat.figures == {"offset.0": 41, "trigger_seconds": spec.settings.trigger_seconds}
    assert len(stop.waits) == 3


def test_a_stop_ends_the_query(spec: StreamSpec) -> None:
    query = Query(looks=1000)
    watch_query(query, spec, CountedStop(2))
    assert query.stopped


@pytest.fixture
def clock(clock: FakeTime, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    monkeypatch.setattr(stream, "time", clock)
    return clock


@pytest.mark.row(20)
def test_a_stop_in_the_middle_of_a_batch_lets_it_end_first(spec: StreamSpec, clock: FakeTime) -> None:
    query = Query(looks=1000)
    query.busy = 40
    seen: list[bool] = []
    began = clock.now
    query.on_batch_end = lambda: seen.append(query.stopped)
    watch_query(query, spec, CountedStop(2))
    assert (seen, query.stopped) == ([False], True), "it was stopped behind its end"
    assert 0 < clock.now - began < BATCH_SECONDS
    beat = read_heartbeat(spec.heartbeat)
    assert beat is not None
    assert beat.phase == "ending the batch"


@pytest.mark.row(20)
def test_with_batches_back_to_back_the_next_one_is_not_waited_for(spec: StreamSpec, clock: FakeTime) -> None:
    query: Any = Query(looks=1000)
    query.busy = 10_000
    listener = ProgressListener(lambda _run, _groups: None, {})
    began = clock.now
    clock.at(began + 3, lambda: setattr(listener, "batches", 1))
    watch(query, listener, spec, CountedStop(2))
    assert query.stopped
    assert 3 <= clock.now - began < 4


@pytest.mark.row(30)
def test_a_batch_that_does_not_end_is_cut_short_in_time(
    spec: StreamSpec, clock: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    query = Query(looks=10_000)
    query.busy = 10_000
    began = clock.now
    watch_query(query, spec, CountedStop(2))
    assert query.stopped
    assert clock.now - began == pytest.approx(BATCH_SECONDS, abs=0.2)
    assert "takes longer than 15 s" in caplog.text


def test_between_two_batches_a_stop_waits_for_nothing(spec: StreamSpec, clock: FakeTime) -> None:
    began = clock.now
    watch_query(query := Query(looks=1000), spec, CountedStop(2))
    assert (query.stopped, clock.now) == (True, began)


def test_a_query_that_failed_raises_its_exception(spec: StreamSpec) -> None:
    with pytest.raises(StreamingQueryException, match="TimeoutException"):
        watch_query(Query(looks=2, error=LOST), spec, CountedStop(99))


def test_a_query_that_was_told_to_stop_fails_no_more(spec: StreamSpec) -> None:
    stop = CountedStop(1)
    watch_query(query := Query(looks=1000, error=LOST), spec, stop)
    assert query.stopped
    assert stop.is_set()


class Session:
    """A session that starts the queries handed to it, one after the other."""

    def __init__(self) -> None:
        self.streams = self
        self.listeners: list[ProgressListener] = []
        self.queries: list[Query] = []
        self.started = 0
        self.sinking = False
        self.stopped = False
        self.before_start: Callable[[int], None] = lambda _number: None

    def addListener(self, listener: ProgressListener) -> None:  # noqa: N802 - Spark's name
        self.listeners.append(listener)

    def start(self, sink: Callable[[Any, int], None]) -> Query:
        """Start the next query; where it is to have a batch, the sink's error stays in the callback, as with py4j."""
        self.started += 1
        self.before_start(self.started)
        if self.sinking:
            with suppress(LabError):
                sink(None, 0)
        return self.queries.pop(0)

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    session = Session()
    monkeypatch.setattr(stream, "build_session", lambda _spec, _stop: session)
    monkeypatch.setattr(stream, "count_hashtags", lambda _session, _spec: "counts")
    monkeypatch.setattr(stream, "start_query", lambda _spec, _counts, sink: session.start(sink))
    return session


@pytest.fixture
def store(spec: StreamSpec) -> Iterator[Store]:
    store = Store(spec.store)
    yield store
    store.close()


def run(spec: StreamSpec, store: Store, stop: threading.Event) -> None:
    run_job(spec, stop, lambda _frame, _number: None, store)


@pytest.mark.row(11)
@pytest.mark.row(30)
def test_a_lost_broker_restarts_the_query_with_growing_pauses(session: Session, spec: StreamSpec, store: Store) -> None:
    session.queries = [Query(0, LOST) for _ in range(7)]
    stop = CountedStop(6)
    run(spec, store, stop)
    assert stop.waits == [2, 4, 8, 10, 10, 10]
    assert max(stop.waits) == MAX_BACKOFF_SECONDS
    assert session.started == 6
    assert session.stopped


def test_progress_in_between_makes_the_pauses_short_again(session: Session, spec: StreamSpec, store: Store) -> None:
    def progress(number: int) -> None:
        if number == 3:
            session.listeners[0].batches += 1

    session.before_start = progress
    session.queries = [Query(0, LOST) for _ in range(9)]
    stop = CountedStop(5)
    run(spec, store, stop)
    assert stop.waits == [2, 4, 1, 2, 4]


def test_the_heartbeat_says_that_the_broker_is_lost_and_at_last_that_the_job_stopped(
    session: Session, spec: StreamSpec, store: Store
) -> None:
    phases: list[str] = []

    def note(_number: int) -> None:
        beat = read_heartbeat(spec.heartbeat)
        phases.append(beat.phase if beat else "none")

    session.before_start = note
    session.queries = [Query(0, LOST), Query(0, LOST), Query(0, LOST)]
    run(spec, store, CountedStop(2))
    last = read_heartbeat(spec.heartbeat)
    assert phases == ["starting the session", "broker lost"]
    assert last is not None
    assert last.phase == "stopped"


@pytest.mark.parametrize("error", [SHORTENED, StreamingQueryException("java.lang.OutOfMemoryError")])
def test_any_other_failure_ends_the_job_with_its_cause(
    session: Session, spec: StreamSpec, store: Store, error: StreamingQueryException
) -> None:
    session.queries = [Query(2, error)]
    with pytest.raises(LabError) as caught:
        run(spec, store, CountedStop(99))
    assert caught.value.cause == "the streaming query failed"
    assert str(error) in caught.value.evidence
    assert session.started == 1


@pytest.mark.row(18)
@pytest.mark.parametrize(("anew", "cause"), [(False, "was deleted while"), (True, "was deleted and made anew while")])
def test_a_topic_that_is_another_one_stops_the_job_and_says_so(
    session: Session, spec: StreamSpec, store: Store, kafka: FakeKafka, *, anew: bool, cause: str
) -> None:
    kafka.delete("tweets")
    if anew:
        kafka.create("tweets")
    session.queries = [Query(0, LOST)]
    with pytest.raises(ConfigurationConflict) as caught:
        run(spec, store, stop := CountedStop(99))
    assert cause in caught.value.cause
    assert spec.topic_id in caught.value.evidence
    assert "VOLUMES=1" in caught.value.next_command
    assert session.started == 1
    assert len(stop.waits) == (0 if anew else stream.ABSENT_LOOKS - 1), "a topic that is denied is looked for again"


def test_a_broker_that_denies_the_topic_for_a_moment_after_its_start_is_believed_later(
    session: Session, spec: StreamSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None, None])
    monkeypatch.setattr(stream, "topic_id", lambda *_topic: next(answers, spec.topic_id))
    session.queries = [Query(0, LOST), Query(9)]
    run(spec, store, CountedStop(9))
    assert session.started == 2


def test_a_broker_that_does_not_answer_is_no_sign_of_another_topic(
    session: Session, spec: StreamSpec, store: Store, kafka: FakeKafka
) -> None:
    kafka.unreachable = True
    session.queries = [Query(0, LOST), Query(9)]
    run(spec, store, CountedStop(2))
    assert session.started == 2


def dropping_event(groups: int) -> Any:
    content = {
        "runId": "run 1",
        "batchId": 12,
        "numInputRows": 340,
        "durationMs": {},
        "stateOperators": [{"numRowsTotal": 8, "numRowsDroppedByWatermark": groups}],
        "sources": [{"endOffset": {}}],
    }
    return SimpleNamespace(progress=SimpleNamespace(json=json.dumps(content)))


@pytest.mark.row(24)
def test_groups_that_spark_drops_end_the_job_and_keep_it_ended_until_the_log_is_counted_anew(
    session: Session, spec: StreamSpec, store: Store
) -> None:
    session.before_start = lambda _number: session.listeners[0].onQueryProgress(dropping_event(4))
    query = Query(9)
    session.queries = [query]
    with pytest.raises(ConfigurationConflict, match="Spark dropped 4 groups") as caught:
        run(spec, store, CountedStop(5))
    assert query.stopped
    assert caught.value.next_command == "make rebuild"
    assert "ALLOWED_SKEW_SECONDS=120" in caught.value.evidence
    assert counting.dropped(store) == 4
    with pytest.raises(ConfigurationConflict, match="Spark dropped 4 groups"):
        run(spec, store, CountedStop(5))
    assert session.started == 1, "a new life would count on with the gap"
    store.forget()
    session.before_start, session.queries = (lambda _number: None), [Query(9)]
    run(spec, store, CountedStop(1))


def test_the_job_begins_with_the_offsets_of_its_checkpoint(session: Session, spec: StreamSpec, store: Store) -> None:
    make(spec.checkpoint)
    counting.write(store, spec.checkpoint_id, Batch(BATCHES - 1, 1.0, {}, {}))
    session.queries = [Query(9)]
    run(spec, store, CountedStop(1))
    beat = read_heartbeat(spec.heartbeat)
    assert beat is not None
    assert beat.figures["offset.0"] == 7 + BATCHES - 1


@pytest.mark.row(21)
def test_a_damaged_checkpoint_ends_the_job_before_spark_starts(session: Session, spec: StreamSpec, store: Store) -> None:
    (make(spec.checkpoint) / "offsets" / str(BATCHES - 1)).write_bytes(b"")
    with pytest.raises(ConfigurationConflict, match="the checkpoint is damaged") as caught:
        run(spec, store, CountedStop(1))
    assert caught.value.next_command == "make rebuild"
    assert session.started == 0


@pytest.mark.row(29)
@pytest.mark.parametrize("written", [None, BATCHES - 2])
def test_a_store_that_is_behind_its_checkpoint_ends_the_job_before_spark_starts(
    session: Session, spec: StreamSpec, store: Store, written: int | None
) -> None:
    make(spec.checkpoint)
    if written is not None:
        counting.write(store, spec.checkpoint_id, Batch(written, 1.0, {}, {}))
    with pytest.raises(ConfigurationConflict, match="is not the one that was counted into") as caught:
        run(spec, store, CountedStop(1))
    assert caught.value.next_command == "make rebuild"
    assert session.started == 0


@pytest.mark.row(20)
def test_what_the_sink_refuses_ends_the_job_in_its_own_words(session: Session, spec: StreamSpec, store: Store) -> None:
    """Spark passes on no more of it than a text."""
    refusal = ConfigurationConflict("another checkpoint counts on", "evidence", "make up")

    def refuse(_frame: Any, _number: int) -> None:
        raise refusal

    session.sinking = True
    session.queries = [Query(2, StreamingQueryException("An exception was raised by the Python Proxy"))]
    with pytest.raises(ConfigurationConflict) as caught:
        run_job(spec, CountedStop(9), refuse, store)
    assert caught.value is refusal


@pytest.mark.row(21)
def test_damage_that_spark_finds_is_told_in_the_same_words(session: Session, spec: StreamSpec, store: Store) -> None:
    session.queries = [Query(2, StreamingQueryException("Job aborted\n[CANNOT_LOAD_STATE_STORE.UNCATEGORIZED] An error\n\tat x"))]
    with pytest.raises(ConfigurationConflict, match="the checkpoint is damaged") as caught:
        run(spec, store, CountedStop(9))
    assert caught.value.evidence == f"{spec.checkpoint}: [CANNOT_LOAD_STATE_STORE.UNCATEGORIZED] An error"


@pytest.mark.row(21)
def test_an_object_store_that_is_away_is_no_damage(
    session: Session, spec: StreamSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another exit code than damage has: supervisord starts the job again, and nobody is told to count anew."""
    place = ObjectPlace(uri="s3a://lab/1", endpoint="http://127.0.0.1:1", region="us-east-1", user="key")
    for name in ("require_sound", "require_counted", "committed_offsets"):
        monkeypatch.setattr(stream, name, lambda *_arguments: {})
    said = "[CANNOT_LOAD_STATE_STORE.UNCATEGORIZED] org.apache.hadoop.fs.s3a.AWSClientIOException: Unable to execute HTTP request"
    session.queries = [Query(2, StreamingQueryException(said))]
    with pytest.raises(NotReady, match="the checkpoint s3a://lab/1 cannot be used") as caught:
        run(spec.model_copy(update={"checkpoint": place}), store, CountedStop(9))
    assert "AWSClientIOException" in caught.value.evidence


@pytest.mark.row(21)
def test_a_second_job_on_the_same_checkpoint_is_refused(begun: StreamSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        pytest.fail("the second job ran")

    second = pytest.MonkeyPatch()
    errors: list[ConfigurationConflict] = []

    def first(*_arguments: object) -> None:
        second.setattr(stream, "run_job", refuse)
        with pytest.raises(ConfigurationConflict) as caught:
            main(begun, threading.Event())
        errors.append(caught.value)

    monkeypatch.setattr(stream, "run_job", first)
    main(begun, threading.Event())
    second.undo()
    assert [str(begun.checkpoint) in error.cause for error in errors] == [True]
    assert errors[0].exit_code == 12


def test_a_job_on_another_checkpoint_is_not_refused_and_a_finished_one_leaves_the_way_free(
    spec: StreamSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(stream, "run_job", lambda given, *_rest: ran.append(given.checkpoint_id))
    other = spec.model_copy(update={"checkpoint": spec.checkpoint.with_name("2"), "checkpoint_id": "2"})
    spec.lock.parent.mkdir(parents=True)
    begin(other)
    with FileLock(spec.lock):
        main(other, threading.Event())
    begin(spec)
    main(spec, threading.Event())
    main(spec, threading.Event())
    assert ran == ["2", "1", "1"]


@pytest.mark.parametrize("error", [AnalysisException("no such column"), Py4JError("An error occurred"), SHORTENED])
def test_what_spark_refuses_ends_the_job_with_its_cause(
    begun: StreamSpec, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refused(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(stream, "run_job", refused)
    with pytest.raises(LabError) as caught:
        main(begun, threading.Event())
    assert caught.value.cause == "Spark refused the job"
    assert str(error) in caught.value.evidence


def test_an_error_of_the_lab_passes_as_it_is(begun: StreamSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    original = LabError("the streaming query failed", "evidence")

    def failing(*_arguments: object) -> None:
        raise original

    monkeypatch.setattr(stream, "run_job", failing)
    with pytest.raises(LabError) as caught:
        main(begun, threading.Event())
    assert caught.value is original


@pytest.mark.row(20)
def test_a_job_whose_checkpoint_another_one_has_taken_elsewhere_writes_no_more(
    begun: StreamSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of this machine says nothing of a job on another one, and an object store has none."""

    def counting_on(_spec: StreamSpec, _stop: threading.Event, _sink: object, store: Store) -> None:
        store.write("1", Batch(0, 1.0, {}, {}), {0: 1})
        with closing(Store(Path(str(begun.store)))) as elsewhere:
            elsewhere.hold("1")
            elsewhere.write("1", Batch(1, 1.0, {}, {}), {0: 2})
        store.write("1", Batch(2, 1.0, {}, {}), {0: 3})

    monkeypatch.setattr(stream, "run_job", counting_on)
    with pytest.raises(ConfigurationConflict, match="another job has taken the checkpoint 1") as caught:
        main(begun, threading.Event())
    assert caught.value.exit_code == 12, "so that supervisord does not start it again"
    with closing(Store(Path(str(begun.store)))) as store:
        assert store.known_epochs()[0].counted_to() == {0: 2}


def test_a_job_whose_epoch_was_closed_meanwhile_starts_no_spark(begun: StreamSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(begun.model_copy(update={"checkpoint_id": "2"}))
    monkeypatch.setattr(stream, "run_job", lambda *_arguments: pytest.fail("it ran"))
    with pytest.raises(ConfigurationConflict, match="another checkpoint counts on"):
        main(begun, threading.Event())


class ProcessEnded(BaseException):
    """Stands in for the end of the process."""


@pytest.mark.row(20)
@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (Py4JNetworkError("Answer from Java side is empty"), 137, "JVM is gone"),
        (ConnectionRefusedError("refused"), None, "JVM is gone"),
        (ConnectionRefusedError("refused"), 3, "the driver's heap of 512 MiB is full: make up DRIVER_MB=1024"),
        (Py4JError("An error occurred while calling o1.isActive"), 3, "the driver's heap of 512 MiB is full"),
        (Py4JError("An error occurred while calling o1.isActive"), 1, "JVM is gone"),
    ],
)
def test_without_its_jvm_the_job_ends_at_once_and_says_why(
    begun: StreamSpec,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    exit_code: int | None,
    said: str,
) -> None:
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise ProcessEnded

    def orphaned(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(stream.os, "_exit", end)
    monkeypatch.setattr(stream, "run_job", orphaned)
    monkeypatch.setattr(stream, "jvm_exit_code", lambda: exit_code)
    with pytest.raises(ProcessEnded):
        main(begun, threading.Event())
    assert codes == [1]
    assert said in caplog.text
