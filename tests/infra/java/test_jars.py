from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.homes import make_java

from infra.java import jars
from trending.errors import DamagedDownload, PrerequisiteMissing

CONTENT = b"a jar of pretend"
SUM = hashlib.sha256(CONTENT).hexdigest()
CHECKOUT = Path(__file__).resolve().parents[3]
TWO_JARS = f"# a comment\n\nbroker org.example:one:1.0 {SUM}\nbroker org.example:two:2.0 {SUM}\nspark org.example:three:3 {SUM}\n"
FETCH = 'echo "$@" > "$LOG"; cp ivy.xml settings.xml "$(dirname "$LOG")"; cp "$SHELF"/*.jar .'


def fetch(place: Path) -> str:
    """Return what the fake Java does: its environment is the built one, so it has its paths written in it."""
    return f"LOG='{place}/log'; SHELF='{place}/shelf'; {FETCH}"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Jars that the fake Java copies when it is asked to fetch; a lock that names two of them."""
    lock = tmp_path / "jars.lock"
    lock.write_text(TWO_JARS, encoding="ascii")
    monkeypatch.setattr(jars, "LOCK_FILE", lock)
    place = tmp_path / "shelf"
    place.mkdir()
    for name in ("one-1.0.jar", "two-2.0.jar"):
        (place / name).write_bytes(CONTENT)
    java = make_java(tmp_path / "bin", "21.0.1", fetch(tmp_path))
    monkeypatch.setenv("PATH", f"{java.parent}{os.pathsep}{os.environ['PATH']}")
    return place


def test_the_lock_is_read_line_by_line_without_comments() -> None:
    found = jars.read_lock(TWO_JARS)
    assert [(jar.group, jar.file_name) for jar in found] == [
        ("broker", "one-1.0.jar"),
        ("broker", "two-2.0.jar"),
        ("spark", "three-3.jar"),
    ]
    assert found[0].organisation == "org.example"
    assert found[0].sha256 == SUM


def test_the_committed_lock_has_both_sets_with_whole_sums_and_no_jar_twice() -> None:
    for group in ("broker", "spark"):
        files = [jar.file_name for jar in jars.locked(group)]
        assert len(files) == len(set(files)) > 0
        assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars.locked(group))


def test_missing_jars_are_fetched_by_ivy_without_transitive_resolution(shelf: Path, tmp_path: Path) -> None:
    found = jars.ensure_jars("broker")
    assert [path.name for path in found] == ["one-1.0.jar", "two-2.0.jar"]
    assert all(path.read_bytes() == CONTENT for path in found)
    command = (tmp_path / "log").read_text()
    assert command.startswith("-jar ")
    assert "/ivy-" in command
    assert "-retrieve [artifact]-[revision].[ext]" in command
    module = (tmp_path / "ivy.xml").read_text()
    assert 'org="org.example" name="one" rev="1.0" transitive="false"' in module
    assert "three" not in module
    assert shelf.exists()


def test_jars_that_are_there_are_not_fetched_again(shelf: Path, tmp_path: Path) -> None:
    jars.ensure_jars("broker")
    (tmp_path / "log").unlink()
    (shelf / "one-1.0.jar").unlink()
    jars.ensure_jars("broker")
    assert not (tmp_path / "log").exists()


@pytest.mark.usefixtures("shelf")
def test_a_cached_jar_with_another_sum_is_named_with_its_remedy() -> None:
    damaged = jars.ensure_jars("broker")[1]
    damaged.write_bytes(b"cut off")
    with pytest.raises(DamagedDownload) as caught:
        jars.ensure_jars("broker")
    assert "two-2.0.jar" in caught.value.cause
    assert SUM in caught.value.evidence
    assert caught.value.next_command == f"rm '{damaged}' && make jars"


def test_a_fetched_jar_with_another_sum_never_reaches_the_cache(shelf: Path) -> None:
    (shelf / "two-2.0.jar").write_bytes(b"somebody else's")
    with pytest.raises(DamagedDownload, match=r"two-2\.0\.jar"):
        jars.ensure_jars("broker")
    assert not (jars.jar_directory("broker") / "two-2.0.jar").exists()


def test_a_jar_that_cannot_be_fetched_is_named_with_what_ivy_said(tmp_path: Path, shelf: Path) -> None:
    (shelf / "two-2.0.jar").unlink()
    make_java(tmp_path / "bin", "21.0.1", fetch(tmp_path) + '; echo "[FAILED] two"; echo "12 kB" >&2; exit 1')
    with pytest.raises(DamagedDownload, match="1 of 2 jars could not be fetched") as caught:
        jars.ensure_jars("broker")
    assert "two-2.0.jar; [FAILED] two" in caught.value.evidence
    assert "kB" not in caught.value.evidence
    assert not list(jars.jar_directory("broker").glob(".fetch-*"))


def test_a_network_with_a_certificate_of_its_own_is_told_with_how_java_gets_to_know_it(tmp_path: Path, shelf: Path) -> None:
    (shelf / "two-2.0.jar").unlink()
    said = "SunCertPathBuilderException: unable to find valid certification path to requested target"
    make_java(tmp_path / "bin", "21.0.1", fetch(tmp_path) + f'; echo "{said}" >&2; exit 1')
    with pytest.raises(DamagedDownload) as caught:
        jars.ensure_jars("broker")
    assert "trustStore" in caught.value.next_command


def test_a_full_disk_is_told_as_one(tmp_path: Path, shelf: Path) -> None:
    (shelf / "two-2.0.jar").unlink()
    said = "impossible to get artifacts: java.io.IOException: No space left on device" + " at org.apache.ivy.core" * 40
    make_java(tmp_path / "bin", "21.0.1", fetch(tmp_path) + f'; echo "{said}" >&2; exit 1')
    with pytest.raises(DamagedDownload) as caught:
        jars.ensure_jars("broker")
    assert "two-2.0.jar; No space left on device; " in caught.value.evidence
    assert caught.value.next_command == jars.FULL_REMEDY


def test_a_fetch_that_hangs_ends_with_a_remedy(tmp_path: Path, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_java(tmp_path / "bin", "21.0.1", "exec sleep 30")
    monkeypatch.setattr(jars, "FETCH_SECONDS", 0.3)
    with pytest.raises(DamagedDownload, match="took too long") as caught:
        jars.ensure_jars("broker")
    assert "check the network" in caught.value.next_command
    assert shelf.exists()


def test_make_jars_fetches_a_damaged_cached_jar_again(
    shelf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["jars"])
    (shelf / "three-3.jar").write_bytes(CONTENT)
    jars.main()
    damaged = jars.jar_directory("broker") / "one-1.0.jar"
    damaged.write_bytes(b"cut off")
    jars.main()
    assert damaged.read_bytes() == CONTENT
    assert capsys.readouterr().out.splitlines()[-2:] == ["[ok] 2 jars for broker", "[ok] 1 jars for spark"]


def test_an_ivy_that_is_not_there_is_a_missing_prerequisite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "find_spec", lambda _name: None)
    with pytest.raises(PrerequisiteMissing) as caught:
        jars.ivy_jar()
    assert caught.value.next_command == "make setup"


def test_no_tracked_file_names_a_registry() -> None:
    halves = [
        ("repo1.", "maven"),
        ("repo.maven.", "apache"),
        ("pypi.", "org"),
        ("files.python", "hosted"),
        ("registry-1.", "docker"),
        ("index.", "docker.io"),
        ("deb.", "debian"),
        ("archive.", "ubuntu"),
        ("registry.", "npmjs"),
    ]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, check=True
    )
    files = [CHECKOUT / name for name in listed.stdout.decode().split("\0") if name]
    assert len(files) > 50
    found = [
        (path.name, first + second)
        for path in files
        if path.is_file()
        for first, second in halves
        if (first + second).encode() in path.read_bytes()
    ]
    assert not found
