"""A real stack, scraped by a real Prometheus: what dashboard and rules ask for is there, and each query's graph is drawn.

Debian's Prometheus has its classic pages, which a real Chromium opens. With LAB_SCREENSHOTS=docs/screenshots the graphs are kept.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from real.browser import chromium, missing_chromium
from real.conftest import new_stack, skip_or_fail
from real.prometheus import PrometheusProcess, alert_rules, missing_prometheus, place_quick_files, promtool

from infra.host.processes import free_port
from infra.observability.panels import PANELS, Panel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page
    from real.harness import RealStack

pytestmark = pytest.mark.prometheus
FIRST_PORT = 18950
LATER = {"TrendingLagGrowing"}
"""It compares with four minutes before, which a stack that is as young as the test's does not have."""
NEEDS_HISTORY = re.compile(r"trending_ranking_(?:trend_score|velocity_tweets)")
"""Known from the second window on, or the fifth: a stack that is as young as the test's may not have them."""
RANGE = "1m"
DRAWN_MILLISECONDS = 60_000
_ENDED = "graph => graph.querySelector('.legend li') || graph.querySelector('.error').innerText"


@dataclass(frozen=True)
class Scraped:
    """A running stack and the Prometheus that scrapes it."""

    stack: RealStack
    prometheus: PrometheusProcess


@pytest.fixture(scope="module")
def scraped(real_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    """Both on the files that ``make observe`` writes, scraped every second; the last health check repaired something."""
    skip_or_fail("prometheus", missing_prometheus())
    os.environ["TRENDING_HOME"] = str(real_home)
    stack = new_stack()
    stack.up()
    place = tmp_path_factory.mktemp("prometheus")
    place_quick_files(place, {stack.name: f"127.0.0.1:{stack.page_port}"})
    prometheus = PrometheusProcess(place, free_port(FIRST_PORT, 1))
    prometheus.start()
    stack.wait_progress()
    stack.lab.supervisor.remove("page")
    stack.command("health_check", f"--name={stack.name}", "--heal")
    stack.wait_until(
        lambda: bool(prometheus.query('count_over_time(trending_health_verdict{component="kafka"}[1m]) >= 15')),
        90,
        "fifteen scrapes after the check",
    )
    if os.environ.get("LAB_SCREENSHOTS"):
        time.sleep(60)  # a picture of the whole range
    yield Scraped(stack, prometheus)
    prometheus.stop()
    os.environ["TRENDING_HOME"] = str(real_home)
    stack.down()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One page of a browser for all graphs."""
    skip_or_fail("browser", missing_chromium())
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1000, "height": 640})
        opened.set_default_timeout(DRAWN_MILLISECONDS)
        yield opened


def draw(page: Page, prometheus: PrometheusProcess, expressions: list[str], name: str) -> list[int]:
    """Open the graphs of the expressions, one below the other; return how many series each of them draws."""
    asked = {}
    for number, expression in enumerate(expressions):
        asked |= {f"g{number}.expr": expression, f"g{number}.tab": "0", f"g{number}.range_input": RANGE}
    page.goto(f"{prometheus.address}/classic/graph?{urlencode(asked)}")
    page.wait_for_function(f"[...document.querySelectorAll('.graph_wrapper')].filter({_ENDED}).length === {len(expressions)}")
    drawn = page.locator(".graph_wrapper").all()
    told = {graph.locator(".error").inner_text() for graph in drawn}
    assert told <= {"", "No datapoints found."}
    if place := os.environ.get("LAB_SCREENSHOTS"):
        (Path(place) / "queries").mkdir(parents=True, exist_ok=True)
        page.add_style_tag(
            content="nav, form .btn, .prometheus_input_group, .remove_graph, #add_graph { display: none !important }"
        )
        page.screenshot(path=Path(place) / "queries" / f"{name}.png", full_page=True)
    return [graph.locator(".legend li").count() for graph in drawn]


@pytest.mark.browser
@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_query_of_the_dashboard_draws_its_graph(scraped: Scraped, page: Page, panel: Panel) -> None:
    expressions = [query.expression.replace("$stack", scraped.stack.name) for query in panel.queries]
    known = [len(scraped.prometheus.query(expression)) for expression in expressions]
    drawn = draw(page, scraped.prometheus, expressions, re.sub(r"\W+", "-", panel.title.lower()))
    young = any(NEEDS_HISTORY.search(expression) for expression in expressions)
    assert young or all(number > 0 for number in drawn), dict(zip(expressions, drawn, strict=True))
    assert all(number >= now for number, now in zip(drawn, known, strict=True)), "a series that is there now was drawn"


@pytest.mark.browser
@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule["alert"])
def test_every_rule_draws_the_graph_of_its_condition(scraped: Scraped, page: Page, rule: dict[str, Any]) -> None:
    condition = re.sub(r"(==|>) ", r"\1 bool ", rule["expr"], count=1)  # 0 or 1 instead of nothing while all is well
    assert condition != rule["expr"]
    drawn = draw(page, scraped.prometheus, [condition], f"rule-{rule['alert']}")
    assert (drawn[0] > 0) != (rule["alert"] in LATER), condition
    assert scraped.prometheus.query(rule["expr"]) == [], "all is well"


def test_a_real_stack_tells_all_that_dashboard_and_rules_ask_for(scraped: Scraped) -> None:
    stack = scraped.stack
    text = httpx.get(f"http://127.0.0.1:{stack.page_port}/metrics").text
    promtool("check", "metrics", given=text)
    told = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    queries = [query.expression for panel in PANELS for query in panel.queries]
    asked = set(re.findall(r"\b(?:trending|process)_\w+", " ".join([*queries, *(rule["expr"] for rule in alert_rules())])))
    assert {name for name in asked if not NEEDS_HISTORY.match(name)} <= {name for name, *_labels in told}
    assert told["trending_health_repairs_total", ("component", "page")] == 1
    acknowledged, end = (
        told["trending_producer_acknowledged_tweets_total", ("program", "producer")],
        told["trending_producer_end_offset", ("partition", "0")],
    )
    counted, lag = told["trending_stream_offset", ("partition", "0")], told["trending_stream_lag_records", ("partition", "0")]
    assert acknowledged == end > 0, "a new topic has the producer's tweets and no others"
    assert lag == max(0, end - counted)
    assert told["trending_stream_input_records_total",] <= counted
    assert told["trending_broker_up",] == 1
    assert told["trending_health_verdict", ("component", "kafka"), ("verdict", "healthy")] == 1
    ranked = [number for (name, *_labels), number in told.items() if name == "trending_ranking_window_tweets"]
    assert sum(ranked) > 0
    assert told["trending_broker_info", ("version", stack.lab.runtime.kafka_version())] == 1
    assert stack.command("observe").count(f"http://127.0.0.1:{stack.page_port}/metrics") == 1
