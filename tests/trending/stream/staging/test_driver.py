from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending.aggregation import table_of
from fakes.trending.checkpoint import BATCHES, make, stream_spec
from pydantic import SecretStr

from trending.errors import ConfigurationConflict, LabError
from trending.postgresql.place import PostgresPlace
from trending.private_file import write_private
from trending.settings import StreamSettings
from trending.stream.cluster.staging import is_staged, require_reachable_store
from trending.stream.staging import driver
from trending.stream.staging.driver import Collection, records_of, require_store
from trending.stream.staging.files import lay_down
from trending.stream.staging.rows import SCHEMA, STAGED, UNSTAGED
from trending.stream.staging.tasks import WRITABLE, look_at_store, stage

if TYPE_CHECKING:
    from functools import partial
    from pathlib import Path

    import pyarrow as pa
    from fakes.trending.aggregation import Row

    from trending.programs.specifications import StreamSpec

MINUTE = 1765845060
CANARY = "canary"
PLACE = PostgresPlace(
    url="postgresql+psycopg://lab@db.example/counts?sslmode=require", stack="lab", owner="o", given=SecretStr(CANARY)
)
ROWS: list[Row] = [("tweet", MINUTE, "#a", -1, b"", 3), ("untagged", MINUTE, "", -1, b"", 1)]
FAR = "spark://10.0.0.9:7077"


class Frame:
    """A DataFrame that counts its actions, and whose tasks answer as told."""

    def __init__(self, answer: list[Row]) -> None:
        self.answer = answer
        self.actions: list[str] = []
        self.task: Any = None

    def toArrow(self) -> pa.Table:  # noqa: N802 - Spark's name
        self.actions.append("whole")
        return table_of(ROWS)

    def mapInArrow(self, task: object, schema: str) -> Frame:  # noqa: N802 - Spark's name
        assert schema == SCHEMA
        self.task = task
        mapped = Frame([])
        mapped.toArrow = self._mapped  # type: ignore[method-assign]
        return mapped

    def _mapped(self) -> pa.Table:
        self.actions.append("staged")
        return table_of(self.answer)


@pytest.fixture
def spec(tmp_path: Path) -> StreamSpec:
    """A job whose batches have two records each, from the second on."""
    made = stream_spec(tmp_path, "topic-1", {0: 0})
    make(made.checkpoint)
    return made.model_copy(update={"store": PLACE, "settings": StreamSettings(stage_records=1, shuffle_partitions=2)})


def with_settings(spec: StreamSpec, **changes: Any) -> StreamSpec:
    return spec.model_copy(update={"settings": spec.settings.model_copy(update=changes)})


def collect(spec: StreamSpec, frame: Frame) -> pa.Table:
    disguised: Any = frame
    return Collection(spec).collect(disguised, BATCHES - 1)


def test_a_large_batch_is_staged_by_one_action(spec: StreamSpec) -> None:
    staged: list[Row] = [(STAGED, MINUTE, "attempt", -1, b"", 400_000)]
    frame = Frame(staged)
    assert collect(spec, frame).to_pylist() == table_of(staged).to_pylist()
    assert frame.actions == ["staged"]
    assert (frame.task.func, frame.task.args[1:]) == (stage, (spec.checkpoint_id, BATCHES - 1, 1))
    assert frame.task.args[0]._parameters["password"] == CANARY
    assert frame.task.args[0]._parameters["host"] == "db.example"
    assert CANARY not in repr(frame.task)


def test_what_all_tasks_hand_on_together_is_bounded(spec: StreamSpec) -> None:
    records = records_of(spec, BATCHES - 1)
    frame = Frame([])
    collect(with_settings(spec, stage_records=records, shuffle_partitions=1), frame)
    assert frame.task.args[-1] == records


def test_a_batch_of_few_records_is_collected_as_it_is(spec: StreamSpec) -> None:
    frame = Frame([])
    found = collect(with_settings(spec, stage_records=records_of(spec, BATCHES - 1) + 1), frame)
    assert (frame.actions, found.num_rows) == (["whole"], len(ROWS))


def test_the_records_of_a_batch_are_those_since_the_one_before(spec: StreamSpec) -> None:
    assert records_of(spec, 0) == 7
    assert [records_of(spec, number) for number in range(1, BATCHES)] == [1] * (BATCHES - 1)


def test_a_file_is_no_server_that_tasks_write_to(spec: StreamSpec, tmp_path: Path) -> None:
    for other in (spec.model_copy(update={"store": tmp_path / "serving.sqlite"}), with_settings(spec, stage_records=0)):
        frame = Frame([])
        collect(other, frame)
        assert frame.actions == ["whole"]


def with_file_store(spec: StreamSpec, tmp_path: Path) -> StreamSpec:
    return spec.model_copy(update={"store": tmp_path / "serving.sqlite"})


