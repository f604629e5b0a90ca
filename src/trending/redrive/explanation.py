"""Why a body is no tweet, for whoever mends it: the rule's reason, the field, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from trending.text import printable
from trending.tweets.rule import Reason, ill_typed_field

if TYPE_CHECKING:
    from collections.abc import Mapping

_TWITTERS = frozenset({"created_at", "full_text", "id_str", "author_id", "entities", "includes"})
"""Fields of which Twitter's own shapes have some, and a tweet of the lab's has none."""
_TO_REPLAY = "it has Twitter's shape: write such records into a file, one a line, and make replay FILE=… sends them as tweets"
_TO_NAME = "make replay FILE=… COLUMNS=time=…,text=… sends a file of such records as tweets"
_SHOWN_FIELDS, _SHOWN_CHARACTERS = 6, 40


def explained(reason: str, body: bytes | None) -> str:
    """Return a reject's reason with the field that it is about, and what to do where the record has another shape."""
    if reason not in {Reason.WRONG_TYPE, Reason.NO_HASHTAG, Reason.NO_TIMESTAMP} or body is None:
        return reason
    named = f"{reason}: {ill_typed_field(body)}" if reason == Reason.WRONG_TYPE else reason
    fields = _fields_of(body)
    if "hashtag_principal" in fields or not fields:
        return named
    if fields.keys() & _TWITTERS or isinstance(fields.get("data"), list | dict):
        return f"{named}; {_TO_REPLAY}"
    names = ", ".join(printable(name[:_SHOWN_CHARACTERS]) for name in sorted(fields)[:_SHOWN_FIELDS])
    return f"{named}; its fields are {names}: {_TO_NAME}"


def _fields_of(body: bytes) -> Mapping[str, object]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
