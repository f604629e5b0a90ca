from __future__ import annotations

import json

import pytest

from trending.kafka.log_reader import Record
from trending.redrive.choice import Choice, Mended, Unfit, Wish, choose
from trending.settings import Rule, WindowTime
from trending.stream.envelope import enclose
from trending.stream.letters import Reject, Summary
from trending.tweets.rule import Reason

NOW = 1_765_845_060.0
EVENT = Rule(WindowTime.EVENT)


def tweet(hashtag: str = "#a", timestamp: float = NOW) -> bytes:
    return json.dumps({"hashtag_principal": hashtag, "timestamp": timestamp}).encode()


def letter(
    number: int,
    value: bytes | None,
    *,
    offset: int | None = None,
    key: bytes | None = None,
    room: int = 10_000,
    reason: str = "late",
    headers: tuple[tuple[str, bytes | None], ...] = (),
) -> Record:
    """Return the letter at an offset of the dead-letter topic, as the stream would have written it."""
    place = 100 + number if offset is None else offset
    envelope = enclose(Reject(1, place, reason), Record(1, place, NOW, value, dict(headers), key, headers), "tweets", room)
    pairs = tuple((name, text.encode() if isinstance(text, str) else text) for name, text in envelope.headers)
    return Record(0, number, NOW, envelope.value, dict(pairs), envelope.key, pairs)


def chosen(*letters: Record, done: tuple[int, ...] = (), rule: Rule = EVENT, **wish: object) -> Choice:
    return choose(letters, set(done), Wish(**{"limit": 99, **wish}), NOW, rule)  # type: ignore[arg-type]


def test_a_letter_that_is_a_tweet_by_todays_rule_is_sent_back_with_its_headers_and_where_it_came_from() -> None:
    choice = chosen(letter(3, tweet(), headers=(("h", b"1"), ("id", b"run:9"), ("origin.id", b"older"))))
    headers = (("h", b"1"), ("origin.id", b"run:9"), ("dlq.attempt", b"1"))
    assert choice == Choice([Mended(3, (1, 103), "#a", tweet(), None, headers)])


def test_the_old_id_is_the_key_or_the_place_of_a_stranger_whose_key_stays() -> None:
    ours, stranger, keyless = chosen(
        letter(0, tweet(), key=b"t1:0123456789ab:7"), letter(1, tweet(), key=b"orders:17"), letter(2, tweet())
    ).mended
    assert (ours.key, dict(ours.headers)["origin.id"]) == (None, b"0123456789ab:7")
    assert (stranger.key, dict(stranger.headers)["origin.id"]) == (b"orders:17", b"tweets/1/101")
    assert (keyless.key, dict(keyless.headers)["origin.id"]) == (None, b"tweets/1/102")


def test_a_letter_that_is_still_late_is_shown_with_its_reason_and_by_arrival_it_fits() -> None:
    old = letter(0, tweet(timestamp=NOW - 3600))
    assert [each.why for each in chosen(old).unfit] == [Reason.LATE]
    assert len(chosen(old, rule=Rule()).mended) == 1


@pytest.mark.parametrize("body", [b"{", None, b'{"hashtag_principal":"","timestamp":1}', b'{"mensaje":"x","contador":1}'])
def test_only_tweets_are_sent_back(body: bytes | None) -> None:
    choice = chosen(letter(0, body))
    assert (choice.mended, len(choice.unfit)) == ([], 1)
    assert choice.unfit[0].why


def test_a_mended_body_takes_the_place_of_the_letters_own() -> None:
    choice = chosen(letter(0, b"{"), letter(1, b"{"), bodies={0: tweet("#b") + b"\n", 1: b"["})
    assert [(each.hashtag, each.value) for each in choice.mended] == [("#b", tweet("#b") + b"\n")]
    assert choice.unfit == [Unfit(1, (1, 101), b"[", Reason.BAD_JSON)]


def test_a_body_of_no_letter_is_told() -> None:
    letters = letter(0, b"{"), letter(1, b"{", offset=100), letter(2, b"{", reason="future"), letter(3, b"{")
    mended = dict.fromkeys((0, 1, 2, 3, 99), tweet())
    choice = chosen(*letters, bodies=mended, reason="late", done=(3,), limit=0)
    assert choice.strays == (1, 2, 99), "it is about the record of letter 0, it is of another reason, it is not there"
    assert chosen(*letters, bodies={0: tweet()}).strays == ()


def test_a_letter_that_was_cut_goes_back_only_with_a_mended_body() -> None:
    cut = letter(0, tweet(), key=b"k" * 800, room=1000)
    assert [each.why for each in chosen(cut).unfit] == ["the letter had no room for its key"]
    assert len(chosen(cut, bodies={0: tweet()}).mended) == 1


def test_what_was_sent_back_before_or_is_there_twice_or_is_of_another_reason_is_left() -> None:
    choice = chosen(letter(0, tweet()), letter(1, tweet()), letter(2, tweet(), offset=101), letter(3, b"{"), done=(0,))
    assert (choice.done, [each.letter for each in choice.mended], len(choice.unfit)) == (1, [1], 1)
    assert chosen(letter(0, tweet(), reason="late"), reason="future") == Choice()


def test_the_rest_is_left_for_the_next_time() -> None:
    choice = chosen(*(letter(number, tweet()) for number in range(5)), limit=3)
    assert ([each.letter for each in choice.mended], choice.left_for_later) == ([0, 1, 2], 2)


def test_summaries_are_counted_and_records_of_others_passed_over() -> None:
    summary = Summary(0, "late", 1, 9, 5)
    headers = {name: text.encode() for name, text in summary.headers("tweets") if isinstance(text, str)}
    assert chosen(Record(0, 0, NOW, b"", headers), Record(0, 1, NOW, tweet(), {})) == Choice(summed_up=5)


def test_a_letter_that_was_sent_back_and_rejected_again_says_its_attempt() -> None:
    again = letter(0, tweet(), headers=(("dlq.attempt", b"2"), ("origin.id", b"run:1"), ("id", b"run2:0")))
    (mended,) = chosen(again).mended
    assert dict(mended.headers) == {"origin.id": b"run2:0", "dlq.attempt": b"3"}
