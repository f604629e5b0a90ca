"""A place in an object store, with what a reader of checkpoints uses of ``pathlib.Path``. Its secret is never written down."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr

from trending.places.answers import told_as_error
from trending.places.settings import S3A

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyarrow.fs import FileInfo, S3FileSystem

USER_VARIABLE = "AWS_ACCESS_KEY_ID"
SECRET_VARIABLE = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of the variable
"""Where a program finds who it is, by Amazon's own names: Spark hands them on to Hadoop, and no property shows them."""
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0
ATTEMPTS = 2
"""A start-up says what is wrong; a job is started again."""


class ObjectPlace(BaseModel):
    """A directory, or an object, by its address; where no secret is given it is the environment's."""

    uri: str
    endpoint: str
    region: str
    user: str
    given: SecretStr | None = Field(default=None, exclude=True, repr=False)

    def __str__(self) -> str:
        return self.uri

    def __truediv__(self, name: str) -> ObjectPlace:
        return self.model_copy(update={"uri": f"{self.uri}/{name}"})

    @property
    def secret(self) -> str:
        """The secret access key, empty for none."""
        return self.given.get_secret_value() if self.given else os.environ.get(SECRET_VARIABLE, "")

    @property
    def key(self) -> str:
        """Bucket and key, as pyarrow names an object."""
        return self.uri.removeprefix(S3A)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.key).name

    @property
    def files(self) -> S3FileSystem:
        """Pyarrow's client."""
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem  # noqa: PLC0415 - 0.3 s that only objects cost

        parts = urlsplit(self.endpoint)
        elsewhere: dict[str, Any] = {"endpoint_override": parts.netloc, "scheme": parts.scheme} if self.endpoint else {}
        return S3FileSystem(
            access_key=self.user,
            secret_key=self.secret,
            region=self.region,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=ANSWER_SECONDS,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            allow_delayed_open=True,  # small objects are put at once; otherwise each is an upload in parts
            **elsewhere,
        )

    def read_bytes(self) -> bytes:
        """Return the object's content; raises FileNotFoundError where it is not there, LabError where it can't be read."""
        with told_as_error(self), self.files.open_input_file(self.key) as file:
            content: bytes = file.readall()
            return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the object's text."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> None:
        """Write the object, whole or not at all."""
        with told_as_error(self), self.files.open_output_stream(self.key) as file:
            file.write(content)

    def iterdir(self) -> Iterator[ObjectPlace]:
        """Yield what lies in the directory; one that is not there is empty."""
        return (self / PurePosixPath(info.path).name for info in self._infos(recursive=False))

    def is_dir(self) -> bool:
        """Whether anything lies below."""
        return next(iter(self.iterdir()), None) is not None

    def sizes(self) -> dict[str, int]:
        """Return the objects below, by their names from here, with their sizes."""
        start = len(self.key) + 1
        return {info.path[start:]: info.size for info in self._infos(recursive=True) if info.is_file and info.size is not None}

    def move_to(self, target: ObjectPlace) -> None:
        """Copy what lies below, then delete it: an object store has no renaming. Cut short, it can be done once more."""
        files = self.files
        for name in self.sizes():
            with told_as_error(self):
                files.copy_file(f"{self.key}/{name}", f"{target.key}/{name}")
        self.delete()

    def delete(self) -> bool:
        """Delete everything below; returns whether there was anything."""
        if not self.is_dir():
            return False
        with told_as_error(self):
            self.files.delete_dir(self.key)
        return True

    def _infos(self, *, recursive: bool) -> list[FileInfo]:
        from pyarrow.fs import FileSelector  # noqa: PLC0415 - as above

        selector = FileSelector(self.key, recursive=recursive, allow_not_found=True)
        with told_as_error(self):
            found = self.files.get_file_info(selector)
        return [info for info in found if info.path.rstrip("/") != self.key]
