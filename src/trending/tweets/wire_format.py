"""The tweet's wire format, as the producer writes it."""

from __future__ import annotations

import math

import msgspec


class Tweet(msgspec.Struct, frozen=True):
    """One tweet on the wire: UTF-8 JSON with these four keys (SPEC, section 3)."""

    usuario: str
    texto: str
    hashtag_principal: str
    timestamp: float


_encode = msgspec.json.Encoder().encode


def encode_value(value: str | float) -> bytes:
    """Return one value of a tweet as UTF-8 JSON; a number that is not finite raises ValueError, since JSON has none such."""
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"{value} is not a finite number"
        raise ValueError(msg)
    return _encode(value)


def encode(tweet: Tweet) -> bytes:
    """Return the tweet as UTF-8 JSON; a timestamp that is not finite raises ValueError, since JSON has no such number."""
    if not math.isfinite(tweet.timestamp):
        msg = f"timestamp {tweet.timestamp} is not a finite number"
        raise ValueError(msg)
    return _encode(tweet)


def decode(value: bytes) -> Tweet:
    """Return the tweet in ``value``; raises msgspec.DecodeError or UnicodeDecodeError if it is not one."""
    return msgspec.json.decode(value, type=Tweet)
