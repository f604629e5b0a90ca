"""Running a command from a terminal: its options come from the same model as its Prefect form.

Values come from the command line, then ``TRENDING_<NAME>`` variables, then the defaults; an unknown name is an error.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

import trending
from infra.console.crash_reports import report_crash
from infra.console.impatience import leave_soon
from infra.console.interruptions import answer_signals_at_exit, hang_up, of_a_signal, raise_on_signals, signal_was_seen
from infra.console.reporting import LOGGER, MARK, write_line
from infra.console.standard_streams import make_streams_endure
from infra.forms.every_form import ALL_FORMS, field_sections
from infra.forms.next_commands import stack_of, with_name
from infra.forms.stacks import NamedStack
from infra.host.environment import keep_loopback_direct
from infra.host.paths import CHECKOUT, lab_home, require_usable_path
from infra.host.user import refusal_of, require_own_home
from infra.stack.declaration import DEFAULT_NAME
from trending.errors import ConfigurationConflict, Interrupted, InvalidInput, LabError

if TYPE_CHECKING:
    from collections.abc import Callable

Form = TypeVar("Form", bound=BaseModel)
_PREFIX = "TRENDING_"
_RESERVED = frozenset({"REQUIRE", "HOME", "STACK_ID", "STACK_NAME", "STACK_USER", "STACK_HOME", "COMPONENT", "DRIFT"})
"""TRENDING_ variables that are not settings: the test suite's, the lab's directory, the marks on processes."""


class _StackName(BaseModel):
    """The stack's name: the only option that must be valid before the recorded settings can complete the command line."""

    stack: NamedStack = Field(default_factory=NamedStack)


class _FlatEnvironment(PydanticBaseSettingsSource):
    """Reads TRENDING_RATE into producer.rate, and so on for every field of every section."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401, ARG002
        """Not used: ``__call__`` makes the whole mapping at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        sections = field_sections(self.settings_cls)
        values: dict[str, Any] = {}
        for name, section in sections.items():
            value = os.environ.get(_PREFIX + name.upper())
            if name == "name" and value == "":
                # From ``NAME=$UNSET`` in a script: the usual stack is not what was meant, least of all to be deleted.
                cause = "NAME is empty"
                raise InvalidInput(cause, f"{_PREFIX}NAME is set to nothing", "give a name, or leave NAME out for trending")
            if value is None or value == "":
                continue
            target = values.setdefault(section, {}) if section else values
            target[name] = value
        return values


def parse(form: type[Form], arguments: list[str], program: str, recorded: Callable[[str], dict[str, Any]] | None = None) -> Form:
    """Return the form filled in from the arguments and the environment; raises InvalidInput naming every wrong field.

    ``recorded`` returns the settings that the stack of a name was last started with. They replace the defaults, so that
    ``make up PORT=19092`` is remembered.
    """
    forms: tuple[type[BaseModel], ...] = (*ALL_FORMS, form)
    known = {name.upper() for each in forms for name in field_sections(each)} | _RESERVED
    unknown = sorted(name for name in os.environ if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in known)
    if unknown:
        cause = f"unknown parameter {', '.join(unknown)}"
        settings = ", ".join(sorted(name.lower() for name in known - _RESERVED))
        raise InvalidInput(cause, f"the parameters are: {settings}", f"{program} --help")
    return _fill(form, arguments, program, recorded(_name(arguments, program)) if recorded else {})


def _name(arguments: list[str], program: str) -> str:
    """Return the stack that the arguments name; other arguments are ignored."""
    options = [argument for argument in arguments if argument not in {"-h", "--help"}]
    return _fill(_StackName, options, program, {}, whole=False).stack.name


def _fill(form: type[Form], arguments: list[str], program: str, base: dict[str, Any], *, whole: bool = True) -> Form:
    shortcuts = {f"{section}.{name}": name for name, section in field_sections(form).items() if section}

    class _CommandLine(form, BaseSettings):  # type: ignore[misc, valid-type]
        model_config = SettingsConfigDict(
            cli_parse_args=[_as_declared(argument) for argument in arguments],
            cli_prog_name=program,
            cli_shortcuts=shortcuts,
            cli_avoid_json=True,
            cli_implicit_flags=True,
            cli_exit_on_error=False,
            cli_hide_none_type=True,
            cli_ignore_unknown_args=not whole,
            extra="forbid",
        )

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the parent's signature
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (_FlatEnvironment(settings_cls), InitSettingsSource(settings_cls, base))

    _CommandLine.__doc__ = form.__doc__
    try:
        filled = _CommandLine()
        return form.model_validate(filled.model_dump())
    except ValidationError as error:
        mistakes = [": ".join(filter(None, (".".join(map(str, mistake["loc"])), mistake["msg"]))) for mistake in error.errors()]
        raise InvalidInput(mistakes[0], "; ".join(mistakes[1:]), f"{program} --help") from error
    except SettingsError as error:
        # The value stays out of the message and of its cause: that of a mistyped option may be an address with a token.
        raise InvalidInput(_without_values(str(error), arguments), _options(arguments), f"{program} --help") from None


