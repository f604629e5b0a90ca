from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make
from fakes.trending.counting import write

from infra.commands import export
from infra.forms.parameters import ExportForm
from trending.errors import ConfigurationConflict, InvalidInput, LabError
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
