from __future__ import annotations

from collections import Counter
from fractions import Fraction

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from trending.replay.items import Pace, compressed, original
from trending.replay.posts import Post
from trending.settings import Rule, WindowTime
from trending.tweets.rule import Kind, classify, window_start
from trending.tweets.wire_format import decode, encode

SOMETIME = 1539202764_000_000
BEGIN = 1765843200_000_000
speeds = st.one_of(st.integers(1, 5_000), st.sampled_from([0.1, 0.5, 2.5, 1e6])).map(lambda speed: Fraction(str(speed)))


@given(speeds, st.lists(st.tuples(st.integers(0, 10**11), st.sampled_from("abc"))), st.sampled_from([5, 60, 3600]))
def test_the_ranking_is_the_files_over_windows_of_as_many_times_the_length(
    speed: Fraction, posts: list[tuple[int, str]], seconds: int
) -> None:
    posts = sorted(posts)
    pace = Pace(posts[0][0] if posts else 0, speed)
    rule = Rule(WindowTime.EVENT, seconds)
    truth = Counter(((time - pace.first) // (speed * seconds * 1_000_000), f"#{tag}") for time, tag in posts)
    counted: Counter[tuple[int, str]] = Counter()
    for item in compressed((Post(time, 1, "@a", "b", f"#{tag}") for time, tag in posts), pace):
        verdict = classify(item.at(BEGIN), (BEGIN + item.due) / 1e6, rule)
        assert verdict.kind is Kind.TWEET, verdict
        counted[(window_start(verdict.time, seconds) - BEGIN // 1_000_000) // seconds, verdict.label] += 1
    assert counted == truth


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 10**15))
def test_a_tweet_is_what_the_wire_format_makes_of_it_with_the_time_that_it_had_in_a_header(text: str, time: int) -> None:
    (item,) = compressed([Post(SOMETIME + 30_000_000, 1, text, f"{text}0.0}}", f"#{text}")], Pace(SOMETIME, Fraction(10)))
    value = item.at(time)
    assert value is not None
    tweet = decode(value)
    assert value == encode(tweet)
    assert (tweet.usuario, tweet.texto, tweet.hashtag_principal) == (text, f"{text}0.0}}", f"#{text}")
    assert (tweet.timestamp, item.due) == ((time + 3_000_000) / 1e6, 3_000_000)
    assert item.headers == (("origin.time", b"2018-10-10T20:19:54Z"),)


def test_with_their_original_times_they_come_at_the_same_pace() -> None:
    (item,) = original([Post(SOMETIME + 30_000_000, 1, "@a", "b", "#c")], Pace(SOMETIME, Fraction(10)))
    assert item.due == 3_000_000
    assert msgspec.json.decode(item.at(BEGIN) or b"")["timestamp"] == 1539202794.0
    assert item.headers == ()
