from __future__ import annotations

from typing import TYPE_CHECKING

from trending.kafka.rejects import Rejects
from trending.programs.refused import KEPT, Refused, lines_of_all, lines_of_batch, note_refused, read_refused, refused

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


def test_a_line_for_each_reason_names_the_last_records_of_a_batch_and_counts_all() -> None:
    rejects = [Rejects.of(0, "late", range(4)), Rejects.of(1, "late", [7]), Rejects.of(1, "tombstone", [9])]
    known = [Refused(0, 1, "late", 5.0, "#I\x1bA", "@a"), Refused(0, 2, "late", 6.0, "", "@b")]
    named = r"@b (partition 0, offset 2); partition 0, offset 3; partition 1, offset 7"
    assert lines_of_batch(12, rejects, known) == [
        f"refused in batch 12: 5 late, the last ones: {named}",
        "refused in batch 12: 1 tombstone: partition 1, offset 9",
    ]
    (line,) = lines_of_batch(12, [Rejects.of(0, "late", [1])], known)
    assert line == r"refused in batch 12: 1 late: #I\x1bA of @a (partition 0, offset 1)"


def test_the_sums_of_all_batches_come_with_the_last_record_of_each_reason() -> None:
    noted = [Refused(0, 1, "late", 5.0, "#a", "@a"), Refused(0, 4, "late", 6.0, "#b", "@b")]
    assert lines_of_all({"tombstone": 3, "late": 1_234}, noted) == [
        "refused: 1234 late; the last one: #b of @b (partition 0, offset 4)",
        "refused: 3 tombstone",
    ]
    assert lines_of_all({}, []) == []
