from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from infra.host import browser as module
from infra.host.browser import find_browser, take_picture

if TYPE_CHECKING:
    from pathlib import Path

DRAWS = """for each in "$@"; do
  case $each in --screenshot=*) echo picture > "${each#--screenshot=}";; esac
done
echo "$@" >> "$0.said\""""


def script(directory: Path, name: str, body: str) -> Path:
    """Write a browser that is a shell script."""
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_first_browser_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser() is None
    chrome = script(tmp_path, "google-chrome", DRAWS)
    assert find_browser() == str(chrome)
    chromium = script(tmp_path, "chromium", DRAWS)
    assert find_browser() == str(chromium)


@pytest.mark.parametrize("user", [0, 1000])
def test_a_picture_is_taken_with_a_profile_that_is_gone_afterwards(
    user: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    chromium = script(tmp_path, "chromium", DRAWS)
    assert take_picture(str(chromium), "http://localhost:1/", tmp_path / "page.png") == ""
    assert (tmp_path / "page.png").read_text(encoding="utf-8") == "picture\n"
    said = (tmp_path / "chromium.said").read_text(encoding="utf-8").split()
    assert said[-1] == "http://localhost:1/"
    assert ("--no-sandbox" in said) is (user == 0)
    profile = next(each.partition("=")[2] for each in said if each.startswith("--user-data-dir="))
    assert not os.path.exists(profile)  # noqa: PTH110 - a text of the command line


def test_a_browser_that_fails_says_why_there_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "page.png"
    assert take_picture(str(script(tmp_path, "a", "exit 7")), "x", target) == "a terminó con el código 7"
    assert take_picture(str(script(tmp_path, "b", "exit 0")), "x", target) == "b terminó con el código 0"
    assert take_picture(str(tmp_path / "none"), "x", target) == "none: FileNotFoundError"
    monkeypatch.setattr(module, "SECONDS", 0.1)
    assert take_picture(str(script(tmp_path, "c", "exec sleep 5")), "x", target) == "c: TimeoutExpired"
    assert not target.exists()
