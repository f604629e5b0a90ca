from __future__ import annotations

import pytest
from fakes.stacks import make

from infra.commands.simulator import tweet
from infra.forms.producing import TweetForm
from trending.errors import InvalidInput, StackAbsent
from trending.producer.by_hand import Sent
from trending.settings import Spelling, StreamSettings, WindowTime
from trending.tweets.wire_format import Tweet, decode

APPENDED = 1765845070.0
"""2025-12-16 00:31:10 UTC."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Tweet]:
    """What is sent; the broker appends it at ``APPENDED``."""
    found: list[Tweet] = []

    def send(_connection: object, topic: str, topic_id: str, _ledger: object, value: bytes) -> Sent:
        assert (topic, topic_id) == ("tweets_topic", "topic-1")
        found.append(decode(value))
        return Sent("0123456789ab", 1, 7, APPENDED)

    monkeypatch.setattr(tweet, "send_by_hand", send)
    monkeypatch.setattr(tweet, "known_topic_id", lambda _lab: "topic-1")
    monkeypatch.setattr("time.time", lambda: APPENDED)
    return found


@pytest.mark.usefixtures("world")
def test_the_first_hashtag_of_the_text_is_ranked_and_the_place_is_said(sent: list[Tweet], said: list[str]) -> None:
    make(stream=StreamSettings(time_zone="Etc/UTC", hashtag_spelling=Spelling.FOLDED))
    tweet.main(TweetForm(name="lab", text="hola #Clase, y #Spark", author="@Ana"))
    assert sent == [Tweet("@Ana", "hola #Clase, y #Spark", "#Clase", APPENDED)]
    assert said[0].startswith("appended to partition 1 at offset 7, ")
    assert "00:31:10" in said[0]
    assert said[1].startswith("counts for #clase in the window from ")
    assert "00:31" in said[1]


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("mode", "last"), [(WindowTime.ARRIVAL, "counts for #Clase"), (WindowTime.EVENT, "goes to the dead letters: late")]
)
def test_an_old_one_is_late_by_event_time_only(mode: WindowTime, last: str, sent: list[Tweet], said: list[str]) -> None:
    make(stream=StreamSettings(window_time=mode))
    tweet.main(TweetForm(name="lab", text="#Clase", ago=150))
    assert sent[0].timestamp == APPENDED - 150
    assert said[-1].startswith(last)


@pytest.mark.usefixtures("world", "sent")
@pytest.mark.parametrize("text", ["", "hola", "# Clase", "#" + "x" * 280])
def test_without_a_hashtag_to_rank_nothing_is_sent(text: str, sent: list[Tweet]) -> None:
    make()
    with pytest.raises(InvalidInput, match="nothing to rank"):
        tweet.main(TweetForm(name="lab", text=text))
    assert sent == []


@pytest.mark.usefixtures("world")
def test_without_a_stack_it_says_so(sent: list[Tweet]) -> None:
    with pytest.raises(StackAbsent):
        tweet.main(TweetForm(name="lab", text="#Clase"))
    assert sent == []
