from __future__ import annotations

import pickle
import re
from collections import Counter

import pytest

from trending import errors
from trending.errors import BudgetSpent, Interrupted, InvalidInput, LabError, NotReady, ServiceDied, UndoAbandoned


def family(root: type[LabError]) -> list[type[LabError]]:
    return [root, *(descendant for child in root.__subclasses__() for descendant in family(child))]


# Other test modules may define errors of their own; the tree is what the module declares.
TREE = [error for error in family(LabError) if error.__module__ == errors.__name__]


@pytest.mark.parametrize("error", TREE)
def test_pickling_keeps_the_type_and_the_three_texts(error: type[LabError]) -> None:
    copy = pickle.loads(pickle.dumps(error("cause", "evidence", "command")))  # noqa: S301 - our own bytes
    assert type(copy) is error
    assert (copy.cause, copy.evidence, copy.next_command) == ("cause", "evidence", "command")
    assert str(copy) == str(error("cause", "evidence", "command"))


def test_the_exit_codes_are_those_the_tree_in_the_documentation_shows() -> None:
    documented = {
        name: int(code)
        for name, code in re.findall(r"^[│├└─\s]*(\w+) +(?:exit code )?(\d+)\b", errors.__doc__ or "", re.MULTILINE)
    }
    actual = {error.__name__: error.exit_code for error in TREE} | {
        each.__name__: each.exit_code for each in (Interrupted, UndoAbandoned)
    }
    assert documented == actual


def test_exit_codes_are_unique_but_within_the_family_of_not_ready() -> None:
    shared = {code: times for code, times in Counter(error.exit_code for error in TREE).items() if times > 1}
    assert shared == {NotReady.exit_code: len(family(NotReady))}
    assert 0 not in {error.exit_code for error in TREE}


def test_only_what_may_still_become_ready_is_retriable() -> None:
    assert {error for error in TREE if error.retriable} == {NotReady, ServiceDied}
    assert issubclass(BudgetSpent, NotReady)


def test_an_error_reads_as_cause_then_evidence_then_the_command_to_run() -> None:
    assert str(InvalidInput("no such port", "port is 99", "make up PORT=9092")) == (
        "no such port\n  evidence: port is 99\n  next: make up PORT=9092"
    )


def test_an_error_does_not_mention_what_it_does_not_have() -> None:
    assert str(LabError("broken")) == "broken"
    assert str(LabError("broken", next_command="make status")) == "broken\n  next: make status"


def test_an_interruption_is_not_swallowed_by_except_exception() -> None:
    assert not issubclass(Interrupted, Exception)
    assert Interrupted.exit_code == 130
