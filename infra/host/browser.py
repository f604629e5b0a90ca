"""Screenshots with a browser that this machine already has; nothing is installed and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.host.environment import built_environment

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 40.0
SIZE = (1440, 900)
PROJECTOR = (1920, 1080)
"""Pixels of a window, and of a projector."""


def find_browser() -> str | None:
    """Return the first Chromium on the path, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def take_picture(browser: str, address: str, target: Path, size: tuple[int, int] = SIZE) -> str:
    """Write a PNG of ``size`` pixels of the page at ``address``; returns an empty string, or the reason why there is none.

    The browser uses a temporary profile, which is deleted afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="trending-browser-", ignore_cleanup_errors=True) as profile:
        command = [
            browser,
            "--headless=new",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            # Chromium does not run as root with its sandbox; the page is ours, on loopback.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--user-data-dir={profile}",
            f"--window-size={size[0]},{size[1]}",
            f"--screenshot={target}",
            address,
        ]
        try:
            done = subprocess.run(
                command,
                env=built_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{Path(browser).name}: {type(error).__name__}"
    if done.returncode or not target.is_file():
        return f"{Path(browser).name} terminó con el código {done.returncode}"
    return ""
