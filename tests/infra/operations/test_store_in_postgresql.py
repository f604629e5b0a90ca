"""A stack of pretend whose counts are in a real PostgreSQL: moving there, counting anew there, and leaving it."""

from __future__ import annotations

import shutil
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make
from fakes.trending import counting
from postgres_cluster import PASSWORD

from infra.forms.stacks import LastStep, StartUpForm
from infra.lab.assembly import open_lab
from infra.lab.store import store_exists, store_place
from infra.operations import stream
from infra.operations.epochs import counting_epoch, known_topic_id, open_epoch, resolve_offsets
from infra.operations.page import launch_page
from infra.operations.services import check_start, prepare_stack
from infra.operations.take_down import take_down
from infra.operations.undo import found_before, undo
from infra.stack.state import write_state
from trending.errors import ConfigurationConflict, DamagedFile, LabError, NotOurs
from trending.postgresql import schema
from trending.postgresql.place import PASSWORD_VARIABLE, PostgresPlace
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import ServingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.world import World
    from postgres_cluster import Cluster

    from infra.lab.assembly import Lab

pytestmark = [
    pytest.mark.real,
    pytest.mark.journey,
]
_numbers = count()


@pytest.fixture
def serving(postgres: Cluster, tmp_path: Path) -> ServingSettings:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD, encoding="utf-8")
    secret.chmod(0o600)
    return ServingSettings(store_url=postgres.url, store_secret=f"file:{secret}")


@pytest.fixture
def lab(world: World, serving: ServingSettings) -> Iterator[Lab]:
    """A stack that is to count in the server."""
    assert world.topics == {}
    made = moved(make(), serving)
    yield made
    schema.delete_schema(place_of(made))


def moved(lab: Lab, serving: ServingSettings) -> Lab:
    write_state(lab.paths, lab.state.model_copy(update={"settings": lab.settings.model_copy(update={"serving": serving})}))
    return open_lab(lab.paths.name)


def place_of(lab: Lab) -> PostgresPlace:
    place = store_place(lab)
    assert isinstance(place, PostgresPlace)
    return place


def test_programs_get_the_place_and_beside_it_the_password(lab: Lab, world: World) -> None:
    assert open_epoch(lab) is None
    assert not schema.has_store(place_of(lab)), "asking makes nothing"
    stream.submit_stream("lab")
    launch_page("lab")
    assert not lab.paths.store.exists()
    for name in ("stream", "page"):
        assert world.programs[name].secrets == {PASSWORD_VARIABLE: PASSWORD}
        written = lab.paths.specification(name).read_text(encoding="utf-8")
        assert PASSWORD not in written
        assert f'"url":"{place_of(lab).url}"' in written.replace('": "', '":"')
    assert PASSWORD not in lab.paths.state.read_text(encoding="utf-8")


def test_a_stack_that_counted_in_its_file_moves_by_a_rebuild(lab: Lab, serving: ServingSettings, said: list[str]) -> None:
    lab = moved(lab, ServingSettings())
    stream.submit_stream("lab")
    epoch = open_epoch(lab)
    assert epoch is not None
    with closing(Store(lab.paths.store)) as store:
        store.write(epoch.checkpoint, Batch(0, 60.0, {(60, "#a"): 2}, {}), {0: 9})
    commits = lab.paths.checkpoint(epoch.checkpoint) / "commits"
    commits.mkdir(parents=True)
    (commits / "0").write_text("v1\n{}", encoding="ascii")
    lab = moved(lab, serving)
    assert resolve_offsets("lab") == {0: 7}
    assert "make rebuild" in said[-1]
    with pytest.raises(DamagedFile) as caught:
        counting_epoch(lab, known_topic_id(lab))
    assert caught.value.next_command == "make up UNTIL=producer with this STORE_URL, then make rebuild"
    assert stream.rebuild_stream("lab") == {0: 7}
    with closing(Store(place_of(lab))) as store:
        assert [each.closed for each in store.known_epochs()] == [False]
        assert counting.counts(store) == {}


