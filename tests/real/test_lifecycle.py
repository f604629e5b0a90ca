"""The commands a person uses, on each runtime: up, status, tester, stop and start, audit, down, demo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from real.conftest import new_stack

from infra.paths import CHECKOUT
from infra.prefect_server import current_server
from trending.log import log_ends

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


def run_tester(stack: RealStack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tests/tester.py"],
        cwd=CHECKOUT,
        env={**os.environ, "TRENDING_NAME": stack.name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_up_status_tester_stop_start_down_each_twice(any_stack: RealStack) -> None:
    stack = any_stack
    first = stack.up()
    assert f"stack {stack.name} is up" in first
    assert [line.split("] ")[1].split(":")[0] for line in first.splitlines() if line.startswith("[")] == [
        "preparation",
        "supervisor",
        "kafka",
        "topic",
        "producer",
        "stream",
        "page",
    ]
    pids = stack.service_pid(), stack.program_pid("producer"), stack.program_pid("stream")
    again = stack.up()
    assert "was up already: nothing was changed" in again
    assert pids == (stack.service_pid(), stack.program_pid("producer"), stack.program_pid("stream"))

    status = stack.command("status", f"--name={stack.name}")
    assert status.count("healthy") == 4
    assert "unhealthy" not in status

    for _twice in range(2):
        done = run_tester(stack)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f">>> 1. INICIANDO PRODUTOR (Enviando mensajes a localhost:{stack.port})...",
            *(f"[OK] Enviado: {{'usuario': 'User_{n}', 'mensaje': 'Hola Kafka', 'contador': {n}}}" for n in range(1, 6)),
            ">>> 2. INICIANDO CONSUMIDOR (Leyendo de tweets_topic)...",
            *(f"[OK] Recibido: {{'usuario': 'User_{n}', 'mensaje': 'Hola Kafka', 'contador': {n}}}" for n in range(1, 6)),
            ">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!",
        ]
    stack.command("smoke_test", f"--name={stack.name}")
    assert "foreign records: 15" in stack.audit()

    before = log_ends(f"localhost:{stack.port}", "tweets_topic")[0][1]
    for _twice in range(2):
        stack.command("tear_down", f"--name={stack.name}", "--stop_only")
        assert stack.running() == set()
    stack.up()
    assert log_ends(f"localhost:{stack.port}", "tweets_topic")[0][1] >= before
    stack.audit()

    for _twice in range(2):
        assert "its data is kept" in stack.down(volumes=False)
        stack.assert_nothing_left()
    stack.up()
    assert log_ends(f"localhost:{stack.port}", "tweets_topic")[0] >= (0, before)
    stack.audit()
    assert "its data deleted" in stack.down()
    assert "nothing to take down" in stack.down()
    stack.assert_nothing_left()
    assert not stack.paths.root.exists()


def test_two_ups_at_once_both_succeed_and_exactly_one_creates(any_stack: RealStack) -> None:
    stack = any_stack
    both = [stack.start("start_up", *stack.up_arguments()) for _each in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("nothing was changed" in output for output in outputs) == [False, True]
    stack.audit()


def test_spy_prints_the_topic_and_status_of_no_stack_is_one_clear_error(stack: RealStack) -> None:
    absent = stack.command("status", f"--name={stack.name}", code=11)
    assert f"there is no stack {stack.name}" in absent
    assert "Traceback" not in absent
    stack.up()
    lines = stack.command("spy", f"--name={stack.name}", "--limit=5").splitlines()
    assert len(lines) == 5
    assert all('"hashtag_principal":"#' in line for line in lines)


@pytest.mark.parametrize(
    ("runtime", "profile"),
    [
        ("embedded", "kraft"),
        pytest.param("docker", "kraft", marks=pytest.mark.docker),
        pytest.param("docker", "zookeeper", marks=pytest.mark.docker),
    ],
)
def test_the_demo_shows_blocks_proves_the_count_and_leaves_nothing(
    stack: RealStack, runtime: str, profile: str, request: pytest.FixtureRequest
) -> None:
    if runtime == "docker":
        request.getfixturevalue("docker_engine")
    stack.runtime, stack.profile = runtime, profile
    output = stack.command("demo", *stack.up_arguments(trigger_seconds="3"), "--demo_seconds=14")
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


def test_the_event_time_mode_counts_by_the_tweets_own_timestamps(stack: RealStack) -> None:
    stack.settings["window_time"] = "event"
    stack.settings["partitions"] = "2"
    stack.up()
    stack.wait_progress()
    output = stack.audit()
    assert "late: 0" in output
    assert "future: 0" in output
    assert "dropped by Spark's watermark: 0" in output


def test_several_stacks_live_side_by_side(stack: RealStack, real_home: object) -> None:
    other = new_stack()
    stack.up()
    other.up()
    try:
        assert stack.down()
        stack.assert_nothing_left()
        assert other.running() == {"kafka", "producer", "stream", "page"}
        other.audit()
    finally:
        other.down()
