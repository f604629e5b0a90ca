from __future__ import annotations

import stat
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.plain import lab_stack
from fakes.supervisor import FakeSupervisor

from infra.embedded.runtime import EmbeddedRuntime
from infra.kafka.broker_secrets import secret_files, secret_properties
from infra.kafka.certificates import RENEWED_BEFORE, ends
from infra.lab import own_access
from infra.lab.assembly import open_lab, record, sweep_machine
from infra.lab.own_access import change_of_security, keep_own_access, require_valid
from infra.operations.services import prepare_stack
from infra.stack.security import AUTHORITY
from infra.stack.state import read_state
from infra.supervision.configuration import write_configuration, write_program
from trending.access.java_client import java_settings
from trending.errors import ConfigurationConflict
from trending.programs.specifications import ProgramSpec
from trending.settings import LabSettings

if TYPE_CHECKING:
    from fakes.world import World

    from infra.lab.assembly import Lab


def settings(**stack: Any) -> LabSettings:
    return LabSettings(stack=lab_stack(**{"secure": True, **stack}))


def made(**stack: Any) -> Lab:
    """A stack as preparation leaves it."""
    said: list[str] = []
    keep_own_access(record(settings(**stack))[0], said.append)
    return open_lab("lab")


def authority(lab: Lab) -> Path:
    return Path(lab.stack.connection.settings["ssl.ca.location"])


@pytest.mark.usefixtures("world", "java17")
def test_preparation_makes_what_lets_the_programs_in_and_says_so(said: list[str]) -> None:
    prepare_stack(settings(brokers=3))
    lab = open_lab("lab")
    kept = lab.stack.connection.settings
    assert (kept["security.protocol"], kept["sasl.mechanism"], kept["sasl.username"]) == ("SASL_SSL", "PLAIN", "lab")
    assert len(kept["sasl.password"]) >= 32
    assert authority(lab).is_file()
    assert lab.access is not None
    assert {service.access for service in lab.stack.brokers} == {lab.access.version}
    assert any("certificates for kafka, kafka-2, kafka-3, valid until" in line for line in said)


@pytest.mark.usefixtures("java17")
def test_brokers_that_would_not_understand_each_other_are_stopped_together(world: World) -> None:
    prepare_stack(settings(brokers=2, secure=False))
    lab = open_lab("lab")
    lab.supervisor.start()
    for service in lab.stack.brokers:
        lab.runtime.start(service)

    world.forget_history()
    prepare_stack(settings(brokers=2))
    assert [call for call in world.calls if call.startswith("stop")] == ["stop kafka-2", "stop kafka"]
    assert world.running == set()

    for service in open_lab("lab").stack.brokers:
        lab.runtime.start(service)
    world.forget_history()
    prepare_stack(settings(brokers=2))
    assert [call for call in world.calls if call.startswith("stop")] == []

    (authority(open_lab("lab")).parent / "kafka-2.pem").unlink()
    prepare_stack(settings(brokers=2))
    assert [call for call in world.calls if call.startswith("stop")] == ["stop kafka-2", "stop kafka"]


@pytest.mark.usefixtures("world")
def test_password_and_certificates_stay_from_one_start_to_the_next() -> None:
    first = made()
    again = made()
    assert again.access == first.access
    assert dict(again.stack.connection.settings) == dict(first.stack.connection.settings)


@pytest.mark.usefixtures("world")
def test_certificates_that_run_out_are_renewed_and_brokers_and_programs_drift() -> None:
    before = made()
    version = before.access.version if before.access else ""
    said: list[str] = []
    keep_own_access(before, said.append, ends(authority(before).parent) - RENEWED_BEFORE + timedelta(seconds=1))
    after = open_lab("lab")
    assert authority(after) != authority(before)
    assert [path.name for path in after.paths.certificates.iterdir()] == [authority(after).parent.name]
    assert after.stack.connection.settings["sasl.password"] == before.stack.connection.settings["sasl.password"]
    assert after.access is not None
    assert after.access.version != version
    assert version
    assert after.stack.brokers[0].config_hash != before.stack.brokers[0].config_hash
    assert "start anew" in said[0]


@pytest.mark.usefixtures("world")
def test_a_broker_more_gets_a_certificate() -> None:
    first, second = made(), made(brokers=2)
    assert authority(first) != authority(second)
    assert sorted(path.name for path in authority(second).parent.iterdir()) == [AUTHORITY, "kafka-2.pem", "kafka.pem"]


@pytest.mark.usefixtures("world")
def test_open_brokers_are_reached_without_a_password_whatever_is_left_of_a_secure_time() -> None:
    assert made().access is not None
    lab = made(secure=False)
    assert lab.access is None
    assert dict(lab.stack.connection.settings) == {}
    assert not lab.stack.brokers[0].secure


@pytest.mark.usefixtures("world")
def test_a_change_is_told() -> None:
    made()
    state = read_state(open_lab("lab").paths)
    assert change_of_security(state, settings().stack) == ""
    assert change_of_security(None, settings().stack) == ""
    told = change_of_security(state, settings(secure=False).stack)
    assert told == "the brokers of lab ask nobody any more who comes: they and the programs are started anew"


@pytest.mark.usefixtures("world")
def test_a_take_down_leaves_neither_password_nor_key() -> None:
    lab = made()
    sweep_machine(lab, volumes=False)
    assert not lab.paths.access.exists()
    assert not lab.paths.certificates.exists()
    assert made().stack.connection.settings["sasl.password"] != lab.stack.connection.settings["sasl.password"]


