from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from fakes.trending.counting import epoch, write
from postgres_cluster import PASSWORD
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from trending.export.parquet import export_final
from trending.postgresql.place import PostgresPlace
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import Rule, Spelling, WindowTime

if TYPE_CHECKING:
    from pathlib import Path

    from trending.opened_store import StorePlace

MINUTE = 1765845060
IN_POSTGRESQL = pytest.param(
    "postgresql",
    marks=[pytest.mark.real, pytest.mark.journey],
)


@pytest.fixture(params=["sqlite", IN_POSTGRESQL])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> StorePlace:
    if request.param == "sqlite":
        return tmp_path / "serving.sqlite"
    url = request.getfixturevalue("postgres").url
    return PostgresPlace(url=url, stack="exported", owner=request.node.name, given=SecretStr(PASSWORD))


def rows(directory: Path, name: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in pq.read_table(directory / name).to_pylist()]


def test_final_windows_are_written_whole_and_open_ones_are_not(place: StorePlace, tmp_path: Path) -> None:
    start, out = datetime.fromtimestamp(MINUTE, UTC), tmp_path / "my export" / "new"
    with closing(Store(place)) as store:
        store.forget()
        first = {(MINUTE, f"#{number}"): number + 1 for number in range(150)} | {(MINUTE, "#\x00ñ"): 500}
        write(store, "first", Batch(0, 1.0, first, {}))
        assert export_final(place, out) == {out / "ranking-arrival-60s.parquet": 0, out / "windows-arrival-60s.parquet": 0}
        store.take_over(epoch("second"))
        write(store, "second", Batch(0, 1.0, {(MINUTE, "#149"): 9, (MINUTE + 60, "#open"): 1}, {}))
        assert store.trim("second", MINUTE, 100) == MINUTE
        store.take_over(epoch("folded", rule=Rule(spelling=Spelling.FOLDED)))
        write(store, "folded", Batch(0, 1.0, {(MINUTE, "#one"): 7}, {}))
        store.trim("folded", MINUTE, 100)
        store.take_over(epoch("third", rule=Rule(WindowTime.EVENT, 10)))
        write(store, "third", Batch(0, 1.0, {(MINUTE, "#a"): 2}, {}))
        store.trim("third", MINUTE, 100)
        written = export_final(place, out)
        ranking = store.ranking()
    assert ranking is not None
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in written)
    assert list(written.values()) == [1, 1, 100, 1, 1, 1]
    assert rows(out, "ranking-arrival-60s-folded.parquet") == [(start, 1, "#one", 7)]
    assert rows(out, "ranking-event-10s.parquet") == [(start, 1, "#a", 2)]
    found = rows(out, "ranking-arrival-60s.parquet")
    assert found[:3] == [(start, 1, "#\x00ñ", 500), (start, 2, "#149", 159), (start, 3, "#148", 149)]
    total = sum(first.values()) + 9
    others = total - sum(row[3] for row in found)  # type: ignore[misc]
    assert rows(out, "windows-arrival-60s.parquet") == [(start, total, 151, others, 51)]


def test_by_original_times_nothing_is_final_until_another_rule_counts(tmp_path: Path) -> None:
    place, out = tmp_path / "serving.sqlite", tmp_path / "out"
    with closing(Store(place)) as store:
        store.take_over(epoch("file", rule=Rule(WindowTime.ORIGINAL)))
        write(store, "file", Batch(0, 1.0, {(1_539_202_740, "#a"): 2, (MINUTE, "#a"): 1}, {}))
        assert set(export_final(place, out).values()) == {0}
        store.take_over(epoch("next"))
        written = export_final(place, out)
    assert written[out / "ranking-original-60s.parquet"] == 2
    assert rows(out, "ranking-original-60s.parquet")[0] == (datetime.fromtimestamp(1_539_202_740, UTC), 1, "#a", 2)


def test_without_a_store_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(OperationalError):
        export_final(tmp_path / "none.sqlite", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
