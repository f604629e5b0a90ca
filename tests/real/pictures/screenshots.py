"""Take docs/screenshots of a running stack's page: ``make screenshots NAME=…``. Never part of a test run."""

from __future__ import annotations

import os
import sys

from real.browser import chromium, missing_chromium

from infra.host.paths import CHECKOUT
from infra.lab.assembly import open_lab
from trending.errors import LabError, PrerequisiteMissing
from trending.settings import StackSettings

PLACE = CHECKOUT / "docs" / "screenshots"
SHOTS = {
    "page-light-en": (1440, 900, "light", "en-GB", ""),
    "page-dark-es": (1440, 900, "dark", "es-ES", ""),
    "page-phone": (390, 844, "light", "es-ES", ""),
    "page-projector": (1920, 1080, "dark", "en-GB", "?view=projector"),
}
SETTLED_MILLISECONDS = 3000


def take(address: str) -> None:
    """Write every picture of the page at ``address``."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for name, (width, height, scheme, locale, query) in SHOTS.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, locale=locale)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(f"{address}{query}")
            page.wait_for_timeout(SETTLED_MILLISECONDS)
            page.screenshot(path=PLACE / f"{name}.png", full_page=not query)
            context.close()
            sys.stdout.write(f"{PLACE / name}.png\n")


def main() -> int:
    """Take the pictures of the stack that TRENDING_NAME names."""
    try:
        silence = missing_chromium()
        if silence is not None:
            raise PrerequisiteMissing(silence)
        take(open_lab(os.environ.get("TRENDING_NAME") or StackSettings().name).settings.page.address)
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
