"""An unexpected error is one line, and its traceback a file that nobody else may read."""

from __future__ import annotations

import errno
import os
import re
import runpy
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.console.crash_reports import at_exit, crash_line, keep_traceback, report_crash, run_reported
from trending.errors import Interrupted, NotOurs, NotReady

if TYPE_CHECKING:
    from collections.abc import Callable


def raised(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as caught:
        failing(error)()
    return caught.value


def test_the_line_names_the_error_and_the_file_that_has_its_traceback(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    umask = os.umask(0)
    try:
        assert report_crash(raised(RuntimeError("a defect\nof two lines"))) == 1
    finally:
        os.umask(umask)
    line = capsys.readouterr().err
    found = re.fullmatch(r"error: RuntimeError: a defect of two lines - its traceback is in (.*)\n", line)
    assert found is not None
    file = Path(found[1])
    assert file.parent == home / "crashes"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert "Traceback (most recent call last):" in file.read_text()
    assert "raise error\nRuntimeError: a defect" in file.read_text()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "TRENDING_HOME"), (errno.EACCES, "another user"), (errno.EMFILE, "ulimit -n"), (errno.EROFS, "read-only")],
)
def test_what_the_operating_system_refuses_comes_with_a_remedy(number: int, remedy: str, home: Path) -> None:
    assert home.exists()
    line = crash_line(raised(OSError(number, os.strerror(number), "/place")))
    assert re.match(r"\w+Error: \[Errno \d+\] .*'/place' \(", line)
    assert remedy in line
    assert "\n" not in line


def test_a_command_without_a_form_does_nothing_in_another_users_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    with pytest.raises(SystemExit) as caught:
        run_reported(lambda: pytest.fail("it worked there"), own_home=True)
    assert caught.value.code == NotOurs.exit_code
    assert "the lab's directory is used by" in capsys.readouterr().err


@pytest.mark.parametrize("module", ["infra.prefect_services.server", "infra.spark_cluster.standalone", "infra.java.jars"])
def test_what_ends_or_writes_something_in_the_home_asks_whose_it_is(
    module: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    monkeypatch.setattr(sys, "argv", ["it", "stop"])
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module(module, run_name="__main__")
    assert caught.value.code == NotOurs.exit_code
    assert list(home.iterdir()) == []


def test_an_error_without_words_is_named_by_its_type(home: Path) -> None:
    assert home.exists()
    assert crash_line(raised(ZeroDivisionError())).startswith("ZeroDivisionError - its traceback is in ")


def test_arguments_are_not_kept_because_one_may_be_a_secret(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.exists()
    monkeypatch.setattr("sys.argv", ["/lab/flows/commands/serve.py", "--alert_url=https://example.org/token"])
    file = keep_traceback(raised(RuntimeError("x")))
    assert file is not None
    assert "serve.py" in file.read_text()
    assert "token" not in file.read_text()


def test_where_the_home_cannot_be_written_another_place_is_found(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "crashes").write_text("a file is in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = keep_traceback(raised(RuntimeError("x")))
    assert file is not None
    assert file.parent == tmp_path
    (tmp_path / "blocked").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "blocked"))
    assert keep_traceback(raised(RuntimeError("x"))) is None
    assert crash_line(raised(RuntimeError("x"))).endswith("its traceback could not be kept: no directory can be written")


def test_nothing_is_written_into_another_users_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    file = keep_traceback(raised(RuntimeError("x")))
    assert file is not None
    assert file.parent == tmp_path
    assert list(home.iterdir()) == []


def failing(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (NotReady("it is not ready", "nothing", "make status"), 6, "error: it is not ready\n  evidence: nothing"),
        (OSError(errno.ENOSPC, "full"), 1, "error: OSError: [Errno 28] full ("),
        (RuntimeError("a defect"), 1, "error: RuntimeError: a defect - its traceback is in "),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (Interrupted(), 130, "interrupted\n"),
    ],
)
def test_a_command_without_a_form_ends_like_the_others(
    error: BaseException, code: int, words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run_reported(failing(error))
    assert end.value.code == code
    said = capsys.readouterr().err
    assert said.startswith(words)
    assert "Traceback" not in said
    assert (home / "crashes").exists() == (code == 1)


def test_a_command_without_a_form_ends_with_its_own_code() -> None:
    with pytest.raises(SystemExit) as end:
        run_reported(lambda: 3)
    assert end.value.code == 3
    with pytest.raises(SystemExit) as well:
        run_reported(lambda: None)
    assert well.value.code == 0


def test_what_goes_wrong_at_the_end_is_one_line_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at_exit(failing(OSError("gone")))
    at_exit(failing(NotReady("it is not ready")))
    said = capsys.readouterr().err
    assert said.startswith("error: OSError: gone - its traceback is in ")
    assert said.endswith("error: it is not ready\n")
    assert len(list((home / "crashes").iterdir())) == 1


def test_a_disk_that_takes_the_file_and_nothing_in_it_is_left_as_it_was(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full_disk(number: int, *_mode: object, **_options: object) -> None:
        os.close(number)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdopen", full_disk)
    assert keep_traceback(raised(RuntimeError("x"))) is None
    assert [*(home / "crashes").iterdir(), *tmp_path.iterdir()] == []