@pytest.mark.usefixtures("world")
def test_nothing_that_is_shown_tells_the_password_or_a_key() -> None:
    lab = made(brokers=2)
    connection = lab.stack.connection
    password = connection.settings["sasl.password"]
    keys = [secret_files(connection, each.name)[f"{each.name}.pem"].decode().splitlines()[1] for each in lab.stack.brokers]
    shown = [
        repr(lab),
        lab.paths.state.read_text(),
        *(str(asdict(service)) + service.config_hash for service in lab.stack.services),
    ]
    for text in shown:
        assert password not in text
        assert not any(key in text for key in keys)


def embedded(world: World, lab: Lab) -> EmbeddedRuntime:
    supervisor = FakeSupervisor(world, lab.paths)
    supervisor.start()
    return EmbeddedRuntime(lab.stack, lab.paths, supervisor)


def test_a_process_reads_its_secrets_from_a_file_of_its_users_only(world: World, java17: Path) -> None:
    lab = made()
    runtime, kafka = embedded(world, lab), lab.stack.brokers[0]
    (lab.paths.broker("kafka")).mkdir(parents=True)
    (lab.paths.broker("kafka") / "meta.properties").write_text(f"cluster.id={lab.stack.cluster_id}\n")
    runtime.start(kafka)
    properties = lab.paths.properties("kafka")
    password = lab.stack.connection.settings["sasl.password"]
    assert f'user_lab="{password}"' in properties.read_text()
    assert stat.S_IMODE(properties.stat().st_mode) == 0o600
    program = world.programs["kafka"]
    assert password not in repr(program)
    assert password not in lab.paths.drift("kafka").read_text()
    write_configuration(lab.paths.run, lab.paths.stack_id)
    write_program(lab.paths.run, program)
    written = [path for path in lab.paths.root.rglob("*") if path.is_file() and password in path.read_text(errors="replace")]
    assert sorted(path.name for path in written) == ["access.json", "kafka.properties"]
    runtime.remove(kafka)
    assert not properties.exists()


def test_a_sweep_leaves_no_configuration_with_a_password(world: World, java17: Path) -> None:
    lab = made()
    runtime = embedded(world, lab)
    lab.paths.properties("kafka").write_text("secret")
    runtime.destroy(volumes=False)
    assert not lab.paths.properties("kafka").exists()


@pytest.mark.usefixtures("world")
def test_a_broker_whose_key_is_gone_is_not_started() -> None:
    lab = made()
    (authority(lab).parent / "kafka.pem").unlink()
    with pytest.raises(ConfigurationConflict, match=r"the key of kafka, .* is not there") as caught:
        secret_files(lab.stack.connection, "kafka")
    assert caught.value.next_command == "make up makes another one"
    assert authority(made()) != authority(lab)


@pytest.mark.usefixtures("world")
def test_a_brokers_secret_properties_name_files_where_the_broker_sees_them() -> None:
    lab = made()
    properties = secret_properties(lab.stack.connection, "kafka", Path("/mnt/shared/config"))
    assert properties["ssl.keystore.location"] == "/mnt/shared/config/kafka.pem"
    assert properties["ssl.truststore.location"] == "/mnt/shared/config/ca.pem"
    assert "PlainLoginModule required user_lab=" in properties["listener.name.clients.plain.sasl.jaas.config"]
    assert properties["listener.name.clients.scram-sha-512.sasl.jaas.config"].endswith("ScramLoginModule required;")


@pytest.mark.usefixtures("world")
def test_a_programs_specification_points_at_the_password_and_the_java_client_gets_it() -> None:
    lab = made()
    heartbeat = lab.paths.heartbeat("producer")
    spec = ProgramSpec(bootstrap=lab.stack.connection.bootstrap, topic="tweets", heartbeat=heartbeat, access=lab.access)
    password = lab.stack.connection.settings["sasl.password"]
    assert password not in spec.model_dump_json()
    assert spec.connection == lab.stack.connection
    java = java_settings(spec.connection.settings)
    assert java["ssl.truststore.location"] == str(authority(lab))
    assert password in java["sasl.jaas.config"]


@pytest.mark.usefixtures("world")
def test_a_file_of_no_use_is_told_with_the_way_out() -> None:
    lab = made()
    lab.paths.access.write_text("{")
    with pytest.raises(ConfigurationConflict, match="with what lets us into Kafka, cannot be read") as caught:
        open_lab("lab")
    assert caught.value.next_command == f"rm {lab.paths.access}, then make up, which writes it again"
    lab.paths.access.unlink()
    assert made().access is not None


@pytest.mark.usefixtures("world")
def test_certificates_are_valid_then_due_and_then_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = made()
    until = f"valid until {ends(authority(lab).parent):%Y-%m-%d}"
    assert require_valid(lab) == (until, False)
    left = timedelta(days=1)
    monkeypatch.setattr(own_access, "ends", lambda _directory: datetime.now(UTC) + left)
    assert require_valid(lab)[1]
    monkeypatch.setattr(own_access, "ends", lambda _directory: datetime.now(UTC) - left)
    with pytest.raises(ConfigurationConflict, match="have run out") as caught:
        require_valid(lab)
    assert caught.value.next_command == "make up renews them"


@pytest.mark.usefixtures("world")
def test_certificates_that_are_gone_are_told() -> None:
    lab = made()
    authority(lab).unlink()
    with pytest.raises(ConfigurationConflict, match="are not there"):
        require_valid(lab)
    lab.paths.access.unlink()
    with pytest.raises(ConfigurationConflict, match="are not there"):
        require_valid(open_lab("lab"))
