"""Send one tweet by hand."""

from __future__ import annotations

import re
import time

from infra.console.reporting import say
from infra.forms.producing import TweetForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from infra.operations.epochs import known_topic_id
from trending.errors import InvalidInput
from trending.producer.by_hand import send_by_hand
from trending.text import local_time, printable
from trending.tweets.rule import Kind, classify, window_start
from trending.tweets.wire_format import MAX_HASHTAG, Tweet, encode

_HASHTAG = re.compile(r"#\w+")


def main(settings: TweetForm) -> None:
    """Send it, and say where it is and what it counts for; raises InvalidInput where it has no hashtag to rank."""
    found = _HASHTAG.search(settings.text)
    if found is None or len(found[0]) > MAX_HASHTAG:
        lack = "no hashtag" if found is None else f"a hashtag of more than {MAX_HASHTAG} characters"
        cause = f"the text has {lack}, so there is nothing to rank"
        raise InvalidInput(cause, printable(settings.text[:80]), "make tweet TEXT='hola #Clase'")
    lab = open_lab(settings.name)
    topic_id = known_topic_id(lab)
    timestamp = time.time() - settings.ago
    value = encode(Tweet(settings.author, settings.text, found[0], timestamp))
    sent = send_by_hand(lab.stack.connection, lab.settings.stack.topic, topic_id, lab.paths.ledger, value)
    verdict = classify(value, sent.append_time, rule := lab.settings.stream.rule)
    zone = lab.settings.stream.zone
    say(f"appended to partition {sent.partition} at offset {sent.offset}, {local_time(sent.append_time, zone)}")
    if verdict.kind is Kind.TWEET:
        start = window_start(verdict.time, rule.window_seconds)
        say(f"counts for {printable(verdict.label)} in the window from {local_time(start, zone)}")
    else:
        say(f"goes to the dead letters: {verdict.label}")


if __name__ == "__main__":
    run_command(TweetForm, main, ".venv/bin/python -m infra.commands.simulator.tweet")
