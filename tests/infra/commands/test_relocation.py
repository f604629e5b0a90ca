"""A checkout that was copied or moved, with an environment of its own: a copy never runs the original's code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from infra.commands import relocation
from infra.forms import terminal
from infra.host.paths import CHECKOUT
from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.row(35)
WHERE = "import trending; print(trending.__path__[0])"


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A checkout that was set up: make's rules, a package of the data plane's name, an environment with a script."""
    root = tmp_path / "original"
    needed = (
        "Makefile",
        "infra/__init__.py",
        "infra/commands",
        "infra/console",
        "infra/host",
        "src/trending/errors.py",
        "requirements.lock",
    )
    for name in (*needed, "pyproject.toml"):
        source, target = CHECKOUT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _ = shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (root / "src" / "trending" / "__init__.py").touch()
    venv.create(root / ".venv", with_pip=False, symlinks=True)
    (path_file(root)).write_text(f"{root}\n{root}/src\n")
    script = root / ".venv" / "bin" / "tool"
    script.write_text(f"#!{root}/.venv/bin/python\n{WHERE}\n")
    script.chmod(0o755)
    (root / ".venv" / ".complete").touch()
    return root


def path_file(root: Path) -> Path:
    return next((root / ".venv").glob("lib/python3*/site-packages")) / relocation.PATH_FILE


