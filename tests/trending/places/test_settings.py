from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from trending.places.settings import PlaceSettings


def test_a_checkpoint_lies_beside_the_data_unless_it_is_said_to_be_elsewhere() -> None:
    assert PlaceSettings().directory is None
    assert PlaceSettings(checkpoint="file:///srv/our checkpoints/").directory == Path("/srv/our checkpoints")


@pytest.mark.parametrize(
    "address",
    [
        "/srv/checkpoints",
        "file:srv",
        "file://srv/checkpoints",
        "file:///",
        "file:///srv/../etc",
        "file:///srv?x",
        "hdfs://here/x",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="file:///directory"):
        PlaceSettings(checkpoint=address)
