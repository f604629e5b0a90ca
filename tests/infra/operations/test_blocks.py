"""Secrets of store and object store in blocks of Prefect's, on a machine of pretend: read by a start-up, kept until ``down``."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make
from pydantic import SecretStr

from infra.host.secret_references import no_block
from infra.lab.assembly import open_lab, sweep
from infra.lab.checkpoints import root_of
from infra.lab.store import place_of
from infra.operations import services
from infra.operations.services import check_own_start, check_start, prepare_stack
from infra.operations.take_down import take_down
from infra.operations.undo import found_before, undo
from infra.stack.kept_blocks import keep_blocks, read_blocks
from infra.stack.state import Wanted, write_state
from trending.errors import AccessRefused, InvalidInput
from trending.places.objects import ObjectPlace
from trending.places.settings import PlaceSettings
from trending.postgresql.place import PostgresPlace
from trending.settings import LabSettings, ServingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World

    from infra.lab.assembly import Lab

URL = "postgresql+psycopg://lab@localhost/counts"
SERVING = ServingSettings(store_url=URL, store_secret="block:counts")  # noqa: S106 - its place
PLACES = PlaceSettings(checkpoint="s3a://lab/x", s3_user="lab", s3_secret="block:objects")  # noqa: S106 - its place


def of_prefect(name: str) -> SecretStr:
    return SecretStr(f"canary of {name}")


@pytest.fixture
def lab(world: World) -> Lab:
    """A stack that has counted into a file, and is up."""
    assert world.topics == {}
    return make()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was looked at of places elsewhere, with the secret that it was looked at with."""
    seen: list[str] = []

    def look(kind: str, of: Callable[..., object]) -> Callable[..., str]:
        def looked(paths: object, settings: LabSettings, *more: str) -> str:
            place = of(paths, settings, *more)
            if isinstance(place, PostgresPlace):
                seen.append(f"{kind} {place.password}")
            if isinstance(place, ObjectPlace):
                seen.append(f"{kind} {place.secret}")
            return ""

        return looked

    monkeypatch.setattr(services, "check_store", look("store", place_of))
    monkeypatch.setattr(services, "check_checkpoint", look("checkpoint", root_of))
    monkeypatch.setattr(services, "checkpoint_jars", lambda _place: ())
    return seen


def asked(lab: Lab) -> LabSettings:
    return lab.settings.model_copy(update={"serving": SERVING, "places": PLACES})


def test_a_start_up_reads_the_blocks_looks_with_them_and_keeps_them_for_their_user_alone(lab: Lab, looks: list[str]) -> None:
    prepare_stack(asked(lab), None, of_prefect)
    assert looks == ["store canary of counts", "checkpoint canary of objects"]
    assert stat.S_IMODE(lab.paths.blocks.stat().st_mode) == 0o600
    after = open_lab("lab")
    place = place_of(after.paths, after.settings, "")
    assert isinstance(place, PostgresPlace)
    assert place.password == "canary of counts"  # noqa: S105 - of pretend
    others = [path for path in lab.paths.root.rglob("*") if path.is_file() and path != lab.paths.blocks]
    assert others
    assert not [path for path in others if b"canary" in path.read_bytes()]


def test_a_changed_block_counts_from_the_next_start_up(lab: Lab, looks: list[str]) -> None:
    prepare_stack(asked(lab), None, of_prefect)
    prepare_stack(asked(lab), None, lambda _name: SecretStr("another"))
    assert looks[2:] == ["store another", "checkpoint another"]


@pytest.mark.parametrize("check", [check_start, check_own_start])
def test_before_the_flow_nothing_is_looked_at_with_a_block(
    lab: Lab, looks: list[str], check: Callable[[LabSettings], None]
) -> None:
    check(asked(lab))
    assert looks == []


@pytest.mark.usefixtures("looks")
def test_without_the_block_nothing_is_recorded_or_written(lab: Lab) -> None:
    with pytest.raises(InvalidInput, match="Prefect block counts"):
        prepare_stack(asked(lab), None, no_block)
    assert open_lab("lab").settings == lab.settings
    assert not lab.paths.blocks.exists()


@pytest.mark.usefixtures("looks")
def test_whoever_needs_a_secret_after_a_take_down_is_told_what_reads_it(lab: Lab) -> None:
    prepare_stack(asked(lab), None, of_prefect)
    down = open_lab("lab")
    sweep(down, volumes=False)
    assert not lab.paths.blocks.exists()
    with pytest.raises(InvalidInput, match="which only a flow reads") as caught:
        place_of(down.paths, down.settings, "")
    assert "make up UNTIL=topic" in caught.value.next_command


def test_a_take_down_deletes_the_rows_before_it_forgets_what_opens_them(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    write_state(lab.paths, lab.state.model_copy(update={"settings": asked(lab)}))
    keep_blocks(lab.paths, read_blocks(asked(lab), of_prefect), None)
    used: list[str] = []

    def delete(there: Lab) -> None:
        place = place_of(there.paths, there.settings, "")
        assert isinstance(place, PostgresPlace)
        used.append(place.password)

    monkeypatch.setattr("infra.lab.assembly.delete_store", delete)
    sweep(open_lab("lab"), volumes=True)
    assert used == ["canary of counts"]
    assert not lab.paths.blocks.exists()


@pytest.mark.usefixtures("looks")
def test_a_start_up_that_fails_goes_back_with_the_secrets_of_before(lab: Lab) -> None:
    prepare_stack(asked(lab), None, of_prefect)
    moved = asked(lab).model_copy(update={"serving": SERVING.model_copy(update={"store_secret": "block:other"})})
    prepare_stack(moved, None, of_prefect)
    before = asked(lab)
    place = place_of(lab.paths, before, "")
    assert isinstance(place, PostgresPlace)
    assert place.password == "canary of counts"  # noqa: S105 - of pretend
    prepare_stack(moved, None, of_prefect)
    with pytest.raises(InvalidInput, match="Prefect block counts"):
        place_of(lab.paths, before, "")


@pytest.mark.usefixtures("looks")
def test_an_undo_of_a_stack_that_was_down_forgets_what_it_read(lab: Lab) -> None:
    take_down("lab")
    assert open_lab("lab").state.wanted is Wanted.DOWN
    before = found_before("lab")
    assert before.nothing_ran
    prepare_stack(asked(lab), None, of_prefect)
    assert lab.paths.blocks.exists()
    undo("lab", before, AccessRefused("no"))
    assert not lab.paths.blocks.exists()
