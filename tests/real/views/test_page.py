"""The live page in a real Chromium: a real page program over a store that the test writes; no broker and no Spark is needed."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes.trending import counting
from fakes.trending.page import HOSTILE, PageHome
from playwright.sync_api import expect
from real.browser import PageProcess, chromium, missing_chromium
from real.conftest import SLOT, skip_or_fail

from infra.host.processes import free_port
from trending.kafka.rejects import Rejects
from trending.page.program import play
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened
from trending.producer.places.tables import BY_HAND
from trending.programs.refused import note_refused, refused
from trending.serving.counts import Batch
from trending.settings import PageSettings, Rule
from trending.tweets.rule import Reason

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

CUT_OFF = """() => [...document.querySelectorAll('p, dt, dd, th, td, h1, h2, h3, li, a, button, figcaption')]
    .filter((each) => !each.closest('.sr') && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
    .filter((each) => getComputedStyle(each).overflowX === 'hidden' && !each.classList.contains('sr'))
    .map((each) => each.textContent)"""

PATIENCE_MS = 10_000
"""An earlier window is fetched. Once, with a load of 11, it was not there after the 5 s that `expect` waits by itself."""


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
        self.figures: dict[str, float] = {}
        self._thread.start()

    def _beat(self) -> None:
        acknowledged = 0
        while not self._stop.wait(0.2):
            acknowledged += 1
            if self.beating:
                self.home.beat("producer", acknowledged=acknowledged)
                self.home.beat("stream", batch=7, batch_seconds=0.4, trigger_seconds=5.0, **self.figures)

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
    made = PageProcess(living.home.spec(settings=settings, ledgers=(living.home.root / "ledger.sqlite",)))
    made.start()
    yield made
    assert made.stop() in {0, -9}, made.log()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(locale="en-GB")
    made.set_default_timeout(PATIENCE_MS)
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


def type_by_hand(living: Living, text: str) -> None:
    """Do what ``make tweet`` does once the broker has acknowledged it, at an offset that is not counted yet."""
    run = f"hand {text}"
    tweet = json.dumps({"texto": text, "hashtag_principal": text.rsplit(maxsplit=1)[-1]})
    with closing(LedgerWriter(living.home.root / "ledger.sqlite", run, counting.TOPIC_ID)) as writer:
        writer.reserve(1)
        writer.acknowledge(0, 0, 3, time.time(), text.rsplit(maxsplit=1)[-1])
    row = {"run": run, "sent_at": f"{time.time():.3f}", "tweet": tweet}
    with closing(opened(living.home.root / "ledger.sqlite")) as ledger:
        ledger.write(lambda transaction: transaction.execute(BY_HAND.insert().values(row)))


SLOW_MS = 500
SLOW_BODIES = """([start, delay]) => {
  const { json } = Response.prototype;
  Response.prototype.json = async function () {
    const body = await json.call(this);
    if (this.url.endsWith(`/past/${start}`)) await new Promise((resolve) => setTimeout(resolve, delay));
    return body;
  };
}"""


AT_REST = """async () => {
  for (let moving; (moving = document.getAnimations()).length; ) await Promise.allSettled(moving.map((each) => each.finished));
}"""


def hashtags(page: Page) -> list[str]:
    return page.locator("#rows bdi").all_text_contents()


def wait_at_rest(page: Page) -> None:
    """What is on its way lies half over others, and fades in: its contrast is not that of the page."""
    page.evaluate(AT_REST)


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


def test_a_row_removed_from_the_store_turns_the_proof_red_at_the_next_look(page: Page, living: Living) -> None:
    writer = LedgerWriter(living.home.root / "ledger.sqlite", "run", counting.TOPIC_ID)
    writer.reserve(100)
    writer.acknowledge_unplaced(range(37), 0, 0, 1)
    writer.acknowledge_run(range(37, 40), 0, 2)
    writer.close()
    strip = page.locator("#proof")
    expect(strip).to_have_attribute("data-state", "holds")
    for name, figure in {"acknowledged": "40", "counted": "37", "in_flight": "3"}.items():
        expect(page.locator(f"#proof-{name}")).to_have_text(figure)
    expect(page.locator("#proof-lost")).to_have_text("No audit has proved yet that nothing is lost: make audit.")
    with closing(sqlite3.connect(living.home.path)) as connection, connection:
        connection.execute("DELETE FROM ranking WHERE hashtag = '#BigData'")
    expect(strip).to_have_attribute("data-state", "missing")
    expect(page.locator("#proof-verdict")).to_have_text("5 fewer counted than acknowledged: make audit says which.")


def test_late_tweets_fall_from_the_ribbon_into_the_dead_letters_with_their_reason(page: Page, living: Living) -> None:
    expect(page.locator("#axis g")).to_have_count(5)
    expect(page.locator("#axis g[data-stage=open]")).to_have_count(1)
    expect(page.locator("#axis g[data-stage=final]")).to_have_count(0)
    expect(page.locator("#refused")).to_contain_text("None so far.")
    now = time.time()
    living.figures = {"read_until": now, "watermark": now - 65.0}
    expect(page.locator("#axis g[data-stage=final]").first).to_be_attached()
    expect(page.locator("#watermark-line")).to_have_attribute("visibility", "visible")
    now_at, behind = (
        float((page.locator(f"#{name}-line").get_attribute("x1") or "").rstrip("%")) for name in ("now", "watermark")
    )
    assert 15 < now_at - behind < 30, "about 65 of 300 seconds"
    page.evaluate(COUNT_ANIMATIONS)
    value = json.dumps({"usuario": "@a", "hashtag_principal": "#Tarde", "timestamp": now - 150}).encode()
    note_refused(living.home.root / "refused.json", [refused(0, 9, Reason.LATE, now, value)])
    living.home.write(living.minute, {"#Spark": 4}, rejects=(Rejects.of(0, Reason.LATE, [9]),))
    expect(page.locator("#refused-list li")).to_contain_text("#Tarde late: its window closed before it was appended")
    expect(page.locator("#refused-list li")).to_contain_text("partition 0, offset 9")
    expect(page.locator("#reasons")).to_have_text("1 late: its window closed before it was appended")
    assert page.evaluate("window.moved") >= 1


def test_a_tweet_typed_by_hand_is_followed_along_the_pipeline(page: Page, living: Living) -> None:
    expect(page.locator("#by-hand")).to_be_hidden()
    type_by_hand(living, "<b>hola</b> #Clase")
    typed = page.locator("#by-hand-list li")
    expect(typed).to_contain_text("<b>hola</b> #Clase")
    expect(typed).to_contain_text("in Kafka, waiting for the next batch · partition 0, offset 3")
    expect(page.locator("[data-chips=kafka] .chip.hand")).to_have_text("#Clase")
    expect(page.locator("[data-p='kafka.backlog']")).to_have_text("1")
    expect(page.locator("#backlog")).to_have_attribute("height", "100")
    living.write(Spark=4)
    living.write(Spark=5)
    expect(typed).to_contain_text("counted · partition 0, offset 3")
    expect(page.locator("[data-chips=store] .chip.hand")).to_have_text("#Clase")
    expect(page.locator("#backlog")).to_have_attribute("height", "0")


def test_a_dead_stage_goes_red_and_says_who_brings_it_back(page: Page, living: Living) -> None:
    expect(page.locator("#trigger-in")).to_have_text(re.compile(r"^in [1-5] seconds?$"))
    gone = subprocess.Popen(["/bin/true"])
    gone.wait(10)
    living.beating = False
    time.sleep(0.5)
    living.home.beat("stream", pid=gone.pid)
    spark = page.locator("[data-stage-of=spark]")
    expect(spark).to_have_attribute("data-is", "dead")
    expect(spark.locator(".back")).to_contain_text("supervisord starts it again at once")
    expect(page.locator("#trigger")).to_be_hidden()
    living.beating = True
    expect(spark).to_have_attribute("data-is", "well")
    expect(spark.locator(".back")).to_be_hidden()
    expect(page.locator("#bands rect[data-state=well]").first).to_be_attached()


def test_the_recording_of_the_page_plays_with_pause_slider_and_ten_times_as_fast(
    page: Page, context: BrowserContext, program: PageProcess, living: Living, tmp_path: Path
) -> None:
    living.write(Spark=30)
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")
    page.wait_for_timeout(3000)
    living.write(IA=40)
    expect(page.locator("#rows tr").first).to_contain_text("#IA")
    recording = tmp_path / "events.jsonl.gz"
    recording.write_bytes(context.request.get(f"{program.address}recording").body())
    settings = PageSettings(page_port=free_port(FIRST_PORT + 20, 1))
    stop = threading.Event()
    player = threading.Thread(target=play, args=(living.home.spec(settings=settings), recording, stop))
    player.start()
    try:
        played = context.new_page()
        complaints: list[str] = []
        played.on("pageerror", lambda error: complaints.append(str(error)))
        played.goto(settings.address)
        expect(played.locator("#played-at")).to_have_text(re.compile(r"^0:0\d / 0:\d\d$"))
        expect(played.locator("#lost")).to_be_hidden()
        played.select_option("#speed", "10")
        expect(played.locator("#rows tr").first).to_contain_text("#IA")
        expect(played.locator("#play")).to_have_text("Resume")
        played.select_option("#speed", "1")
        played.locator("#position").fill("0")
        expect(played.locator("#rows tr").first).to_contain_text("#BigData")
        played.click("#play")
        expect(played.locator("#rows tr").first).to_contain_text("#Spark")
        played.click("#play")
        stands = played.locator("#played-at").text_content()
        played.wait_for_timeout(700)
        assert played.locator("#played-at").text_content() == stands
        assert Axe().run(played).violations_count == 0
        played.goto(f"{settings.address}?view=projector")
        for control in ("#play", "#position", "#speed"):
            expect(played.locator(control)).to_be_visible()
        assert complaints == []
    finally:
        stop.set()
        player.join(10)


@pytest.mark.parametrize("language", ["en-GB", "es-ES"])
def test_the_projectors_view_has_eight_rows_ribbon_and_pipeline_on_one_screen(
    language: str, browser: Browser, program: PageProcess, living: Living
) -> None:
    living.home.write(living.minute, {f"#RealTime{number}": 50 - number for number in range(12)})
    now = time.time()
    living.figures = {"read_until": now, "watermark": now - 65.0}
    late = [refused(0, offset, Reason.LATE, now, b'{"hashtag_principal":"#Tarde","timestamp":1}') for offset in range(5)]
    note_refused(living.home.root / "refused.json", late)
    type_by_hand(living, "hola #Clase")
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale=language)
    page = context.new_page()
    page.goto(f"{program.address}?view=projector")
    expect(page.locator("#by-hand-list li")).to_be_visible()
    expect(page.locator("#rows tr:visible")).to_have_count(8)
    for part in ("#ribbon", "#pipeline", "#proof"):
        assert page.locator(part).is_visible()
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size[0] <= 1920
    assert size[1] <= 1080
    expect(page.locator("#refused-list li")).to_have_count(5)
    wait_at_rest(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    with page.expect_navigation():
        page.click("nav a:has-text('dark'), nav a:has-text('oscuros')")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert "view=projector" in page.url
    context.close()


def test_text_at_200_percent_stays_whole_and_forced_colours_show_everything(
    browser: Browser, program: PageProcess, living: Living
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, forced_colors="active")
    page = context.new_page()
    page.goto(program.address)
    usual = float(page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)"))
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert float(page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")) > 1.7 * usual
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    cut = page.evaluate(CUT_OFF)
    assert cut == []
    assert page.evaluate("getComputedStyle(document.querySelector('.bar rect')).fill") != "none"
    context.close()


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
    type_by_hand(living, "hola #Quieta")
    expect(page.locator(".chip.hand")).to_have_text("#Quieta")
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
    for _tab in range(20):
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
    expect(page.locator("#trends-title")).to_have_text("The last windows, 10 seconds at a time")
    expect(page.locator("#window-hint")).to_contain_text(re.compile("^Its 10 seconds are "))
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
    expect(page.locator("#rows tr")).to_have_count(1, timeout=PATIENCE_MS)
    expect(page.locator("#ranking-title")).to_have_text("Ranking of the window")
    store.take_over(counting.epoch("long", rule=Rule(window_seconds=600)))
    counting.write(store, "long", Batch(0, time.time(), {(living.minute // 600 * 600, "#long"): 3}, {}))
    expect(page.locator("#slide-title")).to_have_text("The last window alone")
    expect(page.locator("#slide-hint")).to_have_text("One window covers five minutes; the view moves on with the next.")


def test_an_earlier_window_whose_first_answer_was_an_error_is_asked_for_again(page: Page, living: Living) -> None:
    """It stayed away until the next update, which a lab at rest never sends."""
    page.route("**/past/*", lambda route: route.abort(), times=1)
    page.select_option("#window", str(living.minute - 180))
    expect(page.locator("#rows tr").first).to_contain_text("#old", timeout=PATIENCE_MS)
    assert hashtags(page) == ["#old", "#ärger"]


def test_an_answer_that_comes_late_does_not_take_the_place_of_the_window_chosen_since(page: Page, living: Living) -> None:
    """Its head came before the choice and its body after: the page showed that window for ever, under the other's name."""
    page.evaluate(SLOW_BODIES, [living.minute - 180, SLOW_MS])
    with page.expect_response("**/past/*"):
        page.select_option("#window", str(living.minute - 180))
    page.select_option("#window", str(living.minute - 60))
    expect(page.locator("#rows tr").first).to_contain_text("#Spark")
    page.wait_for_timeout(2 * SLOW_MS)
    assert hashtags(page) == ["#Spark", "#IA", "#Flink"]


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
    with page.expect_navigation():
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
    wait_at_rest(page)
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
