from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import NotFound

from infra.docker.containers import PLACE, put_files, secret_mount
from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from collections.abc import Iterable

USERS = "root:x:0:0:root:/root:/bin/bash\nappuser:x:1000:1001::/tmp:/bin/sh\n"


class FakeContainer:
    """A container that was created: files can be put into it and read from it."""

    name = "kafka"

    def __init__(self, user: str, users: str | None = USERS, *, takes: bool = True) -> None:
        self.attrs = {"Config": {"User": user}}
        self.put: dict[str, bytes] = {}
        self._users, self._takes = users, takes

    def get_archive(self, path: str) -> tuple[Iterable[bytes], dict[str, Any]]:
        if self._users is None:
            raise NotFound(path)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            file = tarfile.TarInfo("passwd")
            file.size = len(self._users)
            tar.addfile(file, io.BytesIO(self._users.encode()))
        return [archive.getvalue()], {}

    def put_archive(self, path: str, data: bytes) -> bool:
        self.put[path] = data
        return self._takes


def members(container: FakeContainer) -> list[tuple[str, int, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(container.put[str(PLACE)])) as tar:
        return [(each.name, each.mode, each.uid, each.gid) for each in tar.getmembers()]


@pytest.mark.parametrize(
    ("user", "ids"),
    [("appuser", (1000, 1001)), ("1000:0", (1000, 1001)), ("", (0, 0)), ("root", (0, 0)), ("4711", (4711, 0))],
)
def test_files_are_readable_for_the_user_that_the_image_runs_as_and_nobody_else(user: str, ids: tuple[int, int]) -> None:
    container = FakeContainer(user)
    put_files(container, {"server.properties": b"a=b", "kafka.pem": b"key"})  # type: ignore[arg-type]
    assert members(container) == [("server.properties", 0o600, *ids), ("kafka.pem", 0o600, *ids)]


@pytest.mark.parametrize("users", [USERS, None])
def test_an_image_that_does_not_know_its_own_user_is_refused(users: str | None) -> None:
    with pytest.raises(ConfigurationConflict, match="runs as nobody-known, whom it does not know"):
        put_files(FakeContainer("nobody-known", users), {})  # type: ignore[arg-type]


def test_an_engine_that_takes_no_files_is_told_of() -> None:
    with pytest.raises(ConfigurationConflict, match="does not take the configuration of kafka"):
        put_files(FakeContainer("appuser", takes=False), {"a": b""})  # type: ignore[arg-type]


def test_the_files_volume_has_no_name_so_that_it_goes_with_the_container() -> None:
    assert secret_mount() == {"Target": str(PLACE), "Source": None, "Type": "volume", "ReadOnly": False}
