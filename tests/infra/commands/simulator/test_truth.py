from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from infra.commands.simulator import truth
from infra.forms.proving import TruthForm
from trending.errors import ConfigurationConflict, InvalidInput
from trending.settings import Spelling
from trending.simulator.loading import load_scenario
from trending.simulator.records import Records
from trending.simulator.truth import intended

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "version: 1\nrate: {base: 10}\nhashtags: {named: {'#a': 1}}\n"


def test_the_windows_and_what_is_refused_are_told_without_a_stack(said: list[str]) -> None:
    truth.main(TruthForm(scenario="lessons", window_seconds=10))
    records = Records(load_scenario("lessons"))
    found = intended(records, range(records.count or 0), lambda numbers: np.zeros(len(numbers), np.int64), 10)
    assert said[0] == f"scenario lessons: seed 15, {records.count} records, windows of 10 s"
    counted = Counter({line.split(":")[0]: int(line.split()[2]) for line in said[1:-2]})
    assert counted.total() == found.tweets.total()
    assert said[-2].startswith(f"all windows: {found.tweets.total()} tweets: #BigData ")
    assert said[-1].startswith(f"untagged {found.untagged}, refused {found.rejected.total()}: late")
    assert found.tweets.total() + found.untagged + found.rejected.total() == records.count


def test_another_seed_has_another_truth(said: list[str]) -> None:
    truth.main(TruthForm(scenario="lessons", window_seconds=10))
    first = list(said)
    truth.main(TruthForm(scenario="lessons", window_seconds=10, seed=7))
    assert said[len(first)] == first[0].replace("seed 15", "seed 7")
    assert said[len(first) + 2] != first[2]


def test_borderline_tweets_are_told_apart(tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "mine.yaml"
    doubtful = "window_time: event\nlimit: {tweets: 500}\nmischief: {borderline: {share: 0.5, seconds: [60, 100]}}\n"
    path.write_text(HEAD + doubtful, encoding="utf-8")
    truth.main(TruthForm(scenario=str(path)))
    assert said[-1].startswith("late or not, by the moment at which they arrive: 2")


@pytest.mark.parametrize(("more", "words"), [("", "has no limit"), ("limit: {tweets: 5}\nstart: now\n", "starts at once")])
def test_a_scenario_without_an_end_or_without_whole_windows_is_refused(more: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + more, encoding="utf-8")
    with pytest.raises(InvalidInput, match=words):
        truth.main(TruthForm(scenario=str(path)))
    with pytest.raises(InvalidInput, match="SCENARIO is missing"):
        truth.main(TruthForm())


def test_the_truth_is_that_of_a_stack_that_folds_spellings(tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "mine.yaml"
    both = "version: 1\nrate: {base: 10}\nhashtags: {named: {'#IA': 1, '#ia': 1}}\nlimit: {tweets: 50}\n"
    path.write_text(both, encoding="utf-8")
    truth.main(TruthForm(scenario=str(path), hashtag_spelling=Spelling.FOLDED))
    assert "all windows: 50 tweets: #ia 50" in said


def test_windows_in_which_a_late_tweet_would_not_be_late_are_refused_as_by_the_stack() -> None:
    with pytest.raises(ConfigurationConflict, match="must begin at 670 in windows of 600 s") as caught:
        truth.main(TruthForm(scenario="lessons", window_seconds=600))
    assert caught.value.next_command == "make truth SCENARIO=lessons WINDOW_SECONDS=60"
