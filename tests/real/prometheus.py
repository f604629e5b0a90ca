"""Debian's Prometheus on a port and in a directory of the test's own; the package's service is left alone."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from infra.observability.placing import SOURCE, place_files

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 60.0


def missing_prometheus() -> str | None:
    """Return why there is no Prometheus, or None."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return f"there is no {' and no '.join(missing)}: apt-get install --no-install-recommends prometheus" if missing else None


def promtool(*arguments: str, given: str | None = None) -> str:
    """Run promtool, require that it found nothing to complain of, return what it said."""
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alert_rules() -> list[dict[str, Any]]:
    """Return the alert rules as the file has them."""
    found: list[dict[str, Any]] = yaml.safe_load((SOURCE / "rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    return found


def place_quick_files(place: Path, stacks: dict[str, str]) -> None:
    """Write the files as ``make observe`` does, but for a scrape and an evaluation every second."""
    place_files(place, stacks)
    config = yaml.safe_load((place / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (place / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")


class PrometheusProcess:
    """One Prometheus over a configuration directory."""

    def __init__(self, place: Path, port: int) -> None:
        self._place, self._port = place, port
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{port}"
        self._client = httpx.Client(base_url=self.address, timeout=10)

    def start(self) -> None:
        command = [
            "prometheus",
            f"--config.file={self._place / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._place / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]
        with (self._place / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=self._place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of the HTTP API; it must be a success."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
        content = answer.json()
        assert content["status"] == "success", content
        assert not content.get("warnings"), content
        return content["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def stop(self) -> None:
        self._client.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def log(self) -> str:
        return (self._place / "prometheus.log").read_text(encoding="utf-8")
