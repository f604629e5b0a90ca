from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from trending.database import copy_sqlite, open_sqlite, open_sqlite_read_only
from trending.errors import DamagedFile

if TYPE_CHECKING:
    from pathlib import Path


def test_every_commit_is_on_disk_and_no_reader_blocks_the_writer(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "new folder ñ" / "a.sqlite", "make up")
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        engine.dispose()


def test_a_path_that_looks_like_an_address_is_still_a_path(tmp_path: Path) -> None:
    path = tmp_path / "año 100% ?mode=ro#x" / "a b.sqlite"
    engine = open_sqlite(path, "make up")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
    engine.dispose()
    assert path.exists()


def test_a_copy_is_whole_without_a_wal_and_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "a.sqlite", "make up")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
        connection.execute(text("INSERT INTO t VALUES (7)"))
    with engine.connect() as writer:
        writer.execute(text("INSERT INTO t VALUES (8)"))
        copy_sqlite(tmp_path / "a.sqlite", tmp_path / "copy ñ.sqlite")
    engine.dispose()
    for path in tmp_path.glob("a.sqlite*"):
        path.unlink()
    reader = open_sqlite_read_only(tmp_path / "copy ñ.sqlite")
    with reader.connect() as connection:
        assert connection.execute(text("SELECT a FROM t")).scalars().all() == [7]
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "delete"
    reader.dispose()
    assert [path.name for path in tmp_path.iterdir()] == ["copy ñ.sqlite"]


@pytest.mark.parametrize("place", [0, 4096])
def test_a_damaged_file_is_told_with_its_path_and_the_way_out(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.sqlite"
    engine = open_sqlite(path, "make rebuild")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
        connection.execute(text("INSERT INTO t VALUES (7)"))
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 2000)
    with pytest.raises(DamagedFile, match=r"a\.sqlite is damaged") as caught, engine.connect() as connection:
        connection.execute(text("SELECT * FROM t")).all()
    engine.dispose()
    assert caught.value.next_command == "make rebuild"


def test_a_file_that_is_locked_or_no_table_is_not_called_damaged(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "a.sqlite", "make rebuild")
    with pytest.raises(OperationalError, match="no such table"), engine.connect() as connection:
        connection.execute(text("SELECT * FROM t"))
    engine.dispose()
