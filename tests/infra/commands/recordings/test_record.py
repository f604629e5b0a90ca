"""``make record``: what the page of a stack has shown becomes a file that can be played."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending.page import PageHome, served

from infra.commands.recordings import record
from infra.forms.showing import RecordForm
from infra.host.paths import StackPaths
from trending.errors import NotReady
from trending.page.recorded.events import read_first

if TYPE_CHECKING:
    from pathlib import Path


def lab(port: int, tmp_path: Path) -> Any:
    paths = StackPaths(tmp_path, "lab")
    return SimpleNamespace(paths=paths, settings=SimpleNamespace(page=SimpleNamespace(page_port=port)))


def test_what_the_page_has_shown_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = PageHome(tmp_path)
    home.write(int(time.time()) // 60 * 60, {"#a": 5})
    path = tmp_path / "it.jsonl.gz"
    with served(home.spec(stack_id=StackPaths(tmp_path, "lab").stack_id)) as address:
        port = int(address.rpartition(":")[2])
        monkeypatch.setattr(record, "open_lab", lambda _name: lab(port, tmp_path))
        record.main(RecordForm(name="lab", recording=str(path)))
    home.close()
    line, sections = read_first(path)
    assert (line.stack, line.zone) == ("lab", "UTC")
    assert sections["ranking"]["rows"][0]["tag"] == "#a"


@pytest.mark.parametrize("port", [0, 1])
def test_without_a_page_that_answers_there_is_one_clear_error(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "open_lab", lambda _name: lab(port, tmp_path))
    with pytest.raises(NotReady):
        record.main(RecordForm(name="lab", recording=str(tmp_path / "it")))
    assert list(tmp_path.iterdir()) == []
