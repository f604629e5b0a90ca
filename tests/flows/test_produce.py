from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flows import produce
from infra.forms.producing import ProduceForm
from trending.errors import InvalidInput, StackAbsent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("given", [{}, {"producer": {"scenario": "classroom"}}], ids=["no stack", "scenario"])
def test_what_can_be_seen_beforehand_is_refused_before_a_prefect_server_is_started(
    given: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    monkeypatch.setattr(produce, "with_server", lambda _run: pytest.fail("a server was started"))
    with pytest.raises((StackAbsent, InvalidInput)) as caught:
        produce.main(ProduceForm.model_validate({"name": "nobodys", **given}))
    assert caught.value.next_command
    assert list(tmp_path.iterdir()) == []
