from __future__ import annotations

from typing import TYPE_CHECKING

from trending.programs.refused import KEPT, Refused, note_refused, read_refused, refused

if TYPE_CHECKING:
    from pathlib import Path


def test_notes_add_up_each_once_and_the_newest_stay(tmp_path: Path) -> None:
    path = tmp_path / "refused.json"
    assert read_refused(path) == []
    note_refused(path, [Refused(0, offset, "late", float(offset)) for offset in range(KEPT)])
    note_refused(path, [Refused(0, offset, "late", float(offset)) for offset in range(KEPT - 1, KEPT + 2)])
    assert [each.offset for each in read_refused(path)] == list(range(2, KEPT + 2))


def test_of_what_is_no_tweet_just_the_place_is_noted() -> None:
    for value in (None, b"", b"\xff", b"[1]", b'{"usuario": 7}'):
        assert refused(1, 2, "bad", 3.0, value) == Refused(1, 2, "bad", 3.0)


def test_half_a_note_is_none(tmp_path: Path) -> None:
    path = tmp_path / "refused.json"
    path.write_bytes(b"[{")
    assert read_refused(path) == []
