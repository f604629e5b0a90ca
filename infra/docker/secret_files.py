"""Files that only the user of a container may read, put into it before it is started.

They lie in a volume without name, which goes with the container. The public image and its stand-in read their configuration from
there; variables would be shown by ``docker inspect``, and a mounted directory of this machine's would belong to another user, or
not be there at all where the engine is elsewhere.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from docker.errors import NotFound
from docker.types import Mount

from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker.models.containers import Container

PLACE = PurePosixPath("/mnt/shared/config")
"""Where apache/kafka looks for a server.properties, which it completes with the variables."""
_USERS = "/etc/passwd"
_PRIVATE = 0o600
"""Its user may write too: the image copies a file with its mode, and then appends to the copy."""


def secret_mount() -> Mount:
    """Return the mount of a volume without name."""
    return Mount(target=str(PLACE), source=None, type="volume")


def put_files(container: Container, files: Mapping[str, bytes]) -> None:
    """Put files (name → content) into a container that was created with ``secret_mount``, readable for its user only."""
    user, group = _ids(container)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode, file.uid, file.gid = len(content), _PRIVATE, user, group
            tar.addfile(file, io.BytesIO(content))
    if not container.put_archive(str(PLACE), archive.getvalue()):
        cause = f"the engine does not take the configuration of {container.name}"
        raise ConfigurationConflict(cause, str(PLACE), "make status")


def _ids(container: Container) -> tuple[int, int]:
    """Return the user and group that the image runs as; a name is looked up in the image."""
    user, _colon, _group = str(container.attrs["Config"]["User"]).partition(":")
    if user in {"", "0", "root"}:
        return 0, 0
    for line in _users(container):
        name, _password, number, group, *_rest = line.split(":")
        if user in {name, number}:
            return int(number), int(group)
    if user.isdecimal():
        return int(user), 0
    cause = f"the image of {container.name} runs as {user}, whom it does not know"
    raise ConfigurationConflict(cause, f"no {user} in {_USERS}", "make up with another KAFKA_IMAGE, or without SECURE=1")


def _users(container: Container) -> list[str]:
    try:
        chunks, _stat = container.get_archive(_USERS)
    except NotFound:
        return []
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        member = tar.extractfile(PurePosixPath(_USERS).name)
        return member.read().decode("utf-8", "replace").splitlines() if member is not None else []
