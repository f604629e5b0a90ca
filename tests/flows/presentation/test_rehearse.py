from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.clock import FakeClock
from fakes.plain import lab_stack

from flows import demo, rehearse
from infra.forms.showing import RehearsalOptions, RehearseForm
from infra.presentation.rehearsal import Finding
from infra.stack.state import existing_stacks
from trending.errors import Unhealthy

if TYPE_CHECKING:
    from fakes.world import World

pytestmark = pytest.mark.usefixtures("plain")
GOOD, LOOK = Finding(passed=True, line="all is here"), Finding(passed=None, line="look at the picture")


@pytest.fixture(autouse=True)
def looked_at(monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """What each look finds; a test changes one."""
    found = {"fetched_parts": GOOD, "ports": GOOD, "start": GOOD, "memory": GOOD, "screen": LOOK}
    for name in ("start", "memory", "screen"):
        monkeypatch.setattr(rehearse, name, lambda *_, name=name: found[name])
    for name in ("fetched_parts", "ports"):
        monkeypatch.setattr(rehearse, name, lambda *_, name=name: [found[name]])
    monkeypatch.setattr(demo, "time", FakeClock())
    return found


def form() -> RehearseForm:
    return RehearseForm(stack=lab_stack(), demo=RehearsalOptions(demo_seconds=5))


def test_a_rehearsal_tries_a_whole_stack_tells_what_it_found_and_leaves_nothing(world: World, said: list[str]) -> None:
    lines = rehearse.rehearse(form())
    assert lines[:5] == ["[ok] all is here"] * 4 + ["[look] look at the picture"]
    assert "stream works" in said
    assert lines[-1] == "[ok] everything was taken down"
    assert lines[-2].startswith("[ok] audit: acknowledged 0")
    assert said[-1] == "tomorrow: make present"
    assert world.running == set()
    assert existing_stacks() == []


@pytest.mark.parametrize("name", ["fetched_parts", "ports", "start", "memory", "screen"])
def test_what_would_go_wrong_is_told_after_everything_was_looked_at(
    name: str, looked_at: dict[str, Finding], said: list[str], world: World
) -> None:
    looked_at[name] = Finding(passed=False, line=f"{name} is not as it should be")
    with pytest.raises(Unhealthy, match="1 of 5 things would go wrong tomorrow") as caught:
        rehearse.rehearse(form())
    assert caught.value.evidence == f"{name} is not as it should be"
    assert f"[no] {name} is not as it should be" in said
    assert "[ok] everything was taken down" in said
    assert "tomorrow: make present" not in said
    assert world.running == set()


def test_what_only_a_person_can_judge_is_no_failure(looked_at: dict[str, Finding], said: list[str], world: World) -> None:
    looked_at["memory"] = LOOK
    rehearse.rehearse(form())
    assert said.count("[look] look at the picture") == 2
    assert world.running == set()
