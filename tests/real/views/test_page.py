"""The live page in a real Chromium: a real page program over a store that the test writes; no broker and no Spark is needed."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes.trending import counting
from fakes.trending.page import HOSTILE, PageHome
from playwright.sync_api import expect
from real.browser import PageProcess, chromium, missing_chromium
from real.conftest import SLOT, skip_or_fail

from infra.host.processes import free_port
from trending.serving.counts import Batch
from trending.settings import PageSettings, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser
FIRST_PORT = 18600 + SLOT * 100
SIZES = {"phone": (360, 740), "laptop": (1280, 800), "projector": (1920, 1080)}

COUNT_ANIMATIONS = """() => {
    const animate = Element.prototype.animate;
    window.moved = 0;
    Element.prototype.animate = function (...given) { window.moved += 1; return animate.apply(this, given); };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Skip without Chromium, unless TRENDING_REQUIRE names browser: then fail."""
    skip_or_fail("browser", missing_chromium())
    with chromium() as launched:
        yield launched


class Living:
    """A store whose present window grows, with heartbeats that are fresh for as long as the test wants them to be."""

    def __init__(self, home: PageHome) -> None:
        self.home = home
        self.minute = int(time.time()) // 60 * 60
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self.beating = True
        self._thread.start()

    def _beat(self) -> None:
        acknowledged = 0
        while not self._stop.wait(0.2):
            acknowledged += 1
            if self.beating:
                self.home.beat("producer", acknowledged=acknowledged)
                self.home.beat("stream", batch=7, batch_seconds=0.4)

    def write(self, **counts: int) -> None:
        self.home.write(self.minute, {f"#{name}": tweets for name, tweets in counts.items()})

    def end(self) -> None:
        self._stop.set()
        self._thread.join(5)


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Living]:
    home = PageHome(tmp_path)
    made = Living(home)
    home.write(made.minute - 180, {"#old": 9, "#ärger": 4}, at=made.minute - 120.0)
    home.write(made.minute - 60, {"#Spark": 9, "#IA": 4, "#Flink": 2}, at=float(made.minute))
    made.write(BigData=5, Spark=3, IA=1)
    yield made
    made.end()
    home.close()


@pytest.fixture
def program(living: Living) -> Iterator[PageProcess]:
    settings = PageSettings(page_port=free_port(FIRST_PORT, 1))
    made = PageProcess(living.home.spec(settings=settings))
    made.start()
    yield made
    assert made.stop() in {0, -9}, made.log()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(locale="en-GB")
    made.set_default_timeout(10_000)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, program: PageProcess) -> Iterator[Page]:
    """The page, open; at the end nothing may have gone wrong in its console."""
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(program.address)
    yield opened
    assert [each for each in complaints if "net::ERR" not in each] == []


def hashtags(page: Page) -> list[str]:
    return page.locator("#rows bdi").all_text_contents()


def test_the_ranking_moves_when_the_store_changes(page: Page, living: Living) -> None:
    assert hashtags(page) == ["#BigData", "#Spark", "#IA"]
    page.evaluate(COUNT_ANIMATIONS)
    living.write(Spark=30)
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")
    expect(page.locator("#rows tr").first.locator("[data-f=tweets]")).to_have_text("30")
    expect(page.locator("#rows tr").first.locator("[data-f=bar]")).to_have_attribute("width", "100%")
    assert hashtags(page) == ["#Spark", "#BigData", "#IA"]
    assert page.evaluate("window.moved") == 2, "the two rows that changed places"
    expect(page.locator("#window-status")).to_have_text(re.compile("open|closing"))
    expect(page.locator("#announcement")).to_contain_text("#BigData leads with 5 tweets")


def test_trends_and_the_last_five_minutes_move_with_the_store(page: Page, living: Living) -> None:
    expect(page.locator("#slide-rows tr:visible")).to_have_count(6)
    expect(page.locator("#slide-rows tr").first).to_contain_text("#Spark")
    expect(page.locator("#rows tr").first.locator("[data-f=score]")).to_have_text("\u2013")
    for ago in range(4, 11):
        living.home.write(living.minute - 60 * ago, {"#Spark": 9})
    living.write(Spark=300)
    expect(page.locator("#slide-rows tr").first.locator(".count span")).to_have_text("318")  # of four windows ago, one ago, now
    expect(page.locator("#slide-tweets")).to_have_text("343")
    leader = page.locator("#rows tr").first.locator("[data-f=score]")
    expect(leader).to_have_text(re.compile(r"^\+\d+\.\d$"))
    expect(leader).to_have_class("up")


def test_nobody_who_wants_less_motion_sees_any(browser: Browser, program: PageProcess, living: Living) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(program.address)
    page.evaluate("() => { Element.prototype.animate = () => { throw new Error('it moved') } }")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    living.write(Spark=30)
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")
    assert errors == []
    assert page.evaluate("getComputedStyle(document.querySelector('.bar rect')).transitionProperty") == "none"
    context.close()


def test_a_server_that_dies_is_told_and_the_page_recovers_by_itself(page: Page, program: PageProcess, living: Living) -> None:
    lost = page.locator("#lost")
    expect(lost).to_be_hidden()
    program.kill()
    expect(lost).to_be_visible()
    expect(lost).to_contain_text("No connection")
    assert hashtags(page) == ["#BigData", "#Spark", "#IA"], "what was known stays on show"
    living.write(IA=99)
    program.start()
    expect(lost).to_be_hidden()
    expect(page.locator("#rows tr").first).to_contain_text("#IA")


def test_a_stream_that_is_silent_makes_the_page_stale_until_it_speaks_again(page: Page, living: Living) -> None:
    stale = page.locator("#stale")
    expect(stale).to_be_hidden()
    living.beating = False
    expect(stale).to_be_visible(timeout=20_000)
    expect(stale).to_have_text(re.compile(r"Stale since \d\d:\d\d:\d\d"))
    expect(page.locator("[data-health=spark]")).to_have_text("silent")
    living.beating = True
    expect(stale).to_be_hidden()


@pytest.mark.row(22)
def test_hostile_hashtags_are_text(page: Page, living: Living) -> None:
    living.home.write(living.minute, dict.fromkeys(HOSTILE, 40))
    expect(page.locator("#rows bdi", has_text="<img")).to_have_text(HOSTILE[0])
    page.reload()
    expect(page.locator("#rows bdi", has_text="<img")).to_have_text(HOSTILE[0])
    assert page.locator("img").count() == 0
    assert page.title() == "Trending now · lab"
    assert "#\\u202eevil" in hashtags(page)
    assert "{{ 7 * 7 }}" in hashtags(page)


def test_nothing_is_fetched_from_another_host(context: BrowserContext, program: PageProcess) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(program.address)
    expect(page.locator("#rows tr")).to_have_count(3)
    page.select_option("#window", index=1)
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")
    assert len(asked) >= 4
    assert [url for url in asked if not url.startswith(program.address)] == []


def test_the_keyboard_alone_pauses_and_goes_on(page: Page, living: Living) -> None:
    for _tab in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "pause":
            break
    page.keyboard.press("Space")
    expect(page.locator("#pause")).to_have_text("Resume")
    expect(page.locator("#paused")).to_be_visible()
    living.write(Spark=30)
    page.wait_for_timeout(1000)
    assert hashtags(page) == ["#BigData", "#Spark", "#IA"]
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")
    expect(page.locator("#paused")).to_be_hidden()


def test_an_earlier_window_stays_on_show_until_somebody_goes_back_to_live(page: Page, living: Living) -> None:
    page.select_option("#window", str(living.minute - 180))
    expect(page.locator("#rows tr").first).to_contain_text("#old")
    expect(page.locator("#csv")).to_have_attribute("href", f"/windows/{living.minute - 180}.csv")
    assert f"window={living.minute - 180}" in page.url
    living.write(Spark=30)
    page.wait_for_timeout(1000)
    assert hashtags(page) == ["#old", "#ärger"]
    with page.expect_download() as download:
        page.click("#csv")
    assert "#ärger" in download.value.path().read_text(encoding="utf-8")
    page.reload()
    assert hashtags(page) == ["#old", "#ärger"]
    page.select_option("#window", "")
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")


def test_an_open_page_takes_up_windows_of_another_length_and_keeps_the_minutes_apart(page: Page, living: Living) -> None:
    expect(page.locator("#ranking-title")).to_have_text("Ranking of the minute")
    store = living.home.store
    store.take_over(counting.epoch("tens", rule=Rule(window_seconds=10)))
    ten = living.minute - 60
    rows = {(start, "#ten"): 7 for start in (ten, ten + 10)}
    counting.write(store, "tens", Batch(0, time.time(), rows, {}))
    expect(page.locator("#ranking-title")).to_have_text("Ranking of the window")
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#trends-title")).to_have_text("The last windows, 10 s at a time")
    expect(page.locator("#window-hint")).to_contain_text(re.compile("^Its 10 s are "))
    expect(page.locator("#slide-title")).to_have_text("The last five minutes")
    expect(page.locator("#slide-rows tr:visible")).to_have_count(1)
    expect(page.locator("#slide-rows tr").first.locator(".count span")).to_have_text("14")
    expect(page.locator("#slide-since")).to_have_text(re.compile(r"^Counted this way only since \d\d:\d\d:00\.$"))
    earlier = f"{living.minute}?rule=arrival-60"
    page.select_option("#window", earlier)
    expect(page.locator("#ranking-title")).to_have_text("Ranking of the minute")
    assert hashtags(page) == ["#BigData", "#Spark", "#IA"]
    with page.expect_download() as download:
        page.click("#csv")
    assert "#BigData" in download.value.path().read_text(encoding="utf-8")
    page.reload()
    assert page.input_value("#window") == earlier
    assert hashtags(page) == ["#BigData", "#Spark", "#IA"]
    page.select_option("#window", str(ten))
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(page.locator("#ranking-title")).to_have_text("Ranking of the window")
    store.take_over(counting.epoch("long", rule=Rule(window_seconds=600)))
    counting.write(store, "long", Batch(0, time.time(), {(living.minute // 600 * 600, "#long"): 3}, {}))
    expect(page.locator("#slide-title")).to_have_text("The last window alone")
    expect(page.locator("#slide-hint")).to_have_text("One window covers five minutes; the view moves on with the next.")


def test_the_live_ranking_does_not_flash_up_while_an_earlier_window_is_on_its_way(page: Page, living: Living) -> None:
    page.route("**/past/*", lambda _route: None)  # it never comes
    page.goto(f"{page.url}?window={living.minute - 180}")
    assert hashtags(page) == ["#old", "#ärger"]
    living.write(Spark=30)
    page.wait_for_timeout(1000)
    assert hashtags(page) == ["#old", "#ärger"]


def test_without_script_there_is_a_ranking_all_the_same(browser: Browser, program: PageProcess, living: Living) -> None:
    context = browser.new_context(java_script_enabled=False, locale="es-ES")
    page = context.new_page()
    page.goto(program.address)
    assert hashtags(page) == ["#BigData", "#Spark", "#IA"]
    page.select_option("#window", str(living.minute - 180))
    page.get_by_role("button", name="Mostrar").click()
    assert hashtags(page) == ["#old", "#ärger"]
    context.close()


@pytest.mark.parametrize("language", ["en-GB", "es-ES"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_about(
    scheme: str, language: str, browser: Browser, program: PageProcess, living: Living
) -> None:
    context = browser.new_context(locale=language, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(program.address)
    living.write(Spark=30)
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")
    page.wait_for_timeout(600)  # rows on their way would be half over others
    for banner in (False, True):
        if banner:
            page.evaluate("for (const each of document.querySelectorAll('.banner')) each.hidden = false")
            page.click("#pause")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    context.close()


@pytest.mark.parametrize("size", SIZES)
def test_nothing_sticks_out_from_phone_to_projector(size: str, browser: Browser, program: PageProcess, living: Living) -> None:
    width, height = SIZES[size]
    living.home.write(living.minute, {"#" + "Donaudampfschifffahrt" * 10: 90})
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(program.address)
    expect(page.locator("#rows tr").first).to_contain_text("#Donau")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#pause").is_visible()
    font = float(page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)"))
    assert font >= (20 if size == "projector" else 15)
    context.close()
