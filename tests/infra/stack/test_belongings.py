"""What the lab makes in its home is known as the lab's: otherwise ``make clean`` would refuse for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from real.clusters.object_store import environment

from infra.host.paths import CHECKOUT
from infra.stack.belongings import strange_in_home

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = ("benchmarks", "flows", "infra", "src", "tasks", "tests/kills", "tests/real")
PLACE = re.compile(r"""lab_home\(\)\)?(?:\.resolve\(\))? / f?"([\w.-]+)["/]""")


def test_every_place_in_the_home_that_a_module_names_is_the_labs(tmp_path: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for each in SOURCES for path in sorted((CHECKOUT / each).rglob("*.py"))]
    names = {name for text in texts for name in PLACE.findall(text)} | {environment().name}
    assert names >= {"bench", "cds", "jars", "package", "server"}
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / "trending.log").touch()
    assert strange_in_home(tmp_path) == []
    (tmp_path / "thesis.odt").touch()
    assert strange_in_home(tmp_path) == [tmp_path / "thesis.odt"]
