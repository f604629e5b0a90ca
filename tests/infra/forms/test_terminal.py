from __future__ import annotations

import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from prefect.exceptions import TerminationSignal
from pydantic import SecretStr

from flows import start_up, tear_down
from infra.console.reporting import say
from infra.forms.every_form import ALL_FORMS, field_sections
from infra.forms.producing import ProduceForm
from infra.forms.proving import AuditForm, AuditRange, SmokeTestForm
from infra.forms.showing import DemoForm, LogsForm, ServeForm, SpyForm
from infra.forms.stacks import LastStep, StartUpForm, TearDownCommand, TearDownForm
from infra.forms.terminal import parse, run_command
from infra.game_day.fault_names import FaultName
from infra.host.paths import StackPaths
from infra.host.user import refusal_of
from trending.access.settings import AccessSettings
from trending.errors import Interrupted, InvalidInput, LabError, NotReady
from trending.replay.items import Times
from trending.sections import Section

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

SAMPLES: dict[str, tuple[str, Any]] = {
    "name": ("lab-2", "lab-2"),
    "runtime": ("embedded", "embedded"),
    "profile": ("zookeeper", "zookeeper"),
    "port": ("19092", 19092),
    "brokers": ("3", 3),
    "heap_mb": ("700", 700),
    "kafka_image": ("apache/kafka:4.2.2", "apache/kafka:4.2.2"),
    "zookeeper_image": ("zookeeper:3.9.3", "zookeeper:3.9.3"),
    "zookeeper_port": ("12181", 12181),
    "secure": ("true", True),
    "topic": ("another.topic", "another.topic"),
    "bootstrap": ("kafka.example:9093,[::1]:9093", "kafka.example:9093,[::1]:9093"),
    "security_protocol": ("SASL_SSL", "SASL_SSL"),
    "sasl_mechanism": ("SCRAM-SHA-512", "SCRAM-SHA-512"),
    "kafka_user": ("another", "another"),
    "kafka_secret": ("file:/my secret", "file:/my secret"),
    "ca_file": ("/my ca.pem", "/my ca.pem"),
    "client_pem": ("/my.pem", "/my.pem"),
    "token_url": ("https://id.example/token", "https://id.example/token"),
    "token_scope": ("kafka", "kafka"),
    "allow_plaintext": ("true", True),
    "probe_topic": ("probe", "probe"),
    "partitions": ("4", 4),
    "retention_hours": ("24", 24),
    "retention_mb": ("64", 64),
    "replication": ("1", 1),
    "rate": ("2.5", 2.5),
    "seed": ("7", 7),
    "catalogue": ("/my catalogue.json", "/my catalogue.json"),
    "scenario": ("world-cup", "world-cup"),
    "producers": ("3", 3),
    "spark_master": ("local-cluster[2,1,1024]", "local-cluster[2,1,1024]"),
    "driver_host": ("127.0.0.2", "127.0.0.2"),
    "driver_bind_address": ("127.0.0.3", "127.0.0.3"),
    "executor_python": ("/opt/python/bin/python3.11", "/opt/python/bin/python3.11"),
    "spark_properties": ("/my spark.properties", "/my spark.properties"),
    "window_time": ("event", "event"),
    "hashtag_spelling": ("folded", "folded"),
    "text": ("hola #Clase", "hola #Clase"),
    "author": ("@Ana", "@Ana"),
    "ago": ("150", 150.0),
    "of_topic": ("others", "others"),
    "file": ("/my tweets.csv", "/my tweets.csv"),
    "speed": ("2.5", 2.5),
    "times": ("original", Times.ORIGINAL),
    "columns": ("time=when:ms", "time=when:ms"),
    "from": ("lab-2", "lab-2"),
    "window_seconds": ("10", 10),
    "trigger_seconds": ("0", 0.0),
    "shuffle_partitions": ("3", 3),
    "ranking_days": ("30", 30),
    "ranking_hashtags": ("500", 500),
    "stage_records": ("500", 500),
    "allowed_skew_seconds": ("300", 300),
    "driver_mb": ("600", 600),
    "time_zone": ("Europe/Madrid", "Europe/Madrid"),
    "store_url": ("postgresql+psycopg://lab@localhost/counts", "postgresql+psycopg://lab@localhost/counts"),
    "checkpoint": ("file:///srv/our checkpoints", "file:///srv/our checkpoints"),
    "s3_endpoint": ("https://store:9000", "https://store:9000"),
    "s3_region": ("eu-west-1", "eu-west-1"),
    "s3_user": ("AKIA/lab", "AKIA/lab"),
    "s3_secret": ("file:/my password", "file:/my password"),
    "store_secret": ("file:/my password", "file:/my password"),
    "store": ("/my store.sqlite", "/my store.sqlite"),
    "recording": ("/my page.jsonl.gz", "/my page.jsonl.gz"),
    "last": ("60", 60.0),
    "hosts": ("*.app.github.dev", "*.app.github.dev"),
    "out": ("/my report", "/my report"),
    "defence": ("/my defence.toml", "/my defence.toml"),
    "page_port": ("18501", 18501),
    "demo_seconds": ("9", 9.0),
    "volumes": ("true", True),
    "confirm": ("trending", "trending"),
    "heal": ("true", True),
    "faults": ("jvm-killed,broker-killed", [FaultName.JVM_KILLED, FaultName.BROKER_KILLED]),
    "hold_seconds": ("2.5", 2.5),
    "limit_seconds": ("60", 60.0),
    "alert_url": ("https://example.invalid/hook", SecretStr("https://example.invalid/hook")),
    "stop_only": ("true", True),
    "left_by": ("/gone/.trending", "/gone/.trending"),
    "timeout_seconds": ("3", 3.0),
    "audit": ("full", AuditRange.FULL),
    "resume": ("false", False),
    "at_rest": ("true", True),
    "limit": ("3", 3),
    "send": ("true", True),
    "reason": ("late", "late"),
    "bodies": ("/my letters", "/my letters"),
    "service": ("kafka", "kafka"),
    "to": ("/my export", "/my export"),
    "lines": ("3", 3),
    "struck_producer": ("2", 2),
    "until": ("producer", LastStep.PRODUCER),
    "producer_name": ("laptop", "laptop"),
    "produce_seconds": ("2.5", 2.5),
    "produce_tweets": ("7", 7),
    "for": ("45", 45.0),
    "hashtag": ("#Gol", "#Gol"),
    "peak": ("0.3", 0.3),
    "rise": ("5", 5.0),
    "fade": ("9", 9.0),
    "batch": ("50", 50),
    "job": ("python 'my job.py'", "python 'my job.py'"),
    "results": ("sqlite:/my results?table=ranking", "sqlite:/my results?table=ranking"),
    "settle_seconds": ("5", 5.0),
}
EVERY = [(form, name) for form in ALL_FORMS for name in field_sections(form)]
NAMES = [f"{form.__name__}-{name}" for form, name in EVERY]


