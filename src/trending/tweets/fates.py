"""What the ledger books a record as, in the place of a hashtag: the audit compares it with what the log has under the same id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.tweets.rule import Kind
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from trending.tweets.rule import Verdict

UNTAGGED = ""
"""The label of an untagged record: no tweet has an empty hashtag."""


def label_of_reject(reason: str) -> str:
    """Return the label of a record that is refused; it is longer than any tweet's hashtag may be."""
    return f"refused: {reason}".ljust(MAX_HASHTAG + 1)


def label_of(verdict: Verdict) -> str:
    """Return the label of a record by its verdict, one by arrival: a late tweet is booked as a tweet."""
    return label_of_reject(verdict.label) if verdict.kind is Kind.REJECT else verdict.label
