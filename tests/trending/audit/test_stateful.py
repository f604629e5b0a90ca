"""A lab that grows step by step and is sealed at any of them; a fault of any kind is planted in it, and the audit names that."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from examples import examples
from fakes.audits.audited import MINUTE, TAGS, Lab, tweet
from fakes.audits.planted import HARMLESS, PLANTS, found_by, ours
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from trending.audit.seal import Unfit
from trending.audit.sealing import Kept
from trending.settings import WindowTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.audit.examination import Examination

PROBE = b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}'


class LabAndItsWitnesses(RuleBasedStateMachine):
    """Ledger, log and store of a small model; they agree, but for the fault that is planted in a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = Lab()
        self.kept: Kept | None = None
        self.at = float(MINUTE)

    @initialize(mode=st.sampled_from([WindowTime.ARRIVAL, WindowTime.EVENT]), window_seconds=st.sampled_from([10, 60]))
    def begin(self, mode: WindowTime, window_seconds: int) -> None:
        self.lab.mode, self.lab.window_seconds = mode, window_seconds

    @rule(hashtag=st.sampled_from(TAGS), run=st.sampled_from(["run", "run", "other", None]))
    def send(self, hashtag: str, run: str | None) -> None:
        self.lab.send(tweet(hashtag, self.at), self.at, run)

    @rule(hashtag=st.sampled_from(TAGS), run=st.sampled_from(["run", "other"]))
    def send_without_an_answer(self, hashtag: str, run: str) -> None:
        self.lab.send(tweet(hashtag, self.at), self.at, run, acknowledge=False)

    @rule(value=st.sampled_from([PROBE, None, b"{", tweet("")]))
    def somebody_writes_what_is_no_tweet(self, value: bytes | None) -> None:
        self.lab.send(value, self.at, run=None)

    @rule(behind=st.sampled_from([3, 70, 400]))
    def send_what_is_older(self, behind: int) -> None:
        self.lab.send(tweet("#a", self.at - behind), self.at)

    @rule(seconds=st.sampled_from([1, 30, 61, 400]))
    def time_passes(self, seconds: int) -> None:
        self.at += seconds

    @rule()
    def audit(self) -> None:
        """It is clean, says what an audit of everything says, and leaves a seal."""
        found = self.examined(self.lab)
        assert found.report.clean, found.report.lines(None)
        assert replace(found.report, seals=()) == self.lab.audit()
        assert found.seal is not None
        self.kept = Kept.of(found.seal.stored())
        self.lab.sealed_to = len(self.lab.log)

    @precondition(lambda self: ours(self.lab))
    @rule(plant=st.sampled_from(PLANTS), data=st.data())
    def plant(self, plant: Callable[[Lab, st.DataObject], dict[str, int]], data: st.DataObject) -> None:
        before = Counter(found_by(self.examined(self.lab).report))
        faulty = deepcopy(self.lab)
        expected = plant(faulty, data)
        report = self.examined(faulty).report
        assert Counter(found_by(report)) - before == Counter(expected)
        assert before - Counter(found_by(report)) == Counter()
        assert report.clean is (plant in HARMLESS)
        assert report.changed == ()
        assert replace(report, seals=()) == faulty.audit()

    def examined(self, lab: Lab) -> Examination:
        """Audit a lab since the seal, or all of it where the seal does not fit: as the audit of a stack does."""
        end = max((record.offset + 1 for record in lab.log), default=0)
        lab.counted_to = lab.ends = {0: max(end, len(self.lab.log))}
        try:
            return lab.examine(self.kept)
        except Unfit:
            return lab.examine()


TestLabAndItsWitnesses = LabAndItsWitnesses.TestCase
TestLabAndItsWitnesses.settings = settings(max_examples=examples(100), stateful_step_count=20)
