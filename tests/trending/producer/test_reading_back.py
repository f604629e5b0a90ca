"""The next life of the producer reads back which tweets of the last one have arrived behind its last marker, and books those."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from itertools import count, pairwise
from typing import TYPE_CHECKING

import pytest
from fakes.trending.acknowledged import acknowledged_ids
from postgres_cluster import PASSWORD
from pydantic import SecretStr

from trending.postgresql.place import PostgresLedger, PostgresPlace
from trending.producer import program
from trending.producer.ledger import Ledger, read_ledger
from trending.producer.places.shared import make_ledgers
from trending.producer.program import main
from trending.producer.reading_back import READING_SECONDS, book_arrived
from trending.programs.heartbeat import read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import ProducerSettings
from trending.tweets.record_id import record_keys
from trending.tweets.rule import minute_of

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from trending.producer.places.opened import LedgerPlace

pytestmark = pytest.mark.row(19)
TWEET = {"usuario": "u", "texto": "t", "hashtag_principal": "#arrived", "timestamp": 0.0}
LIFE_SECONDS = 5
_numbers = count()


class Lives:
    """One life of the producer after the other; ``arrive`` is what the broker takes of one after its last marker."""

    def __init__(self, kafka: FakeKafka, directory: Path, place: LedgerPlace) -> None:
        self.kafka = kafka
        self.directory = directory
        self.place = place

    @property
    def spec(self) -> ProducerSpec:
        return ProducerSpec(
            bootstrap="localhost:9092",
            topic="tweets",
            heartbeat=self.directory / "producer.json",
            settings=ProducerSettings(rate=2, seed=1),
            topic_id="topic-1",
            ledger=self.place,
        )

    def live(self, seconds: float = LIFE_SECONDS) -> str:
        """Let another life send for so long; returns its run."""
        stop = threading.Event()
        self.kafka.clock.at(self.kafka.clock.now + seconds, stop.set)
        main(self.spec, stop)
        beat = read_heartbeat(self.directory / "producer.json")
        assert beat is not None
        return beat.note

    def read_back(self) -> int:
        """Do as a life that dies before it has sent anything; returns how many tweets it has booked."""
        return book_arrived(self.spec, self.kafka.clock.monotonic, lambda: True)

    def arrive(self, run: str, sequences: range, partition: int = 0, value: bytes = json.dumps(TWEET).encode()) -> None:
        for key in record_keys(run, sequences):
            self.kafka.append("tweets", value, partition=partition, key=key)

    @property
    def ledger(self) -> Ledger:
        return replace(read_ledger(self.place), beats={})

    def of(self, run: str) -> list[int]:
        return sorted(sequence for each, sequence in acknowledged_ids(self.ledger, {}) if each == run)

    def arrived(self) -> int:
        return sum(tweets for (_run, _minute, hashtag), tweets in self.ledger.counts.items() if hashtag == "#arrived")


@pytest.fixture(params=["file", pytest.param("shared", marks=[pytest.mark.real, pytest.mark.journey])])
def lives(kafka: FakeKafka, tmp_path: Path, request: pytest.FixtureRequest) -> Lives:
    """Lives with a ledger in either place."""
    place: LedgerPlace = tmp_path / "ledger.sqlite"
    if request.param == "shared":
        url = request.getfixturevalue("postgres").url
        stack = PostgresPlace(url=url, stack=f"back-{next(_numbers)}", owner="this test", given=SecretStr(PASSWORD))
        make_ledgers(stack)
        place = PostgresLedger(place=stack, producer="laptop")
    return Lives(kafka, tmp_path, place)


def test_what_arrived_behind_the_last_marker_is_booked_with_its_place_and_minute(lives: Lives) -> None:
    run = lives.live()
    sent = len(lives.of(run))
    lives.kafka.append("tweets", b"somebody else's")
    lives.arrive(run, range(sent, sent + 3))
    appended = lives.kafka.records("tweets")[-1].timestamp()[1] / 1000
    lives.live()
    assert lives.of(run) == list(range(sent + 3))
    (booked,) = [each for each in lives.ledger.intervals if each.run == run and each.first_sequence == sent]
    assert (booked.first_offset, booked.last_sequence, booked.unplaced_end) == (sent + 1, sent + 2, None)
    assert lives.ledger.counts[run, minute_of(appended), "#arrived"] == 3


def test_reading_back_twice_changes_nothing(lives: Lives) -> None:
    """A life that dies before it has reserved anything leaves the same predecessor to the next one."""
    run = lives.live()
    sent = len(lives.of(run))
    lives.arrive(run, range(sent, sent + 3))
    assert lives.read_back() == 3
    booked = lives.ledger
    assert lives.read_back() == 0
    assert lives.ledger == booked
    lives.live()
    assert (lives.of(run), lives.arrived()) == (list(range(sent + 3)), 3)


def test_what_is_appended_after_that_look_stays_unknown_and_is_booked_by_a_look_that_sees_it(lives: Lives) -> None:
    run = lives.live()
    sent = len(lives.of(run))
    lives.arrive(run, range(sent, sent + 1))
    assert lives.read_back() == 1
    lives.arrive(run, range(sent + 1, sent + 2))
    assert lives.of(run) == list(range(sent + 1))
    lives.live()
    assert lives.of(run) == list(range(sent + 2))
    lives.arrive(run, range(sent + 2, sent + 3))
    lives.live()
    assert (lives.of(run), lives.arrived()) == (list(range(sent + 2)), 2), "only the last life is read back"


def test_ids_that_come_again_records_that_are_no_tweets_and_other_runs_are_not_booked(lives: Lives) -> None:
    run = lives.live()
    sent = len(lives.of(run))
    lives.arrive(run, range(1))
    lives.arrive(run, range(sent, sent + 1))
    lives.arrive(run, range(sent, sent + 1))
    lives.arrive(run, range(sent + 1, sent + 2), value=b"{")
    lives.arrive("0123456789ab", range(sent, sent + 1))
    lives.live()
    assert lives.of(run) == list(range(sent + 1))
    assert lives.arrived() == 1


def test_a_partition_without_a_marker_is_read_from_the_lives_before_on(lives: Lives) -> None:
    lives.kafka.create("tweets", partitions=2)
    run = lives.live()
    proven = {each.partition for each in lives.ledger.intervals}
    lives.arrive(run, range(50, 52), partition=1)
    lives.live()
    assert proven
    assert lives.of(run)[-2:] == [50, 51]


def test_what_retention_has_taken_stays_unknown_and_what_it_has_left_is_booked(lives: Lives) -> None:
    run = lives.live()
    sent = len(lives.of(run))
    lives.arrive(run, range(sent, sent + 3))
    lives.kafka.forget_before("tweets", 0, sent + 2)
    lives.live()
    assert lives.of(run) == [*range(sent), sent + 2]


@pytest.mark.parametrize("seconds", [LIFE_SECONDS, READING_SECONDS + LIFE_SECONDS], ids=["told to end", "for too long"])
def test_a_log_that_cannot_be_read_keeps_nobody_from_sending_and_from_ending(
    lives: Lives, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    run = lives.live()
    sent = len(lives.of(run))
    lives.arrive(run, range(sent, sent + 3))
    lives.kafka.silent.add(("tweets", 0))
    began = lives.kafka.clock.now
    after = lives.live(seconds)
    assert lives.of(run) == list(range(sent))
    assert f"what became of run {run} behind its last marker stays unknown" in caplog.text
    assert lives.kafka.clock.now - began == pytest.approx(seconds, abs=1)
    assert bool(lives.of(after)) is (seconds > READING_SECONDS)


def test_whoever_reads_back_beats_meanwhile(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lives.live()
    lives.arrive(run, range(50, 51))
    lives.kafka.silent.add(("tweets", 0))
    phases: list[tuple[str, float]] = []
    write = program.write_heartbeat

    def beats(path: Path, phase: str, figures: dict[str, float], note: str) -> None:
        phases.append((phase, lives.kafka.clock.now))
        write(path, phase, figures, note)

    monkeypatch.setattr(program, "write_heartbeat", beats)
    lives.live()
    times = [at for phase, at in phases if phase == "starting: reading back"]
    assert len(times) > LIFE_SECONDS
    assert max(later - before for before, later in pairwise(times)) <= 1
