"""What a presentation needs, looked at the evening before: fetched parts, ports, time, memory, the page on a projector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from infra.host.browser import PROJECTOR, find_browser, take_picture
from infra.host.memory import available_mb
from infra.host.paths import lab_home
from infra.host.processes import port_owner
from infra.java.class_archives import archive
from infra.java.jars import check_jar, jar_directory, locked
from infra.lab.packages import installed
from infra.lab.prerequisites import check_java
from infra.operations.page import ask_whose
from trending.errors import LabError, NotReady

if TYPE_CHECKING:
    from infra.stack.start_up_summary import StartUpSummary
    from trending.settings import PageSettings, StackSettings

START_SECONDS = 60.0
"""How long an audience is willing to wait; ``make present`` offers the recording then."""
SPARE_MB = 300
"""Memory that should be left while the stack runs: the browser on the same machine needs it."""
GROUPS = ("broker", "spark")


class Finding(BaseModel):
    """What was looked at: ``passed`` is None where only a person can judge."""

    passed: bool | None
    line: str


def fetched_parts(recording: str) -> list[Finding]:
    """Look whether all that a start needs lies here, and the recording, so that no network is needed."""
    found = [
        _finding(installed(), "the packages of requirements.lock are installed", "packages are not those of the lock: make setup")
    ]
    for group in GROUPS:
        jars = locked(group)
        try:
            for jar in jars:
                check_jar(jar, jar_directory(group) / jar.file_name)
            found.append(Finding(passed=True, line=f"{len(jars)} jars for {group} are here, and are those of the lock"))
        except OSError:
            found.append(Finding(passed=False, line=f"jars for {group} are missing: make jars"))
        except LabError as error:
            found.append(Finding(passed=False, line=f"{error.cause}: {error.next_command}"))
    made = all(archive(group).exists() for group in GROUPS)
    found.append(_finding(made, "the class archives are made", "class archives are missing, a start takes longer: make archives"))
    there = Path(recording).is_file()
    found.append(_finding(there, "the recording is here, should all else fail", f"there is no recording {recording}"))
    found.append(_java())
    return found


def ports(stack: StackSettings, page: PageSettings) -> list[Finding]:
    """Look whether the ports that a presentation uses are free now."""
    wanted = {stack.port: "Kafka", page.page_port: "the page"}
    owners = {port: port_owner(port) for port in wanted if port}
    return [
        _finding(owner is None, f"port {port} for {wanted[port]} is free", f"port {port} for {wanted[port]} is taken ({owner})")
        for port, owner in owners.items()
    ]


def start(summary: StartUpSummary) -> Finding:
    """Judge how long the start took."""
    slowest = max(summary.steps, key=lambda step: step.seconds)
    took = f"the start took {summary.seconds:.0f} s, of which {slowest.name} {slowest.seconds:.0f} s"
    return _finding(summary.seconds <= START_SECONDS, took, f"{took}: more than {START_SECONDS:.0f} s")


def memory(before: int | None) -> Finding:
    """Judge how much memory is left while the stack runs; ``before`` is what was available in MiB before it."""
    left = available_mb()
    if left is None or before is None:
        return Finding(passed=None, line="this machine does not tell its memory: look at it yourself")
    told = f"the stack takes {max(before - left, 0)} MiB of memory, and {left} MiB are left"
    return _finding(left >= SPARE_MB, told, f"{told}: close other programs, or HEAP_MB=256")


def screen(stack_id: str, page: PageSettings) -> Finding:
    """Ask the page whose it is, and take a picture of its view for a projector; raises NotReady if another page answers."""
    if not page.page_port:
        return Finding(passed=None, line="there is no page (PAGE_PORT=0)")
    if (theirs := ask_whose(page.page_port)) != stack_id:
        cause = f"the page at {page.address} is another stack's"
        raise NotReady(cause, f"it answers as {theirs}", "make rehearse PAGE_PORT=another")
    browser = find_browser()
    if browser is None:
        return Finding(passed=None, line=f"the page answers; no browser was found to look at {page.projector_address}")
    target = lab_home() / "rehearsal" / "projector.png"
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if reason := take_picture(browser, page.projector_address, target, PROJECTOR):
        return Finding(passed=False, line=f"the page answers, and could not be drawn: {reason}")
    return Finding(passed=None, line=f"the page answers; look at it as the projector will show it: {target}")


def _java() -> Finding:
    try:
        return Finding(passed=True, line=check_java())
    except LabError as error:
        return Finding(passed=False, line=f"{error.cause}: {error.next_command}")


def _finding(passed: bool, good: str, bad: str) -> Finding:  # noqa: FBT001 - both texts follow
    return Finding(passed=passed, line=good if passed else bad)