def test_tables_of_another_form_are_made_anew_by_a_rebuild(lab: Lab, postgres: Cluster, said: list[str]) -> None:
    stream.submit_stream("lab")
    mark = f"{place_of(lab).schema_name}.store"
    with postgres.admin("counts") as admin:
        admin.execute(f"UPDATE {mark} SET form = 99".encode())  # noqa: S608 - our own name
    with pytest.raises(ConfigurationConflict, match="another version") as refused:
        check_start(lab.settings)
    assert refused.value.next_command.startswith("make up NAME=lab UNTIL=producer, then make rebuild NAME=lab")
    without_job = StartUpForm.of(lab.settings, until=LastStep.PRODUCER)
    check_start(without_job)
    prepare_stack(without_job)
    resolve_offsets("lab")
    assert stream.rebuild_stream("lab") == {0: 7}
    assert any("the store is made anew" in line for line in said)
    assert open_epoch(lab) is not None
    with postgres.admin("counts") as admin:
        admin.execute(f"UPDATE {mark} SET owner = 'somebody'".encode())  # noqa: S608
    with pytest.raises(NotOurs):
        stream.rebuild_stream("lab")
    with postgres.admin("counts") as admin:
        assert admin.execute(f"SELECT owner FROM {mark}".encode()).fetchone() == ("somebody",)  # noqa: S608
        admin.execute(f"UPDATE {mark} SET owner = '{place_of(lab).owner}'".encode())  # noqa: S608


def test_what_a_start_finds_is_said_before_anything_is_started(lab: Lab, world: World, said: list[str], tmp_path: Path) -> None:
    prepare_stack(lab.settings)
    assert any("the counts go to PostgreSQL" in line for line in said)
    (tmp_path / "secret").write_text("wrong", encoding="utf-8")
    world.forget_history()
    for work in (check_start, prepare_stack):
        with pytest.raises(LabError, match="cannot be used") as caught:
            work(lab.settings)
        assert "password" in caught.value.evidence
    assert world.changes == []
    (tmp_path / "secret").write_text(PASSWORD, encoding="utf-8")


@pytest.mark.usefixtures("world")
def test_what_a_start_that_failed_has_made_in_the_server_is_undone(serving: ServingSettings) -> None:
    before = found_before("lab")
    lab = moved(make(), serving)
    stream.submit_stream("lab")
    place = place_of(lab)
    assert schema.has_store(place)
    undo("lab", before, RuntimeError("the page did not come up"))
    assert not schema.has_store(place)
    assert not lab.paths.root.exists()


@pytest.mark.usefixtures("world")
def test_counts_that_the_run_found_in_the_server_stay_though_no_state_remembers_them(serving: ServingSettings) -> None:
    """A cluster of somebody else's tells the same id again, so that the counts of a stack that was forgotten are this stack's."""
    lab = moved(make(), serving)
    stream.submit_stream("lab")
    shutil.rmtree(lab.paths.root)
    before = found_before("lab", lab.settings)
    write_state(lab.paths, lab.state)
    undo("lab", before, RuntimeError("the page did not come up"))
    place = place_of(lab)
    assert schema.has_store(place)
    assert not lab.paths.root.exists()
    schema.delete_schema(place)
    assert not schema.has_any(place)


def test_a_take_down_deletes_the_rows_only_when_it_is_told_to_and_can(lab: Lab, world: World, postgres: Cluster) -> None:
    stream.submit_stream("lab")
    take_down("lab")
    assert store_exists(store_place(lab))
    world.forget_history()
    postgres.stop()
    try:
        with pytest.raises(LabError, match="nothing was touched") as caught:
            take_down("lab", volumes=True)
    finally:
        postgres.start()
    assert "make down NAME=lab keeps them" in caught.value.next_command
    assert (world.changes, lab.paths.state.exists()) == ([], True)
    place = place_of(lab)
    assert take_down("lab", volumes=True)
    assert not schema.has_store(place)
    assert not lab.paths.root.exists()
