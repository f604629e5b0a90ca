"""``lab``, in the environment's ``bin``: the commands of ``make`` with options, from any directory, and completed by the shell.

``lab up --rate 5`` runs what ``make up RATE=5`` does. Only the standard library is imported before the command's module.
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from flows.commands.completion import SCRIPTS
from flows.commands.modules import COMMANDS
from infra.console.crash_reports import run_reported
from infra.host.command_environment import command_environment
from infra.lab.packages import STAMP, installed
from trending.errors import InvalidInput, PrerequisiteMissing

USAGE = "usage: lab COMMAND [--option value …]     each command has --help; docs/settings.md lists all options"
COMPLETION = "--completion"
WORDS, OPTIONS = "--words", "--options"
"""What the completion scripts ask for: the commands, and the options of one."""
RESTART = "restart"


def main(arguments: list[str] | None = None) -> int:
    """Answer a question about the commands, or become one; raises InvalidInput for a word that is none."""
    word, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if word in {"--help", "-h", "help"}:
        if not rest:
            return _print(_listed())
        word, rest = rest[0], ["--help"]
    if word == COMPLETION:
        return _print(_completion(rest))
    if word == WORDS:
        return _print("\n".join([*COMMANDS, RESTART]))
    if word == OPTIONS:
        return _print("\n".join(options_of(rest[0] if rest else "")))
    if word == RESTART:
        if code := os.spawnve(os.P_WAIT, sys.executable, *_process("stop", rest)):  # noqa: S606 - as below
            return code
        word = "start"
    _become(word, rest)
    return 0


def options_of(word: str) -> list[str]:
    """Return the options of a command, ``--rate`` for example; none for one that takes other arguments."""
    if word not in COMMANDS:
        return []
    parameters, manual = import_module("infra.forms.every_form"), import_module("infra.commands.manual")
    form = next((form for form, commands in manual.COMMANDS.items() if f"make {word}" in commands.split(", ")), None)
    return [f"--{name.replace('_', '-')}" for name in parameters.field_sections(form)] if form else []


def _become(word: str, arguments: list[str]) -> None:
    _require_known(word)
    _require_current()
    sys.stdout.flush()
    command, environment = _process(word, arguments)
    os.execve(sys.executable, command, environment)  # noqa: S606 - the command's own module, by our own interpreter


def _process(word: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of a command; -P keeps the current directory's modules out."""
    command = COMMANDS[word]
    environment = command_environment(os.environ)
    Path(environment["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    line = [sys.executable, "-P", "-m", command.module, *command.arguments, *map(_as_option, arguments)]
    return line, {**environment, **dict(command.environment)}


def _as_option(argument: str) -> str:
    """Return ``RATE=5``, as ``make`` takes it, as an option; others unchanged."""
    name, equals, value = argument.partition("=")
    return f"--{name.lower()}={value}" if equals and name.isascii() and name.replace("_", "").isupper() else argument


def _require_known(word: str) -> None:
    if word in COMMANDS:
        return
    close = get_close_matches(word, [*COMMANDS, RESTART], n=1)
    cause = f"there is no command {word!r}"
    raise InvalidInput(cause, f"did you mean {close[0]}?" if close else "none is spelled like it", "lab --help")


def _require_current() -> None:
    if not installed():
        cause = "the environment was not set up from today's requirements.lock"
        raise PrerequisiteMissing(cause, str(STAMP), "make setup")


def _listed() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {word:{width}}{command.summary}" for word, command in COMMANDS.items()]
    return "\n".join([USAGE, "", *lines, f"  {RESTART:{width}}stop and start again", "", *_HINTS])


_HINTS = (
    "Completion: add to ~/.bashrc        source <(lab --completion bash)",
    "            add to ~/.zshrc         source <(lab --completion zsh)",
    "            in fish, once           lab --completion fish > ~/.config/fish/completions/lab.fish",
)


def _completion(words: list[str]) -> str:
    shell = words[0] if words else Path(os.environ.get("SHELL", "")).name
    if shell not in SCRIPTS:
        cause = f"there is no completion for {shell or 'a shell without a name'}"
        raise InvalidInput(cause, f"there is one for {', '.join(SCRIPTS)}", "lab --completion bash")
    return SCRIPTS[shell]


def _print(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    run_reported(main)
