from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from trending.database import open_sqlite

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