def _options(arguments: list[str]) -> str:
    """Return the names of the options that were given."""
    return " ".join(argument.partition("=")[0] for argument in arguments if argument.startswith("-"))


def _without_values(message: str, arguments: list[str]) -> str:
    """Return the parser's message with … for every option's value, because it quotes what it does not know."""
    values = {argument.partition("=")[2] for argument in arguments if argument.startswith("-")}
    values |= {word for option, word in pairwise(arguments) if option.startswith("-") and not word.startswith("-")}
    for value in sorted(values - {""}, key=len, reverse=True):
        message = re.sub(rf"(?<=[=\s'\"]){re.escape(value)}(?=[\s'\"]|$)", "…", message)
    return message


def _as_declared(argument: str) -> str:
    """Return an option spelled like its field: ``--page-port=1`` means ``--page_port=1``."""
    option = re.match(r"--(no-)?[^=]*", argument)
    if option is None:
        return argument
    prefix = f"--{option[1] or ''}"
    return prefix + option[0].removeprefix(prefix).replace("-", "_") + argument[option.end() :]


class _Terminal(logging.Handler):
    """Prints the lab's own lines, and no other records that Prefect logs. ``stack`` is the one that the command works on."""

    stack = DEFAULT_NAME

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, MARK, False) and write_line(with_name(record.getMessage(), self.stack)):
            hang_up()


def run_command(
    form: type[Form],
    main: Callable[[Form], None],
    program: str,
    recorded: Callable[[str], dict[str, Any]] | None = None,
) -> None:
    """Fill in the form, run ``main`` and exit with 0, or print the error that it raised and exit with its code.

    An unexpected error is one line, and its traceback goes to a file. The commands that the lines name are of the form's stack.
    """
    make_streams_endure()
    keep_loopback_direct()
    terminal = _quieten_prefect()
    # Keeps the garbage collector from visiting all imported objects at exit, which takes 0.5 s in every command.
    atexit.register(gc.freeze)
    raise_on_signals()
    try:
        require_usable_path(lab_home())
        require_own_code()
        require_own_home()  # first: another user's files may be unreadable
        filled = parse(form, sys.argv[1:], program, recorded)
        terminal.stack = stack_of(filled)
        main(filled)
    except LabError as error:
        signal_was_seen()
        write_line(with_name(f"error: {error}", terminal.stack), sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit:
        raise
    except PermissionError as error:
        signal_was_seen()
        if (refused := refusal_of(error)) is None:
            sys.exit(report_crash(error))
        write_line(with_name(f"error: {refused}", terminal.stack), sys.stderr)
        sys.exit(refused.exit_code)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it ends in one line
        signal_was_seen()
        if not of_a_signal(error):
            sys.exit(report_crash(error))
        # What became of what it had made was said by the undo, which has looked at the machine.
        write_line("interrupted", sys.stderr)
        leave_soon(Interrupted.exit_code)
        sys.exit(Interrupted.exit_code)
    finally:
        answer_signals_at_exit()


def require_own_code() -> None:
    """Raise ConfigurationConflict if the data plane's code is another checkout's: the environment was copied with this one."""
    theirs = Path(trending.__file__).parents[2]
    if theirs != CHECKOUT:
        cause = f"this checkout's virtual environment runs the code of {theirs}, because it was copied from there"
        raise ConfigurationConflict(cause, str(CHECKOUT), "make status, as any other make command, sets it up again")


def _quieten_prefect() -> _Terminal:
    # Prefect resets handler levels whenever it sets up logging again; the variable makes it reset to the same level.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    terminal = _Terminal()
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.CRITICAL)
    logging.getLogger(LOGGER).addHandler(terminal)
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    return terminal
