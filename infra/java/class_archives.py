"""Class-data archives: the classes that Kafka and Spark load at start, parsed and verified once and mapped by later JVMs.

An archive fits one Java and one class path, so its name contains both. Without a fitting one, the JVM starts as usual.
``infra.commands.training`` makes them. "Application Class Data Sharing", https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from infra.host.paths import lab_home, short_hash
from infra.java.installation import find_java
from infra.java.jars import ivy_jar, jar_directory
from trending.errors import NotReady, PrerequisiteMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BROKER = "broker"
SPARK = "spark"
SPARK_VARIABLE = "SPARK_SUBMIT_OPTS"
"""Spark's launcher appends what this variable holds to the options of the driver's JVM."""

_making: ContextVar[bool] = ContextVar("making", default=False)


def archive_directory() -> Path:
    """Return where the archives lie."""
    return lab_home() / "cds"


def archive(name: str) -> Path:
    """Return the archive of ``broker`` or ``spark`` for this Java and these jars, whether or not it has been made."""
    return archive_directory() / f"{name}-{_key(name)}.jsa"


@contextmanager
def making_archives() -> Iterator[None]:
    """Within this context, declared JVMs create their archive instead of using it."""
    token = _making.set(True)
    try:
        yield
    finally:
        _making.reset(token)


def archive_options(name: str) -> tuple[str, ...]:
    """Return the JVM's options for using the archive; empty if it has not been made."""
    path = archive(name)
    if _making.get():
        return (f"-XX:ArchiveClassesAtExit={_unfinished(path)}",)
    return (f"-XX:SharedArchiveFile={path}", "-Xlog:cds*=off") if path.exists() else ()


def keep_archive(name: str) -> Path:
    """Move the archive that a JVM has made to its place; archives for other jars or another Java are deleted.

    Raises NotReady if none was made.
    """
    path = archive(name)
    if not _unfinished(path).exists():
        cause = f"no JVM has made a class archive for {name}"
        raise NotReady(cause, str(_unfinished(path)), "make archives")
    for outdated in archive_directory().glob(f"{name}-*.jsa"):
        outdated.unlink()
    return _unfinished(path).replace(path)


def spark_environment() -> dict[str, str]:
    """Return the variables that give the driver its archive; empty if there is none, or Spark would split its path."""
    options = archive_options(SPARK)
    if not options or any(re.search(r"""[\s"'\\]""", option) for option in options):
        return {}
    return {SPARK_VARIABLE: " ".join(options)}


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".unfinished")


def _key(name: str) -> str:
    library = find_java().home / "lib" / "server" / "libjvm.so"
    return short_hash("\n".join(_stamp(path) for path in (library, *_class_path(name))), 16)


def _class_path(name: str) -> Iterable[Path]:
    yield from sorted(jar_directory(name).glob("*.jar"))
    if name == SPARK:
        try:
            yield from sorted(ivy_jar().parent.glob("*.jar"))
        except PrerequisiteMissing:
            return


def _stamp(path: Path) -> str:
    # The JVM itself compares these properties of a jar: path, size and modification time.
    try:
        state = path.stat()
    except FileNotFoundError:
        return str(path)
    return f"{path} {state.st_size} {state.st_mtime_ns}"
