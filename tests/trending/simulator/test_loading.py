from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from trending.errors import InvalidInput
from trending.settings import WindowTime
from trending.simulator.loading import MOST_BYTES, load_scenario, ready_scenarios
from trending.simulator.scenario import Scenario, hash_of_scenario, scenario_schema

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "version: 1\nrate: {base: 1}\nhashtags: {named: {'#a': 1}}\n"

# What stands in the file, in which line it is wrong, and what the line must say.
WRONG = {
    "empty": ("", 1, "begins with version: 1, and this is empty"),
    "a text": ("hello", 1, 'this is "hello"'),
    "a list": ("- version: 1", 1, "this is a list"),
    "no version": ("rate: {base: 1}\nhashtags: {named: {'#a': 1}}", 1, "version is missing"),
    "a later version": (HEAD.replace("version: 1", "version: 2"), 1, "version is 2: it must be 1"),
    "no rate": ("version: 1\nhashtags: {named: {'#a': 1}}", 1, "rate is missing"),
    "no base": (HEAD.replace("base: 1", "arrivals: steady"), 2, "rate.base is missing"),
    "no hashtags": ("version: 1\nrate: {base: 1}", 1, "hashtags is missing"),
    "no hashtag at all": ("version: 1\nrate: {base: 1}\nhashtags: {}", 3, "hashtags: needs zipf, named or both"),
    "an unknown field": (HEAD + "colour: red", 4, "colour is unknown: known are hashtags, limit"),
    "a field misspelt": (HEAD + "trend: []", 4, "trend is unknown: trends is meant"),
    "a part's field misspelt": (
        HEAD.replace("base: 1", "base: 1, arrival: poisson"),
        2,
        "rate.arrival is unknown: arrivals is meant",
    ),
    "a trend's field misspelt": (
        HEAD + "trends:\n  - {hashtag: '#b', at: 1, peak: 0.5}\n  - {hashtag: '#b', at: 9, peek: 0.5, peak: 0.5}",
        6,
        "trends[2].peek is unknown: peak is meant",
    ),
    "rate of nothing": (HEAD.replace("base: 1", "base: 0"), 2, "rate.base is 0: it must be greater than 0"),
    "rate below nothing": (HEAD.replace("base: 1", "base: -3"), 2, "rate.base is -3: it must be greater than 0"),
    "rate too high": (HEAD.replace("base: 1", "base: 1000001"), 2, "less than or equal to 1000000"),
    "rate as text": (HEAD.replace("base: 1", "base: fast"), 2, 'rate.base is "fast": it must be a number'),
    "rate in quotes": (HEAD.replace("base: 1", "base: '1'"), 2, 'rate.base is "1": it must be a number'),
    "rate without end": (HEAD.replace("base: 1", "base: .inf"), 2, "rate.base is inf: it must be"),
    "rate that is no number": (HEAD.replace("base: 1", "base: .nan"), 2, "rate.base is nan: it must be"),
    "a list where a mapping is wanted": (HEAD.replace("{base: 1}", "[1]"), 2, "rate is a list: it must be a mapping"),
    "a mapping where a list is wanted": (HEAD + "trends: {hashtag: '#b'}", 4, "trends is a mapping: it must be a list"),
    "a number where a mapping is wanted": (HEAD.replace("{base: 1}", "5"), 2, "rate is 5: it must be a mapping"),
    "an unknown word": (HEAD.replace("base: 1", "base: 1, arrivals: random"), 2, "it must be 'poisson' or 'steady'"),
    "a hashtag without quotes": (
        HEAD + "trends:\n  - hashtag: #b\n    at: 1\n    peak: 0.1",
        5,
        "trends[1].hashtag is empty: it must be a text; quote",
    ),
    "a weight of nothing": (HEAD.replace("'#a': 1", "'#a': 0"), 3, "hashtags.named.#a is 0: it must be greater than 0"),
    "a hashtag too long": (HEAD.replace("#a", "#" + "a" * 280), 3, "at most 280 characters"),
    "an empty hashtag": (HEAD.replace("'#a'", "''"), 3, "at least 1 character"),
    "a peak above all": (
        HEAD + "trends: [{hashtag: '#b', at: 1, peak: 1.5}]",
        4,
        "trends[1].peak is 1.5: it must be less than or equal to 1",
    ),
    "trends that take more than all": (
        HEAD + "trends:\n  - {hashtag: '#b', at: 1, hold: 9, peak: 0.6}\n  - {hashtag: '#c', at: 2, hold: 9, peak: 0.6}",
        5,
        "trends have 1.2 of the tweets at 2 s: at most 1 together",
    ),
    "shares that are not whole": (HEAD + "tweets: {hashtags: {1: 0.8, 2: 0.1}}", 4, "tweets.hashtags: the shares add up to 0.9"),
    "a key that a tweet has not": (HEAD + "tweets: {key: user}", 4, "tweets.key is \"user\": it must be 'id' or 'usuario'"),
    "a skew of everything": (HEAD + "tweets: {partitions: {skew: 1}}", 4, "skew is 1: it must be less than or equal to 0.99"),
    "a share above one": (HEAD + "mischief: {corrupt: 1.1}", 4, "mischief.corrupt is 1.1"),
    "shares that are too many": (
        HEAD + "mischief: {corrupt: 0.6, duplicated: 0.6}",
        4,
        "mischief: the shares add up to 1.2: at most 1",
    ),
    "late by arrival": (
        HEAD + "mischief: {late: {share: 0.1, seconds: [130, 300]}}",
        4,
        "mischief.late means nothing by arrival: add window_time: event",
    ),
    "late too early": (
        HEAD + "window_time: event\nmischief: {late: {share: 0.1, seconds: [60, 300]}}",
        5,
        "late.seconds begins at 60: at least 130 in windows of a minute",
    ),
    "seconds the wrong way": (
        HEAD + "window_time: event\nmischief: {late: {share: 0.1, seconds: [300, 130]}}",
        5,
        "seconds are 300 and 130: the first must not be larger",
    ),
    "one of two seconds": (
        HEAD + "window_time: event\nmischief:\n  late:\n    share: 0.1\n    seconds: [130]",
        8,
        "mischief.late.seconds.1 is missing",
    ),
    "out of order for too long": (HEAD + "mischief: {out_of_order: {share: 0.1, seconds: 55}}", 4, "less than or equal to 50"),
    "an unknown window time": (HEAD + "window_time: processing", 4, "it must be 'arrival', 'event' or 'original'"),
    "a limit of nothing": (HEAD + "limit: {}", 4, "limit: needs tweets, seconds or both"),
    "half a tweet": (HEAD + "limit: {tweets: 1.5}", 4, "limit.tweets is 1.5: it must be a whole number"),
    "a wave too deep": (HEAD.replace("base: 1", "base: 1, wave: {period: 60, depth: 1}"), 2, "rate.wave.depth is 1"),
    "waves without number": (
        HEAD.replace("base: 1", "base: 1, wave: {period: 60, depth: 0.5}, bursts: [{at: 90000, for: 1, times: 2}]"),
        2,
        "rate: wave.period is 60: at least 90.001",
    ),
    "ramps at once": (
        HEAD.replace("base: 1", "base: 1, ramps: [{at: 0, for: 9, to: 2}, {at: 5, for: 9, to: 1}]"),
        2,
        "the ramp at 5 begins before the one at 0 has ended",
    ),
    "a field twice": (HEAD + "seed: 1\nseed: 2", 5, "seed stands here a second time: leave one out"),
    "a hashtag twice": (
        "version: 1\nrate: {base: 1}\nhashtags:\n  named:\n    '#a': 1\n    '#a': 2",
        6,
        "hashtags.named.#a stands here a second time",
    ),
    "an anchor": (
        HEAD + "trends: [&one {hashtag: '#b', at: 1, peak: 0.1}, *one]",
        4,
        "anchors and aliases (& and *) are not read here",
    ),
    "a bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", 1, "anchors and aliases"),
    "a tag": ("version: !!python/object/apply:os.system ['true']", 1, "the tag"),
    "a tab": ("version: 1\nrate:\n\tbase: 1", 3, "a tab begins a value here: indent with blanks"),
    "two documents": (HEAD + "---\nversion: 1", 4, "a second document begins"),
    "a bracket left open": ("version: 1\nrate: {base: 1\nhashtags: 3", 3, "it is no YAML"),
    "a hashtag as a comment": ("version: 1\nrate: {base: 1}\nhashtags: {named: {#a: 1}}\n", 4, "a hashtag is quoted"),
    "too deep": ("a: " + "[" * 5000, 1, "more than 20 levels"),
    "a list as a name": ("version: 1\n? [a, b]\n: 1", 2, "a field's name is a word"),
    "half a surrogate pair": (HEAD + 'title: "\\ud800"', 4, "half of a surrogate pair"),
    "a control character": (HEAD + "title: \x07", 4, "U+0007 is not allowed in YAML"),
    "a seed below nothing": (HEAD + "seed: -1", 4, "seed is -1: it must be greater than or equal to 0"),
    "a seed beyond all": (HEAD + "seed: " + "9" * 29, 4, "seed is 99999999999999999999999999999: it must be less than"),
    "a number of many digits": (HEAD + "seed: " + "9" * 5000, 4, "seed is"),
    "six hashtags": (HEAD + "tweets: {hashtags: {6: 1}}", 4, "less than or equal to 5"),
    "hashtags by name": (HEAD + "tweets: {hashtags: {one: 1}}", 4, "whole number"),
    "users that are nowhere": (HEAD + "tweets: {users: nobody.csv}", 4, "tweets.users names"),
    "no users": (HEAD + "tweets: {users: []}", 4, "tweets.users is a list: it must have at least 1 item"),
    "a time scale of nothing": (HEAD + "time_scale: 0", 4, "time_scale is 0"),
}


