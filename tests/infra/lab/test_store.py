from __future__ import annotations

from pathlib import Path

import pytest

from infra.host.paths import StackPaths
from infra.host.secret_references import read_secret
from infra.lab import store
from infra.lab.store import check_store, place_of, require_ledgers_kept, store_exists
from infra.stack.state import StackState, Wanted
from trending.errors import ConfigurationConflict, InvalidInput, LabError
from trending.postgresql.place import PASSWORD_VARIABLE, PostgresPlace
from trending.producer.places import shared
from trending.settings import LabSettings, RuntimeKind, ServingSettings

SECRET = "päss word"  # noqa: S105 - what must not be shown
URL = "postgresql+psycopg://lab@localhost/counts"


def kept(path: Path, text: str = f"{SECRET}\n", mode: int = 0o600) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return f"file:{path}"


def test_a_store_is_a_file_unless_it_is_said_to_be_elsewhere(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path, "lab")
    assert place_of(paths, LabSettings(), "cluster-1") == paths.store
    assert not store_exists(paths.store)
    assert check_store(paths, LabSettings()) == ""


def test_the_password_is_in_nothing_that_is_written(tmp_path: Path) -> None:
    settings = LabSettings(serving=ServingSettings(store_url=URL, store_secret=kept(tmp_path / "secret")))
    place = place_of(StackPaths(tmp_path, "my-lab"), settings, "cluster-1")
    assert isinstance(place, PostgresPlace)
    assert place.password == SECRET
    assert (place.schema_name, place.url) == ("trending_my_lab", URL)
    assert place.owner.endswith(", cluster cluster-1")
    assert place_of(StackPaths(tmp_path, "my-lab"), settings, "").owner == place.owner.removesuffix(", cluster cluster-1")
    assert not any(SECRET in text for text in (repr(place), str(place), place.model_dump_json(), settings.model_dump_json()))


@pytest.fixture
def ledgers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Database → the producers elsewhere that have ledgers there; one that is not here does not answer."""
    found: dict[str, list[str]] = {}

    def producers_of(place: PostgresPlace) -> list[str]:
        if place.url not in found:
            cause = f"{place} cannot be used"
            raise LabError(cause)
        return found[place.url]

    monkeypatch.setattr(shared, "producers_of", producers_of)
    return found


def moved(before: str, after: str) -> None:
    earlier = StackState(wanted=Wanted.UP, runtime=RuntimeKind.EMBEDDED, cluster_id="c", settings=at(before))
    require_ledgers_kept(StackPaths(Path("/nowhere"), "lab"), earlier, at(after))


def at(url: str) -> LabSettings:
    return LabSettings(serving=ServingSettings(store_url=url) if url else ServingSettings())


@pytest.mark.parametrize("after", ["", f"{URL}2"])
def test_a_database_with_ledgers_of_producers_elsewhere_is_not_left(ledgers: dict[str, list[str]], after: str) -> None:
    """An audit would take what they have sent for records that nobody has announced, and fail from then on."""
    ledgers[URL], ledgers[f"{URL}2"] = ["laptop", "rack"], ["rack"]
    with pytest.raises(ConfigurationConflict, match="the ledgers of") as caught:
        moved(URL, after)
    assert "laptop" in caught.value.cause
    assert ("rack" in caught.value.cause) == (not after)
    assert f"STORE_URL={URL}" in caught.value.next_command


def test_a_database_is_left_that_has_no_ledgers_or_whose_ledgers_have_moved(
    ledgers: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(store, "say", said.append)
    ledgers[URL] = []
    moved(URL, "")
    moved(URL, URL)
    moved("", URL)
    ledgers[URL] = ledgers[f"{URL}2"] = ["laptop"]
    moved(URL, f"{URL}2")
    assert said == []
    del ledgers[URL]
    moved(URL, "")
    assert "could not be seen" in said[-1], "a server that is gone for good keeps no stack from going on"


def test_a_program_has_the_password_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PostgresPlace(url=URL, stack="lab", owner="").password == ""
    monkeypatch.setenv(PASSWORD_VARIABLE, SECRET)
    assert PostgresPlace(url=URL, stack="lab", owner="").password == SECRET


def test_a_secret_is_read_from_a_file_of_ones_own_or_from_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_WORD", SECRET)
    for where in (
        kept(tmp_path / "one"),
        kept(tmp_path / "two", f"{SECRET}\r\n"),
        kept(tmp_path / "three", SECRET),
        "env:MY_WORD",
    ):
        found = read_secret("STORE_SECRET", where)
        assert found is not None
        assert found.get_secret_value() == SECRET
    assert read_secret("STORE_SECRET", "") is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    where = kept(tmp_path / "my secret", mode=mode)
    with pytest.raises(InvalidInput, match="others may read") as caught:
        read_secret("STORE_SECRET", where)
    assert caught.value.next_command == f"chmod 600 '{tmp_path}/my secret'"


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="NO_SUCH_WORD, and it is not set here"):
        read_secret("STORE_SECRET", "env:NO_SUCH_WORD")
    with pytest.raises(InvalidInput, match="cannot be read") as caught:
        read_secret("STORE_SECRET", f"file:{tmp_path}/none")
    assert "No such file" in caught.value.evidence
    with pytest.raises(InvalidInput, match="is empty"):
        read_secret("STORE_SECRET", kept(tmp_path / "empty", "\n"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "bytes").chmod(0o600)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_secret("STORE_SECRET", f"file:{tmp_path}/bytes")
