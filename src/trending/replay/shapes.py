"""The shapes of a JSON object: Twitter's v1.1 and v2, the lab's own tweet, and anything else by the names of its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trending.replay.posts import USUAL, BadRow, Columns, Post, post_of
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Fields = dict[str, object]
_NOTICES = frozenset(
    {"delete", "scrub_geo", "limit", "status_withheld", "user_withheld", "disconnect", "warning", "event", "friends"}
)
"""What v1.1's stream sends beside tweets."""
ASK_FOR_TIME = "is missing: v2 sends it when it is asked for tweet.fields=created_at,author_id,entities"


class Bad(NamedTuple):
    """A row that is no post: its number, the field, and what would be right."""

    row: int
    field: str
    why: str


def posts_in(row: int, value: object, columns: Columns) -> Iterator[Post | Bad]:
    """Yield the posts of one JSON value, several for a page of v2, none for a notice; what is none is a ``Bad``."""
    if not isinstance(value, dict):
        yield Bad(row, "", f"is a {type(value).__name__}: each row would be one JSON object")
        return
    if columns.names:
        yield _post(row, "", {name: value_at(value, path) for name, path in _paths(value, columns).items()}, columns)
    elif isinstance(value.get("data"), list | dict):
        yield from _of_v2(row, value)
    elif not (value.keys() & _NOTICES and len(value) <= 2) and not _is_empty_page(value):  # noqa: PLR2004 - and a timestamp
        yield _single(row, value, columns)


def value_at(value: Mapping[str, object], path: str) -> object:
    """Return what stands at a path such as ``user.screen_name``, or under a name that has the dots; None where nothing does."""
    if path in value:
        return value[path]
    found: object = value
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _paths(value: Mapping[str, object], columns: Columns) -> dict[str, str]:
    """Return field → where it is: as somebody has named it, else by the first usual name that is there."""
    paths = {}
    for name, usual in USUAL.items():
        there = (path for path in usual if value_at(value, path) is not None)
        paths[name] = columns.names.get(name) or next(there, usual[0])
    return paths


def _post(row: int, prefix: str, found: Fields, columns: Columns, names: Mapping[str, str] | None = None) -> Post | Bad:
    try:
        return post_of(row, found, columns.unit)
    except BadRow as error:
        name = (names or {}).get(error.field) or columns.names.get(error.field) or error.field
        return Bad(row, f"{prefix}{name}", error.why)


def _single(row: int, value: Fields, columns: Columns) -> Post | Bad:
    if "hashtag_principal" in value:
        return _of_the_lab(row, value)
    extended = value.get("extended_tweet")
    whole = {**value, **extended} if isinstance(extended, dict) else value
    user = value.get("user")
    if isinstance(user, dict) and "screen_name" in user:
        found = {
            "time": value.get("created_at"),
            "text": whole.get("full_text", whole.get("text")),
            "user": f"@{user['screen_name']}",
            "hashtag": value_at(whole, "entities.hashtags"),
        }
        return _post(row, "", found, columns, {"time": "created_at", "text": "text"})
    author = value.get("author")
    if isinstance(author, dict) and "username" in author:  # v2, flattened
        return _of_v2_data(row, "", value, {str(value.get("author_id")): author["username"]})
    paths = _paths(value, columns)
    return _post(row, "", {name: value_at(value, path) for name, path in paths.items()}, columns, paths)


def _of_the_lab(row: int, value: Fields) -> Post | Bad:
    """Return a tweet of the lab's own form, whose hashtag stays as it is."""
    found = {"time": value.get("timestamp"), "text": value.get("texto"), "user": value.get("usuario")}
    hashtag = value["hashtag_principal"]
    if not isinstance(hashtag, str | None):
        return Bad(row, "hashtag_principal", f"is a {type(hashtag).__name__}: it would be a text")
    if hashtag and len(hashtag) > MAX_HASHTAG:
        return Bad(row, "hashtag_principal", f"has {len(hashtag)} characters: at most {MAX_HASHTAG} are ranked")
    post = _post(
        row, "", {**found, "hashtag": None, "text": found["text"] or ""}, Columns(), {"time": "timestamp", "text": "texto"}
    )
    return post._replace(hashtag=hashtag or "") if isinstance(post, Post) else post


def _of_v2(row: int, value: Fields) -> Iterator[Post | Bad]:
    """Yield the tweets of a page, or of a stream's line, whose users stand beside them."""
    users = value_at(value, "includes.users")
    names = {
        str(each.get("id")): each.get("username") for each in (users if isinstance(users, list) else []) if isinstance(each, dict)
    }
    data = value["data"]
    for place, each in enumerate(data if isinstance(data, list) else [data]):
        prefix = f"data[{place}]" if isinstance(data, list) else "data"
        if isinstance(each, dict):
            yield _of_v2_data(row, f"{prefix}.", each, names)
        else:
            yield Bad(row, prefix, f"is a {type(each).__name__}: it would be a tweet, a JSON object")


def _of_v2_data(row: int, prefix: str, value: Fields, names: Mapping[str, object]) -> Post | Bad:
    if value.get("created_at") is None:
        return Bad(row, f"{prefix}created_at", ASK_FOR_TIME)
    author = value.get("author_id")
    name = names.get(str(author))
    found = {
        "time": value["created_at"],
        "text": value.get("text"),
        "user": f"@{name}" if name else author,
        "hashtag": value_at(value, "entities.hashtags"),
    }
    return _post(row, prefix, found, Columns(), {"time": "created_at"})


def _is_empty_page(value: Mapping[str, object]) -> bool:
    return value_at(value, "meta.result_count") == 0
