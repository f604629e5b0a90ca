from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.replay.times import Unit, micros, written

SOMETIME = 1539202764_000_000
"""2018-10-10 20:19:24 UTC, in microseconds."""


@pytest.mark.parametrize(
    "value",
    [
        1539202764,
        1539202764.0,
        "1539202764",
        "1539202764000",
        1539202764000000,
        "1.539202764e9",
        "2018-10-10T20:19:24Z",
        "2018-10-10T20:19:24.000Z",
        "2018-10-10 20:19:24",
        "2018-10-10 22:19:24+02:00",
        "2018-10-10 20:19:24 UTC",
        "2018-10-10 20:19:24+0000 UTC",
        " 2018-10-10 20:19:24 ",
        "Wed Oct 10 20:19:24 +0000 2018",
        "Wed Oct 10 22:19:24 +0200 2018",
        "Wed Oct 10 13:19:24 PDT 2018",
        datetime(2018, 10, 10, 20, 19, 24),  # noqa: DTZ001 - as Parquet without a zone has it
        datetime(2018, 10, 10, 21, 19, 24, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_one_moment_in_all_forms(value: object) -> None:
    assert micros(value) == SOMETIME


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("", Unit.AUTO),
        ("x", Unit.AUTO),
        ("10/10/2018 20:19", Unit.AUTO),
        ("Wed Foo 10 20:19:24 +0000 2018", Unit.AUTO),
        ("Wed Oct 32 20:19:24 +0000 2018", Unit.AUTO),
        ("Wed Oct 10 20:19:24 XYZ 2018", Unit.AUTO),
        (None, Unit.AUTO),
        (True, Unit.AUTO),
        ([], Unit.AUTO),
        (float("nan"), Unit.AUTO),
        ("1e400", Unit.AUTO),
        (1e20, Unit.AUTO),
        (1e18, Unit.SECONDS),
        ("2018-10-10", Unit.SECONDS),
        (1539202764, Unit.ISO),
        ("2018-10-10", Unit.TWITTER),
        ("Wed Oct 10 20:19:24 +0000 2018", Unit.ISO),
    ],
)
def test_what_is_no_time_is_refused_with_what_would_be_one(value: object, unit: Unit) -> None:
    with pytest.raises(ValueError, match=r"is no time: it w.*2018-10-10T20:19:24Z"):
        micros(value, unit)


def test_a_unit_that_is_named_counts_whatever_the_number_looks_like() -> None:
    assert micros("5", Unit.MILLISECONDS) == 5_000
    assert micros(1539202764, Unit.MICROSECONDS) == 1539202764
    assert micros("1539202764123.5", Unit.MILLISECONDS) == 1539202764_123_500
    assert micros("Tue Jun 30 23:59:60 +0000 2015", Unit.TWITTER) == micros("2015-07-01T00:00:00Z"), "a leap second"


@given(st.datetimes(min_value=datetime(1975, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - its bounds
def test_every_time_is_read_back_from_every_form(time: datetime) -> None:
    whole = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert micros(time) == micros(time.isoformat()) == micros(written(whole)) == whole
    assert micros(whole, Unit.MICROSECONDS) == micros(str(whole)) == whole
    assert micros(whole // 1000) == whole // 1000 * 1000
    assert micros(whole // 1_000_000) == whole // 1_000_000 * 1_000_000
