from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaException, Producer
from hypothesis import given
from hypothesis import strategies as st

from trending.errors import InvalidInput
from trending.settings import Rule, WindowTime
from trending.simulator.generator import MAX_TWEET_BYTES, Catalogue, Simulator, WeightedHashtag, load_catalogue
from trending.tweets.record_id import ID_HEADER, record_id
from trending.tweets.rule import Kind, classify
from trending.tweets.wire_format import MAX_HASHTAG, Tweet, encode

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, catalogue: object) -> str:
    path.write_text(catalogue if isinstance(catalogue, str) else json.dumps(catalogue), encoding="utf-8")
    return str(path)


def test_the_same_seed_gives_the_same_tweets_and_another_one_others() -> None:
    catalogue = Catalogue()
    first = list(Simulator(catalogue, 7).tweets(200, 1.0))
    assert list(Simulator(catalogue, 7).tweets(200, 1.0)) == first
    assert list(Simulator(catalogue, 8).tweets(200, 1.0)) != first


def test_without_a_seed_every_start_is_new() -> None:
    catalogue = Catalogue()
    assert list(Simulator(catalogue).tweets(200, 1.0)) != list(Simulator(catalogue).tweets(200, 1.0))


@given(st.integers(0, 2**40), st.lists(st.integers(0, 20), max_size=10))
def test_the_bursts_in_which_tweets_are_drawn_do_not_change_them(seed: int, bursts: list[int]) -> None:
    catalogue = Catalogue()
    burst_by_burst = Simulator(catalogue, seed)
    drawn = [tweet for burst in bursts for tweet in burst_by_burst.tweets(burst, 1.0)]
    assert drawn == list(Simulator(catalogue, seed).tweets(sum(bursts), 1.0))


def test_users_phrases_and_hashtags_are_drawn_independently() -> None:
    catalogue = Catalogue(users=("a", "b"), phrases=("p", "q"), hashtags=(WeightedHashtag(name="#x"), WeightedHashtag(name="#y")))
    drawn = {(tweet.usuario, tweet.texto, tweet.hashtag_principal) for tweet in Simulator(catalogue, 1).tweets(200, 1.0)}
    assert len(drawn) == 8


def test_hashtags_come_as_often_as_their_weights_say() -> None:
    catalogue = Catalogue(
        hashtags=(
            WeightedHashtag(name="#a", weight=7),
            WeightedHashtag(name="#b", weight=2.5),
            WeightedHashtag(name="#c", weight=0.5),
        )
    )
    drawn = Counter(tweet.hashtag_principal for tweet in Simulator(catalogue, 3).tweets(20_000, 1.0))
    for hashtag, share in (("#a", 0.70), ("#b", 0.25), ("#c", 0.05)):
        assert drawn[hashtag] / 20_000 == pytest.approx(share, abs=0.015)


def test_every_tweet_is_made_of_the_catalogue_and_ends_with_its_hashtag() -> None:
    catalogue = Catalogue()
    for tweet in Simulator(catalogue, 5).tweets(500, 1765845060.5):
        phrase, _, hashtag = tweet.texto.rpartition(" ")
        assert tweet.usuario in catalogue.users
        assert phrase in catalogue.phrases
        assert hashtag == tweet.hashtag_principal
        assert tweet.timestamp == 1765845060.5


def test_the_stream_takes_every_tweet_of_the_built_in_catalogue() -> None:
    kinds = {classify(encode(tweet), 9.0, Rule(WindowTime.EVENT)).kind for tweet in Simulator(Catalogue(), 5).tweets(500, 9.0)}
    assert kinds == {Kind.TWEET}


def test_the_built_in_catalogue_has_the_contracts_names() -> None:
    catalogue = load_catalogue(None)
    assert {"@DataFan", "@SparkGuru", "@PythonDev"} <= set(catalogue.users)
    assert {"#Spark", "#BigData", "#RealTime", "#IA"} <= {hashtag.name for hashtag in catalogue.hashtags}


def test_the_users_own_catalogue_replaces_what_it_names(tmp_path: Path) -> None:
    path = write(tmp_path / "mío.json", {"users": ["@yo"], "hashtags": [{"name": "#única"}]})
    tweets = list(Simulator(load_catalogue(path), 1).tweets(20, 1.0))
    assert {(tweet.usuario, tweet.hashtag_principal) for tweet in tweets} == {("@yo", "#única")}
    assert {tweet.texto.rpartition(" ")[0] for tweet in tweets} <= set(Catalogue().phrases)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        {"users": []},
        {"phrases": []},
        {"hashtags": []},
        {"users": "yo"},
        {"users": [1]},
        {"user": ["@yo"]},
        {"hashtags": ["#a"]},
        {"hashtags": [{"name": ""}]},
        {"hashtags": [{"name": "#" * (MAX_HASHTAG + 1)}]},
        {"hashtags": [{"name": "#a", "weight": 0}]},
        {"hashtags": [{"name": "#a", "weight": -1}]},
        {"hashtags": [{"name": "#a", "peso": 1}]},
        {"hashtags": [{"name": "#a", "weight": 1e308}, {"name": "#b", "weight": 1e308}]},
        '{"hashtags": [{"name": "#a", "weight": Infinity}]}',
        '{"hashtags": [{"name": "#a", "weight": NaN}]}',
        '{"users": ["\\ud800"]}',
    ],
)
def test_a_catalogue_that_cannot_be_used_is_refused_with_its_path(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path / "catalogue.json", content)
    with pytest.raises(InvalidInput) as caught:
        list(Simulator(load_catalogue(path), 1).tweets(10, 1.0))
    assert path in caught.value.cause
    assert caught.value.evidence
    assert caught.value.next_command


