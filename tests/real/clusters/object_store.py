"""An object store of the tests' own, in an environment of its own: what it needs is not in the lab's lock."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from infra.host.paths import CHECKOUT, short_hash
from infra.java.jars import jar_directory, locked
from infra.lab.checkpoints import S3A_JARS
from trending.places.objects import ObjectPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path(__file__).with_name("object_store.lock")
SERVER = Path(__file__).with_name("object_server.py")
INSTALL_SECONDS = 300


@dataclass(frozen=True)
class ObjectStore:
    """A store that runs: its address, and the keys of its users by name."""

    endpoint: str
    keys: dict[str, tuple[str, str]]

    def place(self, address: str, user: str = "lab") -> ObjectPlace:
        key, secret = self.keys[user]
        return ObjectPlace(uri=address, endpoint=self.endpoint, region="us-east-1", user=key, given=SecretStr(secret))

    def settings(self, secret: Path, user: str = "lab") -> dict[str, str]:
        """Return the settings with which a stack gets in; the file of the secret is written."""
        secret.write_text(f"{self.keys[user][1]}\n", encoding="utf-8")
        secret.chmod(0o600)
        return {"s3_endpoint": self.endpoint, "s3_user": self.keys[user][0], "s3_secret": f"file:{secret}"}


def missing() -> str | None:
    """Return why the tests can't run before somebody asks for them, or None."""
    if all((jar_directory(S3A_JARS) / jar.file_name).exists() for jar in locked(S3A_JARS)) and (environment() / "bin").exists():
        return None
    return "the jars for s3a and the object store are fetched by make test-clusters only"


def environment() -> Path:
    """Return where the store's environment is; another lock has another one."""
    real = Path(os.environ.get("TRENDING_REAL_HOME") or CHECKOUT / ".trending")
    return real / f"object-store-{short_hash(LOCK.read_text(encoding='utf-8'), 8)}"


def _python() -> Path:
    place, complete = environment(), environment() / ".complete"
    python = place / "bin" / "python"
    if not complete.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(place)],
            [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(LOCK)],
        ):
            subprocess.run(command, stdin=subprocess.DEVNULL, timeout=INSTALL_SECONDS, check=True)
        complete.touch()
    return python


@contextmanager
def object_store(port: int) -> Iterator[ObjectStore]:
    """Run a store with the bucket ``lab``."""
    command = [str(_python()), str(SERVER), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdin
        assert server.stdout
        try:
            words = [line.split() for line in iter(server.stdout.readline, "ready\n") if line]
            yield ObjectStore(f"http://127.0.0.1:{port}", {each[0]: (each[1], each[2]) for each in words if len(each) == 3})
        finally:
            server.stdin.close()
            server.wait(10)
