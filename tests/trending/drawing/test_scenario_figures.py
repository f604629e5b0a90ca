"""The figures of a scenario's run are the store's, and those in docs/scenarios are of the scenarios as they are."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from fakes.trending import counting

from infra.host.paths import CHECKOUT
from trending.drawing.scenario_figures import Manner, ScenarioFigures, Stretch, read_figures
from trending.drawing.scenario_pages import TITLES, caption, figures_in, page, picture_name
from trending.drawing.scenario_picture import HASHTAGS, RATE, WORDS, picture
from trending.kafka.rejects import Rejects
from trending.serving.counts import Batch
from trending.serving.reader import StoreReader
from trending.serving.store import Store
from trending.settings import Rule
from trending.simulator.loading import load_scenario, ready_scenarios
from trending.simulator.records import Records
from trending.simulator.scenario import hash_of_scenario
from trending.simulator.truth import intended

if TYPE_CHECKING:
    from pathlib import Path

SCENARIOS = CHECKOUT / "docs" / "scenarios"
BEGIN = 1_765_845_060
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ready_scenarios()


def counted(path: Path) -> ScenarioFigures:
    """Return the figures of a store with three windows of five seconds at ten times the pace, and one of another run before."""
    with closing(Store(path)) as store:
        store.take_over(counting.epoch("a", rule=Rule(window_seconds=5)))
        counting.write(store, "a", Batch(0, BEGIN - 60, {(BEGIN - 60, "#before"): 99}, {}, untagged={BEGIN - 60: 1}))
        counting.write(
            store, "a", Batch(1, BEGIN + 2, {(BEGIN, "#a"): 100, (BEGIN, "#b"): 50}, {}, (Rejects.of(0, "late: so", [1, 2]),))
        )
        later = {(BEGIN + 10, "#b"): 30, (BEGIN + 10, "#c"): 20}
        counting.write(store, "a", Batch(2, BEGIN + 12, later, {}, untagged={BEGIN + 10: 7}))
    with closing(StoreReader(path)) as reader, reader.as_of_one_moment() as connection:
        return read_figures(connection, "world-cup", Manner(time_scale=10, seconds=150), BEGIN, BEGIN - 26)


def test_the_figures_are_the_stores_window_by_window(tmp_path: Path) -> None:
    found = counted(tmp_path / "serving.sqlite")
    assert found.hashtags == ("#a", "#b", "#c")
    assert found.windows == (
        Stretch(at=0, tweets=150, refused=2, hashtags=(100, 50, 0), leader=0),
        Stretch(at=50, tweets=0, hashtags=(0, 0, 0)),
        Stretch(at=100, tweets=50, untagged=7, hashtags=(0, 30, 20), leader=1),
    )
    assert found.refused == {"late: so": 2}
    assert (found.span, found.records, found.day, found.seed) == (50, 209, "2025-12-16", load_scenario("world-cup").seed)


def test_windows_without_a_record_are_told_for_as_long_as_the_run_was_watched(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "serving.sqlite")) as store:
        store.take_over(counting.epoch("a", rule=Rule(window_seconds=5)))
        counting.write(store, "a", Batch(0, BEGIN, {}, {}, untagged={BEGIN: 1}))
    with closing(StoreReader(tmp_path / "serving.sqlite")) as reader, reader.as_of_one_moment() as connection:
        found = read_figures(connection, "quiet", Manner(), BEGIN + 0.7, until=BEGIN + 17)
    assert [round(each.at + 0.7) for each in found.windows] == [0, 5, 10]
    assert [each.untagged for each in found.windows] == [1, 0, 0]
    assert "14 s at its own pace" in caption(found, "en")
    assert caption(found, "en").endswith(" 1 record.")
    drawn = picture(found, "en")
    assert WORDS["en"]["none"] in drawn
    assert "polyline" not in drawn


def test_one_that_leads_a_window_has_a_line_before_one_that_never_does_unless_the_window_is_of_stragglers(tmp_path: Path) -> None:
    everyday = {f"#{place}": 60 - place for place in range(6)}
    with closing(Store(tmp_path / "serving.sqlite")) as store:
        store.take_over(counting.epoch("a", rule=Rule(window_seconds=5)))
        windows = ({**everyday}, {**everyday}, {**everyday, "#news": 70}, {"#straggler": 1})
        for number, window in enumerate(windows):
            rows = {(BEGIN + 5 * number, hashtag): tweets for hashtag, tweets in window.items()}
            counting.write(store, "a", Batch(number, BEGIN, rows, {}))
    with closing(StoreReader(tmp_path / "serving.sqlite")) as reader, reader.as_of_one_moment() as connection:
        found = read_figures(connection, "soak", Manner(), BEGIN)
    assert found.hashtags == ("#0", "#1", "#2", "#3", "#news")
    assert [each.leader for each in found.windows] == [0, 0, 4, None]


def points(line: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (each.split(",") for each in line.attrib["points"].split())]


@pytest.mark.parametrize("language", WORDS)
def test_bars_and_lines_of_a_picture_are_as_high_as_the_figures(language: str, tmp_path: Path) -> None:
    found = counted(tmp_path / "serving.sqlite")
    drawn = ET.fromstring(picture(found, language))  # noqa: S314 - our own
    panel = RATE[1] - RATE[0]
    bars = [each for each in drawn.iter(f"{SVG}rect") if each.attrib["class"] == "bar" and float(each.attrib["x"]) < 640]
    assert [round(float(each.attrib["height"]) / panel * 152) for each in bars] == [150, 50]
    (refused,) = (each for each in drawn.iter(f"{SVG}rect") if each.attrib["class"] == "second" and float(each.attrib["x"]) < 640)
    assert round(float(refused.attrib["height"]) / panel * 152) == 2
    lines = [points(each) for each in drawn.iter(f"{SVG}polyline")][::2]  # the others are the legend's
    high = HASHTAGS[1] - HASHTAGS[0]
    assert [[round((HASHTAGS[1] - y) / high * 100) for _x, y in line] for line in lines] == [[100, 0, 0], [50, 0, 30], [0, 0, 20]]
    texts = [each.text for each in drawn.iter(f"{SVG}text")]
    assert {"#a", "#b", "#c", WORDS[language]["refused"], "3.0" if language == "en" else "3,0"} <= set(texts)


def test_the_caption_says_day_seed_pace_and_what_was_refused(tmp_path: Path) -> None:
    found = counted(tmp_path / "serving.sqlite").model_copy(update={"manner": Manner(time_scale=10, seconds=150, share=0.01)})
    assert caption(found, "en") == (
        "Real run of 2025-12-16, seed 3: 150 s of the scenario in 15 s, a time scale of 10, at 1 % of its rate, "
        "counted by arrival time in windows of 5 s, which are 50 s of the scenario. 209 records, 2 of them refused (2 *late*)."
    )
    assert "semilla 3: 150 s del escenario en 15 s" in caption(found, "es")
    many = found.model_copy(update={"refused": dict.fromkeys("abcd", 300)})
    assert caption(many, "en").endswith(" 1,407 records, 1,200 of them refused (for 4 reasons).")
    assert caption(many, "es").endswith(" 1407 mensajes, 1200 de ellos rechazados (por 4 razones).")


def test_every_ready_scenario_has_a_picture_in_the_pages_of_both_languages() -> None:
    assert set(TITLES) == set(NAMES)
    for language, place in (("en", "docs/scenarios.md"), ("es", "docs/es/escenarios.md")):
        text = (CHECKOUT / place).read_text(encoding="utf-8")
        assert text == page(SCENARIOS, language)
        shown = re.findall(r"!\[[\w-]+\]\(([^)]+)\)", text)
        assert [target.rsplit("/", 1)[1] for target in shown] == [picture_name(name, language) for name in NAMES]
        for target in shown:
            assert ((CHECKOUT / place).parent / target).exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_that_are_kept_are_of_the_scenario_as_it_is(name: str) -> None:
    found, scenario = figures_in(SCENARIOS, name), load_scenario(name)
    assert (found.scenario, found.seed) == (name, scenario.seed)
    assert found.content == hash_of_scenario(scenario), f"{name} has changed: make scenario-pictures ARGS={name}, make docs"
    assert scenario.window_time in {None, found.window_time}


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_that_are_kept_add_up_to_the_truth_of_the_seed(name: str) -> None:
    """In event time window by window. By arrival a tweet may come in the next one; all of them together are the same."""
    found = figures_in(SCENARIOS, name)
    records = Records(found.manner.of(load_scenario(name)))
    assert records.count == found.records
    truth = intended(records, range(records.count), lambda numbers: np.zeros(len(numbers), np.int64), found.window_seconds)
    assert truth.rejected == Counter(found.refused)
    assert truth.untagged == sum(each.untagged for each in found.windows)
    named = truth.hashtags()
    assert [named[each] for each in found.hashtags] == [
        sum(column) for column in zip(*(w.hashtags for w in found.windows), strict=True)
    ]
    assert truth.tweets.total() == sum(each.tweets for each in found.windows)
    if found.window_time == "event":
        windows = Counter[float]()
        for (start, _hashtag), tweets in truth.tweets.items():
            windows[start * found.manner.time_scale] += tweets
        assert windows == Counter({each.at: each.tweets for each in found.windows if each.tweets})
