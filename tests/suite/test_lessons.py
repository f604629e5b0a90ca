"""Both languages teach the same, and what their lessons name exists; tests/real/views/test_lessons.py runs them."""

from __future__ import annotations

import pytest
from lessons import ANYTHING, lessons, missing, steps

from infra.commands.simulator import truth
from infra.forms.proving import TruthForm

PARTS = {
    "en": ("**Goal.**", "## Predict first", "## Run", "## What you see", "## Question"),
    "es": ("**Objetivo.**", "## Primero, predice", "## Ejecuta", "## Lo que ves", "## Pregunta"),
}


def test_both_languages_have_the_same_commands_and_figures_in_the_same_order() -> None:
    assert steps("en") == steps("es")
    assert {step.lesson for step in steps("en")} == set("123456")


@pytest.mark.parametrize("language", PARTS)
def test_every_lesson_has_its_parts_in_order(language: str) -> None:
    found = lessons(language)
    assert len(found) == 6
    for lesson in found:
        text = lesson.read_text(encoding="utf-8")
        places = [text.find(f"\n{part}") for part in PARTS[language]]
        assert -1 not in places, lesson
        assert places == sorted(places), lesson


def test_what_the_lessons_say_of_the_scenario_is_what_its_seed_says(said: list[str]) -> None:
    """Every figure of `make truth` in a lesson, so that a changed scenario is told in a second and not in minutes."""
    tried = 0
    for step in steps("en"):
        for command in step.commands:
            if command.startswith("make truth "):
                given = dict(word.lower().split("=") for word in command.split()[2:])
                before = len(said)
                length = int(given["window_seconds"])
                truth.main(TruthForm(scenario=given["scenario"], window_seconds=length))
                assert missing(step.expected, "\n".join(said[before:])) == []
                tried += 1
    assert tried == 2


def test_a_line_that_does_not_come_or_comes_too_early_is_missing() -> None:
    output = "one 1\ntwo 22 x\nthree\n"
    assert missing(("one 1", f"two {ANYTHING} x"), output) == []
    assert missing((f"two {ANYTHING}", "one 1"), output) == ["one 1"]
    assert missing(("one",), output) == ["one"]
