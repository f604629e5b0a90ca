"""Whether a place in an object store can be used, with everything that is missing in one error; nothing of the look stays."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from trending.errors import AccessRefused
from trending.places.answers import failure, is_denied, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.places.objects import ObjectPlace


def require_usable(place: ObjectPlace) -> None:
    """Raise LabError unless objects can be listed, written, read and deleted at the place."""
    from pyarrow.fs import FileSelector  # noqa: PLC0415 - 0.3 s that only objects cost

    files, missing = place.files, {}
    probe = f"{place.key}/.probe-{secrets.token_hex(4)}"

    def write() -> None:
        with files.open_output_stream(probe) as file:
            file.write(b"probe")

    # A bucket that is not there has an empty list; the first object tells.
    steps: dict[str, Callable[[], object]] = {
        "s3:ListBucket": lambda: files.get_file_info(FileSelector(place.key, allow_not_found=True)),
        "s3:PutObject": write,
        "s3:GetObject": lambda: files.open_input_file(probe).readall(),
        "s3:DeleteObject": lambda: files.delete_file(probe),
    }
    for right, step in steps.items():
        if "s3:PutObject" in missing:
            break  # without an object nothing can be said of the others
        try:
            step()
        except OSError as error:
            if not is_denied(error):
                raise failure(place, error) from error
            missing[right] = words(error)
    if missing:
        cause = f"{place.user} lacks rights at {place}: {', '.join(missing)}"
        way = f"allow them for arn:aws:s3:::{place.key}/*, s3:ListBucket for arn:aws:s3:::{place.bucket}; then make up"
        raise AccessRefused(cause, next(iter(missing.values())), way)