SASL = {
    "runtime": "external",
    "bootstrap": "localhost:9093",
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "PLAIN",
    "kafka_user": "lab",
    "kafka_secret": "env:PASSWORD",
}
TOKENS = {**SASL, "sasl_mechanism": "OAUTHBEARER", "token_url": "https://id.example/"}
NEEDED: dict[str, dict[str, str]] = {
    "producers": {"scenario": "world-cup"},
    **dict.fromkeys(AccessSettings.model_fields, SASL),
    "token_url": TOKENS,
    "token_scope": TOKENS,
}
"""What a setting of an external cluster is meaningless without."""


ELSEWHERE = {"bootstrap": "localhost:9093", "store_url": "postgresql+psycopg://lab@localhost/counts"}
"""What a producer elsewhere needs with each of the settings of its cluster and its database."""


def needed(form: type[BaseModel], name: str) -> dict[str, str]:
    """Return what must be given beside a field of a form."""
    found = NEEDED.get(name, {})
    if form is ProduceForm and field_sections(form)[name] in {"access", "serving"}:
        found = {**ELSEWHERE, **found}
    return {other: text for other, text in found.items() if other != name and other in field_sections(form)}


def value(filled: BaseModel, name: str) -> Any:
    section = field_sections(type(filled))[name]
    return getattr(getattr(filled, section) if section else filled, name)


