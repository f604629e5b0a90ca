"""The tweet's wire format, as the producer writes it and as docs/tweet.schema.json publishes it."""

from __future__ import annotations

import json
import math
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

MAX_HASHTAG = 280
"""Longest hashtag that is ranked, in characters, so that no single record can fill the store."""
SCHEMA_VERSION: Final = 1
"""The version that is written and read. A record that names none in ``version_esquema`` has this one."""

_HASHTAG_BOUNDS = {"minLength": 1, "maxLength": MAX_HASHTAG}


class Tweet(msgspec.Struct, frozen=True):
    """A tweet as one UTF-8 JSON object. Fields that are not named here are allowed and ignored."""

    usuario: Annotated[str, Meta(description="Who writes.", examples=["@DataFan"])]
    texto: Annotated[str, Meta(description="A phrase followed by the hashtag.", examples=["increíble la velocidad de #Spark"])]
    hashtag_principal: Annotated[
        str,
        Meta(
            description="The hashtag again in a field of its own, and the only one that is ranked.",
            examples=["#Spark"],
            # In the schema only: a producer must keep to them, and a record that does not is the rule's to judge.
            extra_json_schema=_HASHTAG_BOUNDS,
        ),
    ]
    timestamp: Annotated[float, Meta(description="Event time, seconds since the Unix epoch.", examples=[1765845070.25])]
    version_esquema: Annotated[
        Literal[1] | UnsetType, Meta(description="The version of this schema; a record that names another one is not read.")
    ] = UNSET


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


def json_schema() -> str:
    """Return docs/tweet.schema.json: the JSON Schema (2020-12) of what a producer sends."""
    (schema,), definitions = msgspec.json.schema_components([Tweet], ref_template="#/$defs/{name}")
    assert schema == {"$ref": "#/$defs/Tweet"}  # noqa: S101 - msgspec names a Struct by its class
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:trending:tweet:{SCHEMA_VERSION}"}
    return json.dumps(head | definitions["Tweet"], ensure_ascii=False, indent=2) + "\n"
