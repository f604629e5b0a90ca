from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.homes import make_java

from infra.java.class_archives import (
    BROKER,
    SPARK,
    SPARK_VARIABLE,
    archive,
    archive_options,
    keep_archive,
    making_archives,
    spark_environment,
)
from infra.java.jars import jar_directory
from trending.errors import NotReady

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("java17")


def make(name: str) -> Path:
    """Pretend that a JVM has made its archive."""
    with making_archives():
        (option,) = archive_options(name)
    unfinished = archive(name).with_suffix(".unfinished")
    assert option.endswith(f"={unfinished}")
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.touch()
    return keep_archive(name)


def test_without_an_archive_the_jvm_starts_as_it_would_anyway() -> None:
    assert archive_options(BROKER) == ()
    assert spark_environment() == {}


def test_an_archive_that_was_made_is_used() -> None:
    made = make(BROKER)
    assert archive_options(BROKER)[0] == f"-XX:SharedArchiveFile={made}"
    make(SPARK)
    assert archive(SPARK).name in spark_environment()[SPARK_VARIABLE]


@pytest.mark.row(36)
def test_what_the_user_gives_sparks_launcher_for_other_jobs_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    make(SPARK)
    monkeypatch.setenv(SPARK_VARIABLE, "-Dmine=1")
    assert spark_environment()[SPARK_VARIABLE].startswith("-XX:SharedArchiveFile=")


def test_an_archive_of_other_jars_or_another_java_is_not_used_and_goes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make(BROKER)
    jar_directory(BROKER).mkdir(parents=True)
    (jar_directory(BROKER) / "another.jar").write_bytes(b"x")
    assert archive(BROKER) != old
    assert archive_options(BROKER) == ()
    of_these_jars = archive(BROKER)
    make_java(tmp_path / "other" / "bin", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "other"))
    assert archive(BROKER) != of_these_jars
    made = make(BROKER)
    assert sorted(made.parent.glob("broker-*")) == [made]


def test_an_archive_that_no_jvm_made_is_an_error() -> None:
    with pytest.raises(NotReady, match="no JVM has made a class archive for broker"):
        keep_archive(BROKER)


def test_a_path_with_spaces_cannot_be_told_to_sparks_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path / "with spaces"))
    (tmp_path / "with spaces").mkdir()
    make(SPARK)
    assert archive_options(SPARK)
    assert spark_environment() == {}
