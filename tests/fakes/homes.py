"""Fixtures that give each test a lab's home of its own, and a Java that is a shell script."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.trending.memory import memory

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["home", "java17", "make_java"]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short TRENDING_HOME in memory; no other variable of the lab's or of Prefect's address reaches the test."""
    for name in list(os.environ):
        if name.startswith("TRENDING_") or name in {"PREFECT_API_URL", "PREFECT_HOME", "JAVA_HOME"}:
            monkeypatch.delenv(name)
    place = Path(tempfile.mkdtemp(prefix="tl-", dir=memory())).resolve()
    monkeypatch.setenv("TRENDING_HOME", str(place))
    yield place
    shutil.rmtree(place)


def make_java(directory: Path, version: str, body: str = "exit 0", *, home: Path | None = None) -> Path:
    """Write an executable ``java`` that tells its ``version`` and, if any, its ``home`` as Java does, or runs ``body``."""
    directory.mkdir(parents=True, exist_ok=True)
    java = directory / "java"
    told = f"echo '    java.home = {home}' >&2" if home else ":"
    said = f"""echo 'openjdk version "{version}" 2025-04-15' >&2"""
    script = f'case "$1" in\n-version) {said}; exit 0;;\n-XshowSettings:*) {said}; {told}; exit 0;;\nesac'
    java.write_text(f"#!/bin/sh\n{script}\n{body}\n", encoding="utf-8")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    return java


@pytest.fixture
def java17(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Java 17 first on the path that does nothing, successfully."""
    java = make_java(tmp_path / "jdk" / "bin", "17.0.15")
    monkeypatch.setenv("PATH", f"{java.parent}{os.pathsep}{os.environ['PATH']}")
    return java
