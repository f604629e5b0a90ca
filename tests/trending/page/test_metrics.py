"""What Prometheus gets, read back with the library's own parsers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fakes.trending import counting
from fakes.trending.observed import PRODUCER, STREAM
from fakes.trending.page import HOSTILE, PageHome, served, visitor
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from infra.health.verdicts import Finding, HealthRecord, Verdict, note_findings, note_repair
from infra.host.json_files import write_model
from trending.kafka.rejects import Rejects
from trending.page.health_note import VERDICTS, HealthNote, read_health
from trending.page.metrics import TOP_HASHTAGS
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened
from trending.replay import booked as replays

if TYPE_CHECKING:
    from pathlib import Path

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(home: PageHome) -> str:
    with served(home.spec(health=home.root / "health.json")) as address, visitor(address) as client:
        return client.get("/metrics").text


def samples(text: str) -> Samples:
    """Return (name, labels) → value of every sample; none may come twice."""
    found: Samples = {}
    for family in parse_plain(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(found: Samples, sample: str, /, **labels: str) -> float:
    return found[sample, frozenset(labels.items())]


def total(found: Samples, name: str) -> float:
    """Return a family's one sample, which is the first producer's where producers have it."""
    return value(found, name, program="producer") if name.startswith("trending_producer_") else value(found, name)


def test_the_programs_own_figures_arrive_with_their_types(home: PageHome, minute: int) -> None:
    home.write(minute, {"#a": 5}, at=minute + 7.5, rejects=(Rejects.of(0, "tombstone", [3, 4]),))
    home.beat("producer", **PRODUCER)
    home.beat("stream", **STREAM)
    text = scrape(home)
    found = samples(text)
    expected = {
        "trending_producer_sent_tweets_total": 120,
        "trending_producer_acknowledged_tweets_total": 110,
        "trending_producer_failed_tweets_total": 2,
        "trending_producer_queue_full_total": 3,
        "trending_producer_queued_tweets": 8,
        "trending_producer_asked_rate": 500,
        "trending_producer_achieved_rate": 480.5,
        "trending_producer_overdue_seconds": 1.25,
        "trending_producer_throttled_seconds": 0.4,
        "trending_stream_batch_duration_seconds_count": 7,
        "trending_stream_batch_duration_seconds_sum": 3.5,
        "trending_stream_last_batch_duration_seconds": 0.25,
        "trending_stream_last_batch_input_records": 20,
        "trending_stream_last_batch_id": 41,
        "trending_stream_input_records_total": 900,
        "trending_stream_state_rows": 31,
        "trending_stream_last_progress_timestamp_seconds": 1_700_000_000.5,
        "trending_store_last_batch_timestamp_seconds": minute + 7.5,
        "trending_store_readable": 1,
        "trending_dead_letter_records_total": 2,
        "trending_broker_up": 1,
        "trending_page_viewers": 0,
    }
    assert {name: total(found, name) for name in expected} == expected
    assert value(found, "trending_store_size_bytes") >= home.path.stat().st_size > 0
    types = {family.name: family.type for family in parse_plain(text)}
    assert types["trending_producer_sent_tweets"] == types["trending_dead_letter_records"] == "counter"
    assert types["trending_stream_batch_duration_seconds"] == "summary"
    assert types["trending_producer_queued_tweets"] == types["trending_stream_lag_records"] == "gauge"
    assert value(found, "trending_stack_info", name="lab", stack_id="lab-1234", topic="tweets_topic") == 1


def test_the_lag_is_what_was_acknowledged_and_not_counted_yet(home: PageHome) -> None:
    home.beat("producer", **PRODUCER, **{"offset.2": 9})
    home.beat("stream", at=1.0, **STREAM)
    found = samples(scrape(home))
    lag = {key: number for key, number in found.items() if key[0] == "trending_stream_lag_records"}
    # Partition 10: the job has counted records of others too. Partition 2: where the job stands is not known.
    assert lag == {
        ("trending_stream_lag_records", frozenset({("partition", "0")})): 30,
        ("trending_stream_lag_records", frozenset({("partition", "10")})): 0,
    }
    assert value(found, "trending_producer_end_offset", partition="2") == 9
    assert value(found, "trending_stream_offset", partition="0") == 70


def test_the_lag_has_what_a_replay_sends_though_the_producer_rests(home: PageHome, minute: int) -> None:
    """A replay has no heartbeat of the stack's: what it has sent is in the ledger only."""
    home.store.take_over(counting.epoch("checkpoint", starts={0: 0, 1: 0}))
    home.write(minute, {"#a": 100})
    place = home.root / "ledger.sqlite"
    for run, partition, first in (("run", 0, 60), ("replay", 0, 100), ("redrive", 1, 4)):
        with closing(LedgerWriter(place, run, counting.TOPIC_ID, guest=True)) as ledger:
            ledger.reserve(40)
            ledger.acknowledge_run(range(40), partition, first)
    ledger_of = opened(place)
    ledger_of.write(lambda connection: replays.book(connection, "replay"))
    ledger_of.close()
    home.beat("producer", phase="stopped", **{"offset.0": 100})
    home.beat("stream", **{"offset.0": 110, "offset.1": 4})
    with served(home.spec(ledgers=(place,))) as address, visitor(address) as client:
        found = samples(client.get("/metrics").text)
    assert [value(found, "trending_producer_end_offset", partition=each) for each in "01"] == [140, 44]
    assert [value(found, "trending_stream_lag_records", partition=each) for each in "01"] == [30, 40]


