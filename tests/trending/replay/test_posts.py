from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.errors import InvalidInput
from trending.replay.posts import BadRow, Columns, Post, hashtag_of, post_of
from trending.replay.times import Unit
from trending.settings import Rule
from trending.tweets.rule import Kind, classify
from trending.tweets.wire_format import Tweet, encode


@pytest.mark.parametrize(
    ("given_", "text", "hashtag"),
    [
        (None, "hola #Spark y #IA", "#Spark"),
        (None, "#ñandú", "#ñandú"),
        (None, "#n\u0303andu", "#n\u0303andu"),
        (None, "a#b &#39; #1 #_ #2026x", "#2026x"),
        (None, "", ""),
        ("", "#a", "#a"),
        ("[]", "#a", "#a"),
        ("NaN", "#a", "#a"),
        ("Spark,IA", "", "#Spark"),
        ("#Spark #IA", "", "#Spark"),
        ("['Spark', 'IA']", "", "#Spark"),
        ('["#Spark"]', "", "#Spark"),
        ("[{'text': 'Spark', 'indices': [0, 6]}]", "", "#Spark"),
        ('[{"start": 0, "tag": "IA"}]', "", "#IA"),
        ([{"text": "Spark"}], "#other", "#Spark"),
        ([{"tag": "IA"}], "", "#IA"),
        (["a", "b"], "", "#a"),
        ([], "#a", "#a"),
        ([{"text": None}], "#a", "#a"),
        (7, "#a", "#a"),
    ],
)
def test_the_first_hashtag_of_the_field_or_else_of_the_text(given_: object, text: str, hashtag: str) -> None:
    assert hashtag_of(given_, text) == hashtag


@pytest.mark.parametrize(
    ("found", "field", "why"),
    [
        ({}, "time", "is missing.*COLUMNS=time="),
        ({"time": " "}, "time", "is missing"),
        ({"time": "x", "text": "a"}, "time", "'x' is no time: it would be one of"),
        ({"time": 1}, "text", "is missing.*COLUMNS=text="),
        ({"time": 1, "text": 5}, "text", "is a int: it would be a text"),
        ({"time": 1, "text": "a", "hashtag": "x" * 280}, "hashtag", "has 281 characters: at most 280"),
        ({"time": 1, "text": "\ud800"}, "text", "half of a surrogate pair"),
    ],
)
def test_a_bad_row_names_the_field_and_what_would_be_right(found: dict[str, object], field: str, why: str) -> None:
    with pytest.raises(BadRow, match=why) as caught:
        post_of(7, found)
    assert caught.value.field == field


def test_who_writes_is_not_needed() -> None:
    assert post_of(1, {"time": 1, "text": "a", "user": 42}) == Post(1_000_000, 1, "42", "a", "")
    assert post_of(1, {"time": 1, "hashtag": "x", "user": {}}) == Post(1_000_000, 1, "@anonymous", "#x", "#x")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300)
values = scalars | st.lists(scalars | st.dictionaries(st.sampled_from(["text", "tag"]), scalars), max_size=2)


@given(st.dictionaries(st.sampled_from(["time", "text", "user", "hashtag"]), values))
def test_whatever_a_row_has_it_is_a_tweet_for_the_rule_or_a_bad_row(found: dict[str, object]) -> None:
    try:
        post = post_of(1, found)
    except BadRow:
        return
    verdict = classify(encode(Tweet(post.user, post.text, post.hashtag, 1.0)), 1.0, Rule())
    assert verdict.kind is (Kind.TWEET if post.hashtag else Kind.UNTAGGED)
    assert verdict.label == post.hashtag


def test_columns_and_the_unit_of_the_time() -> None:
    columns = Columns.parse("time=when:ms, text=the text,user=a.b")
    assert columns == Columns({"time": "when", "text": "the text", "user": "a.b"}, Unit.MILLISECONDS)
    assert Columns.parse("") == Columns()


@pytest.mark.parametrize("text", ["time", "when=a", "time=", "time=a:minutes", "time=a,time=b"])
def test_wrong_columns_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="COLUMNS") as caught:
        Columns.parse(text)
    assert "COLUMNS=time=created_at:ms" in caught.value.next_command
