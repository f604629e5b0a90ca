"""What names the last release: the changelog's section, the version of this tree, and its history."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

from upgrade.release import COMMIT, VERSION, only_in, pins, why_without_history

from infra.host.paths import CHECKOUT
from trending.programs import version

if TYPE_CHECKING:
    from pathlib import Path

CHANGELOG = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
LOCK = """\
# made by pip-compile
a==1.0 \\
    --hash=sha256:aa
    # via b
b-c==2.0 \\
    --hash=sha256:bb \\
    --hash=sha256:bc
"""


def test_the_changelog_names_the_commit_of_the_last_release_below_what_is_to_come() -> None:
    coming, last = re.findall(r"^## (\S+) \((.+)\)$", CHANGELOG, re.MULTILINE)[:2]
    assert coming == (version.VERSION, "unreleased")
    assert (last[0], last[1].partition(", commit ")[2]) == (VERSION, COMMIT[:7])


def test_this_trees_version_is_the_one_to_come_everywhere() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == version.VERSION
    for name in ("README.md", "README.es.md"):
        assert version.VERSION in (CHECKOUT / name).read_text(encoding="utf-8")


def test_a_clone_without_history_is_told_with_the_way_to_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    reason = why_without_history(tmp_path)
    assert reason is not None
    assert f"lacks {COMMIT[:7]}" in reason
    assert "git fetch --unshallow" in reason


def test_a_part_of_a_lock_keeps_its_hashes() -> None:
    assert pins(LOCK) == {"a": "1.0", "b-c": "2.0"}
    assert only_in(LOCK, {"b-c"}) == "b-c==2.0 \\\n    --hash=sha256:bb \\\n    --hash=sha256:bc\n"
    assert "aa" in only_in(LOCK, {"a"})
