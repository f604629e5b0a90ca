from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from trending.places.settings import PlaceSettings, is_object_address

SECRET = "not to be shown"  # noqa: S105 - what must not be shown
ACCESS = {"s3_user": "lab", "s3_secret": "env:KEY"}


def test_a_checkpoint_lies_beside_the_data_unless_it_is_said_to_be_elsewhere() -> None:
    assert PlaceSettings().directory is None
    assert PlaceSettings(checkpoint="file:///srv/our checkpoints/").directory == Path("/srv/our checkpoints")
    objects = PlaceSettings(checkpoint="s3a://lab/a/b/", **ACCESS)  # type: ignore[arg-type]
    assert (objects.checkpoint, objects.directory) == ("s3a://lab/a/b", None)
    assert is_object_address(objects.checkpoint)


@pytest.mark.parametrize(
    "address",
    [
        "/srv/checkpoints",
        "file:srv",
        "file://srv/checkpoints",
        "file:///",
        "file:///srv/../etc",
        "file:///srv?x",
        "ftp://here/x",
        "s3://lab/x",
        "s3a://",
        "s3a://Lab/x",
        "s3a://lab//x",
        "s3a://lab/../x",
        "s3a://key:secret@lab/x",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"file:///directory, or s3a://bucket/prefix"):
        PlaceSettings(checkpoint=address, **ACCESS)  # type: ignore[arg-type]


def test_a_checkpoint_in_an_object_store_needs_a_user() -> None:
    with pytest.raises(ValidationError, match="s3_user and s3_secret"):
        PlaceSettings(checkpoint="s3a://lab/x")


@pytest.mark.parametrize(
    "given",
    [
        {"s3_endpoint": f"https://lab:{SECRET}@store"},
        {"s3_endpoint": "ftp://store"},
        {"s3_endpoint": "http://store.example:9000"},
        {"s3_endpoint": "https://store/path"},
        {"s3_endpoint": "https://store:port"},
        {"s3_secret": SECRET},
        {"s3_secret": "block:Not A Block"},
    ],
)
def test_what_would_show_a_secret_or_is_none_is_refused_without_quoting_it(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        PlaceSettings(**given)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:9000", "https://store.example", "http://[::1]:9000/"])
def test_an_endpoint_is_encrypted_unless_it_is_this_machine(endpoint: str) -> None:
    assert PlaceSettings(s3_endpoint=endpoint).s3_endpoint == endpoint.rstrip("/")


@pytest.mark.parametrize("secret", ["file:/secret", "env:SECRET", "block:lab"])
def test_a_secret_is_pointed_at(secret: str) -> None:
    assert PlaceSettings(s3_secret=secret).s3_secret == secret


def test_a_checkpoint_in_hdfs_is_refused_with_the_reason_and_what_works() -> None:
    with pytest.raises(ValidationError, match=r"hdfs:// is refused since the lab reads checkpoints itself") as caught:
        PlaceSettings(checkpoint="hdfs://namenode:8020/checkpoints")
    assert "what works is s3a://bucket/prefix, or file:///directory" in str(caught.value)
