from __future__ import annotations

from trending.page.moving.ledger_totals import ByHand, Ledgers
from trending.page.moving.samples import MOST, SHOWN_SECONDS, Samples
from trending.page.moving.store_totals import Totals
from trending.tweets.rule import Reason

T0 = 1_765_843_860.0


def totals(end: int) -> Totals:
    return Totals("topic-1", first=True, starts={0: 0}, ends={0: end}, counted=0, proved_at=None)


def ledgers(end: int, *by_hand: ByHand, **latest: int) -> Ledgers:
    return Ledgers(latest={f"#{tag}": tweets for tag, tweets in latest.items()}, ends={0: end}, by_hand=by_hand)


def test_a_tweet_that_the_ledger_has_is_in_kafka_until_the_store_has_come_to_it() -> None:
    samples = Samples()
    assert samples.look(ledgers(10, a=5), totals(8), T0) == [], "what was there before the page looked is no news"
    (found,) = samples.look(ledgers(12, a=5, b=2), totals(8), T0 + 1)
    assert (found["tag"], found["stage"]) == ("#b", "kafka")
    (found,) = samples.look(ledgers(12, a=5, b=2), totals(12), T0 + 2)
    assert found["stage"] == "store"
    assert samples.look(ledgers(12, a=5, b=2), totals(12), T0 + 2 + SHOWN_SECONDS) == []


def test_a_backlog_shows_a_few_tweets_only() -> None:
    samples = Samples()
    for second in range(20):
        found = samples.look(ledgers(second, a=second), totals(0), T0 + second)
    assert len(found) == MOST


def test_a_ledger_that_cannot_be_seen_changes_nothing() -> None:
    samples = Samples()
    samples.look(ledgers(1, a=1), totals(1), T0)
    before = samples.look(ledgers(2, a=2), totals(1), T0 + 1)
    assert samples.look(None, None, T0 + 2) == before


def test_a_tweet_typed_by_hand_is_followed_to_the_store_or_the_dead_letters() -> None:
    asked: list[tuple[int, int]] = []

    def reason_of(partition: int, offset: int) -> str:
        asked.append((partition, offset))
        return Reason.LATE if offset == 4 else ""

    samples = Samples()
    sent = [
        ByHand("new", T0, "#Clase", "hola #Clase", None, None),
        ByHand("waits", T0, "#Clase", "hola", 0, 7),
        ByHand("there", T0, "#Clase", "hola", 0, 3),
        ByHand("late", T0, "#Clase", "tarde", 0, 4),
        ByHand("old", T0 - 3_600, "#Clase", "ayer", 0, 1),
    ]
    for _look in range(2):
        found = samples.by_hand(ledgers(9, *sent), totals(5), reason_of, T0 + 5, None)
        stages = {each["id"]: (each["stage"], each["code"]) for each in found}
    assert stages == {"new": ("sent", ""), "waits": ("kafka", ""), "there": ("store", ""), "late": ("refused", "reason_late")}
    assert asked == [(0, 3), (0, 4)], "each is looked up once"
    assert samples.by_hand(None, None, reason_of, T0, None) == []
