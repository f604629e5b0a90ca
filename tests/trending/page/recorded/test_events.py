from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from trending.errors import InvalidInput
from trending.page.recorded import events
from trending.page.recorded.events import FORM, KEPT_SECONDS, Recorder, read_first

if TYPE_CHECKING:
    from pathlib import Path


def lines(packed: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(packed).splitlines()]


def filled(count: int, apart: float = 1.0) -> Recorder:
    recorder = Recorder()
    recorder.add(0.0, {"a": b"0", "b": b"0"})
    for number in range(1, count):
        recorder.add(number * apart, {"a": str(number).encode()})
    return recorder


def test_a_recording_begins_with_everything_and_goes_on_with_what_changed() -> None:
    first, *rest = lines(filled(4).lines("lab", "UTC", 100))
    assert first == {"at": 0.0, "sections": {"a": 0, "b": 0}, "form": FORM, "stack": "lab", "zone": "UTC"}
    assert rest == [{"at": float(number), "sections": {"a": number}} for number in (1, 2, 3)]


def test_the_last_seconds_begin_with_the_state_of_then() -> None:
    first, *rest = lines(filled(10).lines("lab", "UTC", 2))
    assert (first["at"], first["sections"]) == (6.0, {"a": 6, "b": 0})
    assert [each["at"] for each in rest] == [7.0, 8.0, 9.0]


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(filled(2_000).lines("lab", "UTC", 1e9))[0]["at"] == 1_998 - KEPT_SECONDS
    monkeypatch.setattr(events, "KEPT_BYTES", 10)
    assert len(lines(filled(100).lines("lab", "UTC", 1e9))) == 6


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", gzip.compress(b"", mtime=0), gzip.compress(b"[]", mtime=0), gzip.compress(b"{}", mtime=0)],
    ids=["empty", "not packed", "nothing packed", "a list packed", "an object packed"],
)
def test_a_file_that_is_no_recording_is_one_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="is no recording of the page"):
        read_first(path)
    with pytest.raises(InvalidInput, match="is no recording of the page"):
        read_first(tmp_path / "nowhere")


def test_a_recording_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(gzip.compress(b'{"at":1,"sections":{},"form":9}'))
    with pytest.raises(InvalidInput, match="of another form"):
        read_first(path)
