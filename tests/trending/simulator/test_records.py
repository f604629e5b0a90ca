from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fakes.trending.sources.scenarios import scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.audit.recounting.second_reading import read_again
from trending.settings import Rule, Spelling, WindowTime
from trending.simulator.draws import BLOCK
from trending.simulator.loading import load_scenario, ready_scenarios
from trending.simulator.mischief import CORRUPTIONS, Fate
from trending.simulator.records import Encoder, Records
from trending.simulator.truth import Truth, intended
from trending.tweets.fates import label_of
from trending.tweets.rule import Kind, Reason, classify
from trending.tweets.wire_format import decode

if TYPE_CHECKING:
    from trending.simulator.scenario import Scenario

BEGIN = 1_765_845_060_000
"""A whole minute, in milliseconds."""
MIXED = {
    "rate": {"base": 300, "arrivals": "poisson"},
    "hashtags": {"zipf": {"count": 50, "exponent": 1.1, "prefix": "#t"}, "named": {'#"ñ"': 2}},
    "trends": [{"hashtag": "#Gol", "at": 5, "rise": 5, "hold": 20, "fade": 10, "peak": 0.5}],
    "tweets": {"hashtags": {"0": 0.05, "1": 0.8, "2": 0.1, "3": 0.05}},
    "window_time": "event",
    "mischief": {
        "late": {"share": 0.05, "seconds": [130, 300]},
        "borderline": {"share": 0.03, "seconds": [60, 130]},
        "out_of_order": {"share": 0.1, "seconds": 20},
        "duplicated": 0.05,
        "corrupt": 0.05,
        "future": 0.02,
    },
}


def sent(played: Scenario, numbers: range, begin: int = BEGIN) -> list[tuple[bytes | None, str, int]]:
    """Return value, label and due time of each record, as a producer gets them in bursts of odd lengths."""
    records = Records(played)
    encoder = Encoder(records)
    found = []
    number = numbers.start
    while number < numbers.stop:
        block = records.block(number // BLOCK)
        start = number - block.first
        stop = min(start + 701, BLOCK, numbers.stop - block.first)
        values = encoder.values(block, start, stop, np.full(stop - start, begin))
        dues = (block.due[start:stop] + begin).tolist()
        found += zip(values, encoder.labels(block, start, stop), dues, strict=True)
        number = block.first + stop
    return found


@pytest.mark.parametrize("name", ready_scenarios())
def test_a_ready_scenario_is_the_same_for_everybody_who_draws_it(name: str) -> None:
    played = load_scenario(name)
    whole = sent(played, range(2 * BLOCK))
    assert whole == sent(load_scenario(name), range(2 * BLOCK))
    assert whole[BLOCK - 9 : BLOCK + 9] == sent(played, range(BLOCK - 9, BLOCK + 9))
    assert whole != sent(played.model_copy(update={"seed": 99}), range(2 * BLOCK))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 5 * BLOCK), st.integers(0, 900), st.integers(0, 900))
def test_a_record_is_a_function_of_scenario_and_number(seed: int, first: int, skipped: int, length: int) -> None:
    played = scenario(**MIXED, seed=seed)
    whole = sent(played, range(first, first + 1_800))
    part = sent(played, range(first + skipped, first + skipped + length))
    assert part == whole[skipped : skipped + length]


def test_blocks_may_be_drawn_in_any_order() -> None:
    records = Records(scenario(**MIXED))
    backwards = {number: records.block(number) for number in (4, 2, 0, 1, 3)}
    for number, block in backwards.items():
        again = Records(scenario(**MIXED)).block(number)
        assert (again.due == block.due).all()
        assert (again.stamps == block.stamps).all()
        assert (again.hashtags == block.hashtags).all()


