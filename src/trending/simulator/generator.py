"""The tweet simulator: seeded, weighted random tweets from a catalogue that the user can change."""

from __future__ import annotations

import hashlib
import random
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trending.errors import InvalidInput
from trending.text import printable
from trending.tweets.templates import Templates
from trending.tweets.wire_format import MAX_HASHTAG, Tweet, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TWEET_BYTES = 999_000
"""Largest tweet that a catalogue may make. Clients send no message above 1,000,000 bytes (``message.max.bytes``) with its headers
and framing, and a topic takes 1,048,588 by default: a larger tweet would be given up by the broker, again and again."""
_SHOWN = 40
_LONGEST = -2.2250738585072014e-308
"""A timestamp that takes as many bytes as any."""


class WeightedHashtag(BaseModel):
    """A hashtag and how often it is drawn, relative to the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1, max_length=MAX_HASHTAG)
    weight: float = Field(1.0, gt=0, le=1e9, allow_inf_nan=False)


class Catalogue(BaseModel):
    """What tweets are made of; each list needs at least one entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    users: tuple[str, ...] = Field(("@DataFan", "@SparkGuru", "@PythonDev", "@KafkaQueen", "@StreamLover"), min_length=1)
    phrases: tuple[str, ...] = Field(
        (
            "increíble la velocidad de",
            "hoy aprendí algo nuevo sobre",
            "no puedo dejar de leer sobre",
            "el futuro es",
            "mi demo de clase usa",
        ),
        min_length=1,
    )
    hashtags: tuple[WeightedHashtag, ...] = Field(
        (
            WeightedHashtag(name="#BigData", weight=4),
            WeightedHashtag(name="#Spark", weight=3),
            WeightedHashtag(name="#IA", weight=2),
            WeightedHashtag(name="#RealTime", weight=1),
        ),
        min_length=1,
    )

    @model_validator(mode="after")
    def _fits_into_a_message(self) -> Self:
        """Refuse a catalogue whose largest tweet no topic takes by default, naming its largest part."""
        user, phrase = max(self.users, key=_size), max(self.phrases, key=_size)
        hashtag = max((hashtag.name for hashtag in self.hashtags), key=_size)
        tweet = len(encode(Tweet(user, f"{phrase} {hashtag}", hashtag, _LONGEST)))
        if tweet > MAX_TWEET_BYTES:
            kind, text = max(("user", user), ("phrase", phrase), key=lambda part: _size(part[1]))
            msg = (
                f"the {kind} {printable(text[:_SHOWN])!r}… has {_size(text):,} bytes and makes a tweet of {tweet:,}: "
                f"at most {MAX_TWEET_BYTES:,} go into one message"
            )
            raise ValueError(msg)
        return self


def _size(text: str) -> int:
    """Return the bytes of a text on the wire: a control character takes six."""
    return len(msgspec.json.encode(text)) - len('""')


def load_catalogue(path: str | None) -> Catalogue:
    """Return the catalogue in the JSON file at ``path``, or the built-in one; raises InvalidInput for an unusable file."""
    if path is None:
        return Catalogue()
    try:
        return Catalogue.model_validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        cause = f"the catalogue {path} cannot be used"
        raise InvalidInput(cause, str(error), "compare it with 'Your own hashtags' in docs/operations.md") from error


def hash_of(catalogue: Catalogue) -> str:
    """Return a hash of what the catalogue holds, whatever its file looks like."""
    return hashlib.sha256(catalogue.model_dump_json().encode()).hexdigest()[:16]


class Burst(NamedTuple):
    """Tweets on the wire that were made in one go, and the hashtag of each."""

    values: list[bytes]
    hashtags: list[str]


class Simulator:
    """An endless source of tweets: the same seed and catalogue give the same users, phrases and hashtags."""

    def __init__(self, catalogue: Catalogue, seed: int | None = None) -> None:
        self._catalogue = catalogue
        self._names = [hashtag.name for hashtag in catalogue.hashtags]
        self._weights = list(accumulate(hashtag.weight for hashtag in catalogue.hashtags))
        self._templates = Templates(catalogue.users, catalogue.phrases, self._names)
        # One random generator for each part: with a shared one, a part would depend on the size of earlier bursts.
        self._hashtags, self._users, self._phrases = (_generator(seed, part) for part in ("hashtags", "users", "phrases"))

    def burst(self, count: int, timestamp: float) -> Burst:
        """Return the next ``count`` tweets, created at ``timestamp``, as the producer sends them: ``tweets``, encoded."""
        hashtags = self._hashtags.choices(self._names, cum_weights=self._weights, k=count)
        users = self._users.choices(self._templates.users, k=count)
        phrases = self._phrases.choices(self._templates.phrases, k=count)
        return Burst(self._templates.values(users, phrases, hashtags, timestamp), hashtags)

    def tweets(self, count: int, timestamp: float) -> Iterator[Tweet]:
        """Yield the next ``count`` tweets, created at ``timestamp`` (seconds since the epoch): what ``burst`` means."""
        chosen = self._hashtags.choices(self._names, cum_weights=self._weights, k=count)
        users = self._users.choices(self._catalogue.users, k=count)
        phrases = self._phrases.choices(self._catalogue.phrases, k=count)
        for hashtag, user, phrase in zip(chosen, users, phrases, strict=True):
            yield Tweet(user, f"{phrase} {hashtag}", hashtag, timestamp)


def _generator(seed: int | None, part: str) -> random.Random:
    # Not for secrets: a seeded, repeatable stream is the point.
    return random.Random(None if seed is None else f"{part} {seed}")  # noqa: S311
