"""Make the README's moving picture, ``make moving-picture``: the shipped recording, played in a real browser. No test runs it.

The recording is of a real run (docs/recorded/README.md). The frames are put together by ImageMagick's ``convert``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from real.browser import chromium, missing_chromium

from infra.forms.showing import RECORDING
from infra.host.paths import CHECKOUT
from infra.host.processes import free_port
from trending.errors import LabError, NotReady, PrerequisiteMissing

TARGET = CHECKOUT / "docs" / "screenshots" / "page-moving.gif"
SIZE = {"width": 1920, "height": 1080}
SHOWN = {"width": 1920, "height": 910}
WIDTH = 880
"""Pixels of the browser's window, of what is shown of it, and how wide the picture is."""
FIRST, LAST, EACH = 176, 299, 3
"""Seconds of the recording: a hashtag overtakes, the broker is killed at 200 and comes back, an audit finds nothing lost."""
CENTISECONDS = 45
COLOURS = 48
SETTLED_MILLISECONDS = 250
START_SECONDS = 20
_SEEK = "(to) => { const at = document.getElementById('position'); at.value = to; at.dispatchEvent(new Event('input')); }"


def take(address: str, place: Path) -> list[Path]:
    """Write the frames of the recording that is played at ``address``."""
    frames = []
    with chromium() as browser:
        page = browser.new_context(viewport=SIZE, color_scheme="dark", locale="en-GB").new_page()  # type: ignore[arg-type]
        page.goto(f"{address}?lang=en&view=projector")
        page.locator("#position:not([max='1'])").wait_for()  # its length is known once the recording is here
        page.click("#play")
        for second in range(FIRST, LAST, EACH):
            page.evaluate(_SEEK, second)
            page.wait_for_timeout(SETTLED_MILLISECONDS)
            frames.append(place / f"{second:04}.png")
            page.screenshot(path=frames[-1], clip={"x": 0, "y": 0, **SHOWN})  # type: ignore[arg-type]
    return frames


def put_together(frames: list[Path], convert: str) -> None:
    """Write the moving picture."""
    command = [convert, "-delay", str(CENTISECONDS), "-loop", "0", *map(str, frames), "-resize", f"{WIDTH}x"]
    subprocess.run([*command, "+dither", "-colors", str(COLOURS), "+remap", "-layers", "Optimize", str(TARGET)], check=True)


def main() -> int:
    """Play the recording on a free port, photograph it, write the picture."""
    try:
        if silence := missing_chromium():
            raise PrerequisiteMissing(silence)
        convert = shutil.which("convert")
        if convert is None:
            cause = "ImageMagick's convert is not here"
            raise PrerequisiteMissing(cause, "looked for it on the path", "apt-get install --no-install-recommends imagemagick")
        port = free_port(28600, 1)
        command = [sys.executable, "-m", "infra.commands.recordings.play", f"--recording={RECORDING}", f"--page-port={port}"]
        with (
            tempfile.TemporaryDirectory(prefix="trending-frames-") as place,
            subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as player,
        ):
            try:
                assert player.stdout is not None
                if "is played at" not in player.stdout.readline():
                    cause = "the recording is not played"
                    raise NotReady(cause, f"exit code {player.wait(START_SECONDS)}", "make replay-demo")
                put_together(take(f"http://127.0.0.1:{port}/", Path(place)), convert)
            finally:
                player.terminate()
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{TARGET}, {TARGET.stat().st_size // 1024} KiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
