"""The last release, from this repository's history: a checkout of it, set up, which a pull then turns into this tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from infra.host.paths import CHECKOUT

VERSION = "0.1.0"
COMMIT = "ba5e34d16d93e16ed60410c1496327ea654787b1"
"""The last commit whose stacks know one machine only, the end of the work that CHANGELOG.md's section of 0.1.0 tells of.

There are no tags: the section names the commit, and a test compares the two.
"""
COMMAND_SECONDS = 240
SET_UP_SECONDS = 180
_PIN = re.compile(r"^([a-z0-9][a-z0-9.-]*)==(\S+)", re.MULTILINE)


def why_without_history(checkout: Path = CHECKOUT) -> str | None:
    """Return why the release can't be checked out of this clone, or None."""
    try:
        done = _git("-C", str(checkout), "cat-file", "-e", f"{COMMIT}^{{commit}}")
    except FileNotFoundError:
        return "there is no git"
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or ["no such commit"])[-1]
    return f"this clone lacks {COMMIT[:7]}, which is {VERSION} ({said}): git fetch --unshallow, or clone without --depth"


def pins(lock: str) -> dict[str, str]:
    """Return package → version of a lock."""
    return dict(_PIN.findall(lock))


def only_in(lock: str, names: set[str]) -> str:
    """Return a lock's entries of these packages, with their hashes."""
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)
    return "".join(entry for entry in entries if (found := _PIN.match(entry)) and found[1] in names)


@dataclass(frozen=True)
class ReleasedCheckout:
    """A clone of the release at ``root`` whose stacks lie in ``home``."""

    root: Path
    home: Path

    @property
    def _venv(self) -> Path:
        return self.root / ".venv"

    @property
    def _packages(self) -> Path:
        return next(self._venv.glob("lib/python3*/site-packages"))

    def clone(self) -> None:
        """Check the release out; nothing is shared with this repository."""
        for arguments in (
            ("clone", "--quiet", "--no-hardlinks", "--no-checkout", str(CHECKOUT), str(self.root)),
            ("-C", str(self.root), "checkout", "--quiet", "--detach", COMMIT),
        ):
            done = _git(*arguments)
            assert done.returncode == 0, done.stderr

    def set_up(self) -> None:
        """Make the release's environment: what its lock pins otherwise than ours comes from pip, the rest from ours.

        A whole one takes one to two minutes and 1 GB.
        """
        lock = (self.root / "requirements.lock").read_text(encoding="utf-8")
        ours = pins((CHECKOUT / "requirements-dev.lock").read_text(encoding="utf-8"))
        other = {name for name, version in pins(lock).items() if ours.get(name) != version}
        venv.create(self._venv, with_pip=False, symlinks=True)
        if other:
            wanted = self.root / "other.lock"
            wanted.write_text(only_in(lock, other), encoding="utf-8")
            options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
            command = [sys.executable, "-m", "pip", "install", *options, "--target", str(self._packages), "-r", str(wanted)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=SET_UP_SECONDS, check=False)
            assert done.returncode == 0, f"the packages of {VERSION} can't be had: {done.stderr}"
        self._finish()

    def pull(self) -> None:
        """Make the clone this tree, as ``git pull`` and ``make setup`` would, under whatever runs from it."""
        listed = _git("-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
        fresh = {name for name in listed.split("\0") if name and (CHECKOUT / name).is_file()}
        gone = set(_git("-C", str(self.root), "ls-files", "-z").stdout.split("\0")) - {""} - fresh
        assert {"Makefile", "infra/stack/state.py"} <= fresh, "this tree's files are not listed"
        for name in gone:
            (self.root / name).unlink()
        for name in fresh:
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copy2(CHECKOUT / name, target)
        for made in self._packages.iterdir():
            _ = shutil.rmtree(made) if made.is_dir() and not made.is_symlink() else made.unlink()
        self._finish()

    def make(self, target: str, *settings: str, code: int = 0) -> str:
        """Run a command of the checkout's to its end, require its exit code, return its output."""
        process = self.start(target, *settings)
        try:
            output, _nothing = process.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _nothing = process.communicate()
            raise AssertionError(f"make {target} did not end:\n{output}") from None
        # Of make itself comes 2, whatever the command's was.
        assert (process.returncode != 0) == (code != 0), f"make {target} ended with {process.returncode}:\n{output}"
        assert not code or re.search(rf"Error {code}\b", output), output
        return output

    def start(self, target: str, *settings: str) -> subprocess.Popen[str]:
        """Start a command of the checkout's; its output is one stream."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "PYTEST_", "TRENDING_", "MAKE", "ARGS"))
        }
        environment = {**kept, "TRENDING_HOME": str(self.home)}
        return subprocess.Popen(
            ["make", "--no-print-directory", "-C", str(self.root), target, *settings],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _finish(self) -> None:
        """Name the places that packages come from, ours last, and note that the environment is complete."""
        # Not sys.path: a directory that a path file names is searched for packages, and its own path files are not read.
        shared = Path(next(path for path in sys.path if path.endswith("site-packages")))
        places = (self.root, self.root / "src", shared)
        (self._packages / "trending-lab.pth").write_text("".join(f"{place}\n" for place in places), encoding="utf-8")
        shutil.copy(self.root / "requirements.lock", self._venv / ".complete")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(["git", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
