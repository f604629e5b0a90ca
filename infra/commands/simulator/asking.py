"""Asking a stack's own producer, while it works, for another rate or one more trend."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from infra.lab.assembly import Lab, open_lab
from infra.operations.producer import wanted_producers
from infra.operations.program_ladder import fresh_heartbeat
from infra.supervision.programs import PRODUCER
from trending.errors import ConfigurationConflict, InvalidInput, NotReady
from trending.producer.places.opened import opened
from trending.producer.sources.control import answer_to, ask, withdraw
from trending.programs.heartbeat import WAITING, read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.simulator.live.changes import RateChange, TrendChange
from trending.text import printable
from trending.tweets.wire_format import MAX_HASHTAG

if TYPE_CHECKING:
    from infra.forms.producing import RateForm, TrendForm
    from trending.producer.places.opened import OpenedLedger
    from trending.producer.sources.control import Answer

ANSWER_SECONDS = 5.0
"""A producer at work looks five times a second; one that reads back, or whose queue is full, looks later."""
_LOOK_SECONDS = 0.05


def change_rate(settings: RateForm) -> str:
    """Have the producer send at another rate; returns what is so now."""
    lab = open_lab(settings.name)
    first = _ask(lab, RateChange.model_validate({"rate": settings.rate, "for": settings.seconds}))
    played = bool(_specification(lab).scenario)
    before = "as the scenario plans" if played else f"{lab.settings.producer.rate:g} a second, as in its settings"
    wanted = before if settings.rate is None else f"{settings.rate:g} a second"
    return f"from {'record' if played else 'tweet'} {first} on: {wanted}{_length(settings.seconds)}"


def start_trend(settings: TrendForm) -> str:
    """Have the producer's scenario get one more trend; returns what is so now. Raises InvalidInput for what is no hashtag."""
    hashtag, lab = settings.hashtag, open_lab(settings.name)
    if not hashtag.startswith("#") or len(hashtag) < len("#a") or len(hashtag) > MAX_HASHTAG or not hashtag.isprintable():
        cause = f"HASHTAG is {printable(hashtag[:80])!r}: it must begin with # and have 2 to {MAX_HASHTAG} characters"
        raise InvalidInput(cause, "", "make trend HASHTAG='#Gol' FOR=60")
    if not _specification(lab).scenario:
        cause = "a trend needs a scenario, and the producer plays none"
        raise ConfigurationConflict(cause, "its tweets are of a catalogue", "make up SCENARIO=classroom")
    first = _ask(
        lab, TrendChange(hashtag=hashtag, rise=settings.rise, hold=settings.seconds, fade=settings.fade, peak=settings.peak)
    )
    return f"from record {first} on: {printable(hashtag)} with {settings.peak:.0%} of the tweets{_length(settings.seconds)}"


def _length(seconds: float | None) -> str:
    return "" if seconds is None else f", for {seconds:g} s"


def _specification(lab: Lab) -> ProducerSpec:
    """Return what the producer was started with; raises NotReady where it was not."""
    path = lab.paths.specification(PRODUCER)
    if not path.exists():
        cause = "the producer was not started"
        raise NotReady(cause, f"there is no {path}", "make up")
    return ProducerSpec.load(path)


def _ask(lab: Lab, asked: RateChange | TrendChange) -> int:
    """Return the number of the first record that it applies to; raises NotReady, and changes nothing, without an answer."""
    _specification(lab)
    if lab.supervisor.status(PRODUCER) is None:
        cause = "the producer does not run, so there is nothing to change"
        raise NotReady(cause, "nothing was changed", "make up")
    if not lab.paths.ledger.exists():  # two that make the file at once lock each other out
        cause = "the producer has only just been started"
        raise NotReady(cause, f"there is no {lab.paths.ledger}; nothing was changed", "make status")
    ledger = opened(lab.paths.ledger)
    try:
        answer = _answer(ledger, asked)
    finally:
        ledger.close()
    if answer is None:
        beat = fresh_heartbeat(lab, PRODUCER)  # says by itself that it is frozen
        late = _not_begun(lab)
        names = f": {', '.join(late)} {'have' if late[1:] else 'has'} not begun to send" if late else ""
        cause = f"the producer did not answer within {ANSWER_SECONDS:.0f} s{names}"
        evidence = f"nothing was changed; it is {beat.phase}, {beat.figures.get('queued', 0):.0f} queued"
        raise NotReady(cause, evidence, f"make logs SERVICE={late[0]}" if late else "make status")
    if answer.refused:
        raise ConfigurationConflict(answer.refused, "nothing was changed", answer.way)
    return answer.first


def _not_begun(lab: Lab) -> list[str]:
    """Return the producers beside the first that do not send yet: no change begins before it is known what they draw."""
    beats = {name: read_heartbeat(lab.paths.heartbeat(name)) for name in wanted_producers(lab)[1:]}
    return [name for name, beat in beats.items() if beat is None or (beat.phase != WAITING and beat.phase.startswith("starting"))]


def _answer(ledger: OpenedLedger, asked: RateChange | TrendChange) -> Answer | None:
    """Return the answer, or None where the request was withdrawn; it is withdrawn whatever ends the wait."""
    request = ask(ledger, asked, time.time() + ANSWER_SECONDS)
    deadline = time.monotonic() + ANSWER_SECONDS
    answer = None
    try:
        while answer is None and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            answer = answer_to(ledger, request)
    finally:
        answer = answer or withdraw(ledger, request)
    return answer
