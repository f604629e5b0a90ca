"""``make mutants``, up to mutmut itself."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from mutation import run
from mutation.copy_of_checkout import copy, room_of_tests, source_of
from mutation.run import MutantsForm, figures, require_enough, survivors

from infra.host.paths import CHECKOUT
from trending.errors import InvalidInput, LabError

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = """
    trending.tweets.rule.x_minute_of__mutmut_1: no tests
    trending.tweets.rule.x__too_deep__mutmut_6: survived
    trending.tweets.rule.x__too_deep__mutmut_7: timeout
    trending.tweets.rule.xǁRuleǁtell__mutmut_2: suspicious
"""


def test_a_module_has_a_source_and_the_room_of_tests_its_room() -> None:
    assert source_of("trending.tweets.rule") == "src/trending/tweets/rule.py"
    assert (CHECKOUT / room_of_tests("trending.tweets.rule") / "test_rule.py").is_file()
    for wrong in ("trending.tweets.ruel", "infra.host.paths", "trending"):
        with pytest.raises(InvalidInput, match=f"{wrong} is no module of the data plane's"):
            source_of(wrong)


def test_a_copy_has_what_the_checkout_has_and_mutmuts_settings(tmp_path: Path) -> None:
    copy("trending.tweets.rule", tmp_path)
    assert (tmp_path / "tests" / "suite" / "test_mutation.py").read_bytes() == (
        CHECKOUT / "tests" / "suite" / "test_mutation.py"
    ).read_bytes()
    assert not (tmp_path / ".venv").exists()
    settings = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert settings["mutmut"]["only_mutate"] == ["src/trending/tweets/rule.py"]
    assert settings["mutmut"]["pytest_add_cli_args_test_selection"] == ["tests/trending/tweets"]
    assert all((tmp_path / name).exists() for name in settings["mutmut"]["also_copy"])
    assert settings["pytest"], "the checkout's own settings are there too"


def test_what_no_test_has_noticed_survives() -> None:
    assert [name.rpartition(".")[2] for name in survivors(RESULTS)] == [
        "x_minute_of__mutmut_1",
        "x__too_deep__mutmut_6",
        "xǁRuleǁtell__mutmut_2",
    ]


@pytest.mark.parametrize(("killed", "enough"), [(80, False), (81, True)])
def test_nine_in_ten_have_to_be_noticed_and_a_hanging_test_notices_too(killed: int, *, enough: bool) -> None:
    stats = {"killed": killed, "timeout": 9, "survived": 91 - killed, "no_tests": 0, "total": 100}
    assert figures(stats) == f"mutants 100, noticed {killed + 9} ({killed + 9:.1f}%), survived {91 - killed}"
    if enough:
        require_enough(stats)
        return
    with pytest.raises(LabError, match="the tests notice too few changes"):
        require_enough(stats)


def test_a_run_prints_each_survivor_and_the_figures(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[tuple[str, ...]] = []

    def mutmut(place: Path, *arguments: str) -> str:
        asked.append(arguments)
        if arguments[0] == "export-cicd-stats":
            (place / "mutants").mkdir()
            (place / "mutants" / "mutmut-cicd-stats.json").write_text('{"killed": 9, "timeout": 0, "total": 10}')
        return {"results": RESULTS, "show": f"the diff of {arguments[-1]}"}.get(arguments[0], "")

    monkeypatch.setattr(run, "_mutmut", mutmut)
    monkeypatch.setattr(run.os, "nice", lambda _by: 0)
    with caplog.at_level("INFO"):
        run.main(MutantsForm(module="trending.tweets.rule"))
    assert asked[0] == ("run", "--max-children", "1")
    assert "the diff of trending.tweets.rule.x__too_deep__mutmut_6" in caplog.text
    assert "mutants 10, noticed 9 (90.0%), survived 1" in caplog.messages[-1]


def test_a_mutmut_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "MUTMUT", ("sh", "-c", "echo no such thing >&2; exit 3"))
    with pytest.raises(LabError, match="mutmut run failed") as raised:
        run._mutmut(tmp_path, "run")
    assert "no such thing" in raised.value.evidence


def test_a_mutmut_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "MUTMUT", ("sleep",))
    monkeypatch.setattr(run, "LONGEST_SECONDS", 0.1)
    with pytest.raises(LabError, match="takes longer than"):
        run._mutmut(tmp_path, "30")
