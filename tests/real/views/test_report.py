"""The report of a real stack: figures equal to the audit's, files that need nothing else, a recorded store without a broker."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes.trending import counting
from fakes.trending.shown import pdf_pages, take_apart
from real.browser import chromium, missing_chromium
from real.conftest import new_stack, skip_or_fail
from real.harness import CLEAN

from infra.host.processes import free_port
from trending.report.data import Report
from trending.report.slides import slides
from trending.serving.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser
    from real.harness import RealStack


class Reported(NamedTuple):
    """A stack that runs, the report that was made of it, and what the command said."""

    stack: RealStack
    place: Path
    said: str

    @property
    def data(self) -> Report:
        return Report.model_validate_json((self.place / "datos.json").read_bytes())

    @property
    def leader(self) -> str:
        return max(self.data.measured.minutes, key=lambda minute: minute.stream).leaders[0].hashtag


@pytest.fixture(scope="module")
def reported(real_home: Path) -> Iterator[Reported]:
    os.environ["TRENDING_HOME"] = str(real_home)
    stack, place = new_stack(), real_home / "reported"
    stack.up()
    stack.wait_progress()
    yield Reported(stack, place, stack.command("report", f"--name={stack.name}", f"--out={place}"))
    os.environ["TRENDING_HOME"] = str(real_home)
    stack.down()
    stack.assert_nothing_left()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Skip without Chromium, unless TRENDING_REQUIRE names browser: then fail."""
    skip_or_fail("browser", missing_chromium())
    with chromium() as launched:
        yield launched


def test_the_figures_are_those_of_the_audit_the_store_and_the_stack(reported: Reported) -> None:
    data, audit = reported.data, reported.data.measured.audit
    headline = CLEAN.search(reported.said)
    assert headline, reported.said
    assert [audit.acknowledged, audit.in_log, audit.counted] == [int(headline.group(number)) for number in (1, 2, 3)]
    assert audit.lines[-1] == headline.group(0)
    store = Store(reported.place / "serving.sqlite")
    counts = counting.counts(store)
    store.close()
    assert data.measured.totals.tweets == sum(counts.values()) == audit.counted > 0
    assert data.measured.totals.differing == 0
    assert {(minute.start, line.hashtag): line.batch for minute in data.measured.minutes for line in minute.leaders} == counts
    tweet, ages = data.measured.tweet, data.measured.stream.ages
    assert tweet is not None
    assert ages is not None
    assert tweet.sent <= tweet.appended + 0.5
    assert 0 < ages.median <= ages.longest < 60
    assert data.measured.stream.batches
    assert data.measured.blocks
    assert [each.name for each in data.facts.components] == ["kafka", "producer", "stream", "page"]
    assert data.facts.start_up is not None
    assert {step.outcome for step in data.facts.start_up.steps} >= {"created"}
    assert bool(data.photo) is (missing_chromium() is None)
    reported.stack.wait_progress()  # it goes on as it was


def test_the_pdf_has_every_slide_and_the_leading_hashtag(reported: Reported) -> None:
    pages = pdf_pages((reported.place / "diapositivas.pdf").read_bytes())
    assert len(pages) == len(slides(reported.data))
    assert reported.leader in "".join(pages)
    assert str(reported.data.measured.audit.acknowledged) in "".join(pages)


def test_memoria_slides_and_notes_are_there_in_both_languages_with_prefects_runs(reported: Reported) -> None:
    data = reported.data
    assert data.runs
    assert data.runs[0].name == f"start-up {reported.stack.name}"
    assert data.runs[0].state == "Completed"
    counted = str(data.measured.audit.counted)
    for name in ("memoria.pdf", "en/report.pdf", "en/slides.pdf"):
        words = "".join(pdf_pages((reported.place / name).read_bytes()))
        assert counted in words.replace(",", "")
        assert reported.leader in words
        assert data.runs[0].name in words
    assert len(pdf_pages((reported.place / "notas.pdf").read_bytes())) > 1


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["informe.html", "diapositivas.html"])
def test_in_a_browser_it_asks_nobody_complains_of_nothing_and_axe_is_content(
    name: str, scheme: str, reported: Reported, browser: Browser
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 720})  # type: ignore[arg-type]
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None)
    address = (reported.place / name).as_uri()
    page.goto(address)
    assert reported.leader in page.content()
    shown = len(slides(reported.data)) if name == "diapositivas.html" else 1
    for _slide in range(shown):
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        # Axe is evaluated by the debugger, which the policy does not bind.
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.keyboard.press("ArrowRight")
    assert complaints == []
    assert [url for url in asked if url != address and not url.startswith("data:")] == []
    context.close()


@pytest.mark.browser
def test_the_slides_are_turned_by_the_keyboard(reported: Reported, browser: Browser) -> None:
    page = browser.new_page()
    page.goto((reported.place / "diapositivas.html").as_uri() + "#nowhere")
    last = len(slides(reported.data))
    assert page.locator(".slide:visible").count() == 1
    for key, expected in (
        ("ArrowRight", 2),
        (" ", 3),
        ("ArrowLeft", 2),
        ("End", last),
        ("ArrowDown", last),
        ("Home", 1),
        ("ArrowUp", 1),
    ):
        page.keyboard.press(key)
        assert page.locator("#place").text_content() == f"{expected} / {last}"
        assert [each.get_attribute("id") for each in page.locator(".slide:visible").all()] == [f"d{expected}"]
    page.goto((reported.place / "diapositivas.html").as_uri() + "#4")
    page.reload()
    assert page.locator("#d4").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".slide:visible").count() == last
    page.close()


def test_the_plan_for_a_failed_demo_works_with_no_broker_at_all(reported: Reported) -> None:
    reported.stack.down()
    reported.stack.assert_nothing_left()
    plan = take_apart((reported.place / "informe.html").read_text(encoding="utf-8")).text
    recorded = reported.place / "serving.sqlite"
    assert f"make replay-demo STORE={recorded}" in plan
    before = hashlib.sha256(recorded.read_bytes()).hexdigest()
    port = free_port(reported.stack.page_port, 1)
    replay = reported.stack.start("replay_demo", f"--store={recorded}", f"--page_port={port}")
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                page = httpx.get(f"http://localhost:{port}/", headers={"Accept-Language": "es"}).text
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        replay.terminate()
        replay.communicate(timeout=20)
    assert f'<bdi data-f="shown">{reported.leader}</bdi>' in page
    assert "Un almacén grabado" in page
    assert "sin grabar" in page
    assert "En directo</option>" not in page
    assert hashlib.sha256(recorded.read_bytes()).hexdigest() == before
