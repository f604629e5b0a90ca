"""What the status says of records that were refused."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make
from fakes.trending import counting

from infra.commands import status
from infra.forms.stacks import NamedStack
from infra.supervision.programs import STREAM
from trending.kafka.rejects import Rejects
from trending.programs.refused import NAME, Refused, note_refused
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from infra.lab.assembly import Lab

LATE = f"refused: 3 {Reason.LATE}; the last one: #IA of @a (partition 0, offset 7)"


def refuse(lab: Lab) -> None:
    """Leave what a job leaves that has refused records."""
    note = lab.paths.heartbeat(STREAM).with_name(NAME)
    note.parent.mkdir(parents=True, exist_ok=True)
    note_refused(note, [Refused(0, offset, Reason.LATE, float(offset), "#IA", "@a") for offset in (5, 7)])


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit):  # nothing of it runs
        status.main(NamedStack(name="lab"))
    return [line for line in capsys.readouterr().out.splitlines() if "refused" in line]


@pytest.mark.usefixtures("world")
def test_what_was_refused_is_told_by_reason_with_the_last_record(capsys: pytest.CaptureFixture[str]) -> None:
    lab = make()
    assert lines_of(capsys) == []
    rejects = (Rejects.of(0, Reason.LATE, [1, 5, 7]), Rejects.of(0, Reason.TOMBSTONE, [2]))
    lab.paths.store.parent.mkdir(parents=True, exist_ok=True)
    with closing(Store(lab.paths.store)) as store:
        counting.write(store, "checkpoint", Batch(1, 60.0, {}, {}, rejects))
    refuse(lab)
    assert lines_of(capsys) == [LATE, "refused: 1 tombstone"]


@pytest.mark.usefixtures("world")
def test_a_store_that_cannot_be_read_is_told_and_the_rest_of_the_status_stands(capsys: pytest.CaptureFixture[str]) -> None:
    lab = make()
    refuse(lab)
    lab.paths.store.parent.mkdir(parents=True, exist_ok=True)
    lab.paths.store.write_bytes(b"no database" * 100)
    (line,) = lines_of(capsys)
    assert line.startswith("how many records were refused cannot be read: ")
    assert "\n" not in line
