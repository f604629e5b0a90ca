from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakes.stacks import make

from infra.forms.producing import TopicReplayForm
from infra.producers import replay_topic
from trending.errors import ConfigurationConflict, InvalidInput, StackAbsent
from trending.producer.ledger import read_ledger
from trending.settings import StreamSettings, WindowTime

if TYPE_CHECKING:
    from fakes.trending.kafka import FakeKafka

    from infra.lab.assembly import Lab

TWEET = b'{"hashtag_principal":"#a","timestamp":1765843200}'


@pytest.fixture
def lab(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A stack, and beside its own another topic on its cluster."""
    kafka.create("recorded")
    monkeypatch.setattr(replay_topic, "known_topic_id", lambda _lab: kafka.topic_ids["tweets_topic"])
    monkeypatch.setattr(replay_topic, "topic_id", lambda _connection, topic: kafka.topic_ids.get(topic))
    return make()


def form(**fields: Any) -> TopicReplayForm:
    return TopicReplayForm(**{"name": "lab", "of_topic": "recorded", **fields})


def test_all_that_a_topic_holds_is_sent_and_what_is_no_tweet_is_said(lab: Lab, kafka: FakeKafka, said: list[str]) -> None:
    for value in (TWEET, b"{", b'{"mensaje":"x","contador":1}', TWEET):
        kafka.append("recorded", value, key=b"orders:17")
        kafka.clock.now += 100
    replay_topic.main(form(speed=100))
    assert [record.key() for record in kafka.records("tweets_topic")] == [b"orders:17"] * 3
    assert read_ledger(lab.paths.ledger).acknowledged == 3
    assert said[0].startswith("recorded of the stack lab has up to 4 records; the first came at ")
    assert said[-3:] == [
        "1 were no tweets there either and were sent as they are: not valid JSON",
        "left out 1 record of tests/tester.py",
        "make audit proves the count",
    ]


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"of_topic": ""}, "FROM is missing"),
        ({"from": "lab", "of_topic": ""}, "is the stack's own topic: everything would be counted twice"),
        ({"of_topic": "none"}, "there is no topic none"),
        ({}, "recorded holds no record"),
    ],
)
def test_what_cannot_be_replayed_is_one_message_and_nothing_is_sent(fields: dict[str, str], cause: str, kafka: FakeKafka) -> None:
    with pytest.raises(InvalidInput, match=cause):
        replay_topic.main(form(**fields))
    assert kafka.producers == []


def test_with_its_original_times_a_topic_keeps_them_on_a_stack_that_counts_by_them(lab: Lab, kafka: FakeKafka) -> None:
    kafka.append("recorded", TWEET)
    make(stream=StreamSettings(window_time=WindowTime.EVENT))
    with pytest.raises(ConfigurationConflict, match="all tweets would be late: this stack counts by event") as caught:
        replay_topic.main(form(times="original"))
    assert caught.value.next_command == "make up WINDOW_TIME=original SCENARIO=quiet"
    make(stream=StreamSettings(window_time=WindowTime.ORIGINAL))
    replay_topic.main(form(times="original", speed=100))
    assert kafka.values("tweets_topic") == [TWEET]
    assert read_ledger(lab.paths.ledger).acknowledged == 1


@pytest.mark.usefixtures("lab")
def test_from_a_stack_that_is_not_there_it_says_so() -> None:
    with pytest.raises(StackAbsent, match="no stack gone"):
        replay_topic.main(form(**{"from": "gone"}))