def test_a_program_is_up_while_it_beats(home: PageHome) -> None:
    home.beat("producer", phase="stopped", **PRODUCER)
    home.beat("stream", at=1_700_000_000.0, **STREAM)
    found = samples(scrape(home))
    assert value(found, "trending_program_up", program="producer") == 0
    assert value(found, "trending_program_up", program="stream") == 0, "it is silent"
    assert value(found, "trending_program_last_heartbeat_timestamp_seconds", program="stream") == 1_700_000_000.0
    assert value(found, "trending_producer_acknowledged_tweets_total", program="producer") == 110, (
        "a counter stays where its program left it"
    )
    home.beat("stream", phase="broker lost", **STREAM)
    assert value(samples(scrape(home)), "trending_program_up", program="stream") == 1


def test_a_counter_restarts_with_its_program_and_the_start_time_says_so(home: PageHome) -> None:
    home.beat("producer", started=100.0, **PRODUCER)
    with served(home.spec()) as address, visitor(address) as client:
        before = samples(client.get("/metrics").text)
        home.beat("producer", phase="starting", pid=2, started=200.0)
        between = samples(client.get("/metrics").text)
        home.beat("producer", pid=2, started=200.0, **{**PRODUCER, "acknowledged": 4})
        after = samples(client.get("/metrics").text)
    name, started = "trending_producer_acknowledged_tweets_total", "trending_program_start_time_seconds"
    assert (total(before, name), total(after, name)) == (110, 4), "the page adds nothing of an earlier life"
    assert name not in {each for each, _labels in between}, "not known is absent, and not 0"
    assert [value(each, started, program="producer") for each in (before, between, after)] == [100, 200, 200]


def test_each_of_several_producers_tells_its_own_figures(home: PageHome) -> None:
    """Added up, what one loses by a new life would make the sum fall, and Prometheus take the whole of it for an increase."""
    more = home.root / "producer-2.heartbeat.json"
    home.beat("producer", **PRODUCER)
    home.beat("producer-2.heartbeat", at=1_700_000_000.0, **{**PRODUCER, "acknowledged": 4, "offset.0": 90, "offset.1": 8})
    home.beat("stream", **{**STREAM, "offset.1": 5})
    with served(home.spec(more_producers=(more, home.root / "producer-3.heartbeat.json"))) as address, visitor(address) as client:
        found = samples(client.get("/metrics").text)
    name = "trending_producer_acknowledged_tweets_total"
    assert [value(found, name, program=each) for each in ("producer", "producer-2")] == [110, 4]
    assert [value(found, "trending_program_up", program=each) for each in ("producer", "producer-2")] == [1, 0]
    assert not any(("program", "producer-3") in labels for _name, labels in found), "it has not beaten yet"
    assert [value(found, "trending_producer_end_offset", partition=each) for each in ("0", "1", "10")] == [100, 8, 40]
    assert value(found, "trending_stream_lag_records", partition="1") == 3


def test_before_anything_is_known_nothing_is_claimed(home: PageHome) -> None:
    found = samples(scrape(home))
    names = {name for name, _labels in found if name.startswith("trending_")} - {
        "trending_program_up",  # the page's own
        "trending_program_last_heartbeat_timestamp_seconds",
        "trending_program_start_time_seconds",
    }
    assert names == {
        "trending_stack_info",
        "trending_store_readable",
        "trending_page_viewers",
        "trending_page_updates_total",
    }
    assert value(found, "trending_store_readable") == 0


@pytest.mark.row(23)
def test_the_ranking_has_a_bounded_number_of_series_whatever_is_tweeted(home: PageHome, minute: int) -> None:
    counts = {f"#tag {number}": 1 + number % 7 for number in range(5000)} | {"#first": 900, "other": 800}
    for ago in range(5, 0, -1):
        home.write(minute - 60 * ago, {f"#old {number}": 1 for number in range(5000)})
    home.write(minute, counts, at=minute + 60.0)
    home.beat("producer", **PRODUCER)
    home.beat("stream", **STREAM)
    found = samples(scrape(home))
    ranked = {key: number for key, number in found.items() if key[0] == "trending_ranking_window_tweets"}
    assert len(ranked) == TOP_HASHTAGS + 1
    assert sum(ranked.values()) == sum(counts.values()), "nothing is left out of the sum"
    assert value(found, "trending_ranking_window_tweets", part="top", hashtag="#first") == 900
    assert value(found, "trending_ranking_window_tweets", part="top", hashtag="other") == 800, "a hashtag may be called other"
    assert value(found, "trending_ranking_window_hashtags") == len(counts)
    assert value(found, "trending_ranking_window_start_timestamp_seconds") == minute
    assert value(found, "trending_ranking_window_length_seconds") == 60
    velocity = {key: number for key, number in found.items() if key[0] == "trending_ranking_velocity_tweets"}
    score = {key: number for key, number in found.items() if key[0] == "trending_ranking_trend_score"}
    slide = {key: number for key, number in found.items() if key[0] == "trending_slide_tweets"}
    assert (len(velocity), len(score), len(slide)) == (TOP_HASHTAGS + 1, TOP_HASHTAGS, TOP_HASHTAGS + 1)
    assert sum(velocity.values()) == pytest.approx(sum(counts.values()) / 60)
    assert sum(slide.values()) == sum(counts.values()) + 4 * 5000, "nothing is left out of the sum"
    assert value(found, "trending_slide_tweets", part="top", hashtag="#first") == 900
    assert len(found) < 130