def set_up(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHONPATH"}}
    command = ["make", ".venv/.complete", f"PYTHON={getattr(sys, '_base_executable', sys.executable)}"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)


def code_of(root: Path, *command: str) -> str:
    words = command or (str(root / ".venv/bin/python"), "-c", WHERE)
    return subprocess.run(words, cwd="/", capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("copy", [shutil.copytree, lambda a, b: shutil.copytree(a, b, copy_function=os.link, symlinks=True)])
def test_a_copy_runs_its_own_code_after_the_first_make_and_the_original_is_as_it_was(
    original: Path, copy: Callable[[Path, Path], object]
) -> None:
    copied = original.parent / "a copy"
    copy(original, copied)
    assert code_of(copied) == str(original / "src/trending"), "that is what is to be noticed"
    assert f"copied from {original}" in set_up(copied).stderr
    assert code_of(copied) == str(copied / "src/trending")
    assert code_of(original) == str(original / "src/trending")
    assert set_up(copied).stderr == set_up(original).stderr == ""


def test_a_moved_checkout_runs_again_with_its_scripts(original: Path) -> None:
    moved = original.rename(original.parent / "moved")
    assert f"moved from {original}" in set_up(moved).stderr
    assert code_of(moved) == code_of(moved, str(moved / ".venv/bin/tool")) == str(moved / "src/trending")
    assert os.access(moved / ".venv/bin/tool", os.X_OK)
    assert set_up(moved).stderr == ""


@pytest.mark.parametrize("name", ["a#b ;c", "it's [x] 100%", '"$HOME" `id` \\b'])
def test_make_finds_its_way_in_any_path(name: str, original: Path) -> None:
    moved = original.rename(original.parent / name)
    assert "moved from" in set_up(moved).stderr
    assert code_of(moved) == str(moved / "src/trending")
    assert set_up(moved).stderr == ""
    assert {each.name for each in original.parent.iterdir()} == {name}, "nothing is made beside it"


def test_an_environment_that_is_a_link_to_the_originals_is_left_alone(original: Path) -> None:
    copied = original.parent / "copy"
    shutil.copytree(original, copied, ignore=shutil.ignore_patterns(".venv"))
    (copied / ".venv").symlink_to(original / ".venv")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        set_up(copied)
    assert "which is left alone" in caught.value.stderr
    assert path_file(original).read_text().startswith(f"{original}\n")


def test_a_full_set_up_of_a_copy_with_hard_links_writes_nothing_through_to_the_original(original: Path) -> None:
    package = path_file(original).parent / "package.py"
    package.write_text("version = 1\n")
    package.chmod(0o640)
    copied = original.parent / "copy"
    shutil.copytree(original, copied, copy_function=os.link, symlinks=True)
    set_up(copied)
    (copied / "requirements.lock").touch()
    os.utime(copied / "requirements.lock", (2_000_000_000, 2_000_000_000))
    command = ["make", "-n", ".venv/.complete", f"PYTHON={sys.executable}"]
    steps = subprocess.run(command, cwd=copied, capture_output=True, text=True, check=True).stdout.splitlines()
    own, writes = (next(n for n, step in enumerate(steps) if words in step) for words in ("relocation .venv own", "-m venv"))
    assert own < writes
    subprocess.run(steps[own], cwd=copied, shell=True, check=True)  # noqa: S602 - make's own line
    files = [each for each in (copied / ".venv").rglob("*") if each.is_file() and not each.is_symlink()]
    assert path_file(copied).parent / "package.py" in files
    assert {each.stat().st_nlink for each in files} == {1}
    assert not list((copied / ".venv").rglob("*.fresh"))
    for each in files:
        before = (original / each.relative_to(copied)).read_bytes()
        with each.open("ab") as file:  # as venv and pip do, in place
            file.write(b"# newer")
        assert (original / each.relative_to(copied)).read_bytes() == before
    assert (path_file(copied).parent / "package.py").stat().st_mode & 0o777 == 0o640


def test_an_environment_of_its_own_is_left_as_it_is(original: Path) -> None:
    before = {each: each.lstat().st_ino for each in (original / ".venv").rglob("*")}
    assert relocation.unshare(original / ".venv") == 0
    assert relocation.unshare(original / "none") == 0
    assert {each: each.lstat().st_ino for each in (original / ".venv").rglob("*")} == before


def test_a_setting_reaches_the_command_whatever_it_contains(original: Path) -> None:
    with (original / "Makefile").open("a") as rules:
        rules.write('\nshown:\n\t@printf "%s" "$$TRENDING_CATALOGUE"\n')
    command = ["make", "-s", "shown", "CATALOGUE=/a #b/it's 100%.json"]
    shown = subprocess.run(command, cwd=original, capture_output=True, text=True, check=True)
    assert shown.stdout == "/a #b/it's 100%.json"


def test_a_command_refuses_to_run_with_the_code_of_another_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    terminal.require_own_code()
    monkeypatch.setattr("trending.__file__", str(tmp_path / "src" / "trending" / "__init__.py"))
    with pytest.raises(ConfigurationConflict, match=f"runs the code of {tmp_path}"):
        terminal.require_own_code()


def test_what_the_lock_had_and_has_no_more_is_uninstalled_and_nothing_else(original: Path) -> None:
    pip = path_file(original).parent / "pip" / "__main__.py"
    pip.parent.mkdir()
    pip.write_text("import sys; print(*sys.argv[1:])\n")
    lock = (original / "requirements.lock").read_text()
    line = next(each for each in lock.splitlines() if "==" in each)
    (original / ".venv/.complete").write_text(f"{lock}\nslow-parser==1.2.0 \\\n    --hash=sha256:0\nother==2\npip==26.0\n")
    (original / "requirements.lock").write_text(lock.replace(line, f"newcomer==1.0 \\\n{line}", 1))
    os.utime(original / "requirements.lock", (2_000_000_000, 2_000_000_000))
    command = ["make", "-n", ".venv/.complete", f"PYTHON={sys.executable}"]
    steps = subprocess.run(command, cwd=original, capture_output=True, text=True, check=True).stdout
    step = "gone=" + steps.split("gone=", 1)[1].split("trending-lab.pth", 1)[0].rsplit("\n", 1)[0]
    done = subprocess.run(step, cwd=original, shell=True, capture_output=True, text=True, check=True)  # noqa: S602 - make's own line
    assert done.stdout.split() == ["uninstall", "--quiet", "--yes", "other", "slow-parser"]
    (original / ".venv/.complete").write_text(lock)
    assert subprocess.run(step, cwd=original, shell=True, capture_output=True, text=True, check=True).stdout == ""  # noqa: S602
