"""Rules and dashboard ask for nothing that the endpoint does not tell, and the committed files are what is made."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from fakes.trending.observed import observed
from fakes.trending.page import PageHome, served
from prometheus_client.parser import text_string_to_metric_families

from infra.host.paths import CHECKOUT, StackPaths
from infra.observability import dashboard
from infra.observability.panels import PANELS, Kind, Panel, Query
from infra.observability.placing import FILES, SOURCE, observability_home, place_files, stacks_to_scrape
from infra.stack.state import StackState, Wanted, write_state
from trending.settings import LabSettings, PageSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from pathlib import Path

METRIC = re.compile(r"\b(?:trending|process)_\w+")
PROMETHEUS_OWN = {"up"}


def read(name: str) -> Any:
    return yaml.safe_load((SOURCE / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in read("rules.yml")["groups"] for rule in group["rules"]]


@pytest.fixture
def told(tmp_path: Path) -> dict[str, set[str]]:
    """Every sample's name with its labels, of a stack of which everything is known."""
    home = PageHome(tmp_path)
    observed(home)
    with served(home.spec(health=tmp_path / "health.json")) as address:
        text = httpx.get(f"{address}/metrics").text
    home.close()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def asked() -> dict[str, str]:
    """Return where → expression of every rule and every panel's query."""
    expressions = {rule["alert"]: rule["expr"] for rule in rules()}
    for panel in PANELS:
        expressions.update({f"{panel.title} {query.legend}": query.expression for query in panel.queries})
    return expressions


def test_every_metric_that_a_rule_or_a_panel_asks_for_is_told(told: dict[str, set[str]]) -> None:
    for where, expression in asked().items():
        names = METRIC.findall(expression)
        assert names or re.search(r"\bup\b", expression), where
        assert set(names) <= told.keys(), where


def test_every_metric_of_the_stack_is_shown_or_watched(told: dict[str, set[str]]) -> None:
    used = set(METRIC.findall(" ".join(asked().values())))
    unused = {name for name in told if name.startswith("trending_")} - used
    assert unused == {
        "trending_stack_info",
        "trending_program_last_heartbeat_timestamp_seconds",
        "trending_stream_last_batch_id",
        "trending_store_last_batch_timestamp_seconds",
        "trending_store_readable",
        "trending_ranking_window_hashtags",
        "trending_ranking_window_start_timestamp_seconds",
        "trending_ranking_window_length_seconds",
    }, "kept for questions that somebody asks by hand"


def test_every_label_that_a_text_shows_is_the_metrics(told: dict[str, set[str]]) -> None:
    def known(expression: str) -> set[str]:
        return {"stack"}.union(*(told.get(name, set()) for name in METRIC.findall(expression)))

    for rule in rules():
        shown = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert shown <= known(rule["expr"]), rule["alert"]
    for panel in PANELS:
        for query in panel.queries:
            assert set(re.findall(r"\{\{(\w+)\}\}", query.legend)) <= known(query.expression), panel.title


def test_every_rule_says_what_how_bad_and_which_command_to_run() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"].keys() == {"summary", "description", "command"}
        target = re.match(r"make ([a-z-]+)", rule["annotations"]["command"])
        assert target, rule["alert"]
        assert re.search(rf"^(?:[a-z-]+ )*{target.group(1)}(?: [a-z-]+)*:", makefile, re.MULTILINE), rule["alert"]


def test_every_rule_has_a_test_in_which_it_fires() -> None:
    tests = (SOURCE / "rules_test.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'alertname="(\w+)"', tests)) == {rule["alert"] for rule in rules()}


def test_the_committed_dashboard_is_what_the_panels_make() -> None:
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.render(), "make dashboard"


def test_no_panel_covers_another_and_none_sticks_out() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in dashboard.dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & covered, panel["title"]
        assert place["x"] + place["w"] <= dashboard.COLUMNS
        covered |= cells
    assert [panel["id"] for panel in dashboard.dashboard()["panels"]] == list(range(1, len(PANELS) + 1))


def test_a_row_begins_below_the_highest_panel_of_the_one_before() -> None:
    query = (Query("up"),)
    low, high = (Panel("p", "", Kind.STAT, query, width=10, height=height) for height in (2, 9))
    placed = [panel["gridPos"] for panel in dashboard.dashboard([high, low, low])["panels"]]
    assert [(place["x"], place["y"]) for place in placed] == [(0, 0), (10, 0), (0, 9)]


def test_dashboard_and_rules_watch_the_job_and_source_that_are_configured() -> None:
    source = read("grafana/provisioning/datasources/prometheus.yml")["datasources"][0]
    assert source["uid"] == dashboard.DATASOURCE["uid"]
    config = read("prometheus.yml")
    assert [each["job_name"] for each in config["scrape_configs"]] == ["trending"]
    jobs = set(re.findall(r'job="(\w+)"', " ".join(asked().values())))
    assert jobs == {"trending"}
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]


def recorded(name: str, wanted: Wanted, page_port: int) -> None:
    settings = LabSettings(stack=StackSettings(name=name), page=PageSettings(page_port=page_port))
    state = StackState(wanted=wanted, runtime=RuntimeKind.EMBEDDED, cluster_id="c", settings=settings)
    write_state(StackPaths.of(name), state)


def test_only_stacks_that_are_wanted_up_and_have_a_page_are_scraped(home: Path) -> None:
    recorded("one", Wanted.UP, 8501)
    recorded("two", Wanted.UP, 8502)
    recorded("bare", Wanted.UP, 0)
    recorded("gone", Wanted.DOWN, 8503)
    recorded("resting", Wanted.STOPPED, 8504)
    assert stacks_to_scrape() == {"one": "127.0.0.1:8501", "two": "127.0.0.1:8502"}


def test_the_files_are_put_in_place_again_and_again(home: Path) -> None:
    place = observability_home()
    assert place.parent == home
    place_files(place, {"one": "127.0.0.1:8501", "two": "127.0.0.1:8502"})
    place_files(place, {"two": "127.0.0.1:8502"})
    assert json.loads((place / "targets.json").read_text()) == [{"targets": ["127.0.0.1:8502"], "labels": {"stack": "two"}}]
    there = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}
    assert there == {*FILES, "targets.json"}
    assert (place / "rules.yml").read_bytes() == (SOURCE / "rules.yml").read_bytes()
