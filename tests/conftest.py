"""What the whole suite needs of its own process, and what each test must leave as it was."""

from __future__ import annotations

import gc
import os
import signal
import traceback
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from examples import THOROUGH
from hypothesis import settings
from leftovers import left_since, present
from order import Scheduler, longest_first
from statements import share

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from postgres_cluster import Cluster

# A shell starts what it runs in the background deaf to Ctrl-C, and nohup to a closed terminal; every command under test would
# inherit that.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

settings.load_profile(THOROUGH)
share()

SHARED_CLIENTS = frozenset({"engine", "served", "prometheus", "scraped"})
"""Fixtures of the session or a module that hold a client: Prefect's, or one of Prometheus."""
LAST_WORDS = 700
"""Characters of a failure at the end of the log, at most: cause, evidence, and what else was unwell."""
ALL_LAST_WORDS = 1000
"""Characters of all failures together: of a log's end CI shows about 2,000, and a third failure was not among them."""
RESTARTED = frozenset({"prometheus"})
"""Fixtures of a module whose program a test may end and start again: the new one is the fixture's, which ends it."""


class Started:
    """Says which of the tests that take minutes has started: dots alone would stand still."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and nodeid.startswith(("tests/real/", "tests/upgrade/")):
            terminal.write_line(f"started {nodeid}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):
        config.pluginmanager.register(Started(config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End with a line for each failure: the messages above hold whole logs, and CI keeps only the two ends of a log."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or hasattr(config, "workerinput"):
        return
    reports = [(outcome, report) for outcome in ("failed", "error") for report in terminal.stats.get(outcome, ())]
    for outcome, report in reports:
        words = last_words(report)[: min(LAST_WORDS, ALL_LAST_WORDS // len(reports))]
        terminal.write_line(f"{outcome} {report.nodeid} ({getattr(report, 'when', 'collect')}): {words}")


def last_words(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return what the failure said, in one line: an error's evidence stands behind its cause."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash else str(report.longrepr)
    return " | ".join(filter(None, map(str.strip, message.splitlines())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Forget the variables of a test that failed, once it is reported: pytest keeps its frames, and those its clients.

    A Kafka client that lived on opened a pipe under each of the tests after it, which failed for that.
    """
    report = yield
    if report.failed and call.excinfo is not None and not item.config.getoption("usepdb"):
        error: BaseException | None = call.excinfo.value
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            for frame, _line in traceback.walk_tb(error.__traceback__):
                frame.f_locals.keys()  # pytest has asked for them, so the frame keeps a copy: asked once more, it is empty
            error = error.__cause__ or error.__context__
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler | None:
    return Scheduler(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Keep what was imported out of every later collection of garbage: half a second each."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _nothing_kept_from_the_collector() -> Iterator[None]:
    """Find at the end what was unclosed and became garbage in a later module than the one that made it."""
    yield
    gc.unfreeze()
    gc.collect()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server of the session's own, started when the first test needs it.

    Without Debian's PostgreSQL it skips, unless TRENDING_REQUIRE names postgresql: then it fails.
    """
    from postgres_cluster import Cluster, binaries  # noqa: PLC0415 - libpq, which few tests need

    if binaries() is None:
        silence = "there is no /usr/lib/postgresql/*/bin/initdb"
        if "postgresql" in os.environ.get("TRENDING_REQUIRE", "").split(","):
            pytest.fail(f"TRENDING_REQUIRE names postgresql and {silence}")
        pytest.skip(silence)
    with closing(Cluster()) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def _nothing_for_the_collector() -> Iterator[None]:
    """Find what the tests of a module left unclosed in cycles: its warning is an error, and it is told of where it was left.

    What outlives its module is kept out of the collections after it: what 200 files import and keep took 40 ms each time.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_left_over(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a descriptor, a thread or a child; first of its fixtures, so that theirs have ended by then."""
    before = present()
    yield
    left = left_since(before, shared_client=not SHARED_CLIENTS.isdisjoint(request.fixturenames))
    if not RESTARTED.isdisjoint(request.fixturenames):
        left = [each for each in left if " -m trending.page " not in each]
    assert not left, f"left over: {', '.join(left)}"
