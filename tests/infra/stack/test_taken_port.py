"""What a taken port says: who has it, and how that ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from infra.host.marks import NAME_VARIABLE
from infra.host.processes import HOME_VARIABLE, STACK_VARIABLE, PortOwner
from infra.stack.runtime import taken


@pytest.mark.row(3)
@pytest.mark.parametrize(
    ("name", "called", "way"),
    [
        ("lab", "lab", "TRENDING_HOME='/a home' make down NAME=lab ends it, or make up PORT=9999"),
        ("prefect_services", "prefect-services", "TRENDING_HOME='/a home' make server-stop ends it, or make up PORT=9999"),
    ],
)
def test_a_stack_of_another_home_is_named_with_the_command_that_ends_it(name: str, called: str, way: str) -> None:
    mark = {STACK_VARIABLE: f"{name}-12345678", NAME_VARIABLE: name, HOME_VARIABLE: "/a home"}
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(
        command, env={**os.environ, **mark}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()  # only from here on it has its own environment
        error = taken(PortOwner(9092, child.pid, "java"), "mine", "PORT=9999")
        child.communicate(b"\n")
    assert error.cause == f"port 9092 is taken by java, pid {child.pid}, of {called} in /a home"
    assert error.next_command == way


@pytest.mark.parametrize("known", [False, True])
def test_a_process_without_a_mark_is_to_be_ended(*, known: bool) -> None:
    error = taken(PortOwner(9092, os.getpid() if known else None, "nginx"), "mine", "PORT=9999")
    assert error.next_command == "end that process, or make up PORT=9999"
