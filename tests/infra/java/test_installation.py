from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.homes import make_java

from infra.java.installation import ask_java, find_java
from trending.errors import PrerequisiteMissing

if TYPE_CHECKING:
    from pathlib import Path


def test_a_java_17_on_the_path_is_taken(java17: Path) -> None:
    found = find_java()
    assert (found.executable, found.major) == (java17, 17)
    assert found.home == java17.parent.parent


def test_java_home_goes_before_the_path(java17: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_java(tmp_path / "ein Java, schön" / "bin", "21.0.2")
    monkeypatch.setenv("JAVA_HOME", str(other.parent.parent))
    assert find_java().executable == other
    assert find_java().executable != java17


@pytest.mark.row(31)
def test_no_java_says_where_it_was_looked_for_and_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrerequisiteMissing) as caught:
        find_java()
    assert caught.value.cause == "no Java was found"
    assert "the path" in caught.value.evidence
    assert "openjdk-17" in caught.value.next_command


@pytest.mark.row(31)
@pytest.mark.usefixtures("java17")
def test_a_wrong_java_home_is_named_though_the_path_has_a_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere/at/all")
    with pytest.raises(PrerequisiteMissing) as caught:
        find_java()
    assert "JAVA_HOME=/nowhere/at/all" in caught.value.evidence


@pytest.mark.row(31)
@pytest.mark.parametrize(
    ("version", "named"),
    [
        ("11.0.22", "Java 11"),
        ("1.8.0_392", "Java 8"),
        ("22", "Java 22, which the lab was not tried with yet"),
        ("25", "Java 25, which the lab was not tried with yet"),
    ],
)
def test_a_java_of_another_version_is_refused_by_its_number(
    version: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = make_java(tmp_path / "bin", version)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(PrerequisiteMissing) as caught:
        find_java()
    assert caught.value.cause == f"Java 17 or 21 is needed and {java} is {named}"


@pytest.mark.row(31)
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "nothing"),
        ("echo 'Error occurred during initialization of VM' >&2; exit 1", "Error occurred during initialization of VM"),
    ],
)
def test_a_java_that_tells_no_version_is_refused_with_its_own_words(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = make_java(tmp_path / "bin", "")
    java.write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(PrerequisiteMissing, match="does not say of which version it is") as caught:
        find_java()
    assert caught.value.evidence == f"found by JAVA_HOME={tmp_path}; it said: {said}"
    assert caught.value.next_command.startswith(f"{java} -version shows what is wrong with it; otherwise ")


def test_a_file_that_cannot_be_run_has_no_version(tmp_path: Path) -> None:
    broken = tmp_path / "java"
    broken.write_bytes(b"\x7fELF, cut off")
    broken.chmod(0o755)
    assert ask_java(broken)[:2] == (None, None)
    assert "Exec format error" in ask_java(broken).words


def make_shim(place: Path, real: Path) -> Path:
    """Write what asdf and jenv put on the path: a script that starts a Java that lies elsewhere."""
    place.mkdir(parents=True)
    shim = place / "java"
    shim.write_text(f'#!/bin/sh\nexec "{real}" "$@"\n')
    shim.chmod(0o755)
    return shim


@pytest.mark.row(31)
def test_behind_a_version_managers_shim_the_jvm_itself_is_asked_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "installs" / "java" / "temurin-21"
    real = make_java(home / "bin", "21.0.2", home=home)
    shim = make_shim(tmp_path / "shims", real)
    monkeypatch.setenv("PATH", f"{shim.parent}:/usr/bin:/bin")
    found = find_java()
    assert (found.executable, found.major, found.home) == (real, 21, home)


def test_a_java_that_does_not_tell_its_home_is_the_one_two_directories_up(java17: Path) -> None:
    assert ask_java(java17)[:2] == (17, None)
    assert find_java().home == java17.parent.parent


def test_a_link_to_a_java_stays_as_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "jvm" / "java-17"
    real = make_java(home / "bin", "17.0.15", home=home)
    link = tmp_path / "bin" / "java"
    link.parent.mkdir()
    link.symlink_to(real)
    monkeypatch.setenv("PATH", f"{link.parent}:/usr/bin:/bin")
    assert (find_java().executable, find_java().home) == (link, home)
