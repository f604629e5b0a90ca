from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from trending.dialects import EveryText, Name, _EveryText, larger, stored

TEXTS = st.text(st.sampled_from("\x00\x01\x02\x03a#ñ😀") | st.characters(codec="utf-8"), max_size=8)


def given_back(text: str) -> str | None:
    return _EveryText().process_result_value(stored(text), postgresql.dialect())


@given(TEXTS)
def test_every_text_comes_back_and_none_has_what_postgresql_lacks(text: str) -> None:
    assert "\x00" not in stored(text)
    assert given_back(text) == text


@given(TEXTS, TEXTS)
def test_texts_keep_their_order(one: str, other: str) -> None:
    assert (stored(one).encode() < stored(other).encode()) is (one < other)
    assert (stored(one) == stored(other)) is (one == other)


def test_the_larger_number_has_a_name_in_each_dialect() -> None:
    table = Table("t", MetaData(), Column("n", Integer), Column("m", Integer))
    query = select(larger(table.c.n, table.c.m))
    assert "max(t.n, t.m)" in str(query.compile(dialect=sqlite.dialect()))
    assert "GREATEST(t.n, t.m)" in str(query.compile(dialect=postgresql.dialect()))


def test_texts_are_ordered_by_code_points_in_postgresql_and_plain_in_sqlite() -> None:
    for kind in (EveryText, Name):
        assert kind.compile(postgresql.dialect()) == 'VARCHAR COLLATE "C"'
        assert kind.compile(sqlite.dialect()) == "VARCHAR"
