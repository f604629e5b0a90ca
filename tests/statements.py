"""Compiled SQL for all SQLite engines of the process: the first engine that needs a statement compiles it for the others.

SQLAlchemy keeps what it has compiled with the engine, and each test opens files of its own: compiling was a third of their time.
What is compiled depends on the statement and the dialect alone, which is SQLite's for all of them. A program opens few files, so
it is left as it is.
"""

from __future__ import annotations

import weakref
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

MOST = 2000
"""Statements; some 300 are compiled in the whole suite."""


def share() -> None:
    """Let every engine that is made from now on take part."""
    compiled: LRUCache[Any, Any] = LRUCache(MOST)
    types: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
    original = Engine.__init__

    def init(engine: Engine, *arguments: Any, **options: Any) -> None:
        original(engine, *arguments, **options)
        if type(engine.dialect) is SQLiteDialect_pysqlite:
            engine._compiled_cache = compiled
            engine.dialect._type_memos = types

    # The dialect is a part of a statement's key.
    SQLiteDialect_pysqlite.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
    SQLiteDialect_pysqlite.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    Engine.__init__ = init  # type: ignore[method-assign]
