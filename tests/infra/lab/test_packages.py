from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from infra.lab import packages
from trending.errors import DamagedDownload, InvalidInput, PrerequisiteMissing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    """A lock of 61 packages."""
    path = tmp_path / "some.lock"
    path.write_text("# of pip-compile's\n" + "".join(f"p{n}==1.{n} \\\n    --hash=sha256:0\n    # via x==y\n" for n in range(61)))
    return path


def pip(tmp_path: Path, script: str) -> tuple[str, ...]:
    """A pip that does what the script says; its arguments are in ``argv``."""
    path = tmp_path / "pip.py"
    path.write_text(f"from sys import argv, stdin, exit\n{script}\n")
    return (sys.executable, str(path))


COLLECTS = (
    'for n in range(61): print(f"Collecting p{n}==1.{n} (from -r some.lock)")\nprint("Installing collected packages: p0, p1")'
)


def test_progress_is_a_line_every_thirty_packages_where_there_is_no_terminal(
    lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages.install(lock, pip(tmp_path, COLLECTS))
    assert capsys.readouterr().out.splitlines() == [
        "... 30 of 61 packages fetched: p29",
        "... 60 of 61 packages fetched: p59",
        "... installing 61 packages",
    ]


def test_on_a_terminal_one_line_is_written_over_and_gone_in_the_end(
    lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    packages.install(lock, pip(tmp_path, COLLECTS))
    told = capsys.readouterr().out
    assert "\n" not in told
    assert told.count("\r\033[K") == 63
    assert "61 of 61 packages fetched: p60" in told
    assert told.endswith("\r\033[K")


def test_what_is_there_already_counts_as_fetched(lock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = 'for n in range(61): print(f"Requirement already satisfied: p{n}==1.{n} in /x")'
    packages.install(lock, pip(tmp_path, script))
    assert "60 of 61" in capsys.readouterr().out


def test_pip_resolves_nothing_wants_sums_and_asks_nothing(lock: Path, tmp_path: Path) -> None:
    packages.install(lock, pip(tmp_path, f'open({str(tmp_path / "seen")!r}, "w").write(" ".join(argv[1:]) + repr(stdin.read()))'))
    seen = (tmp_path / "seen").read_text()
    assert {"install", "--no-deps", "--require-hashes", "--no-input"} <= set(seen.split())
    assert seen.endswith(f"-r {lock}''")


def test_a_package_with_another_sum_is_told_as_exchanged(lock: Path, tmp_path: Path) -> None:
    script = 'print("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")\nexit(1)'
    with pytest.raises(DamagedDownload, match=r"not the one that some\.lock names"):
        packages.install(lock, pip(tmp_path, script))


def test_a_pip_that_fails_is_told_with_its_last_lines(lock: Path, tmp_path: Path) -> None:
    script = 'for n in range(9): print(f"line {n}")\nprint("ERROR: No matching distribution found for p3==1.3")\nexit(1)'
    with pytest.raises(PrerequisiteMissing) as caught:
        packages.install(lock, pip(tmp_path, script))
    assert caught.value.evidence.startswith("line 5 | line 6")
    assert "No matching distribution found for p3" in caught.value.evidence


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("Retrying after SSLError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate in chain')", "PIP_CERT="),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "free some space"),
        ("NewConnectionError: Temporary failure in name resolution", "look at the network"),
    ],
)
def test_what_pip_failed_of_decides_what_to_do(said: str, remedy: str, lock: Path, tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteMissing) as caught:
        packages.install(lock, pip(tmp_path, f"print({said!r})\nexit(1)"))
    assert remedy in caught.value.next_command


def test_without_a_lock_it_says_how_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["packages"])
    with pytest.raises(InvalidInput, match="one lock is needed"):
        packages.main()