def test_a_shift_moves_timestamps_and_nothing_else() -> None:
    plain, shifted = (sent(scenario(), range(50), begin) for begin in (BEGIN, BEGIN + 7_250))
    for (before, label, _due), (after, other, _late) in zip(plain, shifted, strict=True):
        assert before is not None
        assert after is not None
        assert label == other
        first, second = decode(before), decode(after)
        assert second.timestamp - first.timestamp == 7.25
        assert (second.usuario, second.texto) == (first.usuario, first.texto)


@pytest.mark.parametrize("delay", [0.0, 4.9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_truth_is_what_an_independent_reading_says_of_the_bytes(seed: int, delay: float) -> None:
    numbers = range(1_000, 1_000 + 3 * BLOCK)
    played = scenario(**MIXED, seed=seed)
    records = Records(played)
    truth = intended(records, numbers, lambda found: np.full(len(found), BEGIN), 60)
    rule = Rule(WindowTime.EVENT, 60)
    found = Truth()
    for value, label, due in sent(played, numbers):
        append = due / 1000 + delay
        verdict = read_again(value, append, rule)
        # The ledger books by arrival, and so does the audit.
        assert label == label_of(classify(value, append, Rule()))
        if verdict.kind is Kind.REJECT:
            found.rejected[verdict.label] += 1
        elif verdict.kind is Kind.UNTAGGED:
            found.untagged += 1
        else:
            found.tweets[int(verdict.time // 60) * 60, verdict.label] += 1
    assert found.untagged == truth.untagged > 0
    # A borderline tweet is late or in its window; everything else is certain.
    doubtful = found.rejected[Reason.LATE] - truth.rejected[Reason.LATE]
    in_window = found.tweets - truth.tweets
    assert not truth.tweets - found.tweets
    assert not in_window - truth.borderline
    assert doubtful + in_window.total() == truth.borderline.total() > 0
    assert found.rejected - Counter({Reason.LATE: doubtful}) == truth.rejected
    assert set(truth.rejected) == {Reason.LATE, Reason.FUTURE, *(each.reason for each in CORRUPTIONS)}


def test_the_truth_of_folded_spellings_is_what_such_a_stack_counts() -> None:
    """With hashtags that are one, one that folding leaves nothing of, and one that it makes too long."""
    named = {"#IA": 2, "#ia": 1, " #Ia ": 1, "  ": 1, "ß" * 200: 1}
    played = scenario(**{**MIXED, "hashtags": {"named": named}, "mischief": {"corrupt": 0.3, "future": 0.1}})
    numbers = range(3 * BLOCK)
    truth = intended(Records(played), numbers, lambda found: np.full(len(found), BEGIN), 60, Spelling.FOLDED)
    found = Truth()
    for value, _label, due in sent(played, numbers):
        verdict = classify(value, due / 1000, Rule(WindowTime.EVENT, 60, Spelling.FOLDED))
        if verdict.kind is Kind.REJECT:
            found.rejected[verdict.label] += 1
        elif verdict.kind is Kind.UNTAGGED:
            found.untagged += 1
        else:
            found.tweets[int(verdict.time // 60) * 60, verdict.label] += 1
    assert found == truth
    assert set(truth.hashtags()) == {"#ia", "#gol"}


def test_shares_are_what_the_scenario_says() -> None:
    records = Records(scenario(**MIXED, seed=11))
    blocks = [records.block(number) for number in range(10)]
    fates = np.concatenate([block.fates[block.sources == np.arange(BLOCK)] for block in blocks])
    number = 10 * BLOCK
    shares = {fate: np.count_nonzero(fates == fate) / number for fate in Fate}
    wanted = {Fate.LATE: 0.05, Fate.BORDERLINE: 0.03, Fate.OUT_OF_ORDER: 0.1, Fate.FUTURE: 0.02, Fate.CORRUPT: 0.05}
    for fate, share in wanted.items():
        assert shares[fate] == pytest.approx(share, rel=0.12)
    assert sum(len(block.copies) for block in blocks) / number == pytest.approx(0.05, rel=0.1)
    tags = np.concatenate([block.tags for block in blocks])
    assert np.bincount(tags) / number == pytest.approx([0.05, 0.8, 0.1, 0.05], rel=0.1)


def test_every_kind_of_corruption_comes_as_often_as_the_others() -> None:
    records = Records(scenario(mischief={"corrupt": 0.5}, seed=3))
    found = Counter(np.concatenate([records.block(number).corruptions for number in range(6)]).tolist())
    assert found.pop(-1) == pytest.approx(3 * BLOCK, rel=0.05)
    assert list(found.values()) == pytest.approx([3 * BLOCK / len(CORRUPTIONS)] * len(CORRUPTIONS), rel=0.1)


def test_a_copy_has_the_bytes_of_a_record_shortly_before_it() -> None:
    played = scenario(mischief={"duplicated": 0.1, "corrupt": 0.1})
    block = Records(played).block(0)
    values = [value for value, _label, _due in sent(played, range(BLOCK))]
    assert len(block.copies) > 300
    for place in block.copies.tolist():
        assert values[place] == values[block.sources[place]]
        assert block.sources[block.sources[place]] == block.sources[place]
        assert 0 <= block.due[place] - block.due[block.sources[place]] <= 10_000


def test_what_comes_too_slowly_to_be_copied_in_time_is_not_copied() -> None:
    assert not len(Records(scenario(rate={"base": 0.05}, mischief={"duplicated": 0.5})).block(0).copies)


def test_a_trend_has_its_share_and_others_keep_their_order() -> None:
    trend = {"hashtag": "#Gol", "at": 100, "rise": 100, "hold": 200, "fade": 100, "peak": 0.5}
    played = scenario(rate={"base": 100}, trends=[trend], seed=2)
    records = Records(played)
    block_of = {second: second * 100 // BLOCK for second in (50, 250, 600)}
    shares = {}
    for second, number in block_of.items():
        counted = Counter(records.names[each] for each in records.block(number).hashtags.tolist())
        shares[second] = {name: tweets / BLOCK for name, tweets in counted.items()}
    assert shares[50]["#a"] == pytest.approx(0.5, abs=0.03)
    assert shares[250]["#Gol"] == pytest.approx(0.5, abs=0.03)
    assert shares[250]["#a"] == pytest.approx(0.25, abs=0.03)
    assert "#Gol" not in shares[50] | shares[600]


def test_a_trend_of_everything_leaves_nothing() -> None:
    records = Records(scenario(trends=[{"hashtag": "#b", "at": 0, "hold": 10_000, "peak": 1}]))
    assert {records.names[each] for each in records.block(0).hashtags.tolist()} == {"#b"}


def test_several_hashtags_stand_in_the_text_and_the_first_is_ranked() -> None:
    for value, label, _due in sent(scenario(tweets={"hashtags": {"3": 1}, "phrases": ["veo"]}), range(200)):
        assert value is not None
        tweet = decode(value)
        words = tweet.texto.split(" ")
        assert words[0] == "veo"
        assert len(words) == 4
        assert words[1] == tweet.hashtag_principal == label


def test_users_and_phrases_beyond_what_is_joined_beforehand_are_the_same_tweets() -> None:
    users, phrases = [f"@{number}" for number in range(300)], [f"p{number}" for number in range(200)]
    values = [value for value, _label, _due in sent(scenario(tweets={"users": users, "phrases": phrases}), range(3_000))]
    tweets = [decode(value) for value in values if value is not None]
    assert len({tweet.usuario for tweet in tweets}) == 300
    assert len({tweet.texto.split(" ")[0] for tweet in tweets}) == 200


@pytest.mark.parametrize(
    ("limit", "count"),
    [({"tweets": 7}, 7), ({"seconds": 100}, 1_000), ({"tweets": 7, "seconds": 100}, 7), ({"tweets": 9_999, "seconds": 10}, 100)],
)
def test_a_limit_is_a_number_of_records(limit: dict[str, int], count: int) -> None:
    assert Records(scenario(limit=limit)).count == count


def test_without_a_limit_there_is_no_end() -> None:
    assert Records(scenario()).count is None
