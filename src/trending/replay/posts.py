"""A post of a file, and how one is made of a row: by columns that somebody has named, or by the names that are usual."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from trending.errors import InvalidInput
from trending.replay.times import Unit, micros
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HASHTAG = re.compile(r"(?<![\w&])#(?=\w*[^\W\d_])[\w\u0300-\u036f]+")
"""A hashtag as Twitter takes it: it has a letter, and does not begin within a word or an entity (&#39;). Accents may combine."""
_NAMED = re.compile(r"""["'](?:text|tag)["']\s*:\s*["']([^"']+)["']""")
_WORD = re.compile(r"[\w\u0300-\u036f]+")
_EMPTY = frozenset({"", "[]", "{}", "nan", "none", "null"})
TIME, TEXT, TAG = "time", "text", "hashtag"
FIELDS = (TIME, TEXT, "user", TAG)
USUAL: Mapping[str, Sequence[str]] = {
    "time": (
        "created_at",
        "tweet_created",
        "tweetcreatedts",
        "created",
        "datetime",
        "timestamp",
        "date",
        "time",
        "fecha",
    ),
    "text": ("full_text", "text", "tweet_text", "rawcontent", "content", "tweet", "body", "message", "texto"),
    "user": (
        "user.screen_name",
        "user_screen_name",
        "screen_name",
        "username",
        "user_name",
        "handle",
        "usuario",
        "user",
        "author",
        "author_id",
        "name",
    ),
    "hashtag": ("hashtag_principal", "hashtags", "hashtag", "entities.hashtags"),
}
"""Field → the names under which it is looked for, the first one that is there counts; small letters, with _ for a blank."""
UNKNOWN_USER = "@anonymous"


class Post(NamedTuple):
    """A post: the row that it is of, its time in microseconds since the epoch, and what becomes of it in a tweet.

    An empty hashtag means that it has none.
    """

    time: int
    row: int
    user: str
    text: str
    hashtag: str


class BadRow(Exception):
    """A field of a row is missing or wrong. ``why`` also says what would be right."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.field = name
        self.why = why


@dataclass(frozen=True)
class Columns:
    """Which column each field is in, and how the time is written. Without names, the usual ones are looked for."""

    names: Mapping[str, str] = field(default_factory=dict)
    unit: Unit = Unit.AUTO

    @classmethod
    def parse(cls, text: str) -> Columns:
        """Return the columns of ``time=when:ms,text=body``; raises InvalidInput for anything else."""
        names: dict[str, str] = {}
        unit = Unit.AUTO
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, separator, column = (each.strip() for each in part.partition("="))
            if name == "time" and ":" in column:
                column, _colon, word = column.rpartition(":")
                if word not in set(Unit):
                    cause = f"COLUMNS: {word} is no unit of a time"
                    raise InvalidInput(cause, f"the units are {', '.join(Unit)}", "COLUMNS=time=created_at:ms")
                unit = Unit(word)
            if not separator or name not in FIELDS or not column or name in names:
                cause = f"COLUMNS: {part} does not say which column a field is in"
                raise InvalidInput(cause, f"the fields are {', '.join(FIELDS)}", "COLUMNS=time=created_at:ms,text=body,user=who")
            names[name] = column
        return cls(names, unit)


def post_of(row: int, found: Mapping[str, object], unit: Unit = Unit.AUTO) -> Post:
    """Return the post of a row whose fields were found; raises BadRow for one that is missing or wrong."""
    if _is_empty(found.get("time")):
        reason = "is missing: a replay needs to know when each post was written; COLUMNS=time=… names its column"
        raise BadRow(TIME, reason)
    try:
        time = micros(found["time"], unit)
    except ValueError as error:
        raise BadRow(TIME, str(error)) from None
    text = found.get("text")
    if not isinstance(text, str) and text is not None:
        raise BadRow(TEXT, f"is a {type(text).__name__}: it would be a text; COLUMNS=text=… names its column")
    hashtag = hashtag_of(found.get("hashtag"), text or "")
    if text is None and not hashtag:
        reason = "is missing, and there is no hashtag either; COLUMNS=text=… names its column"
        raise BadRow(TEXT, reason)
    if len(hashtag) > MAX_HASHTAG:
        raise BadRow(TAG, f"has {len(hashtag)} characters: at most {MAX_HASHTAG} are ranked")
    if _unsendable(text or "") or _unsendable(hashtag):
        raise BadRow(TEXT, r"has half of a surrogate pair (\ud800 to \udfff), which is no character: no UTF-8 has it")
    user = found.get("user")
    who = UNKNOWN_USER if _is_empty(user) or isinstance(user, dict | list) else str(user)
    return Post(time, row, UNKNOWN_USER if _unsendable(who) else who, text or hashtag, hashtag)


def hashtag_of(given: object, text: str) -> str:
    """Return the first hashtag of a field as files have it, or the text's first where there is none; empty without any.

    A field is a list (of texts, or of objects with ``text`` or ``tag``), or a text: #a #b, a,b, or a list as Python prints it.
    """
    first: object = given
    if isinstance(given, list | tuple):
        first = given[0] if given else None
    if isinstance(first, dict):
        first = first.get("text") or first.get("tag")
    if isinstance(first, str) and first.strip().lower() not in _EMPTY:
        found = _NAMED.search(first)
        word = found[1] if found else _word(first)
        if word:
            return word if word.startswith("#") else f"#{word}"
    found = HASHTAG.search(text)
    return found[0] if found else ""


def _word(text: str) -> str:
    found = _WORD.search(text)
    return found[0] if found else ""


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _unsendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
