"""YAML read into plain values, with the line of each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import yaml
from yaml.nodes import MappingNode, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yaml.nodes import Node

DEEPEST = 20
"""Levels within one another; a scenario has five."""
_LONGEST_NUMBER = 30
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    "-.inf": float("-inf"),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_TAB = "found character '\\t'"


class _Mark(Protocol):
    """A place in a file, of PyYAML's or of libyaml's."""

    @property
    def line(self) -> int: ...


class Misread(Exception):
    """What is wrong, and in which line, counted from 1; 0 where no line can be told."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem, line)
        self.problem = problem
        self.line = line


class Marks:
    """The lines of values and keys by their paths."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, ...], int] = {}
        self._keys: dict[tuple[str, ...], int] = {}

    def note(self, path: tuple[str, ...], value: Node, key: Node | None = None) -> None:
        """Keep where a value stands, and its key if it has one."""
        self._values[path] = _line(value.start_mark)
        self._keys[path] = _line((key or value).start_mark)

    def line(self, path: Sequence[str]) -> int:
        """Return the line of a value, or of the nearest one around it."""
        return self._nearest(self._values, path)

    def key_line(self, path: Sequence[str]) -> int:
        """Return the line of a value's key, or of the nearest one around it."""
        return self._nearest(self._keys, path)

    @staticmethod
    def _nearest(lines: dict[tuple[str, ...], int], path: Sequence[str]) -> int:
        return next((lines[found] for end in range(len(path), -1, -1) if (found := tuple(path[:end])) in lines), 1)


class _Composer(yaml.SafeLoader):
    """PyYAML's tree of nodes, without what a scenario has no use for, and that can make a small file endless."""

    _depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: yaml.NodeEvent = self.peek_event()  # type: ignore[no-untyped-call]
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            problem = "anchors and aliases (& and *) are not read here: write the value out, or quote it"
            raise Misread(problem, line)
        if tag := getattr(event, "tag", None):
            problem = f"the tag {tag} is not read here: leave it out, or quote the value"
            raise Misread(problem, line)
        if self._depth > DEEPEST:
            problem = f"more than {DEEPEST} levels within one another, and a scenario has five"
            raise Misread(problem, line)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def read_marked(text: str, marks: Marks) -> object:
    """Return what the YAML says, as plain values, and note the lines; raises Misread."""
    try:
        loader = _Composer(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _of_yaml(error) from None
    except yaml.reader.ReaderError as error:
        problem = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise Misread(problem, text.count("\n", 0, error.position) + 1) from None
    return None if node is None else _value(node, (), marks)


def _of_yaml(error: yaml.MarkedYAMLError) -> Misread:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "it is no YAML"
    if problem.startswith(_TAB):
        problem = "a tab begins a value here: indent with blanks"
    elif "single document" in str(error.context):
        problem = "a second document begins: one file is one scenario, without ---"
    else:
        problem = f"it is no YAML: {problem}" + (f" {error.context}" if error.context else "")
        problem += "; a hashtag is quoted, as in '#Spark'"
    return Misread(problem, _line(mark))


def _value(node: Node, path: tuple[str, ...], marks: Marks) -> object:
    marks.note(path, node)
    if isinstance(node, SequenceNode):
        return [_value(each, (*path, str(place)), marks) for place, each in enumerate(node.value)]
    if isinstance(node, ScalarNode):
        return _scalar(node)
    assert isinstance(node, MappingNode)  # noqa: S101 - there is no fourth kind
    found: dict[str, object] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            problem = "a field's name is a word, and this is a list or a mapping"
            raise Misread(problem, _line(key.start_mark))
        if key.value in found:
            problem = f"{'.'.join((*path, key.value))} stands here a second time: leave one out"
            raise Misread(problem, _line(key.start_mark))
        found[key.value] = _value(value, (*path, key.value), marks)
        marks.note((*path, key.value), value, key)
    return found


def _scalar(node: ScalarNode) -> object:
    text: str = node.value
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        problem = "half of a surrogate pair is no character: write the character itself"
        raise Misread(problem, _line(node.start_mark))
    if node.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _LONGEST_NUMBER and _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if len(text) <= _LONGEST_NUMBER and _FLOAT.fullmatch(text) else text


def _line(mark: _Mark | None) -> int:
    return mark.line + 1 if mark else 0
