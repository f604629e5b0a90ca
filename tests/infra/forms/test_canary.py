"""A secret that is a canary: it is in nothing that the lab prints or keeps. Databases: flows/test_engine.py; files: row 37."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from infra.forms.showing import ServeForm
from infra.host.paths import CHECKOUT
from infra.prefect_services.credentials import ensure_password

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "c4n4ry-d0-n0t-s1ng"
ADDRESS = f"https://example.invalid/hook?token={CANARY}"
COMMAND = """
import sys
from infra.forms.showing import ServeForm
from infra.forms.terminal import run_command

def main(settings):
    assert settings.alert_url.get_secret_value() == sys.argv.pop(0)
    print(settings, repr(settings), settings.model_dump(), settings.model_dump_json())
    if sys.argv.pop() == "die":
        address = settings.alert_url.get_secret_value()
        raise RuntimeError("it died with an address at hand")

address, end = sys.argv[1:3]
sys.argv = ["serve", *sys.argv[3:]]
saved = sys.argv
run_command(ServeForm, lambda settings: (setattr(sys, "argv", [address, end]), main(settings)), "serve")
"""


def told(home: Path, end: str, *arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit code of a command that is given the address, and all that it printed or kept below its home."""
    variables = {**os.environ, **environment, "TRENDING_HOME": str(home)}
    command = [sys.executable, "-c", COMMAND, ADDRESS, end, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=CHECKOUT, check=False)
    kept = [path.read_text(errors="replace") for path in home.rglob("*") if path.is_file()]
    return done.returncode, "\n".join([done.stdout, done.stderr, *kept])


@pytest.mark.row(37)
@pytest.mark.parametrize("given", ["argument", "environment"])
@pytest.mark.parametrize(
    ("end", "more", "code", "words"),
    [
        ("live", (), 0, "alert_url=SecretStr('**********')"),
        ("die", (), 1, "it died with an address at hand"),
        ("live", ("--nonsense=1",), 2, "unrecognized arguments"),
    ],
    ids=["shown", "crashed", "refused"],
)
def test_the_alerts_address_is_in_no_output_error_or_crash_report(
    given: str, end: str, more: tuple[str, ...], code: int, words: str, home: Path
) -> None:
    if given == "argument":
        ended, all_of_it = told(home, end, f"--alert_url={ADDRESS}", *more)
    else:
        ended, all_of_it = told(home, end, *more, TRENDING_ALERT_URL=ADDRESS)
    assert words in all_of_it
    assert (ended == 0) == (code == 0), all_of_it
    assert CANARY not in all_of_it


@pytest.mark.row(37)
def test_the_password_is_in_one_file_of_the_home_and_in_no_representation(home: Path) -> None:
    password = ensure_password()
    word = password.get_secret_value()
    assert [path for path in home.rglob("*") if path.is_file() and word in path.read_text()] == [home / "server" / "password"]
    assert word not in f"{password} {password!r}"
    assert CANARY not in repr(ServeForm.model_validate({"alert_url": ADDRESS}))
