from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.host.browser import PROJECTOR
from infra.lab import packages
from infra.presentation import rehearsal
from infra.stack.start_up_summary import StartUpStep, StartUpSummary
from trending.errors import DamagedDownload, NotReady, PrerequisiteMissing
from trending.settings import PageSettings, StackSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place where all that a start needs is there; returns the recording."""
    for name in ("LOCK", "STAMP"):
        monkeypatch.setattr(packages, name, tmp_path / name)
        (tmp_path / name).write_text("a==1\n")
    monkeypatch.setattr(rehearsal, "check_jar", lambda _jar, _path: None)
    monkeypatch.setattr(rehearsal, "archive", lambda group: tmp_path / group)
    monkeypatch.setattr(rehearsal, "check_java", lambda: "Java 17")
    for group in rehearsal.GROUPS:
        (tmp_path / group).touch()
    (tmp_path / "recording").touch()
    return tmp_path / "recording"


def failed(findings: list[rehearsal.Finding]) -> list[str]:
    return [each.line for each in findings if each.passed is False]


def test_all_parts_that_are_here_are_told(complete: Path) -> None:
    findings = rehearsal.fetched_parts(str(complete))
    assert failed(findings) == []
    assert len(findings) == 6
    assert "Java 17" in findings[-1].line


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("STAMP", "make setup"),
        ("broker", "make archives"),
        ("recording", "there is no recording"),
    ],
)
def test_a_part_that_is_not_here_is_told_with_what_brings_it(gone: str, told: str, complete: Path) -> None:
    (complete.parent / gone).unlink()
    (line,) = failed(rehearsal.fetched_parts(str(complete)))
    assert told in line


def test_packages_of_another_lock_are_told(complete: Path) -> None:
    (complete.parent / "LOCK").write_text("a==2\n")
    assert failed(rehearsal.fetched_parts(str(complete))) == ["packages are not those of the lock: make setup"]


def test_missing_and_damaged_jars_are_told_by_set(complete: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(jar: object, path: Path) -> None:
        if path.parent.name == "broker":
            raise FileNotFoundError(path)
        cause = f"{path.name} is not the jar that the lock names"
        raise DamagedDownload(cause, str(jar), "rm it && make jars")

    monkeypatch.setattr(rehearsal, "check_jar", check)
    missing, damaged = failed(rehearsal.fetched_parts(str(complete)))
    assert missing == "jars for broker are missing: make jars"
    assert damaged.endswith("is not the jar that the lock names: rm it && make jars")


def test_a_java_that_will_not_do_is_told(complete: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> str:
        cause = "no Java was found"
        raise PrerequisiteMissing(cause, "", "install one")

    monkeypatch.setattr(rehearsal, "check_java", check)
    assert failed(rehearsal.fetched_parts(str(complete))) == ["no Java was found: install one"]


def test_a_port_that_is_taken_is_told_and_no_page_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "port_owner", lambda port: "nginx, pid 7" if port == 8501 else None)
    assert failed(rehearsal.ports(StackSettings(), PageSettings())) == ["port 8501 for the page is taken (nginx, pid 7)"]
    (kafka,) = rehearsal.ports(StackSettings(), PageSettings(page_port=0))
    assert kafka.passed


@pytest.mark.parametrize(("seconds", "passed"), [(59.0, True), (61.0, False)])
def test_a_start_that_an_audience_would_not_wait_for_is_told_with_its_slowest_step(seconds: float, passed: bool) -> None:  # noqa: FBT001
    steps = [
        StartUpStep(name="kafka", outcome="created", note="", seconds=3),
        StartUpStep(name="stream", outcome="created", note="", seconds=40),
    ]
    summary = StartUpSummary(
        stack="x",
        runtime="embedded",
        bootstrap="",
        topic="",
        cluster_id="",
        page="",
        changed=True,
        steps=steps,
        seconds=seconds,
    )
    found = rehearsal.start(summary)
    assert found.passed is passed
    assert "stream 40 s" in found.line


@pytest.mark.parametrize(
    ("before", "left", "passed"),
    [(4000, 2600, True), (1500, 200, False), (None, 2000, None), (2000, None, None), (100, 400, True)],
)
def test_memory_that_gets_short_is_told(
    before: int | None,
    left: int | None,
    passed: bool | None,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rehearsal, "available_mb", lambda: left)
    assert rehearsal.memory(before).passed is passed


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, int]]]:
    """A page that answers, and a browser; returns what is drawn and how large."""
    drawn: list[tuple[str, tuple[int, int]]] = []

    def draw(_browser: str, address: str, target: Path, size: tuple[int, int]) -> str:
        drawn.append((address, size))
        target.touch()
        return ""

    monkeypatch.setattr(rehearsal, "ask_whose", lambda _port: "ours")
    monkeypatch.setattr(rehearsal, "find_browser", lambda: "chromium")
    monkeypatch.setattr(rehearsal, "take_picture", draw)
    return drawn


def test_the_page_is_drawn_as_a_projector_shows_it(page: list[tuple[str, tuple[int, int]]]) -> None:
    found = rehearsal.screen("ours", PageSettings())
    assert page == [("http://localhost:8501/?view=projector", PROJECTOR)]
    assert found.passed is None
    assert "projector.png" in found.line


@pytest.mark.usefixtures("page")
def test_a_page_that_cannot_be_drawn_is_a_failure_and_no_browser_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "take_picture", lambda *_: "chromium ended with 1")
    assert rehearsal.screen("ours", PageSettings()).passed is False
    monkeypatch.setattr(rehearsal, "find_browser", lambda: None)
    assert rehearsal.screen("ours", PageSettings()).passed is None
    assert rehearsal.screen("ours", PageSettings(page_port=0)).passed is None


@pytest.mark.usefixtures("page")
def test_the_page_of_another_stack_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "ask_whose", lambda _port: "theirs")
    with pytest.raises(NotReady, match="another stack's"):
        rehearsal.screen("ours", PageSettings())
