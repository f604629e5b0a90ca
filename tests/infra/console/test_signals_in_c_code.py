"""A signal whose exception confluent-kafka's C code has turned into a SystemError is a signal all the same, everywhere."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from fakes.in_c_code import in_c_code
from fakes.terminal import own_process
from prefect.exceptions import TerminationSignal
from prefect.states import Failed

from infra.console import crash_reports, interruptions
from infra.console.interruptions import begun_despite_signals, finished_despite_signals, of_a_signal
from infra.external import entry
from infra.health.examination import _look_safely
from infra.kafka import client
from tasks.lab_task import lab_task, worth_retrying
from trending.errors import Interrupted, NotReady, UndoAbandoned, endings_passed_on, unwrapped
from trending.kafka import log_reader
from trending.kafka.answers import error_of
from trending.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["own_process"]
pytestmark = [pytest.mark.usefixtures("own_process"), pytest.mark.row(8)]
SIGNALS: list[BaseException] = [Interrupted(signal.SIGTERM), TerminationSignal(signal.SIGTERM), KeyboardInterrupt()]
CONNECTION = KafkaConnection("localhost:1")


@pytest.mark.parametrize("raised", SIGNALS, ids=lambda each: type(each).__name__)
def test_it_is_of_a_signal_and_not_worth_a_retry(raised: BaseException) -> None:
    swallowed = in_c_code(raised)
    assert of_a_signal(swallowed)
    assert unwrapped(in_c_code(swallowed)) is raised
    assert not worth_retrying(None, None, Failed(message="it failed", data=swallowed))  # type: ignore[arg-type]


def test_a_system_error_of_anything_else_stays_what_it_is() -> None:
    other = in_c_code(KeyError("a"))
    assert unwrapped(other) is other
    assert not of_a_signal(other)
    assert worth_retrying(None, None, Failed(message="it failed", data=other))  # type: ignore[arg-type]
    with pytest.raises(SystemError) as raised, endings_passed_on():
        raise other
    assert isinstance(raised.value.__cause__, KeyError)


def test_a_chain_that_leads_back_to_itself_is_walked_once() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__context__, second.__context__ = second, first
    assert not of_a_signal(first)


@pytest.mark.parametrize("raised", SIGNALS, ids=lambda each: type(each).__name__)
def test_a_task_raises_the_signals_own_exception(raised: BaseException) -> None:
    @lab_task(name="asks", timeout_seconds=5)
    def asks() -> None:
        raise in_c_code(raised)

    with pytest.raises(type(raised)) as seen:
        asks.fn()
    assert seen.value is raised


def test_an_undo_that_it_keeps_from_beginning_is_begun_again_and_one_that_is_abandoned_is_not() -> None:
    waiting: list[BaseException] = [in_c_code(TerminationSignal(signal.SIGTERM))]
    done: list[bool] = []

    def undo() -> None:
        if waiting:
            raise waiting.pop()
        done.append(True)

    begun_despite_signals(undo)
    assert done == [True]
    waiting.append(in_c_code(UndoAbandoned(signal.SIGTERM)))
    with pytest.raises(UndoAbandoned):
        begun_despite_signals(undo)
    assert done == [True]


def test_an_undo_in_which_it_is_abandoned_says_so() -> None:
    with pytest.raises(UndoAbandoned), finished_despite_signals():
        raise in_c_code(UndoAbandoned(signal.SIGTERM))


def test_a_look_of_a_health_check_does_not_take_it_for_a_finding() -> None:
    def look() -> Any:
        raise in_c_code(Interrupted())

    with pytest.raises(Interrupted):
        _look_safely("kafka", look)


class Swallowing:
    """A client of librdkafka's in which the signal comes, whatever is called."""

    def __init__(self, *_settings: Any) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*_arguments: Any, **_named: Any) -> Any:
            if name not in {"assign", "close"}:
                raise in_c_code(Interrupted())

        return call


@pytest.mark.parametrize(
    "ask",
    [
        lambda: client.BrokerClient(CONNECTION).topic("t", 1),
        lambda: client.BrokerClient(CONNECTION).cluster(1),
        lambda: client.BrokerClient(CONNECTION).create_topic("t", 1, 1, {}),
        lambda: client.BrokerClient(CONNECTION).set_topic("t", {}),
        lambda: client.BrokerClient(CONNECTION).delete_topic("t", "User:a"),
        lambda: client.advertised(CONNECTION),
        lambda: entry.Entry(CONNECTION).view(),
        lambda: log_reader.log_ends(CONNECTION, "t"),
        lambda: log_reader.offsets_at(CONNECTION, "t", 0.0),
        lambda: log_reader.topic_id(CONNECTION, "t"),
        lambda: list(log_reader.read_log(CONNECTION, "t", {0: 0}, {0: 1})),
    ],
)
def test_a_question_to_the_broker_raises_the_signals_own_exception(
    ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (client, log_reader):
        monkeypatch.setattr(module, "AdminClient", Swallowing)
        monkeypatch.setattr(module, "Consumer", Swallowing)
    monkeypatch.setattr(entry, "AdminClient", Swallowing)
    with pytest.raises(Interrupted):
        ask()


def test_a_programs_client_passes_it_on_too_and_takes_kafkas_own_error_out() -> None:
    with pytest.raises(Interrupted):
        error_of(in_c_code(Interrupted()))
    fenced = KafkaError(KafkaError._FENCED)
    assert error_of(in_c_code(KafkaException(fenced))) is fenced


def test_a_command_without_a_form_ends_as_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise in_c_code(Interrupted())

    monkeypatch.setattr(crash_reports, "report_crash", lambda _error: pytest.fail("it was reported as a crash"))
    with pytest.raises(SystemExit) as ended:
        crash_reports.run_reported(main)
    assert ended.value.code == Interrupted.exit_code
    assert "interrupted" in capsys.readouterr().err


def test_what_is_done_at_exit_is_abandoned_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def act() -> None:
        raise in_c_code(UndoAbandoned())

    monkeypatch.setattr(crash_reports, "report_crash", lambda _error: pytest.fail("it was reported as a crash"))
    with pytest.raises(UndoAbandoned):
        crash_reports.at_exit(act)


def test_one_that_python_dropped_is_delivered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(interruptions, "_deliver_again", sent.append)
    dropped: Any = type("Dropped", (), {"exc_value": in_c_code(Interrupted(signal.SIGHUP))})
    interruptions.DroppedSignals(lambda _others: pytest.fail("it was taken for another error")).see(dropped)
    assert sent == [signal.SIGHUP]


def test_the_errors_of_librdkafka_stay_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(Swallowing):
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def call(*_arguments: Any, **_named: Any) -> Any:
                if name != "close":
                    raise KafkaException(KafkaError(KafkaError._TRANSPORT))

            return call

    monkeypatch.setattr(log_reader, "Consumer", Refusing)
    with suppress(NotReady):
        log_reader.log_ends(CONNECTION, "t")
        pytest.fail("nobody answers")