@pytest.mark.parametrize(("form", "name"), EVERY, ids=NAMES)
def test_every_parameter_can_be_given_as_argument_and_as_variable(
    form: type[BaseModel], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, expected = SAMPLES[name]
    beside = [f"--{other}={given}" for other, given in needed(form, name).items()]
    argument = {"true": f"--{name}", "false": f"--no-{name}"}.get(text, f"--{name}={text}")
    assert value(parse(form, [*beside, argument], "up"), name) == expected
    monkeypatch.setenv(f"TRENDING_{name.upper()}", text)
    assert value(parse(form, beside, "up"), name) == expected


def test_an_argument_goes_before_a_variable_and_a_variable_before_what_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def recorded(_name: str) -> dict[str, Any]:
        return {"producer": {"rate": 2.0, "seed": 4}, "stack": {"port": 12000}}

    monkeypatch.setenv("TRENDING_RATE", "5")
    filled = parse(StartUpForm, ["--port", "19092"], "up", recorded)
    assert (filled.producer.rate, filled.producer.seed, filled.stack.port) == (5.0, 4, 19092)
    assert parse(StartUpForm, ["--rate", "6"], "up", recorded).producer.rate == 6.0


@pytest.mark.parametrize(
    "arguments",
    [["--name=other"], ["--name", "other"], ["--stack.name=other"], ["--rate", "5", "--name", "other", "--partitions=2"]],
)
def test_what_is_recorded_is_looked_up_for_the_stack_that_was_named(arguments: list[str]) -> None:
    asked: list[str] = []

    def recorded(name: str) -> dict[str, Any]:
        asked.append(name)
        return {}

    parse(StartUpForm, arguments, "up", recorded)
    assert asked == ["other"]


def test_what_is_recorded_is_looked_up_for_the_stack_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_NAME", "other")
    monkeypatch.setenv("TRENDING_RATE", "5")
    asked: list[str] = []
    parse(StartUpForm, [], "up", lambda name: asked.append(name) or {})  # type: ignore[func-returns-value]
    assert asked == ["other"]


def test_what_is_given_is_judged_together_with_what_is_recorded() -> None:
    def recorded(_name: str) -> dict[str, Any]:
        return {"stack": {"brokers": 3, "replication": 3}}

    stack = parse(StartUpForm, ["--replication=2"], "up", recorded).stack
    assert (stack.brokers, stack.replication) == (3, 2)
    with pytest.raises(InvalidInput, match="replication 3 needs as many brokers"):
        parse(StartUpForm, ["--brokers=2"], "up", recorded)


def test_help_is_about_the_whole_form_where_something_is_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(StartUpForm, ["--help"], "up", lambda _name: {})
    assert "--rate" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["demo_seconds", "demo-seconds", "demo.demo-seconds"])
def test_a_hyphen_is_as_good_as_an_underscore_in_a_name_and_stays_in_a_value(name: str) -> None:
    form = parse(DemoForm, [f"--{name}=7", "--name=my-lab", "--topic", "a-b"], "demo")
    assert (form.demo.demo_seconds, form.stack.name, form.stack.topic) == (7, "my-lab", "a-b")


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_RATE", "")
    assert parse(StartUpForm, [], "up").producer.rate == 1.0


