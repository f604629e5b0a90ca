from __future__ import annotations

from infra.host.paths import StackPaths
from infra.stack.start_up_summary import StartUpStep, StartUpSummary, keep_summary, kept_summary


def summary(*, changed: bool, seconds: float) -> StartUpSummary:
    return StartUpSummary(
        stack="lab",
        runtime="embedded",
        bootstrap="localhost:9092",
        topic="tweets_topic",
        cluster_id="c",
        page="",
        changed=changed,
        steps=[StartUpStep(name="kafka", outcome="created", note="pid 1", seconds=seconds)],
        seconds=seconds,
    )


def test_the_last_start_up_that_changed_something_is_kept() -> None:
    paths = StackPaths.of("lab")
    paths.root.mkdir(parents=True)
    assert kept_summary(paths) is None
    for changed, seconds, kept in ((False, 1.0, 1.0), (True, 2.0, 2.0), (False, 3.0, 2.0), (True, 4.0, 4.0)):
        keep_summary(paths, summary(changed=changed, seconds=seconds))
        found = kept_summary(paths)
        assert found is not None
        assert found.steps[0].seconds == kept
    assert [path.name for path in paths.root.iterdir()] == ["start-up.json"]


def test_a_damaged_one_is_as_good_as_none() -> None:
    paths = StackPaths.of("lab")
    paths.root.mkdir(parents=True)
    paths.start_up_summary.write_text("{", encoding="utf-8")
    assert kept_summary(paths) is None
