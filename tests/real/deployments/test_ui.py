"""Prefect's UI in a real Chromium: the runs, the form's fields, the artifacts.

With LAB_SCREENSHOTS=docs/screenshots the pages are kept as pictures.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from real.browser import chromium, missing_chromium
from real.conftest import skip_or_fail
from real.served import Served, form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Request
    from real.harness import RealStack

pytestmark = pytest.mark.browser
SLOW_MILLISECONDS = 90_000
"""The UI is a megabyte of script, and the suite keeps both cores busy."""
SETTLED_MILLISECONDS = 1500


@pytest.fixture
def page(served: Served) -> Iterator[Page]:
    """A browser's page that may talk to the server and to nobody else."""
    skip_or_fail("browser", missing_chromium())
    strangers: list[str] = []
    ours = urlsplit(served.url).netloc

    def note(request: Request) -> None:
        asked = urlsplit(request.url)
        if asked.scheme in {"http", "https", "ws", "wss"} and asked.netloc != ours:
            strangers.append(request.url)

    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1440, "height": 1100}, locale="en-GB")
        opened.set_default_timeout(SLOW_MILLISECONDS)
        opened.on("request", note)
        yield opened
    assert strangers == [], "the UI asked another server"


def keep(page: Page, name: str) -> None:
    """Keep a picture where the run asks for them."""
    if place := os.environ.get("LAB_SCREENSHOTS"):
        page.wait_for_timeout(SETTLED_MILLISECONDS)
        page.screenshot(path=Path(place) / f"{name}.png")


def log_in(page: Page, served: Served) -> None:
    """Enter the password that the UI asks for."""
    page.goto(served.url.removesuffix("/api"))
    assert served.server.password is not None
    page.locator("input[type=password]").fill(served.server.password.get_secret_value())
    page.keyboard.press("Enter")
    page.locator("input[type=password]").wait_for(state="detached")


@pytest.mark.row(37, "E")
def test_row_37_the_ui_opens_with_the_password_and_not_with_another(served: Served, page: Page) -> None:
    base = served.url.removesuffix("/api")
    page.goto(f"{base}/deployments")
    page.locator("input[type=password]").fill("trending:wrong")
    page.keyboard.press("Enter")
    page.get_by_text("Authentication failed").first.wait_for()
    log_in(page, served)
    page.goto(f"{base}/deployments")
    page.get_by_text("health-check").first.wait_for()


def test_the_ui_shows_the_form_the_run_and_the_artifacts(served: Served, stack: RealStack, page: Page) -> None:
    up = served.run("start-up/local", form(stack))
    assert up.state_name == "Completed", up.state
    check = served.run("health-check/local", {"name": stack.name})
    base = served.url.removesuffix("/api")
    deployment = served.client.read_deployment_by_name("start-up/local")

    log_in(page, served)

    page.goto(f"{base}/deployments/deployment/{deployment.id}/run")
    for words in (
        "The broker and its surroundings.",
        "JVM heap of each broker, MiB; at least 192, at most 8,192.",
        "The tweet simulator.",
        "Tweets per second; more than 0, at most 1,000,000.",
        "Bring up the stack in strict order, or reconcile one that is there.",
    ):
        page.get_by_text(words).first.wait_for()
    keep(page, "prefect-form")

    page.goto(f"{base}/runs/flow-run/{up.id}")
    page.get_by_text(f"start-up {stack.name}").first.wait_for()
    page.get_by_text("stream: created").first.wait_for()
    keep(page, "prefect-run")

    page.goto(f"{base}/runs/flow-run/{check.id}")
    page.get_by_text(str(check.state_name)).first.wait_for()

    page.goto(f"{base}/artifacts/key/health-{stack.name}")
    page.get_by_text(f"health-{stack.name}").first.wait_for()
    artifact = served.artifacts(f"health-{stack.name}")[0]
    page.goto(f"{base}/artifacts/artifact/{artifact['id']}")
    for words in ("freshness", "cluster", "healthy"):
        page.get_by_text(words).first.wait_for()
    keep(page, "prefect-health")
