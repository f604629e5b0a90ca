from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make
from fakes.trending.counting import write

from infra.commands import export
from infra.forms.showing import ExportForm
from trending.errors import ConfigurationConflict, InvalidInput, LabError
from trending.places.settings import ObjectStoreSettings
from trending.serving.counts import Batch
from trending.serving.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("world")


def test_the_final_windows_of_a_stack_are_written_where_one_is_told(tmp_path: Path, said: list[str]) -> None:
    lab = make()
    with pytest.raises(ConfigurationConflict, match="nothing was counted yet"):
        export.main(ExportForm(name="lab", to=str(tmp_path / "out")))
    with closing(Store(lab.paths.store)) as store:
        write(store, "c", Batch(0, 1.0, {(60, "#a"): 2, (60, "#b"): 1}, {}))
        export.main(ExportForm(name="lab", to=str(tmp_path / "out")))
        assert said[-2:] == [
            f"{tmp_path}/out/windows-arrival-60s.parquet: 0 rows",
            "no window is final yet: one is 180 s after its end, at the next batch",
        ]
        store.trim("c", 60, 100)
    export.main(ExportForm(name="lab", to=str(tmp_path / "out")))
    assert said[-2:] == [
        f"{tmp_path}/out/ranking-arrival-60s.parquet: 2 rows",
        f"{tmp_path}/out/windows-arrival-60s.parquet: 1 rows",
    ]
    with pytest.raises(InvalidInput, match="TO is missing"):
        export.main(ExportForm(name="lab"))
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot be written"):
        export.main(ExportForm(name="lab", to=str(tmp_path / "file" / "out")))


def test_an_export_into_an_object_store_says_what_is_missing(tmp_path: Path) -> None:
    Store(make().paths.store).close()
    with pytest.raises(InvalidInput, match="is no address in an object store") as refused:
        export.main(ExportForm(name="lab", to="s3a://key:c4n4ry@lab/x"))
    assert "c4n4ry" not in str(refused.value), "a secret in the wrong place is not repeated"
    with pytest.raises(InvalidInput, match="S3_USER and S3_SECRET are missing") as caught:
        export.main(ExportForm(name="lab", to="s3a://lab/x"))
    assert caught.value.next_command == "make export TO=s3a://lab/x S3_USER=key S3_SECRET=file:/path"
    nobody = ObjectStoreSettings(s3_user="key", s3_secret=f"file:{tmp_path}/none", s3_endpoint="http://127.0.0.1:1")
    with pytest.raises(InvalidInput, match="the file of S3_SECRET cannot be read"):
        export.main(ExportForm(name="lab", to="s3a://lab/x", objects=nobody))


@pytest.mark.parametrize("to", ["hdfs://namenode/exports", "s3://lab/x", "file:///tmp/x"])
def test_an_address_is_not_taken_for_a_directorys_path(to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Store(make().paths.store).close()
    with pytest.raises(InvalidInput, match="TO is the path of a directory, or s3a://bucket/prefix"):
        export.main(ExportForm(name="lab", to=to))
    assert list(here.iterdir()) == []
