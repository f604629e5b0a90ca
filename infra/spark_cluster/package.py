"""The job's package: one zip file with our code, what it needs compiled, the connector's jars and a log configuration.

Driver and executors take the same file. It holds no secret, and no interpreter: executors bring a Python of the driver's minor
version, which is checked at the job's start. The same sources make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import sysconfig
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from infra.console.crash_reports import run_reported
from infra.host.paths import CHECKOUT, StackPaths, lab_home
from infra.java.jars import ensure_jars
from infra.supervision.programs import STREAM
from trending.errors import PrerequisiteMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DISTRIBUTIONS = (
    "annotated-types",
    "confluent-kafka",
    "filelock",
    "greenlet",
    "markdown-it-py",
    "mdurl",
    "msgspec",
    "numpy",
    "pandas",
    "psycopg",
    "psycopg-binary",
    "pyarrow",
    "pydantic",
    "pydantic-core",
    "pygments",
    "python-dateutil",
    "pytz",
    "rich",
    "six",
    "sqlalchemy",
    "typing-extensions",
    "typing-inspection",
    "tzdata",
)
"""What the job imports beside PySpark, which is the cluster's and wants pandas. A real test runs the package alone."""
LOCK = CHECKOUT / "requirements.lock"
SOURCES = CHECKOUT / "src" / "trending"
MAIN = SOURCES / "stream" / "cluster" / "package_main.py"
LOGGING = SOURCES / "stream" / "cluster" / "log4j2.properties"
MAKING_SECONDS = 120
_LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|tests?|include|bin)/|\.(pyc|pxd|pyx|pxi|pyi|h|hpp|lib|a)$"
    r"|pyarrow/(lib(arrow|arrow_python)_flight\.so|_flight\.|flight\.py)"
    r"|dist-info/(RECORD|INSTALLER|REQUESTED|direct_url)"
)
"""What no job imports. Flight, Arrow's own network protocol, would be 33 of 303 MB that each executor fetches and unpacks."""
_SINCE = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file knows, for every file in it."""


def ensure_package() -> Path:
    """Return the package of today's code, making it if need be; those of other code are deleted that no stack was started with.

    Raises PrerequisiteMissing where a package is not installed, or not as the lock has it.
    """
    files = sorted(_files())
    path = lab_home() / "package" / f"trending-job-{_digest(files)}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / ".lock", timeout=MAKING_SECONDS):
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            _write(unfinished, files)
            used = _specifications()
            for outdated in path.parent.glob("trending-job-*.zip"):
                if outdated.name not in used:
                    outdated.unlink()
            unfinished.replace(path)
    return path


def _specifications() -> str:
    """Return what the streams of all stacks were started with: a driver starts again with it, and its executors fetch from it."""
    files = [paths.specification(STREAM) for paths in StackPaths.all()]
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())


def python_version() -> str:
    """Return the version of Python that the package is for."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _files() -> Iterator[tuple[str, Path]]:
    """Yield each file's name in the package and where it is."""
    yield "__main__.py", MAIN
    yield "log4j2.properties", LOGGING
    for jar in ensure_jars("spark"):
        yield f"jars/{jar.name}", jar
    for path in SOURCES.rglob("*"):
        name = f"lib/trending/{path.relative_to(SOURCES).as_posix()}"
        if path.is_file() and not _LEFT_OUT.search(name):
            yield name, path
    pins = _pins()
    for name in DISTRIBUTIONS:
        found = _installed(name, pins)
        for file in found.files or ():
            if ".." not in file.parts and not _LEFT_OUT.search(file.as_posix()):
                yield f"lib/{file.as_posix()}", Path(str(found.locate_file(file)))


def _pins() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))


def _installed(name: str, pins: dict[str, str]) -> Distribution:
    try:
        found = distribution(name)
    except PackageNotFoundError as error:
        cause = f"{name}, which the job's package needs, is not installed"
        raise PrerequisiteMissing(cause, sys.executable, "make setup") from error
    if found.version != pins.get(name):
        cause = f"{name} is not the one of the lock"
        raise PrerequisiteMissing(cause, f"installed {found.version}, locked {pins.get(name)}", "make clean, then make setup")
    return found


def _about() -> str:
    versions = {name: version for name, version in _pins().items() if name in DISTRIBUTIONS}
    return json.dumps({"python": python_version(), "platform": sysconfig.get_platform(), "versions": versions}, indent=1) + "\n"


def _digest(files: Iterable[tuple[str, Path]]) -> str:
    """Return a hash of all that goes in: of our own files by content, of locked ones by the lock, which has their sums."""
    digest = hashlib.sha256(_about().encode())
    for name, path in files:
        digest.update(name.encode())
        if path.is_relative_to(SOURCES):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _write(path: Path, files: Iterable[tuple[str, Path]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_entry("package.json"), _about())
        for name, source in files:
            with archive.open(_entry(name), "w") as target, source.open("rb") as content:
                shutil.copyfileobj(content, target, 1 << 20)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _SINCE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def main() -> None:
    """Make the package and print where it is."""
    path = ensure_package()
    sums = hashlib.sha256(path.read_bytes()).hexdigest()
    sys.stdout.write(f"[ok] {path}, {path.stat().st_size >> 20} MiB, for Python {python_version()}, sha256 {sums}\n")


if __name__ == "__main__":
    run_reported(main, own_home=True)
