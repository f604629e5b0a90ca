"""Stacks of the last release go on under this tree, with what they had: one that runs while the code is pulled, one at rest."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from real.harness import CLEAN, RealStack
from upgrade.release import VERSION, ReleasedCheckout, why_without_history

from infra.host.paths import CHECKOUT
from infra.prefect_services.server import stop_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.no_cover]

RUNNING = RealStack("keptgoing", 31900)
STOPPED = RealStack("atrest", 31950)
STACKS = (RUNNING, STOPPED)
USUAL = ("RUNTIME=embedded", "RATE=40", "TRIGGER_SECONDS=2", "HEAP_MB=256")
CHOSEN = {
    RUNNING.name: ("TOPIC=old_topic", "PARTITIONS=2", "SHUFFLE_PARTITIONS=2", "SEED=7", "RETENTION_HOURS=100"),
    STOPPED.name: ("WINDOW_TIME=event", "WINDOW_SECONDS=30", "RANKING_HASHTAGS=500", "UNTIL=stream"),
}
"""Settings that are not the defaults, and that decide over log, checkpoint, ledger and store."""

COUNTS = "SELECT checkpoint, window_start, hashtag, tweets FROM ranking"


@dataclass(frozen=True)
class Kept:
    """What a stack has on disk, read without any of its code, which would bring it into the form of today."""

    cluster: str
    settings: dict[str, Any]
    epochs: list[tuple[str, str, str]]
    """(checkpoint, topic id, key), of which the last one counts."""
    last_batch: int
    ranking: dict[tuple[str, int, str], int]
    runs: dict[str, int]
    """The ledger's runs, and up to which id each has reserved."""

    @classmethod
    def of(cls, stack: RealStack) -> Kept:
        state = json.loads(stack.paths.state.read_bytes())
        epochs = rows(stack.paths.store, "SELECT checkpoint, topic_id, key FROM epochs ORDER BY number")
        return cls(
            state["cluster_id"],
            state["settings"],
            epochs,
            rows(stack.paths.store, "SELECT max(batch) FROM batches WHERE checkpoint = ?", epochs[-1][0])[0][0],
            {tuple(row[:3]): row[3] for row in rows(stack.paths.store, COUNTS)},
            dict(rows(stack.paths.ledger, "SELECT run, reserved FROM runs")),
        )

    def require_kept_by(self, now: Kept) -> None:
        """Require that everything is there, that the same checkpoint counts on, and that no count has become less."""
        assert now.cluster == self.cluster
        assert self.settings.keys() <= now.settings.keys()
        changed = [name for name, old in self.settings.items() if not contains(now.settings[name], old)]
        assert changed == [], f"settings of the release's: {self.settings}, now {now.settings}"
        assert now.epochs == self.epochs, "another checkpoint has begun"
        assert now.last_batch > self.last_batch
        less = [place for place, tweets in self.ranking.items() if now.ranking.get(place, 0) < tweets]
        assert less == [], "counts of the release's"
        assert len(self.ranking) > 0
        assert all(now.runs.get(run, 0) >= reserved for run, reserved in self.runs.items()), "the ledger's runs"
        assert len(now.runs) > len(self.runs), "no producer of this tree has begun"


def contains(new: Any, old: Any) -> bool:
    """Whether a setting is as it was, of a section all that there was."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and contains(new[name], value) for name, value in old.items())
    return bool(new == old)


def rows(path: Path, query: str, *values: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def released() -> Iterator[ReleasedCheckout]:
    """A clone of the release, set up, with a home of its own; whatever was brought up from it is taken down.

    Without the history it skips, unless TRENDING_REQUIRE names history: then it fails.
    """
    silence = why_without_history()
    if silence is not None and "history" in os.environ.get("TRENDING_REQUIRE", "").split(","):
        pytest.fail(f"TRENDING_REQUIRE names history and {silence}")
    if silence is not None:
        pytest.skip(silence)
    real = Path(os.environ.get("TRENDING_REAL_HOME") or CHECKOUT / ".trending")
    with tempfile.TemporaryDirectory(prefix="trending-upgrade-") as place, pytest.MonkeyPatch.context() as patch:
        checkout = ReleasedCheckout(Path(place, "checkout"), Path(place, "home"))
        checkout.home.mkdir()
        for shared in ("jars", "cds"):  # checked against the lock's sums, and made for these jars: whoever lacks one fetches it
            (checkout.home / shared).symlink_to(real / shared)
        patch.setenv("TRENDING_HOME", str(checkout.home))
        checkout.clone()
        checkout.set_up()
        yield checkout
        for stack in STACKS:
            stack.down()
        stop_server()
        for stack in STACKS:
            stack.assert_nothing_left()


def test_a_running_and_a_stopped_stack_of_the_last_release_go_on(released: ReleasedCheckout) -> None:
    places = {stack.name: (f"NAME={stack.name}", f"PORT={stack.port}", f"PAGE_PORT={stack.page_port}") for stack in STACKS}
    name, resting = f"NAME={RUNNING.name}", f"NAME={STOPPED.name}"

    released.make("up", *places[STOPPED.name], *USUAL, *CHOSEN[STOPPED.name])
    STOPPED.wait_progress()
    released.make("stop", resting)
    released.make("up", *places[RUNNING.name], *USUAL, *CHOSEN[RUNNING.name])
    assert CLEAN.search(released.make("audit", name)), "it is sealed, so that this tree's audit goes on from there"
    RUNNING.wait_progress()
    assert (released.root / "CHANGELOG.md").read_text(encoding="utf-8").count(f"## {VERSION} ") == 1
    before = {stack.name: Kept.of(stack) for stack in STACKS}
    lives = {program: RUNNING.program_pid(program) for program in ("producer", "stream", "page")}

    released.pull()
    released.make("status", name)
    said = released.make("audit", name)  # this tree's audit of what the release's programs do
    assert CLEAN.search(said), said
    assert "audit: since the seal of" in said
    said = released.make("up", name)
    assert re.search(r"topic: adopted", said), said
    for program, old in lives.items():
        assert RUNNING.program_pid(program) != old, f"the old {program} runs on: {said}"
    RUNNING.wait_progress()
    RUNNING.audit(resume=False)
    before[RUNNING.name].require_kept_by(Kept.of(RUNNING))
    RUNNING.down()

    assert "stopped" in released.make("status", resting)
    released.make("start", resting)
    STOPPED.wait_progress()
    STOPPED.audit(resume=False)
    before[STOPPED.name].require_kept_by(Kept.of(STOPPED))
