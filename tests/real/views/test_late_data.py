"""The ready scenario ``late-data`` on a real stack: page, console and audit show which tweets were refused and why, and agree."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from real.browser import chromium, missing_chromium
from real.conftest import skip_or_fail
from real.harness import plain

from flows import audit
from infra.supervision.programs import STREAM
from trending.kafka.log_reader import read_places
from trending.programs.refused import NAME, read_refused
from trending.serving.reader import StoreReader
from trending.simulator.loading import load_scenario
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from real.harness import RealStack

    from trending.audit.audit_report import AuditReport

pytestmark = pytest.mark.browser
TOPIC = "tweets_topic"
BEGINS_SECONDS = 90
"""The scenario begins with the next whole minute, and its first late tweets are in the batch after that."""
AGREED_SECONDS = 30
"""The strip is amber where more than 15 s of tweets are in flight, as for a moment on a busy machine."""
FALLEN = 2
LISTED = re.compile(r"partition (\d+), offset (\d+)")
WHICH = r"#\S+ of @\S+ \(partition 0, offset \d+\)"
WATCH_FALLING = """() => {
    const animate = Element.prototype.animate;
    window.fell = 0;
    Element.prototype.animate = function (...given) {
        if (this.closest('#refused-list')) window.fell += 1;
        return animate.apply(this, given);
    };
}"""


def number_of(page: Page, part: str) -> int:
    """Return a figure of the page."""
    return int((page.locator(part).text_content() or "").replace(",", ""))


def shown_reasons(page: Page) -> dict[str, int]:
    """Return reason → records, as the page has them above its list."""
    said = page.locator("#reasons span").all_text_contents()
    return {reason: int(many.replace(",", "")) for many, reason in (each.strip().split(" ", 1) for each in said)}


def require_refused_rightly(stack: RealStack, places: set[tuple[int, int]], said: dict[tuple[int, int], str]) -> int:
    """Look each listed record up in the log: it is the one that is said, and as old as a late one. Returns how many are late."""
    late = 0
    wanted: dict[int, list[int]] = {}
    for partition, offset in sorted(places):
        wanted.setdefault(partition, []).append(offset)
    low, high = load_scenario("late-data").mischief.late.seconds  # type: ignore[union-attr]
    for partition, offset, record in read_places(stack.lab.stack.connection, TOPIC, wanted):
        assert record is not None
        assert record.value is not None
        tweet, text = json.loads(record.value), said[partition, offset]
        assert text.startswith(f"{tweet['hashtag_principal']} ")
        assert tweet["usuario"] in text
        age = record.append_time - tweet["timestamp"]
        if Reason.LATE in text:
            late += 1
            assert low - 1 < age < high + 10
        else:
            assert Reason.FUTURE in text
            assert age < -5
    return late


def on_the_page(stack: RealStack, page: Page) -> None:
    """Late tweets fall from the ribbon into the list, each with its reason; the strip agrees while they do."""
    page.evaluate(WATCH_FALLING)
    expect(page.locator("#reasons")).to_contain_text(Reason.LATE, timeout=BEGINS_SECONDS * 1000)
    stack.wait_until(lambda: page.evaluate("window.fell") >= FALLEN, 30, "late tweets fall into the list")
    expect(page.locator("#refused-list li")).to_have_count(5)
    expect(page.locator("#axis g[data-stage=final]").first).to_be_attached()
    expect(page.locator("#proof")).to_have_attribute("data-state", "holds", timeout=AGREED_SECONDS * 1000)
    items = page.locator("#refused-list li").all_text_contents()
    said = {(int(place[1]), int(place[2])): item for item in items if (place := LISTED.search(item))}
    assert len(said) == 5
    assert require_refused_rightly(stack, set(said), said) > 0


def on_the_console(stack: RealStack) -> None:
    """The job's output names a late tweet that the page has had, and the status has the sum."""
    path, note = stack.paths.output_file(STREAM), stack.paths.heartbeat(STREAM).with_name(NAME)
    lately = {str(each) for each in read_refused(note) if each.reason == Reason.LATE}
    line = re.compile(rf"^refused in batch \d+: \d+ {re.escape(Reason.LATE)}(?:, the last ones)?: (.*)$", re.MULTILINE)

    def named() -> set[str]:
        return {each for told in line.findall(path.read_text(encoding="utf-8")) for each in told.split("; ")}

    stack.wait_until(lambda: bool(lately & named()), 30, "the output names a late tweet that the page lists")
    status = stack.command("status", f"--name={stack.name}")
    assert re.search(rf"^refused: \d+ {re.escape(Reason.LATE)}; the last one: {WHICH}$", status, re.MULTILINE), status


def in_the_audit(stack: RealStack) -> AuditReport:
    """It is clean at rest, and what it has refused is what the seed meant to be refused."""
    with plain():
        report = audit.recount(stack.name, resume=False)
    told = "\n".join(report.lines(None))
    assert report.clean, told
    assert report.complete, told
    assert (report.lost, report.duplicated) == (0, 0), told
    assert report.acknowledged == report.in_log == report.counted + sum(report.rejected.values()), told
    (truth,) = report.truths
    assert truth.holds, told
    assert f"audit: late: {report.rejected[Reason.LATE]}" in told.splitlines()
    assert f"audit:   {Reason.LATE}: {report.rejected[Reason.LATE]}" in told.splitlines()
    assert report.rejected[Reason.LATE] > 0
    assert report.differences == ()
    return report


def test_late_data_is_refused_with_its_reason_on_page_console_and_audit_alike(stack: RealStack) -> None:
    skip_or_fail("browser", missing_chromium())
    stack.bring_up(scenario="late-data", window_time="event")
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="en-GB").new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://localhost:{stack.page_port}/?view=projector")
        on_the_page(stack, page)
        on_the_console(stack)
        report = in_the_audit(stack)
        expect(page.locator("#proof-counted")).to_have_text(f"{report.acknowledged:,}", timeout=AGREED_SECONDS * 1000)
        assert number_of(page, "#proof-acknowledged") == report.acknowledged
        assert number_of(page, "#proof-in_flight") == 0
        expect(page.locator("#proof")).to_have_attribute("data-state", "holds")
        expect(page.locator("#proof-lost")).to_contain_text("Lost 0")
        assert shown_reasons(page) == report.rejected
        assert page.evaluate("document.documentElement.scrollHeight") <= 1080
        assert complaints == []
    with closing(StoreReader(stack.paths.store)) as reader:
        assert reader.reasons() == report.rejected
