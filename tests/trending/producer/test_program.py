from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, ThrottleEvent
from fakes.trending.acknowledged import acknowledged_ids
from fakes.trending.kafka import MIDNIGHT, FakeProducer

from trending.errors import InvalidInput, LabError
from trending.producer.ledger import Interval, read_ledger
from trending.producer.program import FLUSH_SECONDS, LEADERS_SECONDS, QUEUED_MESSAGES, THROTTLED_SECONDS, TweetProducer, main
from trending.programs.heartbeat import read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import ProducerSettings, Rule, WindowTime
from trending.tweets.record_id import parse_record_key
from trending.tweets.rule import Kind, classify, minute_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from trending.producer.ledger import Ledger
    from trending.programs.heartbeat import Heartbeat


class Bench:
    """A producer with its files, and the seconds for which it runs."""

    def __init__(self, kafka: FakeKafka, directory: Path) -> None:
        self.kafka = kafka
        self.directory = directory
        self.stop = threading.Event()

    def spec(self, rate: float = 1.0, seed: int | None = 1, catalogue: str | None = None) -> ProducerSpec:
        return ProducerSpec(
            bootstrap="localhost:9092",
            topic="tweets",
            heartbeat=self.directory / "producer.json",
            settings=ProducerSettings(rate=rate, seed=seed, catalogue=catalogue),
            topic_id="topic-1",
            ledger=self.directory / "ledger.sqlite",
        )

    def run(self, seconds: float, rate: float = 1.0, seed: int | None = 1) -> None:
        """Run as long as SIGTERM would let it: the signal sets ``stop`` and nothing else."""
        self.after(seconds, self.stop.set)
        main(self.spec(rate, seed), self.stop)
        self.stop.clear()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have ``action`` done once."""
        due = iter([action])
        self.kafka.clock.at(self.kafka.clock.now + seconds, lambda: [act() for act in due] and None)

    @property
    def ledger(self) -> Ledger:
        return read_ledger(self.directory / "ledger.sqlite")

    @property
    def beat(self) -> Heartbeat:
        beat = read_heartbeat(self.directory / "producer.json")
        assert beat is not None
        return beat

    def log_ids(self) -> list[tuple[str, int]]:
        """Return the ids in the log, in its order; every record has one."""
        keys = [message.key() for log in self.kafka.logs["tweets"] for message in log]
        ids = [parse_record_key(key) for key in keys if isinstance(key, bytes)]
        assert None not in ids
        return [identity for identity in ids if identity is not None]


@pytest.fixture
def bench(kafka: FakeKafka, tmp_path: Path) -> Bench:
    return Bench(kafka, tmp_path)


def test_tweets_go_out_at_the_rate_asked_for(bench: Bench) -> None:
    bench.run(seconds=20, rate=5)
    assert len(bench.kafka.values("tweets")) == pytest.approx(100, abs=2)
    assert bench.log_ids() == [(bench.beat.note, sequence) for sequence in range(len(bench.log_ids()))]


def test_a_producer_that_has_sent_everything_keeps_no_client_whose_threads_would_wait_for_the_collector(bench: Bench) -> None:
    producer = TweetProducer(bench.spec())
    clients = [each for each in vars(producer).values() if isinstance(each, FakeProducer)]
    bench.after(5, bench.stop.set)
    producer.run(bench.stop)
    assert [client for client in clients if client in vars(producer).values()] == []
    assert len(clients) == 1
    assert bench.kafka.values("tweets")


def test_tweets_are_spread_over_the_time_and_not_sent_in_one_go(bench: Bench) -> None:
    bench.run(seconds=15, rate=2)
    seconds = Counter(message.timestamp()[1] // 1000 for message in bench.kafka.logs["tweets"][0])
    assert max(seconds.values()) <= 3
    assert len(seconds) >= 14


@pytest.mark.parametrize("rate", [3, 1_000])
def test_a_producer_that_is_asked_for_so_many_tweets_sends_no_more_and_ends(bench: Bench, rate: float) -> None:
    spec = bench.spec(rate).model_copy(update={"tweets": 1_503 if rate > 100 else 7})
    main(spec, bench.stop)
    assert len(bench.kafka.values("tweets")) == spec.tweets == bench.ledger.acknowledged
    assert (bench.beat.phase, bench.beat.figures["acknowledged"]) == ("stopped", spec.tweets)


@pytest.mark.parametrize("rate", [0.1, 1, 2_000])
def test_slow_and_fast_rates_are_kept_alike(bench: Bench, rate: float) -> None:
    seconds = 30 if rate < 1000 else 2
    bench.run(seconds, rate)
    assert len(bench.kafka.values("tweets")) == pytest.approx(rate * seconds, rel=0.02, abs=2)


def test_every_message_is_a_tweet_whose_timestamp_is_the_moment_it_was_made(bench: Bench) -> None:
    bench.run(seconds=20)
    for message in bench.kafka.logs["tweets"][0]:
        moment = message.timestamp()[1] / 1000
        verdict = classify(message.value(), moment, Rule(WindowTime.EVENT))
        assert verdict.kind is Kind.TWEET
        assert verdict.time == pytest.approx(moment, abs=0.3)


def test_the_same_seed_sends_the_same_tweets_whatever_the_rate(bench: Bench) -> None:
    def hashtags() -> list[str]:
        values = bench.kafka.values("tweets")
        bench.kafka.create("tweets")
        return [classify(value, 0.0, Rule()).label for value in values][:25]

    bench.run(seconds=15, rate=2, seed=7)
    slow = hashtags()
    bench.run(seconds=4, rate=30, seed=7)
    assert hashtags() == slow
    bench.run(seconds=4, rate=30, seed=8)
    assert hashtags() != slow


def test_ids_are_unique_over_the_lives_of_the_producer(bench: Bench) -> None:
    for _ in range(3):
        bench.run(seconds=5, rate=9)
    ids = bench.log_ids()
    assert len({run for run, _sequence in ids}) == 3
    assert len(set(ids)) == len(ids) > 100


def test_the_ledger_holds_what_is_in_the_log(bench: Bench) -> None:
    bench.run(seconds=30, rate=4)
    counts: Counter[tuple[str, int, str]] = Counter()
    for message in bench.kafka.logs["tweets"][0]:
        moment = message.timestamp()[1] / 1000
        label = classify(message.value(), moment, Rule()).label
        counts[bench.beat.note, minute_of(moment), label] += 1
    ledger = bench.ledger
    assert acknowledged_ids(ledger, {}) == set(bench.log_ids())
    assert ledger.counts == dict(counts)
    assert ledger.failed == 0
    assert ledger.reserved[bench.beat.note] >= len(counts)
    assert bench.beat.at > MIDNIGHT


@pytest.mark.row(19)
def test_nothing_is_in_the_log_that_was_not_reserved_before(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    append = bench.kafka.append
    unreserved: list[tuple[str, int]] = []

    def watched(topic: str, value: bytes | None, **details: object) -> object:
        made = append(topic, value, **details)
        identity = parse_record_key(details["key"])
        if identity[1] >= bench.ledger.reserved.get(identity[0], 0):
            unreserved.append(identity)
        return made

    monkeypatch.setattr(bench.kafka, "append", watched)
    bench.run(seconds=65, rate=1)
    assert len(bench.log_ids()) > 60
    assert unreserved == []


def test_the_heartbeat_tells_what_is_on_disk(bench: Bench) -> None:
    beats: list[tuple[Heartbeat, int]] = []
    for second in range(2, 20, 3):
        bench.after(second, lambda: beats.append((bench.beat, len(acknowledged_ids(bench.ledger, {})))))
    bench.run(seconds=20, rate=10)
    assert len(beats) == 6
    for beat, on_disk in beats:
        assert beat.phase == "running"
        assert beat.figures["acknowledged"] <= on_disk
    assert [beat.figures["sent"] for beat, _ in beats] == sorted({beat.figures["sent"] for beat, _ in beats})


def test_sigterm_flushes_and_the_last_beat_has_the_final_figures(bench: Bench) -> None:
    bench.run(seconds=10, rate=50)
    sent = len(bench.log_ids())
    assert bench.beat.phase == "stopped"
    ends = {name: end for name, end in bench.beat.figures.items() if name.startswith("offset.")}
    assert ends == {"offset.0": sent}, "behind the last acknowledged record"
    rates = {"asked": 50, "achieved": pytest.approx(50, rel=0.1), "overdue": 0, "position": sent}
    figures = {"sent": sent, "acknowledged": sent, "failed": 0, "queued": 0, "waits": 0, "debt": 0, "throttled": 0}
    assert bench.beat.figures == {**figures, **rates, **ends}


@pytest.mark.row(12)
@pytest.mark.row(19)
def test_sigterm_sends_what_a_frozen_broker_left_in_the_queue(bench: Bench) -> None:
    def freeze() -> None:
        bench.kafka.frozen = True

    def thaw_at_the_end() -> None:
        bench.stop.set()
        bench.kafka.frozen = False

    bench.after(5, freeze)
    bench.after(15, thaw_at_the_end)
    main(bench.spec(rate=10), bench.stop)
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids())
    assert [sequence for _run, sequence in bench.log_ids()] == list(range(len(bench.log_ids())))
    assert (bench.beat.figures["queued"], bench.beat.figures["sent"]) == (0, len(bench.log_ids()))


@pytest.mark.row(19)
def test_what_is_never_acknowledged_is_unknown_and_not_promised(bench: Bench) -> None:
    def freeze() -> None:
        bench.kafka.frozen = True

    bench.after(5, freeze)
    began = bench.kafka.clock.monotonic()
    bench.run(seconds=10, rate=10)
    figures = bench.beat.figures
    assert figures["acknowledged"] == len(bench.log_ids()) < figures["sent"]
    assert figures["queued"] == figures["sent"] - figures["acknowledged"]
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids())
    assert bench.ledger.reserved[bench.beat.note] >= figures["sent"]
    assert bench.kafka.clock.monotonic() - began <= 10 + FLUSH_SECONDS + 1


@pytest.mark.row(19)
def test_a_full_queue_is_waited_for_and_drops_nothing(bench: Bench) -> None:
    bench.kafka.queue_bound = 20
    phases: list[tuple[str, float]] = []

    def freeze() -> None:
        bench.kafka.frozen = True

    def thaw() -> None:
        bench.kafka.frozen = False

    bench.after(5, freeze)
    bench.after(30, lambda: phases.append((bench.beat.phase, bench.beat.figures["queued"])))
    bench.after(65, thaw)
    bench.run(seconds=80, rate=10)
    assert phases == [("waiting for the broker", 20)]
    assert bench.kafka.producers[0].longest_queue == 20
    assert bench.beat.figures["waits"] > 0
    assert [sequence for _run, sequence in bench.log_ids()] == list(range(len(bench.log_ids())))
    assert bench.beat.figures["acknowledged"] == bench.beat.figures["sent"] == len(bench.log_ids())


def test_after_a_hold_up_the_rate_goes_on_and_the_lost_time_is_not_made_up_for(bench: Bench) -> None:
    bench.kafka.queue_bound = 20

    def freeze() -> None:
        bench.kafka.frozen = True

    def thaw() -> None:
        bench.kafka.frozen = False

    bench.after(10, freeze)
    bench.after(70, thaw)
    bench.run(seconds=90, rate=10)
    after = Counter(message.timestamp()[1] // 1000 for message in bench.kafka.logs["tweets"][0])
    assert max(after.values()) <= 20 + 10 + 10
    assert len(bench.log_ids()) == pytest.approx(10 * 10 + 20 + 20 * 10, abs=25)


def test_a_full_queue_does_not_keep_the_producer_from_stopping(bench: Bench) -> None:
    bench.kafka.queue_bound = 5

    def freeze() -> None:
        bench.kafka.frozen = True

    bench.after(2, freeze)
    began = bench.kafka.clock.monotonic()
    bench.run(seconds=10, rate=10)
    assert bench.kafka.clock.monotonic() - began <= 10 + FLUSH_SECONDS + LEADERS_SECONDS + 1
    assert (bench.beat.figures["sent"], bench.beat.figures["queued"]) == (len(bench.log_ids()) + 5, 5)


def test_until_a_broker_names_the_partitions_nothing_is_sent(bench: Bench) -> None:
    bench.kafka.frozen = True
    phases: list[str] = []
    bench.after(5, lambda: phases.append(bench.beat.phase))
    began = bench.kafka.clock.monotonic()
    bench.run(seconds=10, rate=10)
    assert phases == ["waiting for the broker"]
    assert (bench.beat.figures["sent"], bench.beat.figures["queued"], bench.log_ids()) == (0, 0, [])
    assert bench.kafka.clock.monotonic() - began <= 10 + FLUSH_SECONDS + LEADERS_SECONDS + 1


@pytest.mark.row(19)
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_burst_that_is_taken_in_parts_is_whole_in_the_log_and_in_the_ledger(bench: Bench, partitions: int) -> None:
    bench.kafka.create("tweets", partitions)
    bench.kafka.queue_bound = 7
    bench.run(seconds=3, rate=2_000)
    assert bench.beat.figures["waits"] > 0
    assert sorted(bench.log_ids()) == [(bench.beat.note, sequence) for sequence in range(len(bench.log_ids()))]
    assert acknowledged_ids(bench.ledger, {}) <= set(bench.log_ids())
    open_ends = len(bench.log_ids()) - bench.beat.figures["acknowledged"]
    assert open_ends <= 20 * partitions, "at most the burst that SIGTERM cut is without its last marker"


@pytest.mark.row(19)
def test_a_batch_rejected_in_the_middle_ends_this_life_and_what_lies_behind_it_is_not_promised(bench: Bench) -> None:
    gapless = KafkaError(KafkaError._GAPLESS_GUARANTEE, "gap", fatal=True)
    broken: list[bool] = []

    def refuse(_topic: str, value: bytes | None) -> KafkaError | None:
        # From the 5,000th record on, as a gapless producer does: whatever lies behind a failure fails too.
        broken.append(True)
        return gapless if len(broken) > 5_000 else None

    bench.kafka.refuse = refuse
    with pytest.raises(LabError) as caught:
        bench.run(seconds=100, rate=2_000)
    assert caught.value.evidence == "gap"
    assert len(bench.log_ids()) == 5_000
    acknowledged = acknowledged_ids(bench.ledger, {})
    assert acknowledged <= set(bench.log_ids())
    assert len(acknowledged) > 4_900
    assert bench.ledger.failed >= 1
    assert bench.beat.figures["acknowledged"] == len(acknowledged)
    bench.stop.clear()
    bench.kafka.refuse = lambda _topic, _value: None
    bench.run(seconds=5, rate=2_000)
    assert len({run for run, _sequence in bench.log_ids()}) == 2


def test_ids_of_a_partition_are_few_runs_though_the_partitions_take_turns(bench: Bench) -> None:
    bench.kafka.create("tweets", partitions=4)
    bench.run(seconds=4, rate=5_000)
    lengths = [len(log) for log in bench.kafka.logs["tweets"]]
    assert min(lengths) > max(lengths) / 2
    assert len(bench.ledger.intervals) <= 42


@pytest.mark.parametrize(("rate", "linger"), [(0.1, 1), (1, 1), (1_000, 5), (200_000, 20)])
def test_a_message_waits_for_company_only_where_there_is_some(bench: Bench, rate: float, linger: int) -> None:
    bench.run(seconds=0.01, rate=rate)
    assert bench.kafka.producers[0].configuration["linger.ms"] == linger


def test_a_tweet_that_was_given_up_is_a_failure_and_the_end_of_this_life(bench: Bench) -> None:
    turns = iter(range(10_000))
    bench.kafka.refuse = lambda _topic, _value: KafkaError(KafkaError._MSG_TIMED_OUT) if next(turns) % 5 == 4 else None
    with pytest.raises(LabError, match="a new one starts with a new run"):
        bench.run(seconds=20, rate=5)
    figures = bench.beat.figures
    assert figures["failed"] == bench.ledger.failed == 1
    assert figures["acknowledged"] == figures["sent"] - figures["failed"] == 4
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids())


def test_a_duplicate_that_the_broker_recognised_is_placed_by_those_around_it(bench: Bench) -> None:
    turns = iter(range(10_000))
    bench.kafka.duplicates = lambda _value: next(turns) == 3
    bench.run(seconds=10, rate=2)
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids())
    assert bench.ledger.intervals == (Interval(bench.beat.note, 0, 0, len(bench.log_ids()) - 1, 0),)
    assert bench.ledger.failed == 0


def test_a_duplicate_behind_which_nothing_was_sent_is_not_promised(bench: Bench) -> None:
    bench.kafka.duplicates = lambda _value: len(bench.log_ids()) > 15
    bench.run(seconds=10, rate=2)
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids()[:15])
    assert bench.ledger.failed == 0


@pytest.mark.row(30)
def test_a_passing_error_of_the_client_is_logged_and_the_producer_goes_on(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.after(5, lambda: bench.kafka.reported_errors.append(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")))
    with caplog.at_level("WARNING"):
        bench.run(seconds=20)
    assert "1/1 brokers are down" in caplog.text
    assert len(bench.log_ids()) >= 19


@pytest.mark.parametrize("beside_a_report", [False, True])
def test_a_fatal_error_ends_the_producer_with_its_cause_after_flushing(bench: Bench, *, beside_a_report: bool) -> None:
    bench.kafka.errors_meet_reports = beside_a_report
    fatal = KafkaError(KafkaError._FATAL, "the producer was fenced", fatal=True)
    bench.after(5, lambda: bench.kafka.reported_errors.append(fatal))
    began = bench.kafka.clock.monotonic()
    with pytest.raises(LabError) as caught:
        bench.run(seconds=100, rate=10)
    assert caught.value.evidence == "the producer was fenced"
    assert bench.kafka.clock.monotonic() - began < 10
    assert bench.beat.phase == "stopped"
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids()) != set()


@pytest.mark.parametrize("beside_a_report", [False, True])
def test_a_fatal_error_while_the_last_tweets_are_flushed_costs_no_report(bench: Bench, *, beside_a_report: bool) -> None:
    bench.kafka.errors_meet_reports = beside_a_report

    def stop() -> None:
        bench.kafka.reported_errors.append(KafkaError(KafkaError._FATAL, "the producer was fenced", fatal=True))
        bench.stop.set()

    bench.after(5, stop)
    with pytest.raises(LabError, match="gave up"):
        main(bench.spec(rate=10), bench.stop)
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids()) != set()
    assert bench.beat.phase == "stopped"


def test_a_fatal_error_that_produce_throws_first_ends_it_in_the_same_way(bench: Bench) -> None:
    # librdkafka refuses to queue as soon as it knows; the callback waits for the next poll.
    def break_down() -> None:
        bench.kafka.refuse_to_queue = KafkaError(KafkaError._FATAL, "the producer was fenced", fatal=True)

    bench.after(5, break_down)
    with pytest.raises(LabError) as caught:
        bench.run(seconds=100, rate=10)
    assert caught.value.evidence == "the producer was fenced"
    assert bench.beat.phase == "stopped"
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids()) != set()


@pytest.mark.row(10)
def test_a_client_that_is_stuck_ends_this_life_and_the_next_one_sends(bench: Bench) -> None:
    def stick() -> None:
        bench.kafka.producers[0].stuck = True

    bench.after(5, stick)
    began = bench.kafka.clock.monotonic()
    with pytest.raises(LabError, match="librdkafka sends nothing although the broker is back") as caught:
        bench.run(seconds=600, rate=10)
    assert "tweets queued" in caught.value.evidence
    assert caught.value.exit_code == 1, "an exit code after which supervisord starts it again"
    assert bench.kafka.clock.monotonic() - began < 45
    assert bench.beat.phase == "stuck"
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids()) != set()
    bench.stop.clear()
    bench.run(seconds=20, rate=10)
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids()), "what was queued is in no log and was never promised"


@pytest.mark.row(10)
@pytest.mark.parametrize("away", ["frozen", "unreachable", "leaderless"])
def test_a_broker_that_is_away_for_long_is_waited_for(bench: Bench, away: str) -> None:
    def leave() -> None:
        bench.kafka.frozen = away == "frozen"
        bench.kafka.unreachable = away == "unreachable"
        if away == "leaderless":
            bench.kafka.leader = -1
            bench.kafka.producers[0].stuck = True

    def come_back() -> None:
        bench.kafka.frozen = bench.kafka.unreachable = bench.kafka.producers[0].stuck = False
        bench.kafka.leader = 1

    bench.after(5, leave)
    bench.after(125, come_back)
    bench.run(seconds=150, rate=10)
    assert [sequence for _run, sequence in bench.log_ids()] == list(range(len(bench.log_ids())))
    assert bench.beat.figures["acknowledged"] == bench.beat.figures["sent"] == len(bench.log_ids())


def test_a_catalogue_that_cannot_be_used_ends_it_before_it_connects(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match=r"none\.json"):
        TweetProducer(bench.spec(catalogue=str(bench.directory / "none.json")))
    assert bench.kafka.producers == []


def test_several_partitions_are_acknowledged_alike(bench: Bench) -> None:
    bench.kafka.create("tweets", partitions=3)
    bench.run(seconds=20, rate=5)
    assert acknowledged_ids(bench.ledger, {}) == set(bench.log_ids())
    assert {interval.partition for interval in bench.ledger.intervals} == {0, 1, 2}


def test_the_client_is_idempotent_bounded_and_never_gives_a_message_up(bench: Bench) -> None:
    bench.run(seconds=1, rate=1)
    configuration = bench.kafka.producers[0].configuration
    assert configuration["bootstrap.servers"] == "localhost:9092"
    assert "log_level" not in configuration, "what librdkafka says is in the program's log"
    assert configuration["enable.idempotence"] is True
    assert configuration["max.in.flight.requests.per.connection"] == 1, "librdkafka 4953: more can write a message twice"
    assert configuration["enable.gapless.guarantee"] is True, "or markers prove nothing"
    assert configuration["message.timeout.ms"] == 0
    assert configuration["queue.buffering.max.messages"] == QUEUED_MESSAGES


@pytest.mark.row(33)
def test_what_retention_has_taken_is_summarised_in_the_ledger_while_it_runs(bench: Bench) -> None:
    bench.after(100, lambda: bench.kafka.forget_before("tweets", 0, 400))
    bench.run(seconds=300, rate=10)
    bench.run(seconds=100, rate=10)
    ledger = bench.ledger
    assert ledger.acknowledged == len(bench.log_ids()), "the first life's interval, which the cut goes through, is whole"
    assert ledger.expired == {}
    bench.kafka.forget_before("tweets", 0, 3500)
    bench.run(seconds=100, rate=10)
    ledger = bench.ledger
    (first,) = ledger.expired.values()
    assert first == pytest.approx(3000, abs=5)
    assert ledger.acknowledged == len(bench.log_ids())


def test_a_broker_that_tells_no_beginning_stops_no_producer(bench: Bench) -> None:
    bench.after(59, lambda: bench.kafka.silent.add(("tweets", 0)))
    bench.run(seconds=130, rate=5)
    assert bench.ledger.acknowledged == len(bench.log_ids()) > 600


def test_a_quota_that_slows_it_down_is_told_with_the_brokers_own_figure_until_it_is_over(bench: Bench) -> None:
    def exceeded(seconds: float) -> Callable[[], None]:
        event = ThrottleEvent("broker-1", 1, seconds)
        return lambda: bench.kafka.producers[-1].configuration["throttle_cb"](event)

    bench.after(5, exceeded(1.148))
    bench.run(seconds=6)
    assert bench.beat.figures["throttled"] == 1.148
    bench.after(2, exceeded(8.0))
    bench.run(seconds=2 + 8 + THROTTLED_SECONDS - 1)
    assert bench.beat.figures["throttled"] == 8.0, "for so long the broker hears nothing, and says nothing more"
    bench.after(2, exceeded(1.148))
    bench.run(seconds=2 + 1.148 + THROTTLED_SECONDS + 1)
    assert bench.beat.figures["throttled"] == 0.0, "nothing is heard any more"
    bench.after(2, exceeded(1.148))
    bench.after(3, exceeded(0.0))
    bench.run(seconds=4)
    assert bench.beat.figures["throttled"] == 0.0, "the broker says so"
