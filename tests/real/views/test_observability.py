"""A real Prometheus that scrapes a real page program, asked everything that the dashboard and the rules ask."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from fakes.trending.observed import PRODUCER, STREAM, observed
from fakes.trending.page import HOSTILE, PageHome
from real.browser import PageProcess
from real.conftest import skip_or_fail
from real.prometheus import PrometheusProcess, alert_rules, missing_prometheus, place_quick_files, promtool

from infra.health.verdicts import Verdict
from infra.host.processes import free_port
from infra.observability.panels import PANELS
from infra.observability.placing import SOURCE, place_files
from trending.settings import PageSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


pytestmark = pytest.mark.prometheus
FIRST_PORT = 18900
STACK = "lab"


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    """Skip without Prometheus, unless TRENDING_REQUIRE names it: then fail."""
    skip_or_fail("prometheus", missing_prometheus())


class Living:
    """A stack of which everything is known, whose programs go on working until told otherwise."""

    def __init__(self, home: PageHome) -> None:
        self.home = home
        self.working = True
        self._stop = threading.Event()
        self._started = time.time()
        observed(home)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        steps = 0
        while not self._stop.wait(0.25):
            if not self.working:
                continue
            steps += 1
            more = {"sent": PRODUCER["sent"] + steps, "acknowledged": PRODUCER["acknowledged"] + steps}
            self.home.beat("producer", started=self._started, **{**PRODUCER, **more})
            batches = {
                "batches": 7 + steps,
                "seconds_total": 3.5 + steps / 8,
                "rows_total": 900 + steps,
                "progress_at": time.time(),
            }
            self.home.beat("stream", started=self._started, **{**STREAM, **batches})

    def end(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self.home.close()


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    made = Living(PageHome(tmp_path_factory.mktemp("stack")))
    yield made
    made.end()


@pytest.fixture(scope="module")
def page(living: Living) -> Iterator[PageProcess]:
    settings = PageSettings(page_port=free_port(FIRST_PORT, 1))
    made = PageProcess(living.home.spec(settings=settings, health=living.home.root / "health.json"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def prometheus(page: PageProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusProcess]:
    """Prometheus on the files as ``make observe`` puts them, only faster: every second, and every alert after one."""
    place = tmp_path_factory.mktemp("prometheus")
    place_quick_files(place, {STACK: page.address.removeprefix("http://").rstrip("/")})
    rules = yaml.safe_load((place / "rules.yml").read_text(encoding="utf-8"))
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "1s"
    (place / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    made = PrometheusProcess(place, free_port(FIRST_PORT + 10, 1))
    made.start()
    wait_until(lambda: made.query("count_over_time(up[1m]) >= 5"), 60, f"it scrapes\n{made.log()}")
    yield made
    made.stop()


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.2)


def firing(prometheus: PrometheusProcess) -> set[str]:
    return {each["labels"]["alertname"] for each in prometheus.ask("alerts")["alerts"] if each["state"] == "firing"}


def test_promtool_finds_nothing_wrong_with_the_rules_and_their_tests_pass() -> None:
    assert f"{len(alert_rules())} rules found" in promtool("check", "rules", str(SOURCE / "rules.yml"))
    assert "SUCCESS" in promtool("test", "rules", str(SOURCE / "rules_test.yml"))


def test_promtool_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    place_files(tmp_path, {STACK: "127.0.0.1:8501"})
    said = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert "SUCCESS: 1 rule files found" in said


def test_a_rule_that_no_longer_fires_is_noticed(tmp_path: Path) -> None:
    for name in ("rules.yml", "rules_test.yml"):
        shutil.copyfile(SOURCE / name, tmp_path / name)
    text = (tmp_path / "rules.yml").read_text(encoding="utf-8")
    (tmp_path / "rules.yml").write_text(text.replace("trending_broker_up == 0", "trending_broker_up == 2"), encoding="utf-8")
    with pytest.raises(AssertionError, match="TrendingBrokerDown"):
        promtool("test", "rules", str(tmp_path / "rules_test.yml"))


def test_promtool_finds_nothing_wrong_with_the_names_and_texts(page: PageProcess) -> None:
    promtool("check", "metrics", given=httpx.get(f"{page.address}metrics").text)


def test_the_target_is_up_and_called_after_its_stack(prometheus: PrometheusProcess) -> None:
    targets = prometheus.ask("targets")["activeTargets"]
    assert [(each["labels"]["stack"], each["health"], each["lastError"]) for each in targets] == [(STACK, "up", "")]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_every_panel_has_something_to_show(prometheus: PrometheusProcess, panel: Any) -> None:
    for query in panel.queries:
        expression = query.expression.replace("$stack", STACK)
        assert prometheus.query(expression), expression
        assert prometheus.query(query.expression.replace("$stack", "another")) == []


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule["alert"])
def test_every_rule_is_evaluated_and_none_fires_while_all_is_well(prometheus: PrometheusProcess, rule: dict[str, Any]) -> None:
    def known() -> dict[str, Any]:
        return next(each for each in prometheus.ask("rules")["groups"][0]["rules"] if each["name"] == rule["alert"])

    wait_until(lambda: known()["health"] == "ok", 20, "the rule is evaluated")
    assert not known().get("lastError")
    assert prometheus.query(rule["expr"]) == []
    assert rule["alert"] not in firing(prometheus)


@pytest.mark.row(22)
def test_hostile_hashtags_arrive_as_they_were_tweeted(prometheus: PrometheusProcess, living: Living) -> None:
    hostile = [*HOSTILE, 'a"} 1\ntrending_broker_up 0', "back\\slash\\n", "tab\tand \x00 and \x1b[31m"]
    living.home.write(int(time.time()) // 60 * 60, dict.fromkeys(hostile, 7000))

    def arrived() -> bool:
        series = prometheus.query('trending_ranking_window_tweets{part="top"}')
        return {each["metric"]["hashtag"] for each in series} >= set(hostile)

    wait_until(arrived, 20, "the hashtags are there")
    assert [each["value"][1] for each in prometheus.query("trending_broker_up")] == ["1"]
    assert prometheus.query("scrape_samples_scraped < 150"), "a bounded number of series"


def test_a_component_that_a_health_check_finds_down_raises_its_alert(prometheus: PrometheusProcess, living: Living) -> None:
    observed(living.home, Verdict.UNHEALTHY)
    wait_until(lambda: firing(prometheus) == {"TrendingUnhealthy"}, 30, "the alert fires")
    alert = next(each for each in prometheus.ask("alerts")["alerts"] if each["state"] == "firing")
    assert alert["annotations"]["summary"] == f"The last health check of {STACK} found kafka down."
    assert alert["annotations"]["command"] == f"make health NAME={STACK} HEAL=1"
    observed(living.home)
    wait_until(lambda: not firing(prometheus), 30, "the alert is over")


def test_silent_programs_and_a_killed_page_raise_theirs(prometheus: PrometheusProcess, living: Living, page: PageProcess) -> None:
    living.working = False
    wait_until(lambda: "TrendingProgramDown" in firing(prometheus), 40, "the silent programs are noticed")
    page.kill()
    wait_until(lambda: "TrendingStackDown" in firing(prometheus), 30, "the page is missed")
    page.start()
    living.working = True
    wait_until(lambda: not firing(prometheus), 60, "everything is well again")
