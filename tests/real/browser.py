"""A real Chromium and a real page program, for tests and for the command that takes the screenshots."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from infra.operations.page import ask_whose
from trending.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from trending.programs.specifications import PageSpec

CHROMIUM = Path("/usr/bin/chromium")
"""Debian's; Playwright's own download comes from a host that no registry serves."""
START_SECONDS = 30.0


def missing_chromium() -> str | None:
    """Return why there is no browser, or None."""
    return None if os.access(CHROMIUM, os.X_OK) else f"there is no {CHROMIUM}: apt-get install chromium"


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class PageProcess:
    """The page program as a process of its own, which can be killed and started again."""

    def __init__(self, spec: PageSpec) -> None:
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return self._spec.settings.address

    def start(self) -> None:
        path = self._spec.heartbeat.with_name("page.spec.json")
        path.write_text(self._spec.model_dump_json(), encoding="utf-8")
        with self._spec.heartbeat.with_name("page.log").open("ab") as log:
            command = [sys.executable, "-m", "trending.page", str(path)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                assert ask_whose(self._spec.settings.page_port) == self._spec.stack_id
            except NotReady:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """End it as the kernel would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """End it as supervisord would; returns the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self._process.wait(10)

    def log(self) -> str:
        return self._spec.heartbeat.with_name("page.log").read_text(encoding="utf-8")
