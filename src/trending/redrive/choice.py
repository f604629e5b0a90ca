"""Which dead letters can be sent back: those whose body, as it is or as somebody has mended it, is a tweet by today's rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.redrive.explanation import explained
from trending.stream.letters import PREFIX, letter_place, own_headers, summary_of
from trending.tweets.record_id import ID_HEADER, identity_of, parse_record_key, record_id
from trending.tweets.rule import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from trending.kafka.log_reader import Record
    from trending.settings import Rule

ORIGIN_HEADER = "origin.id"
"""Header of a record that was sent back: the id that it had, or where it was if it had none."""
MOST_BYTES = 16_777_216
"""All that is sent back at once stands in memory and is one transaction."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """A letter that is no tweet yet. ``why`` is the rule's reason today, or what the letter lacks."""

    letter: int
    place: tuple[int, int]
    body: bytes
    why: str


@dataclass(frozen=True, slots=True)
class Mended:
    """A letter that would be a tweet, with everything that is sent; ``key`` is None where the id is to be the key."""

    letter: int
    place: tuple[int, int]
    hashtag: str
    value: bytes
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass
class Choice:
    """What was found among the dead letters. ``done`` were sent back before, ``summed_up`` are records without letters.

    ``strays`` are mended bodies of letters that are not there, or that the wish leaves out.
    """

    mended: list[Mended] = field(default_factory=list)
    unfit: list[Unfit] = field(default_factory=list)
    done: int = 0
    summed_up: int = 0
    left_for_later: int = 0
    strays: tuple[int, ...] = ()


@dataclass(frozen=True)
class Wish:
    """What somebody wants to be sent back: at most ``limit`` letters, of reasons that contain ``reason``.

    ``bodies`` are letter → the body that somebody has mended.
    """

    limit: int
    reason: str = ""
    bodies: Mapping[int, bytes] = field(default_factory=dict)


def choose(letters: Iterable[Record], done: Collection[int], wish: Wish, now: float, rule: Rule) -> Choice:
    """Return what can be sent back of these letters; ``now`` is the append time by which the rule judges, in epoch seconds.

    ``done`` are the offsets of letters that were sent back before. Of two letters about the same record the first one counts.
    """
    choice = Choice()
    seen: set[tuple[int, int]] = set()
    strays = set(wish.bodies)
    size = 0
    for record in letters:
        if (summary := summary_of(record.headers)) is not None:
            choice.summed_up += summary.records
        place = letter_place(record.headers)
        if place is None or place in seen or wish.reason not in own_headers(record.headers).get("reason", ""):
            continue
        seen.add(place)
        strays.discard(record.offset)
        if record.offset in done:
            choice.done += 1
            continue
        body = wish.bodies.get(record.offset, record.value)
        verdict = classify(body, now, rule)
        if (lack := _lacks(record)) and record.offset not in wish.bodies:
            choice.unfit.append(Unfit(record.offset, place, record.value or b"", lack))
        elif body is None or verdict.kind is not Kind.TWEET:
            why = explained(verdict.label, body) if verdict.kind is Kind.REJECT else f"it would be {verdict.kind}"
            choice.unfit.append(Unfit(record.offset, place, body or b"", why))
        elif len(choice.mended) == wish.limit or size + len(body) > MOST_BYTES:
            choice.left_for_later += 1
        else:
            size += len(body)
            choice.mended.append(_mended(record, place, verdict.label, body))
    choice.strays = tuple(sorted(strays))
    return choice


def _lacks(record: Record) -> str:
    """Return what of the record the letter does not have, in words; empty where it has all."""
    ours = own_headers(record.headers)
    if "gone" in ours:
        return "the log had the record no more"
    return f"the letter had no room for its {ours['cut'].replace(',', ', ')}" if "cut" in ours else ""


def _mended(record: Record, place: tuple[int, int], hashtag: str, body: bytes) -> Mended:
    ours = own_headers(record.headers)
    identity = identity_of(record.key, record.headers)
    origin = record_id(*identity) if identity else f"{ours.get('topic', '')}/{place[0]}/{place[1]}".encode()
    kept = [(name, text) for name, text in record.all_headers if not name.startswith(PREFIX) and name not in _REPLACED]
    kept += [(ORIGIN_HEADER, origin), (f"{PREFIX}attempt", ours.get("attempt", "1").encode())]
    stranger = record.key is not None and parse_record_key(record.key) is None
    return Mended(record.offset, place, hashtag, body, record.key if stranger else None, tuple(kept))


_REPLACED = frozenset({ID_HEADER, ORIGIN_HEADER})
