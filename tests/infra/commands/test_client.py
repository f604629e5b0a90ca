from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from fakes.plain import lab_stack
from fakes.stacks import make

from infra.commands import client
from infra.forms.showing import ClientForm
from infra.host.paths import StackPaths
from infra.lab.assembly import open_lab
from infra.lab.own_access import keep_own_access
from infra.operations.take_down import take_down
from trending.access.kept import keep_access, kept_access
from trending.errors import ConfigurationConflict, InvalidInput, StackAbsent

if TYPE_CHECKING:
    from pathlib import Path

    from infra.lab.assembly import Lab

pytestmark = pytest.mark.usefixtures("world")


def lines(path: Path) -> dict[str, str]:
    """Return the settings of a file as kcat reads them."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return dict(line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines())


def secure() -> Lab:
    lab = make(stack=lab_stack(secure=True))
    keep_own_access(lab, lambda _line: None)
    return open_lab("lab")


def test_an_open_lab_is_reached_by_its_address_alone(said: list[str]) -> None:
    lab = make()
    client.main(ClientForm(name="lab"))
    bootstrap = {"bootstrap.servers": lab.stack.connection.bootstrap}
    assert lines(lab.paths.kcat) == lines(lab.paths.java_client) == bootstrap
    assert f"kcat -F {lab.paths.kcat} -C -t tweets_topic -o beginning" in said
    assert any(f"--command-config {lab.paths.java_client} --describe" in line for line in said)


def test_a_lab_with_a_password_gives_each_client_what_it_needs_until_it_is_taken_down(said: list[str]) -> None:
    lab = secure()
    password = lab.stack.connection.settings["sasl.password"]
    client.main(ClientForm(name="lab"))
    assert lines(lab.paths.kcat) == {"bootstrap.servers": lab.stack.connection.bootstrap, **lab.stack.connection.settings}
    java = lines(lab.paths.java_client)
    assert f'password="{password}"' in java["sasl.jaas.config"]
    assert java["ssl.truststore.location"] == lab.stack.connection.settings["ssl.ca.location"]
    assert password not in "".join(said)
    take_down("lab", volumes=False)
    assert not lab.paths.kcat.exists()
    assert not lab.paths.java_client.exists()


def test_a_stack_that_is_not_up_or_not_there_gets_no_file() -> None:
    with pytest.raises(StackAbsent):
        client.main(ClientForm(name="lab"))
    assert not StackPaths.of("lab").root.exists()
    lab = make()
    take_down("lab", volumes=False)
    with pytest.raises(ConfigurationConflict, match="is not up"):
        client.main(ClientForm(name="lab"))
    assert not lab.paths.kcat.exists()


@pytest.mark.parametrize("password", [" begins with a space", "ends with one ", "two\nlines"])
def test_a_password_that_kcat_would_read_as_another_one_is_refused(password: str) -> None:
    lab = secure()
    kept = kept_access(lab.paths.access)
    assert kept is not None
    keep_access(lab.paths.access, {**lab.stack.connection.settings, "sasl.password": password})
    with pytest.raises(InvalidInput, match="cannot be written for kcat"):
        client.main(ClientForm(name="lab"))
    assert not lab.paths.java_client.exists()
