from __future__ import annotations

import ast
import json
import sys
import zipfile
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest

from infra.host.paths import StackPaths
from infra.spark_cluster import package
from infra.spark_cluster.package import DISTRIBUTIONS, SOURCES, ensure_package, python_version
from infra.supervision.programs import STREAM
from trending.errors import PrerequisiteMissing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PINS = {"typing-extensions": "", "annotated-types": ""}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lab's home with one jar, and a package with two small distributions."""
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    jar = tmp_path / "connector.jar"
    jar.write_bytes(b"a jar")
    monkeypatch.setattr(package, "ensure_jars", lambda _group: (jar,))
    monkeypatch.setattr(package, "DISTRIBUTIONS", tuple(PINS))
    return tmp_path


def test_the_package_has_code_dependencies_jars_and_a_log_configuration(home: Path) -> None:
    path = ensure_package()
    assert path.parent == home / "package"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        about = json.loads(archive.read("package.json"))
    assert {"__main__.py", "log4j2.properties", "jars/connector.jar", "lib/typing_extensions.py"} <= set(names)
    assert "lib/trending/stream/decoder.py" in names
    assert about["python"] == python_version()
    assert set(about["versions"]) == set(PINS)
    assert not [name for name in names if name.endswith(".pyc") or name.startswith("/") or ".." in name]


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("pyarrow/libarrow_flight.so.2600", True),
        ("pyarrow/libarrow_python_flight.so", True),
        ("pyarrow/_flight.cpython-311-x86_64-linux-gnu.so", True),
        ("pyarrow/flight.py", True),
        ("pyarrow/libarrow.so.2600", False),
        ("pyarrow/libarrow_substrait.so.2600", False),  # pyarrow's own library is linked against it
        ("pyarrow/fs.py", False),
    ],
)
def test_what_no_job_imports_is_not_sent_to_executors(name: str, *, left_out: bool) -> None:
    assert bool(package._LEFT_OUT.search(name)) is left_out


def test_the_same_sources_make_the_same_bytes(home: Path) -> None:
    path = ensure_package()
    first = path.read_bytes()
    assert ensure_package() == path
    path.unlink()
    assert ensure_package().read_bytes() == first


def test_other_code_makes_another_package_in_place_of_the_old_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = home / "trending"
    (sources / "stream").mkdir(parents=True)
    (sources / "stream" / "decoder.py").write_text("one = 1\n", encoding="utf-8")
    monkeypatch.setattr(package, "SOURCES", sources)
    first = ensure_package()
    (sources / "stream" / "decoder.py").write_text("one = 2\n", encoding="utf-8")
    second = ensure_package()
    assert second != first
    assert list(second.parent.glob("*.zip")) == [second]


@pytest.mark.row(35)
def test_the_package_of_a_stack_that_runs_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its executors fetch from it, and its driver starts again with it: another stack's start would have ended it."""
    first = ensure_package()
    specification = StackPaths.of("lab").specification(STREAM)
    specification.parent.mkdir(parents=True)
    specification.write_text(json.dumps({"package": str(first)}), encoding="utf-8")
    sources = home / "trending"
    sources.mkdir()
    monkeypatch.setattr(package, "SOURCES", sources)
    second = ensure_package()
    assert sorted(second.parent.glob("*.zip")) == sorted({first, second})


def test_what_is_not_installed_as_the_lock_has_it_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = home / "requirements.lock"
    lock.write_text("typing-extensions==0.0.1\nannotated-types==0.0.1\n", encoding="utf-8")
    monkeypatch.setattr(package, "LOCK", lock)
    with pytest.raises(PrerequisiteMissing, match="is not the one of the lock"):
        ensure_package()


def test_everything_in_it_is_of_the_lock() -> None:
    assert set(DISTRIBUTIONS) <= set(package._pins())


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports when it runs, in its functions too."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    left_out = {id(each) for node in for_types for child in node.body for each in ast.walk(child)}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found


def test_every_distribution_that_the_job_imports_is_in_the_package() -> None:
    """Also what it imports only with some settings, such as a store in PostgreSQL."""
    root = SOURCES.parent
    modules = {path.relative_to(root).with_suffix("").as_posix().replace("/", "."): path for path in SOURCES.rglob("*.py")}
    waiting, known, others = [name for name in modules if name.startswith("trending.stream.")], set[str](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        for each in imported(modules[name]):
            if each in modules:
                waiting.append(each)
            elif not each.startswith("trending"):
                others.add(each.partition(".")[0])
    brought = packages_distributions()
    needed = {name.lower() for each in others - sys.stdlib_module_names for name in brought[each]}
    assert needed - {"pyspark", "py4j"} <= set(DISTRIBUTIONS)
    assert {"psycopg", "pyarrow", "msgspec"} <= needed
