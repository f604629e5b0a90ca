"""The demo on each runtime, once on each profile, and event time; the other commands a person uses are in test_journey.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from infra.forms.stacks import LastStep
from infra.prefect_services.server import current_server

if TYPE_CHECKING:
    from real.harness import RealStack

BLOCK = re.compile(
    r"^=====\nBatch \d+ - Snapshot en \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n"
    r"Ventana del minuto \[(\d{4}-\d\d-\d\d \d\d:\d\d:00) , \d{4}-\d\d-\d\d \d\d:\d\d:00\]\n"
    r"Top hashtags en este minuto:\n\+[-+]+\+\n\|window +\|hashtag_principal *\|num_ocurrencias *\|\n\+[-+]+\+\n"
    r"((?:\|\{.*\|\n)+)\+[-+]+\+\n=====$",
    re.MULTILINE,
)


def blocks(output: str) -> list[tuple[str, dict[str, int]]]:
    """Return (window, hashtag → count) of each printed block."""
    found = []
    for match in BLOCK.finditer(output):
        rows = [line.strip("|").split("|") for line in match.group(2).splitlines()]
        found.append((match.group(1), {row[1].strip(): int(row[2]) for row in rows}))
    return found


@pytest.mark.parametrize(
    ("runtime", "profile"),
    [
        ("embedded", "kraft"),
        pytest.param("docker", "zookeeper", marks=pytest.mark.docker),
    ],
)
def test_the_demo_shows_blocks_proves_the_count_and_leaves_nothing(
    stack: RealStack, runtime: str, profile: str, request: pytest.FixtureRequest
) -> None:
    if runtime == "docker":
        request.getfixturevalue("docker_engine")
    stack.runtime, stack.profile = runtime, profile
    output = stack.command("demo", *stack.up_arguments(trigger_seconds="1"), "--demo_seconds=12")
    shown = blocks(output)
    assert len(shown) >= 3, output
    largest: dict[tuple[str, str], int] = {}
    for window, counts in shown:
        for hashtag, count in counts.items():
            assert count >= largest.get((window, hashtag), 0)
            largest[window, hashtag] = count
    last = output.splitlines()[-1]
    found = re.fullmatch(r"audit: acknowledged (\d+), in log (\d+), counted (\d+), lost 0, duplicated 0", last)
    assert found is not None, output
    assert found.group(1) == found.group(2) == found.group(3) != "0"
    stack.assert_nothing_left()
    assert not stack.paths.root.exists()
    assert current_server() is not None, "the demo stopped a server that it had not started"


@pytest.mark.row(24, "E")
def test_the_event_time_mode_counts_by_the_tweets_own_timestamps(stack: RealStack) -> None:
    stack.settings["window_time"] = "event"
    stack.settings["partitions"] = "2"
    stack.bring_up(LastStep.STREAM)
    stack.wait_progress()
    output = stack.audit()
    assert "late: 0" in output
    assert "future: 0" in output
    assert "dropped by Spark's watermark: 0" in output