def test_with_a_store_in_a_file_the_tasks_of_a_large_batch_file_their_counts(
    spec: StreamSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "FILED_RECORDS", 1)
    frame = Frame(ROWS)
    made = with_file_store(spec, tmp_path)
    assert collect(made, frame).to_pylist() == table_of(ROWS).to_pylist()
    assert frame.actions == ["staged"]
    assert (frame.task.func, frame.task.args) == (lay_down, (made.scratch / "counts",))
    assert (made.scratch / "counts").is_dir()


def test_executors_elsewhere_have_another_disk(spec: StreamSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "FILED_RECORDS", 1)
    frame = Frame([])
    collect(with_settings(with_file_store(spec, tmp_path), spark_master=FAR), frame)
    assert frame.actions == ["whole"]


def test_a_full_disk_is_one_error_with_what_to_do(spec: StreamSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "FILED_RECORDS", 1)
    frame = Frame([*ROWS, (UNSTAGED, 0, "No space left on device", -1, b"", 5)])
    with pytest.raises(LabError, match=r"cannot be written to .*counts") as raised:
        collect(with_file_store(spec, tmp_path), frame)
    assert "No space left on device" in str(raised.value)
    assert "df -h" in str(raised.value)


def test_a_task_that_could_not_write_is_one_error_with_the_servers_words(
    spec: StreamSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "from worker-1: connection refused"
    frame = Frame([*ROWS, (UNSTAGED, 0, said, -1, b"", 5), (UNSTAGED, 0, "another", -1, b"", 5)])
    nowhere = spec.model_copy(update={"store": PLACE.model_copy(update={"url": "postgresql+psycopg://lab@127.0.0.1:1/counts"})})
    with pytest.raises(LabError, match=r"the serving store .* cannot be used") as of_driver:
        collect(nowhere, frame)
    assert "pg_isready" in of_driver.value.next_command, "the driver does not reach the server either, so that is told"
    monkeypatch.setattr(driver, "require_server", lambda _place: None)
    with pytest.raises(LabError, match="Spark's tasks cannot write to the serving store") as caught:
        collect(spec, frame)
    assert caught.value.evidence == said
    assert "STAGE_RECORDS=0" in caught.value.next_command
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("properties", "staged"),
    [
        ("", False),
        ("spark.authenticate true\n", False),
        ("spark.network.crypto.enabled false\n", False),
        ("spark.authenticate true\nspark.network.crypto.enabled true\n", True),
        ("spark.ssl.rpc.enabled=true\n", True),
    ],
)
def test_executors_elsewhere_get_the_password_by_an_encrypted_connection_only(
    spec: StreamSpec, tmp_path: Path, properties: str, caplog: pytest.LogCaptureFixture, *, staged: bool
) -> None:
    path = tmp_path / "spark.properties"
    write_private(path, properties)
    far = with_settings(spec, spark_master=FAR, driver_host="10.0.0.1", spark_properties=str(path))
    frame = Frame([])
    collect(far, frame)
    assert (is_staged(far.settings, far.store), frame.actions) == (staged, ["staged" if staged else "whole"])
    assert ("spark.network.crypto.enabled true" in caplog.text) is not staged


def test_an_executor_is_asked_before_the_query_starts(spec: StreamSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[partial[Any]] = []
    answers = [WRITABLE, "", "from worker-1: no pg_hba.conf entry"]

    def run_task(_session: object, _spec: StreamSpec, _phase: str, look: Any, _stop: threading.Event) -> str:
        asked.append(look)
        return answers.pop(0)

    monkeypatch.setattr(driver, "run_task", run_task)
    session: Any = None
    require_store(session, spec, threading.Event())
    require_store(session, spec, threading.Event())
    with pytest.raises(LabError, match="Spark's tasks cannot write") as caught:
        require_store(session, spec, threading.Event())
    assert "pg_hba.conf" in caught.value.evidence
    assert {each.func for each in asked} == {look_at_store}
    require_store(session, with_settings(spec, stage_records=0), threading.Event())
    assert len(asked) == 3


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "?host=/var/run/postgresql"])
def test_an_address_that_is_each_machines_own_is_refused_before_the_job_that_runs_is_stopped(
    spec: StreamSpec, tmp_path: Path, host: str
) -> None:
    path = tmp_path / "spark.properties"
    write_private(path, "spark.network.crypto.enabled true\n")
    end = f"/counts{host}" if host.startswith("?") else f"{host}/counts"
    own = PLACE.model_copy(update={"url": f"postgresql+psycopg://lab@{end}"})
    far = with_settings(spec, spark_master=FAR, driver_host="10.0.0.1", spark_properties=str(path)).settings
    with pytest.raises(ConfigurationConflict, match="Spark's tasks cannot write") as caught:
        require_reachable_store(far, own)
    assert "STAGE_RECORDS=0" in caught.value.next_command
    require_reachable_store(far, PLACE)
    require_reachable_store(far, tmp_path / "serving.sqlite")
    require_reachable_store(far.model_copy(update={"stage_records": 0}), own)
    require_reachable_store(far.model_copy(update={"spark_properties": None}), own)
    require_reachable_store(spec.settings, own)
