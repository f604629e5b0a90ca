"""Where the checkpoints of a stack are, on a machine of pretend: elsewhere, only what it has made there is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make
from fakes.trending import counting

from infra.lab import checkpoints, deletion
from infra.lab.assembly import open_lab
from infra.lab.checkpoints import (
    check_checkpoint,
    checkpoint_jars,
    checkpoint_place,
    checkpoint_secrets,
    delete_checkpoints,
    note_checkpoint,
    require_deletable_checkpoints,
    root_of,
)
from infra.operations.stream import stream_spec
from infra.stack.state import write_state
from trending.errors import ConfigurationConflict, InvalidInput, LabError, NotOurs, NotReady
from trending.places.objects import ObjectPlace
from trending.places.settings import PlaceSettings
from trending.stream.session import object_options

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

    from infra.lab.assembly import Lab


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "shared"
    base.mkdir()
    return base


@pytest.fixture
def lab(world: World, base: Path) -> Lab:
    """A stack whose checkpoints are in a shared directory."""
    made = make()
    return at(made, f"file://{base}")


def at(lab: Lab, checkpoint: str) -> Lab:
    changed = lab.settings.model_copy(update={"places": PlaceSettings(checkpoint=checkpoint)})
    write_state(lab.paths, lab.state.model_copy(update={"settings": changed}))
    return open_lab(lab.paths.name)


def test_a_stack_has_a_directory_of_its_own_there(lab: Lab, base: Path) -> None:
    assert checkpoint_place(lab, "1") == base / lab.paths.stack_id / "1"
    assert check_checkpoint(lab.paths, lab.settings) == str(base / lab.paths.stack_id)
    assert list(base.iterdir()) == [], "nothing of the look is left"
    beside = at(lab, "")
    assert checkpoint_place(beside, "1") == lab.paths.checkpoint("1")
    assert check_checkpoint(lab.paths, beside.settings) == ""


def test_what_lies_there_already_is_another_ones(lab: Lab) -> None:
    root = root_of(lab.paths, lab.settings)
    (root / "1").mkdir(parents=True)
    with pytest.raises(NotOurs, match="that this stack has not made"):
        check_checkpoint(lab.paths, lab.settings)
    note_checkpoint(lab)
    assert check_checkpoint(lab.paths, lab.settings) == str(root)


def test_a_directory_that_is_not_there_is_one_error(lab: Lab, base: Path) -> None:
    base.rmdir()
    with pytest.raises(ConfigurationConflict, match="is not there") as caught:
        check_checkpoint(lab.paths, lab.settings)
    assert caught.value.next_command.startswith("mkdir -p ")


def test_only_what_the_stack_has_made_is_deleted_wherever_its_checkpoint_is_now(lab: Lab, base: Path, tmp_path: Path) -> None:
    note_checkpoint(lab)
    note_checkpoint(open_lab("lab"))
    root = root_of(lab.paths, lab.settings)
    (root / "1" / "offsets").mkdir(parents=True)
    (base / "theirs").mkdir()
    other = tmp_path / "other"
    (other / lab.paths.stack_id).mkdir(parents=True)
    moved = at(open_lab("lab"), f"file://{other}")
    assert moved.state.checkpoints_made == (str(root),)
    require_deletable_checkpoints(moved)
    delete_checkpoints(moved)
    assert list(base.iterdir()) == [base / "theirs"]
    assert list(other.iterdir()) == [other / lab.paths.stack_id], "nobody has recorded that this stack had made it"
    delete_checkpoints(moved)


def test_a_link_is_not_followed(lab: Lab, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    note_checkpoint(lab)
    root_of(lab.paths, lab.settings).symlink_to(theirs)
    for work in (
        lambda: check_checkpoint(lab.paths, lab.settings),
        lambda: require_deletable_checkpoints(open_lab("lab")),
    ):
        with pytest.raises(NotOurs):
            work()
    assert theirs.is_dir()


def in_objects(lab: Lab, secret: Path) -> Lab:
    """The same stack with its checkpoints in an object store that nobody runs."""
    secret.write_text("the secret\n", encoding="utf-8")
    secret.chmod(0o600)
    store = {"s3_endpoint": "http://127.0.0.1:1", "s3_user": "key", "s3_secret": f"file:{secret}"}
    places = PlaceSettings.model_validate({"checkpoint": "s3a://lab/ours", **store})
    changed = lab.settings.model_copy(update={"places": places})
    write_state(lab.paths, lab.state.model_copy(update={"settings": changed}))
    return open_lab(lab.paths.name)


def test_the_secret_of_an_object_store_is_for_the_job_alone(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(checkpoints, "ensure_jars", lambda group: asked.append(group) or (tmp_path / "hadoop-aws.jar",))
    monkeypatch.setattr(checkpoints, "require_usable", lambda place: asked.append(str(place)))
    there = in_objects(lab, tmp_path / "secret")
    place = checkpoint_place(there, "1")
    assert isinstance(place, ObjectPlace)
    assert place.uri == f"s3a://lab/ours/{lab.paths.stack_id}/1"
    assert checkpoint_secrets(place) == {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "the secret"}
    spec = stream_spec(there, counting.epoch("1"))
    assert spec.checkpoint_uri == place.uri
    assert tmp_path / "hadoop-aws.jar" in spec.jars
    assert asked == ["s3a"], "and for a directory nothing is fetched"
    shown = (spec.model_dump_json(), there.state.model_dump_json(), repr(object_options(spec)))
    assert not any("the secret" in text for text in shown)
    assert object_options(spec)["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:1"
    assert checkpoint_secrets(lab.paths.checkpoint("1")) == {}
    assert checkpoint_jars(lab.paths.checkpoint("1")) == ()


def test_objects_that_cannot_be_deleted_now_keep_the_stack_as_it_is(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = in_objects(lab, tmp_path / "secret")
    note_checkpoint(there)

    def away(place: ObjectPlace) -> bool:
        raise NotReady("no object store answers", str(place), "start it")

    monkeypatch.setattr(ObjectPlace, "sizes", away)
    with pytest.raises(NotReady, match="cannot be deleted: nothing was touched") as caught:
        require_deletable_checkpoints(open_lab("lab"))
    assert caught.value.next_command == "start it; make down NAME=lab keeps them"
    (tmp_path / "secret").unlink()
    with pytest.raises(InvalidInput, match="cannot be deleted: nothing was touched") as refused:
        require_deletable_checkpoints(open_lab("lab"))
    assert "the file of S3_SECRET cannot be read" in refused.value.evidence
    assert refused.value.next_command.endswith("; make down NAME=lab keeps them")


@pytest.mark.row(35)
def test_what_somebody_has_put_beside_the_checkpoints_stays(lab: Lab) -> None:
    note_checkpoint(lab)
    place = checkpoint_place(lab, "0123456789ab-1")
    place.mkdir(parents=True)
    for name in (
        "0123456789ab.start.json",
        "0123456789ab.aside-20261130T110000",
        "0123456789ab.start.json.aside-20261130T110000",
    ):
        place.with_name(name).touch()
    require_deletable_checkpoints(open_lab("lab"))
    notes = place.with_name("notes.txt")
    notes.write_text("mine", encoding="utf-8")
    with pytest.raises(NotOurs, match="the lab did not make: nothing was touched") as caught:
        require_deletable_checkpoints(open_lab("lab"))
    assert caught.value.evidence == str(notes)
    assert f"mv {notes} ~/" in caught.value.next_command
    notes.unlink()
    deeper = place / "notes.txt"
    deeper.write_text("mine", encoding="utf-8")
    with pytest.raises(NotOurs, match="the lab did not make: nothing was touched") as found:
        require_deletable_checkpoints(open_lab("lab"))
    assert found.value.evidence == str(deeper)


@pytest.mark.row(35)
@pytest.mark.parametrize("where", [".", "0123456789ab-1"])
def test_what_somebody_has_put_beside_the_checkpoints_stays_in_an_undo_too(
    lab: Lab, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(checkpoints, "say", said.append)
    note_checkpoint(lab)
    place = checkpoint_place(lab, "0123456789ab-1")
    (place / "offsets").mkdir(parents=True)
    (place / "offsets" / "0").touch()
    album = place.parent / where / "album"
    album.mkdir()
    (album / "photo").write_text("mine", encoding="utf-8")
    delete_checkpoints(open_lab("lab"))
    assert (album / "photo").read_text(encoding="utf-8") == "mine"
    assert not (place / "offsets").exists()
    assert said[0].endswith(f"stays: {album}")


def test_what_cannot_be_deleted_there_is_told_before_anything_goes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    note_checkpoint(lab)
    place = checkpoint_place(lab, "0123456789ab-1")
    place.mkdir(parents=True)
    monkeypatch.setattr(deletion.os, "access", lambda path, _mode: path != place)
    with pytest.raises(LabError, match="cannot be deleted by this user: nothing was touched"):
        require_deletable_checkpoints(open_lab("lab"))


@pytest.mark.row(35)
def test_objects_that_somebody_has_put_beside_the_checkpoints_stay(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = in_objects(lab, tmp_path / "secret")
    note_checkpoint(there)
    names = ["0123456789ab-1.start.json", "0123456789ab-1/offsets/0", "0123456789ab-1/state/0/0/1.zip", "0123456789ab-1/metadata"]
    gone: list[str] = []
    monkeypatch.setattr(ObjectPlace, "sizes", lambda _place: dict.fromkeys(names, 1))
    monkeypatch.setattr(ObjectPlace, "delete", lambda place: gone.append(place.uri) or True)
    require_deletable_checkpoints(open_lab("lab"))
    for theirs in ("album/photo", "0123456789ab-1/photo"):
        names.append(theirs)
        for work in (require_deletable_checkpoints, delete_checkpoints):
            with pytest.raises(NotOurs, match="beside them that the lab did not make") as caught:
                work(open_lab("lab"))
            assert theirs in caught.value.evidence
        names.remove(theirs)
    assert gone == []
    delete_checkpoints(open_lab("lab"))
    assert gone == [f"s3a://lab/ours/{lab.paths.stack_id}"]
