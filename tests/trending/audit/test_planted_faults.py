"""One planted fault of each kind in a lab of any shape: the audit names that one, and is clean without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.audits.audited import Lab
from fakes.audits.planted import HARMLESS, PLANTS, found_by
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("plant", PLANTS)
@given(number=st.integers(1, 40), data=st.data())
def test_the_audit_names_the_fault_and_no_other(
    plant: Callable[[Lab, st.DataObject], dict[str, int]], number: int, data: st.DataObject
) -> None:
    lab = Lab()
    lab.send_tweets(number)
    assert found_by(lab.audit()) == {}
    assert lab.audit().clean
    expected = plant(lab, data)
    report = lab.audit()
    assert found_by(report) == expected
    assert report.clean is (plant in HARMLESS)
