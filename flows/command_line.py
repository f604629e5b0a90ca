"""Running a flow from a terminal: its options come from the same model as its Prefect form.

Values come from the command line, then ``TRENDING_<NAME>`` variables, then the defaults; a name nobody knows is an error.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError
from rich.console import Console

from flows.forms import ALL_FORMS, field_sections
from infra.prefect_server import PrefectServer, ensure_server, prefect_environment
from trending.errors import InvalidInput, Interrupted, LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

Form = TypeVar("Form", bound=BaseModel)
_PREFIX = "TRENDING_"
_RESERVED = frozenset({"REQUIRE", "HOME", "STACK_ID", "COMPONENT", "DRIFT"})
"""TRENDING_ variables that are no settings: the test suite's, the lab's directory, the marks on processes."""


class _FlatEnvironment(PydanticBaseSettingsSource):
    """Reads TRENDING_RATE into producer.rate, and so on for every field of every section."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401, ARG002
        """Not used: the whole mapping is made at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        sections = field_sections(self.settings_cls)
        values: dict[str, Any] = {}
        for name, section in sections.items():
            value = os.environ.get(_PREFIX + name.upper())
            if value is None or value == "":
                continue
            target = values.setdefault(section, {}) if section else values
            target[name] = value
        return values


def parse(form: type[Form], arguments: list[str], program: str) -> Form:
    """Return the form filled in from the arguments and the environment; raises InvalidInput naming every wrong field."""
    known = {name.upper() for each in ALL_FORMS for name in field_sections(each)} | _RESERVED
    strangers = sorted(
        name for name in os.environ if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in known
    )
    if strangers:
        cause = f"unknown parameter {', '.join(strangers)}"
        settings = ", ".join(sorted(name.lower() for name in known - _RESERVED))
        raise InvalidInput(cause, f"the parameters are: {settings}", f"{program} --help")
    shortcuts = {f"{section}.{name}": name for name, section in field_sections(form).items() if section}

    class _CommandLine(form, BaseSettings):  # type: ignore[misc, valid-type]
        model_config = SettingsConfigDict(
            cli_parse_args=arguments,
            cli_prog_name=program,
            cli_shortcuts=shortcuts,
            cli_avoid_json=True,
            cli_implicit_flags=True,
            cli_exit_on_error=False,
            cli_hide_none_type=True,
            extra="forbid",
        )

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **_others: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (_FlatEnvironment(settings_cls),)

    _CommandLine.__doc__ = form.__doc__
    try:
        filled = _CommandLine()
        return form.model_validate(filled.model_dump())
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise InvalidInput(faults[0], "; ".join(faults[1:]), f"{program} --help") from error
    except SettingsError as error:
        raise InvalidInput(str(error), " ".join(arguments), f"{program} --help") from error


class _Terminal(logging.Handler):
    """Prints the lab's own lines and nothing else of what Prefect logs."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(highlight=False, soft_wrap=True)

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "lab", False):
            self._console.print(record.getMessage(), markup=False)


def run_command(form: type[Form], main: Callable[[Form], None], program: str) -> None:
    """Fill in the form, run ``main`` and exit: 0, or the code of the error that it raised, told in one clear message."""
    _quieten_prefect()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        main(parse(form, sys.argv[1:], program))
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except (Interrupted, KeyboardInterrupt):
        sys.stderr.write("interrupted: what this run had made was undone\n")
        sys.exit(Interrupted.exit_code)


def with_server(run: Callable[[], object]) -> bool:
    """Run a flow against a Prefect server that answers, started here if need be; returns whether it was started.

    A server started here for a run that fails stays for the stacks that may still be up; ``make down`` stops it.
    """
    server = ensure_server()
    run_on(server, run)
    return server.started


def run_on(server: PrefectServer, run: Callable[[], object]) -> None:
    """Run a flow against this server, with Prefect's home in the checkout."""
    home = prefect_environment()["PREFECT_HOME"]
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_HOME: home}):
        run()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def _quieten_prefect() -> None:
    # Prefect resets handler levels whenever it sets up logging again; the variable makes it reset to the same level.
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    terminal = _Terminal()
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.CRITICAL)
    for name in ("prefect.flow_runs", "prefect.task_runs", "trending"):
        logging.getLogger(name).addHandler(terminal)
    logging.getLogger("trending").setLevel(logging.INFO)