def test_a_trend_that_is_not_known_is_absent(home: PageHome, minute: int) -> None:
    home.write(minute, {"#a": 5})
    found = {name for name, _labels in samples(scrape(home))}
    assert "trending_ranking_window_tweets" in found
    assert "trending_slide_tweets" in found
    assert found.isdisjoint({"trending_ranking_velocity_tweets", "trending_ranking_trend_score"})


@pytest.mark.row(22)
def test_hostile_hashtags_stay_labels(home: PageHome, minute: int) -> None:
    hostile = [*HOSTILE[:3], 'a"} 1\ntrending_broker_up 0', "back\\slash\\", "\r\n# TYPE x counter", "tab\tand \x00 and \x1b[31m"]
    home.write(minute, dict.fromkeys(hostile, 3))
    with served(home.spec()) as address, visitor(address) as client:
        plain = client.get("/metrics").text
        other = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).text
    assert "trending_broker_up" not in {name for name, _labels in samples(plain)}
    for families in (parse_plain(plain), parse_openmetrics(other)):
        labels = [
            sample.labels["hashtag"]
            for family in families
            if family.name == "trending_ranking_window_tweets"
            for sample in family.samples
            if sample.labels["part"] == "top"
        ]
        assert sorted(labels) == sorted(hostile)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=nonsense", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text;version=1.0.0,*/*;q=0.1", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=nonsense", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ],
)
def test_the_content_type_is_the_formats(home: PageHome, accept: str, expected: str) -> None:
    with served(home.spec()) as address, visitor(address) as client:
        answer = client.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == expected
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.endswith("# EOF\n") == expected.startswith("application/")


def test_names_have_help_and_carry_their_units(home: PageHome) -> None:
    text = scrape(home)
    for family in parse_plain(text):
        assert family.documentation.endswith((".", "seconds", "bytes")) or not family.name.startswith("trending_"), family.name
        if family.type == "gauge":
            assert not family.name.endswith("_total"), family.name
    helped = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP trending_")]
    assert len(helped) == len(set(helped)) > 30
    assert [name for name in helped if "second" in name and not name.endswith("_seconds")] == []


def test_the_last_health_check_is_told_by_component(home: PageHome) -> None:
    path = home.root / "health.json"
    note_repair(path, "kafka", 1000.0)
    note_repair(path, "kafka", 9000.0)
    findings = [
        Finding("kafka", Verdict.UNHEALTHY, ""),
        Finding("topic", Verdict.BLOCKED, ""),
        Finding("versions", Verdict.HEALTHY, "", version="4.4.0"),
    ]
    note_findings(path, findings, (), 9001.5)
    found = samples(scrape(home))
    said = {
        each: verdict
        for each in ("kafka", "topic", "versions")
        for verdict in VERDICTS
        if value(found, "trending_health_verdict", component=each, verdict=verdict)
    }
    assert said == {"kafka": "unhealthy", "topic": "blocked", "versions": "healthy"}
    assert sum(name == "trending_health_verdict" for name, _labels in found) == 3 * len(VERDICTS)
    assert value(found, "trending_health_last_check_timestamp_seconds") == 9001.5
    assert value(found, "trending_health_repairs_total", component="kafka") == 2
    assert value(found, "trending_broker_info", version="4.4.0") == 1


def test_both_sides_of_the_house_mean_the_same_record(tmp_path: Path) -> None:
    assert tuple(Verdict) == VERDICTS
    path = tmp_path / "health.json"
    record = HealthRecord(
        verdicts={"kafka": Verdict.WARNING}, repairs={"kafka": [1.0]}, at=2.5, repaired={"kafka": 4}, kafka="4.4.0"
    )
    write_model(path, record)
    assert read_health(path) == HealthNote(2.5, {"kafka": "warning"}, {"kafka": 4}, "4.4.0")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"at": "now"}', b'{"verdicts": {"kafka": 1}}', b"\xff"])
def test_a_damaged_health_record_is_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "health.json"
    path.write_bytes(content)
    assert read_health(path) == HealthNote()