def test_a_catalogue_that_is_not_there_is_refused_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    for missing in (path, tmp_path):
        with pytest.raises(InvalidInput, match=str(missing)):
            load_catalogue(str(missing))


FRAME = len(encode(next(Simulator(Catalogue(users=("",), phrases=("",), hashtags=(WeightedHashtag(name="#a"),))).tweets(1, 1.0))))


@pytest.mark.parametrize("part", ["users", "phrases"])
@pytest.mark.parametrize("character", ["x", "ñ", "😀", "\x01", '"'])
def test_a_catalogue_whose_tweets_no_topic_takes_is_bad_input(tmp_path: Path, part: str, character: str) -> None:
    each = len(encode(Tweet(character, "", "", 1.0))) - len(encode(Tweet("", "", "", 1.0)))
    number = (MAX_TWEET_BYTES - FRAME) // each
    fitting = {part: ["corto", character * (number - 50)], "hashtags": [{"name": "#a"}]}
    assert load_catalogue(write(tmp_path / "fits.json", fitting))
    path = write(tmp_path / "large.json", fitting | {part: ["corto", "y" + character * (number + 50)]})
    with pytest.raises(InvalidInput) as caught:
        load_catalogue(path)
    assert path in caught.value.cause
    assert f"the {part.removesuffix('s')} 'y" in caught.value.evidence
    assert "at most 999,000 go into one message" in caught.value.evidence
    assert len(caught.value.evidence) < 1_000


def test_a_client_sends_the_largest_tweet_of_any_catalogue() -> None:
    """With headers and framing, by librdkafka's own limit, which nobody sets."""
    tweet = MAX_TWEET_BYTES + len(ID_HEADER) + len(record_id("f" * 12, 10**18))
    assert tweet + 512 < 1_000_000
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    producer.produce("t", b"x" * MAX_TWEET_BYTES, headers=[(ID_HEADER, record_id("f" * 12, 10**18))])
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        producer.produce("t", b"x" * (MAX_TWEET_BYTES + 2_000), headers=[(ID_HEADER, record_id("f" * 12, 10**18))])
    producer.purge()
    producer.flush(1)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
"""Every character that a catalogue can hold: quotes, backslashes, control characters, line separators, emoji."""


@given(
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(TEXTS, min_size=1, max_size=4),
    st.lists(TEXTS, min_size=1, max_size=4),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(0, 20), max_size=4),
)
def test_a_burst_is_its_tweets_encoded_one_by_one(
    users: list[str], phrases: list[str], names: list[str], timestamp: float, counts: list[int]
) -> None:
    tags = tuple(WeightedHashtag(name=name, weight=1 + place) for place, name in enumerate(names))
    catalogue = Catalogue(users=tuple(users), phrases=tuple(phrases), hashtags=tags)
    bursts, plain = Simulator(catalogue, 7), Simulator(catalogue, 7)
    for count in counts:
        burst, tweets = bursts.burst(count, timestamp), list(plain.tweets(count, timestamp))
        assert burst.values == [encode(tweet) for tweet in tweets]
        assert burst.hashtags == [tweet.hashtag_principal for tweet in tweets]


def test_quotes_control_characters_and_what_lies_beyond_the_basic_plane_are_escaped_as_the_encoder_does() -> None:
    odd = 'a"b\\c\x00\x1f\n\u2028é\U0001f600</script>\x7f'
    catalogue = Catalogue(users=(odd,), phrases=(odd,), hashtags=(WeightedHashtag(name=odd),))
    value = Simulator(catalogue, 1).burst(1, 1765845060.123).values[0]
    assert json.loads(value) == {
        "usuario": odd,
        "texto": f"{odd} {odd}",
        "hashtag_principal": odd,
        "timestamp": 1765845060.123,
    }
    assert [value] == [encode(tweet) for tweet in Simulator(catalogue, 1).tweets(1, 1765845060.123)]


@pytest.mark.parametrize("timestamp", [math.nan, math.inf, -math.inf])
def test_a_burst_at_no_time_is_refused_as_a_tweet_is(timestamp: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        Simulator(Catalogue()).burst(1, timestamp)
