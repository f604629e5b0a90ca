"""What an object store's answer means, as one error with the way out."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trending.errors import AccessRefused, ConfigurationConflict, LabError, NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.places.objects import ObjectPlace

_UNREACHED = re.compile(r"NETWORK_CONNECTION|curlCode|REQUEST_TIMEOUT|[Tt]imeout|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE")
_STRANGERS = re.compile(r"(?i)signature_?does_?not_?match|invalid_?access_?key_?id|invalid_?client_?token_?id")
_DENIED = re.compile(r"ACCESS_DENIED|AccessDenied")
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket")
_OF_HADOOP = re.compile(r"(?:org\.apache\.hadoop\.fs\.s3a\.\w*Exception|SdkClientException|S3Exception|UnknownHostException).*")
_SAYS = 300


@contextmanager
def told_as_error(place: ObjectPlace) -> Iterator[None]:
    """Raise LabError for what the store answers, but FileNotFoundError for an object that is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise failure(place, error) from error


def failure(place: ObjectPlace, error: OSError) -> LabError:
    """Return the error for a place that could not be used."""
    answer, where = words(error), place.endpoint or "Amazon's S3"
    if _STRANGERS.search(answer):
        cause = f"the object store at {where} does not let {place.user} in"
        return AccessRefused(cause, answer, "give the S3_USER and the S3_SECRET that it knows")
    if is_denied(error):
        return AccessRefused(f"{place.user} lacks a right at {place}", answer, "allow it, then make up")
    if _NO_BUCKET.search(answer):
        cause = f"there is no bucket {place.bucket} in the object store at {where}"
        return ConfigurationConflict(cause, answer, f"make the bucket {place.bucket}, or give another one")
    if _UNREACHED.search(answer):
        return NotReady(f"no object store answers at {where}", answer, "start it, or give another S3_ENDPOINT")
    cause = f"the object store at {where} cannot be used for {place}"
    return ConfigurationConflict(cause, answer, "see what it says, then make up")


def is_denied(error: OSError) -> bool:
    """Whether a right is missing."""
    return _DENIED.search(str(error)) is not None


def words(error: OSError) -> str:
    """Return the answer on one line."""
    return " ".join(str(error).split())[:_SAYS]


def told_by_hadoop(text: str) -> str:
    """Return what an exception of Spark's says of the object store; empty where it says nothing of it."""
    found = _OF_HADOOP.search(text)
    return found[0][:_SAYS] if found else ""
