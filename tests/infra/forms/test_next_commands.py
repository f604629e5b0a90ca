"""The commands that texts name are of the stack that the command was given."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.commands.manual import COMMANDS
from infra.console.reporting import say
from infra.forms.next_commands import OF_A_STACK, with_name
from infra.forms.showing import LogsForm, ServeForm
from infra.forms.stacks import NamedStack, StartUpForm
from infra.forms.terminal import run_command
from infra.host.paths import CHECKOUT
from trending.errors import LabError

COMMAND = re.compile(r"(?<![\w-])make ([a-z-]+)((?: [A-Z_]+=\S*)*)")


@cache
def texts() -> list[str]:
    """All texts of the code that name a make command of a stack; what is filled in stands as X.

    They are read by the first test that wants them: whoever only collects the tests does not wait 0.4 s for them.
    """
    found = []
    for floor in ("flows", "tasks", "infra", "src"):
        for path in (CHECKOUT / floor).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if "make " not in source:
                continue
            tree = ast.parse(source)
            inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                    found.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))
    return [text for text in found if any(command in OF_A_STACK for command, _settings in COMMAND.findall(text))]


def unnamed(text: str) -> list[str]:
    return [command for command, settings in COMMAND.findall(text) if command in OF_A_STACK and " NAME=" not in settings]


def test_every_command_that_takes_a_stacks_name_is_one_of_a_stack() -> None:
    forms = [form for form in COMMANDS if issubclass(form, NamedStack)]
    words = {each.removeprefix("make ") for form in forms for each in COMMANDS[form].split(", ")}
    assert words - set(OF_A_STACK) == set()


def test_there_are_texts_to_look_at() -> None:
    assert sum(bool(unnamed(text)) for text in texts()) > 60


@given(
    st.lists(st.deferred(lambda: st.sampled_from(texts())), min_size=1, max_size=3),
    st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
)
def test_every_command_of_a_stack_names_it_and_nothing_else_changes(parts: list[str], stack: str) -> None:
    text = "\n  next: ".join(parts)
    named = with_name(text, stack)
    if stack == "trending":
        assert named == text
        return
    assert unnamed(named) == []
    assert with_name(named, stack) == named
    assert named.replace(f" NAME={stack}", "") == text.replace(f" NAME={stack}", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("make status", "make status NAME=lab"),
        ("make down VOLUMES=1, then make up", "make down NAME=lab VOLUMES=1, then make up NAME=lab"),
        ("make up NAME=another PORT=19092", "make up NAME=another PORT=19092"),
        ("make tweet TEXT='hola #Clase'", "make tweet NAME=lab TEXT='hola #Clase'"),
        ("make tweet TEXT='hola #Clase' NAME=another", "make tweet TEXT='hola #Clase' NAME=another"),
        ("make up PROFILE=kraft NAME=another", "make up PROFILE=kraft NAME=another"),
        ("make serve-stop, make up-to-date, remake status", "make serve-stop, make up-to-date, remake status"),
        ("make jars, or make images", "make jars, or make images"),
        ("make logs SERVICE=kafka; make game-day", "make logs NAME=lab SERVICE=kafka; make game-day NAME=lab"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert with_name(text, "lab") == expected


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(
    ("arguments", "form", "command"),
    [
        (["--name", "lab"], LogsForm, "make status NAME=lab"),
        (["--name", "lab"], StartUpForm, "make status NAME=lab"),
        ([], LogsForm, "make status\n"),
        ([], ServeForm, "make status\n"),
    ],
)
def test_a_command_prints_its_errors_and_lines_for_its_stack(
    arguments: list[str], form: type, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(_settings: object) -> None:
        say("make up brings it back")
        cause = "it failed"
        raise LabError(cause, "", "make status")

    monkeypatch.setattr("sys.argv", ["x", *arguments])
    with pytest.raises(SystemExit):
        run_command(form, main, "x")
    out, err = capsys.readouterr()
    assert f"next: {command}" in err
    assert out == ("make up NAME=lab brings it back\n" if arguments else "make up brings it back\n")