def test_a_switch_can_be_given_without_a_value() -> None:
    assert parse(TearDownCommand, ["--volumes"], "down").volumes
    assert not parse(AuditForm, ["--no-resume"], "audit").resume


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rate", "-1"], "rate"),
        (["--rate=0"], "rate"),
        (["--rate=nan"], "rate"),
        (["--rate=fast"], "rate"),
        (["--port=80"], "port"),
        (["--port=70000"], "port"),
        (["--brokers=4"], "brokers"),
        (["--replication=3"], "replication"),
        (["--runtime=podman"], "runtime"),
        (["--profile=raft"], "profile"),
        (["--window_time=noon"], "window_time"),
        (["--time_zone=Mars/Olympus"], "time_zone"),
        (["--name=../etc"], "name"),
        (["--name=Übung"], "name"),
        (["--nonsense=1"], "nonsense"),
        (["nonsense"], "nonsense"),
        (["--port=9092.5"], "port"),
    ],
)
def test_a_wrong_value_is_named_in_one_error(arguments: list[str], named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(StartUpForm, arguments, "up")
    assert named in caught.value.cause
    assert caught.value.next_command == "up --help"


@pytest.mark.row(32)
@pytest.mark.parametrize(
    "arguments",
    [
        ["--alert-url=https://hooks/SECRET", "--bogus=1"],
        ["--alert_ulr=https://hooks/SECRET"],
        ["--alert-ulr", "https://hooks/SECRET"],
        ["--alert-url", "https://hooks/SECRET", "--alert-ulr", "https://hooks/SECRET?a=b"],
    ],
)
def test_a_mistyped_option_is_named_without_anybodys_value(arguments: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(ServeForm, arguments, "serve")
    assert "SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__, "the parser's own error quotes it"
    assert all(option.partition("=")[0] in caught.value.evidence for option in arguments if option.startswith("--"))


def test_every_wrong_value_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(StartUpForm, ["--rate=-1", "--port=80"], "up")
    assert "rate" in str(caught.value)
    assert "port" in str(caught.value)


@pytest.mark.parametrize(
    ("form", "arguments"),
    [
        (TearDownCommand, ["--volumes", "--stop_only"]),
        (DemoForm, ["--demo_seconds=1"]),
        (SmokeTestForm, ["--timeout_seconds=0"]),
        (SpyForm, ["--limit=-1"]),
        (LogsForm, ["--lines=0"]),
    ],
)
def test_bounds_hold_in_every_form(form: type[BaseModel], arguments: list[str]) -> None:
    with pytest.raises(InvalidInput):
        parse(form, arguments, "it")


def test_a_variable_that_nobody_knows_is_an_error_that_lists_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_RATTE", "5")
    with pytest.raises(InvalidInput, match="unknown parameter TRENDING_RATTE") as caught:
        parse(StartUpForm, [], "up")
    assert "rate, " in caught.value.evidence
    assert "demo_seconds" in caught.value.evidence


def test_a_variable_of_another_command_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_DEMO_SECONDS", "9")
    assert parse(TearDownCommand, [], "down").name == "trending"


def test_a_form_that_is_no_command_of_the_labs_knows_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(Section):
        """A developer's command."""

        own_kills: int = 3

    monkeypatch.setenv("TRENDING_OWN_KILLS", "9")
    assert parse(Own, [], "soak").own_kills == 9
    with pytest.raises(InvalidInput, match="unknown parameter TRENDING_OWN_KILLS"):
        parse(TearDownCommand, [], "down")


def run(main: Any, *arguments: str) -> int | str | None:
    """Run a command as the terminal does; returns its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["up", *arguments])
        try:
            run_command(StartUpForm, main, "python -m flows.start_up")
        except SystemExit as end:
            return end.code
    return 0


@pytest.mark.usefixtures("own_process")
def test_a_command_that_succeeds_prints_the_labs_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    def main(settings: StartUpForm) -> None:
        logging.getLogger("prefect.engine").error("Prefect's own line")
        say(f"rate [bold]{settings.producer.rate}[/bold]")

    assert run(main, "--rate=5") == 0
    said = capsys.readouterr()
    assert said.out == "rate [bold]5.0[/bold]\n"
    assert "Prefect's own" not in said.err


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize(
    "error", [NotReady("it is not ready", "nothing", "make status"), LabError("anything", "nothing", "make status")]
)
def test_an_error_is_one_message_and_its_own_exit_code(error: LabError, capsys: pytest.CaptureFixture[str]) -> None:
    def main(_settings: StartUpForm) -> None:
        raise error

    assert run(main) == error.exit_code
    said = capsys.readouterr()
    assert said.err == f"error: {error.cause}\n  evidence: nothing\n  next: make status\n"
    assert said.out == ""


@pytest.mark.row(35)
@pytest.mark.usefixtures("own_process")
def test_a_place_of_the_labs_that_may_not_be_used_is_one_message_with_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = StackPaths.of("lab").run
    place.mkdir(parents=True)
    (place / "budget.json").touch()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) != str(place) and access(path, mode))

    def main(_settings: StartUpForm) -> None:
        raise PermissionError(13, "Permission denied", str(place / "budget.json"))

    assert run(main) == LabError.exit_code
    assert capsys.readouterr().err == (
        f"error: {place} may not be used by this user\n"
        f"  evidence: [Errno 13] Permission denied: '{place}/budget.json'\n"
        f"  next: chmod u+rwX {place}, then once more\n"
    )
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    theirs = refusal_of(PermissionError(13, "Permission denied", str(place / "budget.json")))
    assert theirs is not None
    assert theirs.next_command == f"ls -ld {place} shows whose it is"
    assert refusal_of(PermissionError(13, "Permission denied", "/etc/shadow")) is None
    assert refusal_of(PermissionError(1, "Operation not permitted")) is None


@pytest.mark.row(35)
@pytest.mark.usefixtures("own_process")
def test_a_home_of_another_user_stops_a_command_before_it_reads_anything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert run(lambda _settings: pytest.fail("it ran")) == 5
    assert "error: the lab's directory is used by " in capsys.readouterr().err


@pytest.mark.usefixtures("own_process")
def test_wrong_input_ends_with_2_and_one_message_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda _settings: pytest.fail("it ran"), "--rate=-1") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "rate" in said
    assert "Traceback" not in said


@pytest.mark.row(8)
@pytest.mark.usefixtures("own_process")
def test_sigterm_and_ctrl_c_end_a_command_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    def terminated(_settings: StartUpForm) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    def interrupted(_settings: StartUpForm) -> None:
        raise KeyboardInterrupt

    assert run(terminated) == Interrupted.exit_code == 130
    assert run(interrupted) == 130
    assert capsys.readouterr().err == "interrupted\n" * 2, "what was undone is the undo's to say, which has looked"


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("signalled", [TerminationSignal(signal.SIGTERM), KeyboardInterrupt()])
def test_a_signal_between_two_tasks_at_which_prefect_stumbles_is_an_interruption_all_the_same(
    signalled: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumbling(_settings: StartUpForm) -> None:
        try:
            raise signalled  # noqa: TRY301
        except BaseException:  # noqa: BLE001
            what = "Task run is not set"
            raise ValueError(what)  # noqa: B904 - as Prefect does, and the two above

    def failing(_settings: StartUpForm) -> None:
        what = "a defect"
        raise ValueError(what)

    assert run(stumbling) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert run(failing) == 1
    assert "error: ValueError: a defect - its traceback is in " in capsys.readouterr().err


def numbers(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return name → schema of every numeric field, those of sections too; options of a nullable one are merged in."""
    found: dict[str, dict[str, Any]] = {}
    for part in [schema, *schema.get("$defs", {}).values()]:
        for name, field in part.get("properties", {}).items():
            merged = {**field, **next((option for option in field.get("anyOf", []) if option.get("type") != "null"), {})}
            if merged.get("type") in {"integer", "number"}:
                found[name] = merged
    return found


WITHOUT_UPPER_BOUND = {"seed", "limit"}


@pytest.mark.parametrize("form", ALL_FORMS, ids=[form.__name__ for form in ALL_FORMS])
def test_a_form_describes_and_bounds_every_number(form: type[BaseModel]) -> None:
    schema = form.model_json_schema()
    assert schema["description"]
    for name, field in numbers(schema).items():
        assert field.get("description"), name
        assert {"minimum", "exclusiveMinimum"} & field.keys(), name
        assert "maximum" in field or name in WITHOUT_UPPER_BOUND, name


def test_every_field_of_every_form_is_described_and_known_by_one_name() -> None:
    for form in ALL_FORMS:
        for part in [form.model_json_schema(), *form.model_json_schema().get("$defs", {}).values()]:
            for name, field in part.get("properties", {}).items():
                assert field.get("description") or "$ref" in field or "allOf" in field, name
    assert numbers(DemoForm.model_json_schema()).keys() >= {"port", "rate", "seed", "demo_seconds", "driver_mb"}


def test_the_forms_of_prefects_ui_say_the_bounds_with_the_help() -> None:
    fields = StartUpForm.model_json_schema()["$defs"]["ProducerSettings"]["properties"]
    assert fields["rate"]["description"] == "Tweets per second; more than 0, at most 1,000,000."


def test_a_stack_that_does_not_exist_has_no_recorded_settings() -> None:
    assert start_up.recorded_settings("trending") == {}


def test_a_form_deletes_only_what_is_confirmed_and_a_typed_command_confirms_itself() -> None:
    for form, arguments in ((TearDownForm, []), (TearDownForm, ["--confirm=other"]), (TearDownCommand, ["--confirm=other"])):
        filled = parse(form, ["--name=lab", "--volumes", *arguments], "down")
        with pytest.raises(InvalidInput, match="confirm must be 'lab'"):
            tear_down.tear_down.fn(filled)
    parse(TearDownForm, ["--name=lab", "--volumes", "--confirm=lab"], "down").require_confirmed()
    parse(TearDownCommand, ["--name=lab", "--volumes"], "down").require_confirmed()
    parse(TearDownForm, ["--name=lab"], "down").require_confirmed()


def test_an_empty_name_is_no_name_and_not_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRENDING_NAME", "")
    with pytest.raises(InvalidInput, match="NAME is empty"):
        parse(TearDownForm, [], "down")


@pytest.mark.row(35)
@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("name", ["two\nlines", "no utf-8 \udcff"])
def test_a_home_that_no_file_can_name_is_one_error_before_anything_is_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path / name))
    assert run(lambda _settings: pytest.fail("it must not begin")) == InvalidInput.exit_code
    assert "contains a line end, or is no UTF-8" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
