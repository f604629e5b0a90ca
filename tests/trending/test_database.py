from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, text
from sqlalchemy.exc import OperationalError

from trending import database
from trending.database import add_column, copy_sqlite, make_tables, open_sqlite, open_sqlite_read_only
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


THINGS = MetaData()
Table("things", THINGS, Column("a", Integer, primary_key=True))
OTHERS = Table("others", THINGS, Column("b", Integer, primary_key=True))


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as file:
        return [name for (name,) in file.execute("SELECT name FROM sqlite_master ORDER BY name")]


def test_tables_are_made_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    engine = open_sqlite(path, "make up")
    with monkeypatch.context() as patch:
        patch.setattr(database, "_create_statements", lambda _metadata: ("CREATE TABLE things (a)", "CREATE NONSENSE"))
        with pytest.raises(OperationalError, match="NONSENSE"):
            make_tables(engine, THINGS)
        assert names(path) == []
    make_tables(engine, THINGS)
    engine.dispose()
    assert names(path) == ["others", "things"]


def test_a_table_that_an_older_file_lacks_is_made_and_the_others_keep_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    engine = open_sqlite(path, "make up")
    make_tables(engine, THINGS)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO things VALUES (7)"))
        OTHERS.drop(connection)
    make_tables(engine, THINGS)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT a FROM things")).scalars().all() == [7]
        assert connection.execute(text("SELECT b FROM others")).scalars().all() == []
    engine.dispose()


def test_a_file_that_has_its_tables_is_opened_while_another_writes(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "a.sqlite", "make up")
    make_tables(engine, THINGS)
    with engine.begin() as writer:
        writer.execute(text("INSERT INTO things VALUES (7)"))
        make_tables(engine, THINGS)
    engine.dispose()


def test_a_column_that_an_older_file_lacks_is_added_once(tmp_path: Path) -> None:
    engine = open_sqlite(tmp_path / "a.sqlite", "make up")
    make_tables(engine, THINGS)
    for _ in range(2):
        with engine.begin() as connection:
            add_column(connection, "things", "word")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT a, word FROM things")).all() == []
    engine.dispose()
