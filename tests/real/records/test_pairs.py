"""The same scenario, however it is sent and counted: one ranking, window by window, and it is the truth of the seed."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest
from pairs.combination import PIECE, TABLE
from pairs.trial import carry_out, faults_of

from infra.forms.stacks import LastStep
from trending.simulator.live.changes import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from real.harness import RealStack

logger = logging.getLogger(__name__)


@pytest.mark.row(19, "E")
def test_the_ranking_is_the_truth_of_the_seed_however_it_was_sent_and_counted(stack: RealStack, tmp_path: Path) -> None:
    began = time.monotonic()
    stack.bring_up(LastStep.TOPIC)
    outcomes = carry_out(f"localhost:{stack.port}", TABLE, PIECE, tmp_path)
    for each in outcomes:
        logger.info("%s: %d records, %d batches of the stream", each.row, each.records, each.batches)
    assert faults_of(outcomes) == []
    of_one = {each.same_records for each in outcomes if each.row.producers == 1}
    assert len(of_one) == 2, "as planned or as changed, whoever took the changes"
    # A change of several begins behind what any of them has drawn, a second ahead.
    planned = {each.same_records for each in outcomes if not each.row.changed}
    assert len(planned) == 1, "however many sent it"
    asked = [text_of(change) for _moment, change in PIECE.asked]
    for each in outcomes:
        assert [text_of(change.asked) for change in each.played.changes] == (asked if each.row.changed else [])
        assert each.batches > 1, f"the log grew while it was counted: {each.row}"
        assert [index for index, _ranked in each.truth.ranking] == list(range(-1, 5)), "some are older than the start"
        assert len(each.truth.rejected) > 5
        assert each.truth.untagged > 0
    logger.info("%d combinations took %.0f s", len(outcomes), time.monotonic() - began)
