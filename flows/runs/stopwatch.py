"""Measures the steps of a start-up, for the summary stored with the stack and the Markdown artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from infra.console.reporting import say
from infra.stack.runtime import Outcome
from infra.stack.start_up_summary import StartUpStep, StartUpSummary, keep_summary
from infra.supervision.programs import PAGE

if TYPE_CHECKING:
    from infra.lab.assembly import Lab


class Stopwatch:
    """Measures steps and reports each when it ends."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._started = time.monotonic()
        self._steps: list[StartUpStep] = []

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[..., None]]:
        """Measure a step; the yielded function takes its outcome and a note."""
        started = time.monotonic()
        noted: dict[str, str] = {"outcome": "", "note": ""}

        def done(outcome: Outcome | str = "", note: str = "") -> None:
            noted.update(outcome=str(outcome), note=note)

        yield done
        step = StartUpStep(name=name, seconds=round(time.monotonic() - started, 2), **noted)
        self._steps.append(step)
        words = " · ".join(word for word in (step.outcome, step.note) if word)
        say(f"[{step.seconds:6.2f} s] {step.name}: {words or 'ok'}")

    def finish(self, lab: Lab) -> StartUpSummary:
        """Return the summary; store it with the stack, leave the artifacts and report the end."""
        changed = any(step.outcome not in {"", Outcome.ADOPTED} for step in self._steps)
        summary = StartUpSummary(
            stack=self._stack,
            runtime=lab.runtime.kind,
            bootstrap=lab.stack.connection.bootstrap,
            topic=lab.settings.stack.topic,
            cluster_id=lab.stack.cluster_id,
            page=lab.settings.page.address if any(step.name == PAGE for step in self._steps) else "",
            changed=changed,
            steps=self._steps,
            seconds=round(time.monotonic() - self._started, 2),
        )
        keep_summary(lab.paths, summary)
        create_markdown_artifact(to_markdown(summary), key="start-up-timeline", description="What start-up did")
        if summary.page:
            create_link_artifact(summary.page, f"Live page of {summary.stack}", key="page", description="The ranking, live")
        word = "is up" if changed else "was up already: nothing was changed"
        page = f", page at {summary.page}" if summary.page else ""
        say(f"stack {summary.stack} {word}, {summary.seconds:.1f} s, Kafka at {summary.bootstrap}{page}")
        return summary


def to_markdown(summary: StartUpSummary) -> str:
    """Return the summary as Markdown."""
    rows = "\n".join(f"| {step.name} | {step.outcome} | {step.note} | {step.seconds:.2f} |" for step in summary.steps)
    return (
        f"# Stack {summary.stack}\n\n"
        f"Runtime {summary.runtime}, Kafka at `{summary.bootstrap}`, topic `{summary.topic}`, "
        f"cluster `{summary.cluster_id}`{f', page at <{summary.page}>' if summary.page else ''}.\n\n"
        f"| step | outcome | note | seconds |\n|---|---|---|---:|\n{rows}\n| **all** | | | {summary.seconds:.2f} |\n"
    )
