"""Where the streaming job's checkpoint lies, by its address, and how to get into a store of objects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from trending.access.settings import is_loopback
from trending.sections import Section

FILE = "file://"
S3A = "s3a://"
_FILE = re.compile(r"file://(/[^?#%\n]+)")
_S3A = re.compile(r"s3a://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._=+-]+)*/?")
OBJECTS = "s3a://bucket/prefix"
HDFS = "hdfs://"
FORMS = f"file:///directory, or {OBJECTS}"


class ObjectStoreSettings(Section):
    """A store of objects that speaks S3."""

    model_config = ConfigDict(hide_input_in_errors=True)  # one of them may be a password in the wrong place

    s3_endpoint: str = Field(
        "",
        max_length=300,
        description="Address of the object store, https://host:port; http:// only on this machine. Empty means Amazon's own.",
    )
    s3_region: str = Field(
        "us-east-1", pattern=r"^[a-z0-9-]{1,40}$", description="Region of the bucket; most other stores take any."
    )
    s3_user: str = Field("", pattern=r"^[A-Za-z0-9._/+=@-]{0,128}$", description="Access key id of the lab's user in the store.")
    s3_secret: str = Field(
        "",
        max_length=1000,
        pattern=r"^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*|block:[a-z0-9][a-z0-9-]*)?$",
        description="Where the secret access key is, never the key itself: file:PATH, of mode 0600, env:NAME, or block:NAME, a "
        "Secret block of Prefect's.",
    )

    @field_validator("s3_endpoint")
    @classmethod
    def _encrypted_elsewhere(cls, value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018 - raises for what is none
        except ValueError:
            msg = "it is https://host:port"
            raise ValueError(msg) from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
            msg = "it is https://host:port, with neither a path nor a user"
            raise ValueError(msg)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            msg = f"everybody on the way to {parts.hostname} could read along: https://"
            raise ValueError(msg)
        return value.rstrip("/")


class PlaceSettings(ObjectStoreSettings):
    """Where the checkpoint is kept, if that is not the stack's own directory."""

    checkpoint: str = Field(
        "",
        max_length=1000,
        description="Address in which the stack gets a directory of its own for the job's checkpoint: file:///directory or "
        "s3a://bucket/prefix. Empty means beside the stack's data. Another one begins a new epoch; nothing is counted twice.",
    )

    @field_validator("checkpoint")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if not value:
            return value
        if value.startswith(HDFS):
            # Spark writes there, but epochs and audit read the checkpoint too, and deleting is ours: by pathlib or pyarrow.
            msg = (
                "hdfs:// is refused since the lab reads checkpoints itself, which for HDFS takes a Hadoop installation on this "
                f"machine and was never tried; what works is {OBJECTS}, or file:///directory, also one that is mounted"
            )
            raise ValueError(msg)
        if not (_FILE.fullmatch(value) or is_object_address(value)):
            msg = f"it is {FORMS}"
            raise ValueError(msg)
        if {"..", "."} & set(value.split("/")):
            msg = f"it has . or .. in it: {FORMS}"
            raise ValueError(msg)
        return value.rstrip("/")

    @model_validator(mode="after")
    def _objects_need_a_user(self) -> Self:
        if is_object_address(self.checkpoint) and not (self.s3_user and self.s3_secret):
            msg = "a checkpoint in an object store needs s3_user and s3_secret"
            raise ValueError(msg)
        return self

    @property
    def directory(self) -> Path | None:
        """The directory of this machine that was given, or None."""
        return Path(self.checkpoint.removeprefix(FILE)) if self.checkpoint.startswith(FILE) else None


def is_object_address(address: str) -> bool:
    """Whether an address is one in an object store: ``s3a://bucket/prefix``."""
    return _S3A.fullmatch(address) is not None