def wrong(path: Path) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_scenario(str(path))
    return str(caught.value)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_ends_in_one_line_with_file_line_field_and_what_would_be_right(case: str, tmp_path: Path) -> None:
    content, line, words = WRONG[case]
    path = tmp_path / "mine.yaml"
    path.write_text(content, encoding="utf-8")
    message = wrong(path)
    assert message.startswith(f"{path}, line {line}: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 500


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert wrong(path) == f"{path}: it cannot be read: No such file or directory"
    assert wrong(tmp_path) == f"{tmp_path}: it cannot be read: Is a directory"
    path.write_bytes(HEAD.encode() + b"title: caf\xe9")
    assert wrong(path) == f"{path}, line 4: byte 0xe9 is not UTF-8: save the file as UTF-8"
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    assert wrong(path) == f"{path}: it is longer than 1,000,000 bytes, which no scenario needs"


def test_several_errors_are_one_line_about_the_first_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nrate: {base: 0}\nhashtags: {named: {'#a': 0}}\n", encoding="utf-8")
    assert wrong(path) == f"{path}, line 2: rate.base is 0: it must be greater than 0 (and 1 more)"


def test_a_name_that_is_none_of_the_ready_ones_lists_them() -> None:
    with pytest.raises(
        InvalidInput, match=r"there is no scenario clasroom: ready are breaking-news, classroom, evaluation, .*\./clasroom"
    ):
        load_scenario("clasroom")


def test_the_ready_scenarios_load_and_say_what_they_show() -> None:
    names = ready_scenarios()
    assert names == ["breaking-news", "classroom", "evaluation", "late-data", "lessons", "noisy", "quiet", "soak", "world-cup"]
    scenarios = [load_scenario(name) for name in names]
    assert all(each.title for each in scenarios)
    assert len({each.seed for each in scenarios}) == len(names)
    assert load_scenario("late-data").window_time is WindowTime.EVENT


def test_a_plain_value_is_what_it_looks_like_and_not_what_old_yaml_made_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("version: 1\nrate: {base: 1e3}\nhashtags: {named: {no: 1, 1:30: 010}}\ntitle: 2026-01-01\n", encoding="utf-8")
    scenario = load_scenario(str(path))
    assert scenario.rate.base == 1000
    assert scenario.hashtags.named == {"no": 1, "1:30": 10}
    assert scenario.title == "2026-01-01"


def test_users_may_lie_in_a_file_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("\ufeff@Ana\n\n  @Luis \n", encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + "tweets: {users: users.csv}\n", encoding="utf-8")
    assert load_scenario(str(path)).tweets.users == ("@Ana", "@Luis")
    (tmp_path / "users.csv").write_text("@Ana\n" + "x" * 201, encoding="utf-8")
    assert "tweets.users.1" in wrong(path)


def test_the_content_counts_and_not_the_file(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(HEAD, encoding="utf-8")
    other.write_text("# the same\n" + HEAD.replace("{base: 1}", "\n  base: 1.0"), encoding="utf-8")
    assert hash_of_scenario(load_scenario(str(one))) == hash_of_scenario(load_scenario(str(other)))
    other.write_text(HEAD + "seed: 2\n", encoding="utf-8")
    assert hash_of_scenario(load_scenario(str(one))) != hash_of_scenario(load_scenario(str(other)))


def test_fields_that_came_later_leave_the_hash_as_it_was_until_they_say_something(tmp_path: Path) -> None:
    assert hash_of_scenario(load_scenario("classroom")) == "3ec54419278e9ff5", "kept of before keys and skew"
    file = tmp_path / "one.yaml"
    found = set()
    for tweets in ("{}", "{key: id, partitions: {}}", "{key: usuario}", "{partitions: {skew: 0.5}}"):
        file.write_text(f"{HEAD}tweets: {tweets}\n", encoding="utf-8")
        found.add(hash_of_scenario(load_scenario(str(file))))
    assert len(found) == 3, "the first two say the same"


def test_a_scenario_survives_its_own_json() -> None:
    for name in ready_scenarios():
        scenario = load_scenario(name)
        assert Scenario.model_validate_json(scenario.model_dump_json(by_alias=True)) == scenario


def test_the_published_schema_accepts_what_loads_and_refuses_what_editors_should_underline() -> None:
    validator = Draft202012Validator(json.loads(scenario_schema()))
    for name in ready_scenarios():
        validator.validate(json.loads(load_scenario(name).model_dump_json(by_alias=True, exclude_none=True)))
    right = {"version": 1, "rate": {"base": 1}, "hashtags": {"named": {"#a": 1}}, "tweets": {"users": "users.csv"}}
    validator.validate(right)
    for part in ({"colour": 1}, {"rate": {"base": 0}}, {"version": 2}, {"mischief": {"corrupt": 2}}):
        assert not validator.is_valid(right | part)
