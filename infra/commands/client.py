"""Write the files with which other clients get into a stack's Kafka: one for Kafka's own tools, one for kcat."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.forms.showing import ClientForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.kafka.properties import render_properties
from infra.lab.assembly import open_lab
from infra.stack.state import Wanted, stack_held
from trending.errors import ConfigurationConflict, InvalidInput
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping


def main(settings: ClientForm) -> None:
    """Write both files, for the user alone, and print a command for each."""
    name = settings.name
    open_lab(name)  # a stack that is absent gets no directory for its lock
    with stack_held(StackPaths.of(name)):
        lab = open_lab(name)
        if lab.state.wanted is not Wanted.UP:
            cause = f"the stack {name} is not up, and what lets clients in is made when it starts"
            raise ConfigurationConflict(cause, f"wanted is {lab.state.wanted}", f"make up NAME={name}")
        connection, paths = lab.stack.connection, lab.paths
        lines = _lines(connection.for_others())
        paths.run.mkdir(parents=True, exist_ok=True)
        write_private(paths.java_client, render_properties(connection.java()))
        write_private(paths.kcat, lines)
    java, kcat = (shlex.quote(str(path)) for path in (paths.java_client, paths.kcat))
    say(f"kafka-topics.sh --bootstrap-server {connection.bootstrap} --command-config {java} --describe")
    say(f"kcat -F {kcat} -C -t {lab.settings.stack.topic} -o beginning")
    say(f"only you may read the two files; make down NAME={name} deletes them")


def _lines(settings: Mapping[str, str]) -> str:
    """Return librdkafka's settings as kcat reads them: a name and a value a line, neither quoted nor escaped."""
    for name, value in settings.items():
        if "\n" in value or value != value.strip():
            cause = f"{name} cannot be written for kcat, which reads a value from the equals sign to the end of the line"
            raise InvalidInput(cause, "it begins or ends with a space, or has several lines", "another password")
    return "".join(f"{name}={value}\n" for name, value in settings.items())


if __name__ == "__main__":
    run_command(ClientForm, main, ".venv/bin/python -m infra.commands.client")
