from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from trending.database import copy_sqlite, open_sqlite, open_sqlite_read_only

if TYPE_CHECKING:
    from pathlib import Path


def test_every_commit_is_on_disk_and_no_reader_blocks_the_writer(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "new folder ñ" / "a.sqlite")
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        engine.dispose()


def test_a_path_that_looks_like_an_address_is_still_a_path(tmp_path: Path) -> None:
    path = tmp_path / "año 100% ?mode=ro#x" / "a b.sqlite"
    engine = open_sqlite(path)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
    engine.dispose()
    assert path.exists()


def test_a_copy_is_whole_without_a_wal_and_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "a.sqlite")
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
