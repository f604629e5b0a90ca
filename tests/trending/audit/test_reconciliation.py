from __future__ import annotations

from collections import Counter
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from fakes.audits.audited import BEYOND, MINUTE, Lab, tweet
from fakes.trending.counting import epoch
from hypothesis import given
from hypothesis import strategies as st

from trending.audit.audit_report import MAX_DIFFERENCES, AuditReport
from trending.audit.recounting import second_reading
from trending.audit.recounting.recount import recount
from trending.errors import AuditFailed, AuditIncomplete
from trending.kafka.log_reader import Record
from trending.kafka.record_columns import by_columns
from trending.producer.ledger import Beat, Interval, Ledger
from trending.producer.redriven import Redriven
from trending.settings import WINDOW_LENGTHS, Rule, WindowTime
from trending.stream.letters import Letters, Summary
from trending.tweets.rule import Kind, Reason, Verdict, classify, window_start

UTC_ZONE = ZoneInfo("UTC")
EVENT = Rule(WindowTime.EVENT)
PROBE = b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}'


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.send_tweets(30)
    return lab


def headline(report: AuditReport) -> str:
    return report.lines(UTC_ZONE)[-1]


def line(report: AuditReport, beginning: str) -> str:
    (found,) = [text for text in report.lines(UTC_ZONE) if text.startswith(f"audit: {beginning}")]
    return found.removeprefix("audit: ")


def refuses(report: AuditReport) -> bool:
    """Tell whether the report's verdict, and the error that it raises, are that something is wrong."""
    try:
        report.require_clean()
    except AuditFailed as error:
        return not report.clean and headline(report) in error.evidence
    return False


def test_when_all_witnesses_agree_the_headline_is_the_contracts(lab: Lab) -> None:
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0"
    assert report.clean
    assert not refuses(report)


def test_the_report_reads_from_the_details_to_the_headline(lab: Lab) -> None:
    assert lab.audit().lines(UTC_ZONE) == [
        "audit: the log has offsets 0 to 1000 of partition 0",
        "audit: unknown outcome, arrived: 0",
        "audit: given up by the producer: 0",
        "audit: tweets of other producers: 0",
        "audit: foreign records: 0",
        "audit: untagged: 0",
        "audit: late: 0",
        "audit: future: 0",
        "audit: rejected for other reasons: 0, dead letters: 0",
        "audit: groups dropped by Spark's watermark: 0",
        "audit: records read a second time: 1, disagreements: 0",
        "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0",
    ]


def test_records_of_an_earlier_life_are_named_and_not_audited(lab: Lab) -> None:
    earlier = replace(lab, log=lab.log[12:], start={0: 12, 1: 0}, counts=Counter(lab.counts))
    for record in lab.log[:12]:
        verdict = classify(record.value, record.append_time, lab.rule)
        earlier.counts[lab.window(verdict.time), verdict.label] -= 1
    earlier.acknowledged = [each for each in lab.acknowledged if each.first_offset >= 12]
    report = earlier.audit()
    assert report.lines(UTC_ZONE)[0] == (
        "audit: records before offset 12 of partition 0 belong to an earlier life and are not audited"
    )
    assert sum("earlier life" in text for text in report.lines(UTC_ZONE)) == 1, "partition 1 has none"
    assert headline(report) == "audit: acknowledged 18, in log 18, counted 18, lost 0, duplicated 0"


@pytest.mark.row(34)
def test_what_waits_behind_an_open_transaction_is_told_and_not_lost(lab: Lab) -> None:
    for record in lab.log[20:]:
        verdict = classify(record.value, record.append_time, lab.rule)
        lab.counts[lab.window(verdict.time), verdict.label] -= 1
    del lab.log[20:]
    assert lab.audit().lost == 10, "with the end unknown they would be"
    lab.ends = {0: 20}
    report = lab.audit()
    assert (report.clean, report.behind) == (True, 10)
    assert line(report, "acknowledged behind") == "acknowledged behind an open transaction, not audited yet: 10"
    assert headline(report) == "audit: acknowledged 20, in log 20, counted 20, lost 0, duplicated 0"


def test_of_nothing_nothing_is_lost() -> None:
    report = Lab().audit()
    assert headline(report) == "audit: acknowledged 0, in log 0, counted 0, lost 0, duplicated 0"
    assert report.clean


def test_an_acknowledged_id_that_is_not_in_the_log_is_lost(lab: Lab) -> None:
    lab.acknowledged.append(Interval("run", 0, 30, 31, 30))
    lab.ledger_counts["run", MINUTE, "#a"] += 2
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 32, in log 30, counted 30, lost 2, duplicated 0"
    assert refuses(report)


def test_a_tweet_of_the_log_that_was_not_counted_is_lost(lab: Lab) -> None:
    lab.counts[MINUTE, "#b"] -= 1
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 29, lost 1, duplicated 0"
    assert line(report, "differs") == "differs: 2025-12-16 00:31:00 #b: log 3, store 2"
    assert refuses(report)


def test_an_id_that_is_twice_in_the_log_is_duplicated(lab: Lab) -> None:
    again = replace(lab.log[4], offset=30)
    lab.log.append(again)
    lab.counts[lab.window(again.append_time), "#b"] += 1
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 31, lost 0, duplicated 1"
    assert refuses(report)


def test_a_tweet_counted_beyond_the_log_is_duplicated(lab: Lab) -> None:
    lab.counts[MINUTE, "#b"] += 2
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 32, lost 0, duplicated 2"
    assert refuses(report)


def test_totals_that_cancel_do_not_hide_a_difference_between_hashtags(lab: Lab) -> None:
    lab.counts[MINUTE, "#a"] -= 1
    lab.counts[MINUTE, "#b"] += 1
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 1, duplicated 1"
    assert refuses(report)


def test_totals_that_cancel_do_not_hide_a_difference_between_windows(lab: Lab) -> None:
    lab.counts[MINUTE, "#a"] -= 1
    lab.counts[MINUTE + 60, "#a"] += 1
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 1, duplicated 1"
    assert refuses(report)


def test_a_lost_id_is_not_made_up_for_by_one_of_unknown_outcome(lab: Lab) -> None:
    lab.acknowledged.append(Interval("run", 0, 40, 40, 99))
    lab.ledger_counts["run", MINUTE, "#a"] += 1
    lab.send(tweet("#a"), acknowledge=False)
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 31, in log 31, counted 31, lost 1, duplicated 0"
    assert refuses(report)


def test_what_arrived_with_unknown_outcome_has_a_line_of_its_own_and_is_no_fault(lab: Lab) -> None:
    lab.send(tweet("#a"), acknowledge=False)
    lab.send(tweet("#a"), acknowledge=False)
    report = lab.audit()
    assert line(report, "unknown outcome") == "unknown outcome, arrived: 2"
    assert headline(report) == "audit: acknowledged 30, in log 32, counted 32, lost 0, duplicated 0"
    assert report.clean


def test_with_several_producers_each_has_a_line_and_the_headline_is_their_sum(lab: Lab) -> None:
    assert not any("producer: acknowledged" in text for text in lab.audit().lines(UTC_ZONE)), "the lab's own alone"
    lab.producers, lab.beats = {"far": "laptop", "gone": "rack"}, {"laptop": Beat(MINUTE, ended=True, host="h")}
    lab.beats["rack"] = Beat(MINUTE, ended=False, host="h")
    for run, acknowledge in (("far", True), ("far", True), ("gone", True), ("gone", False)):
        lab.send(tweet("#a"), run=run, acknowledge=acknowledge)
    report = lab.audit()
    silent = "; it did not end, and was last heard of at 2025-12-16 00:31:00"
    assert report.lines(UTC_ZONE)[-4:] == [
        "audit:   of the lab's own producer: acknowledged 30",
        "audit:   of producer laptop: acknowledged 2",
        f"audit:   of producer rack: acknowledged 1, unknown outcome, arrived 1{silent}",
        "audit: acknowledged 33, in log 34, counted 34, lost 0, duplicated 0",
    ]
    assert report.clean
    joined = report.joined(report)
    assert [(each.name, each.acknowledged, each.unknown) for each in joined.producers] == [
        ("", 60, 0),
        ("laptop", 4, 0),
        ("rack", 2, 2),
    ]
    lab.producers = {}
    alone = lab.audit()
    assert [(each.name, each.acknowledged) for each in alone.joined(report).producers] == [
        ("", alone.acknowledged + 30),
        ("laptop", 2),
        ("rack", 1),
    ], "the lines add up to the headline where another topic had the lab's own producer alone"


def test_an_id_that_was_never_attempted_is_a_fault(lab: Lab) -> None:
    lab.send(tweet("#a"), run="stranger", acknowledge=False)
    del lab.reserved["stranger"]
    report = lab.audit()
    assert line(report, "ids in the log") == "ids in the log that were never attempted: 1"
    assert line(report, "unknown outcome") == "unknown outcome, arrived: 0"
    assert refuses(report)


def test_a_broken_order_of_one_sender_is_a_fault_of_its_own(lab: Lab) -> None:
    lab.log[4], lab.log[5] = replace(lab.log[4], headers=lab.log[5].headers), replace(lab.log[5], headers=lab.log[4].headers)
    report = lab.audit()
    assert line(report, "order of one sender") == "order of one sender broken: 1"
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0"
    assert refuses(report)


def test_who_is_no_sender_of_ours_may_send_in_any_order(lab: Lab) -> None:
    lab.log += [replace(lab.log[0], offset=30 + place, headers={"id": b"other:%d" % (3 - place)}) for place in range(3)]
    assert (lab.audit().not_attempted, lab.audit().disordered) == (3, 0)


def test_an_id_beyond_the_reservation_was_never_attempted(lab: Lab) -> None:
    lab.send(tweet("#a"), acknowledge=False)
    lab.reserved["run"] = 30
    assert lab.audit().not_attempted == 1
    lab.reserved["run"] = 31
    assert lab.audit().not_attempted == 0


def test_what_the_producer_gave_up_is_told_and_is_no_fault(lab: Lab) -> None:
    lab.failed = 3
    report = lab.audit()
    assert line(report, "given up") == "given up by the producer: 3"
    assert report.clean


def test_foreign_records_are_neither_ranked_nor_dead_lettered(lab: Lab) -> None:
    for _ in range(5):
        lab.send(PROBE, run=None)
    report = lab.audit()
    assert line(report, "foreign") == "foreign records: 5"
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0"
    assert report.clean


NO_TAG = b'{"usuario":"u","texto":"t","hashtag_principal":null,"timestamp":1}'


def test_untagged_records_are_neither_ranked_nor_dead_lettered_and_have_a_line(lab: Lab) -> None:
    for second in (0, 30, 60):
        lab.send(NO_TAG, MINUTE + second, run=None)
    report = lab.audit()
    assert line(report, "untagged") == "untagged: 3"
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0"
    assert report.clean


@pytest.mark.parametrize(("change", "lost", "duplicated"), [(-1, 1, 0), (+2, 0, 2)])
def test_untagged_records_are_compared_window_by_window(lab: Lab, change: int, lost: int, duplicated: int) -> None:
    lab.send(NO_TAG, MINUTE, run=None)
    lab.untagged[MINUTE] += change
    report = lab.audit()
    assert (report.lost, report.duplicated) == (lost, duplicated)
    assert line(report, "differs") == f"differs: 2025-12-16 00:31:00 (untagged): log 1, store {1 + change}"
    assert refuses(report)


@given(st.lists(st.sampled_from([NO_TAG, tweet("#a"), tweet("#a", 0), b'{"timestamp":1}', b"{"]), max_size=20))
def test_what_was_acknowledged_is_counted_untagged_or_rejected(values: list[bytes]) -> None:
    lab = Lab(WindowTime.EVENT)
    for value in values:
        lab.send(value)
    report = lab.audit()
    assert report.acknowledged == report.counted + report.untagged + sum(report.rejected.values())


def test_tweets_of_other_producers_are_counted_apart(lab: Lab) -> None:
    lab.send_tweets(4, run=None)
    lab.send(tweet("#a"), run=None)
    lab.log[-1].headers["id"] = b"somebody's own"
    report = lab.audit()
    assert line(report, "tweets of other producers") == "tweets of other producers: 5"
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0"
    assert report.clean


def test_a_hostile_id_header_does_not_stop_the_audit(lab: Lab) -> None:
    lab.send(tweet("#a"), run=None)
    lab.log[-1].headers["id"] = b"run:" + b"9" * 5_000
    report = lab.audit()
    assert report.without_id == 1
    assert report.clean


def test_a_tweet_of_another_producer_that_was_not_counted_is_lost_as_well(lab: Lab) -> None:
    lab.send(tweet("#z"), run=None)
    lab.counts[MINUTE, "#z"] -= 1
    report = lab.audit()
    assert report.lost == 1
    assert refuses(report)


def test_late_and_future_have_lines_of_their_own_and_other_reasons_are_listed() -> None:
    lab = Lab(WindowTime.EVENT)
    lab.send(tweet("#a", MINUTE + 1), MINUTE + 1)
    lab.send(tweet("#a", MINUTE - 61), MINUTE + 60)
    lab.send(tweet("#a", MINUTE - 3600), MINUTE)
    lab.send(tweet("#a", MINUTE + 5.001), MINUTE)
    lab.send(None, run=None)
    lab.send(b"{", run=None)
    lab.send(b"{", run=None)
    report = lab.audit()
    assert report.lines(UTC_ZONE)[6:13] == [
        "audit: late: 2",
        "audit: future: 1",
        "audit: rejected for other reasons: 3, dead letters: 6",
        "audit:   future: its timestamp is ahead of its append time: 1",
        "audit:   late: its window closed before it was appended: 2",
        "audit:   not valid JSON: 2",
        "audit:   tombstone: 1",
    ]
    assert headline(report) == "audit: acknowledged 4, in log 4, counted 1, lost 0, duplicated 0"
    assert report.clean


@pytest.mark.row(24)
def test_arrival_and_event_recount_by_their_own_clock() -> None:
    for mode, window in ((WindowTime.ARRIVAL, MINUTE + 60), (WindowTime.EVENT, MINUTE)):
        counting = (epoch("c", ends={0: 9}, rule=Rule(mode)),)
        log = recount(by_columns([Record(0, 0, MINUTE + 61, tweet("#a", MINUTE + 59), {})]), counting, {})
        assert log.tweets == {("c", window, "#a"): 1}


def test_a_reject_without_dead_letter_is_a_fault(lab: Lab) -> None:
    lab.send(b"{", run=None)
    lab.letters.places.clear()
    report = lab.audit()
    assert line(report, "rejected for other reasons") == "rejected for other reasons: 1, dead letters: 0"
    assert refuses(report)


def test_a_letter_for_another_record_does_not_stand_in(lab: Lab) -> None:
    lab.send(b"{", run=None)
    lab.letters.places = {(0, 0)}
    assert lab.audit().dead_letters == 0
    assert refuses(lab.audit())


@pytest.mark.row(20)
def test_a_dead_letter_that_is_there_twice_is_a_fault_with_a_line(lab: Lab) -> None:
    lab.send(b"{", run=None)
    lab.letters.twice = 1
    report = lab.audit()
    assert line(report, "dead letters that are there twice") == "dead letters that are there twice: 1"
    assert refuses(report)


@pytest.mark.row(33)
def test_dead_letters_that_retention_deleted_make_the_audit_incomplete_and_missing_ones_still_fail_it(lab: Lab) -> None:
    for _record in range(4):
        lab.send(b"{", run=None)
    lab.letters = Letters({(0, 32), (0, 33)}, begins=1, firsts={0: 32})
    report = lab.audit()
    assert line(report, "dead letters expired") == "dead letters expired: 2"
    assert (report.dead_letters, report.clean, report.complete) == (2, True, False)
    with pytest.raises(AuditIncomplete):
        report.require_clean()
    lab.letters.places.discard((0, 33))
    assert refuses(lab.audit())


def test_letters_that_were_sent_back_have_a_line_and_are_tweets_like_others(lab: Lab) -> None:
    lab.send(tweet("#a"), run="redrive")
    lab.redriven = (Redriven("redrive", 0, "letters-1", 4, 0, 0), Redriven("redrive", 1, "letters-1", 5, 0, 0))
    report = lab.audit()
    assert line(report, "dead letters sent back") == "dead letters sent back, acknowledged: 1"
    assert report.clean


@pytest.mark.row(34)
def test_a_flood_without_letters_of_its_own_is_accounted_for_by_its_summary(lab: Lab) -> None:
    for _record in range(50):
        lab.send(b"{", run=None)
        lab.send(None, run=None)
    lab.letters.places = {place for place in lab.letters.places if place[1] < 40}
    summaries = {Summary(0, Reason.BAD_JSON, 40, 128, 45), Summary(0, Reason.TOMBSTONE, 41, 129, 45)}
    lab.letters.summaries = summaries
    report = lab.audit()
    assert (report.rejected, report.dead_letters) == ({Reason.BAD_JSON: 50, Reason.TOMBSTONE: 50}, 100)
    assert report.clean
    lab.letters.summaries = {Summary(0, Reason.BAD_JSON, 40, 128, 44), Summary(0, Reason.TOMBSTONE, 41, 129, 45)}
    assert lab.audit().dead_letters == 55, "a wrong count accounts for nothing"
    assert refuses(lab.audit())


def test_a_reject_booked_for_another_reason_is_lost_and_beyond(lab: Lab) -> None:
    lab.send(b"{", run=None)
    lab.rejects = {(0, Reason.LATE): lab.rejects[0, Reason.BAD_JSON]}
    report = lab.audit()
    assert (report.lost, report.duplicated) == (1, 1)


def test_a_reject_that_the_store_does_not_know_is_lost(lab: Lab) -> None:
    lab.send(b"{")
    lab.rejects.clear()
    report = lab.audit()
    assert report.lost == 1
    assert refuses(report)


def test_a_reject_that_the_log_does_not_know_is_counted_beyond(lab: Lab) -> None:
    lab.book(3, Reason.LATE)
    report = lab.audit()
    assert report.duplicated == 1
    assert refuses(report)


def test_a_tweet_both_counted_and_rejected_shows_on_both_sides(lab: Lab) -> None:
    lab.counts[MINUTE, "#a"] -= 1
    lab.book(0, Reason.LATE)
    report = lab.audit()
    assert (report.lost, report.duplicated) == (1, 1)


@pytest.mark.row(24)
def test_groups_dropped_by_the_watermark_are_a_fault_though_nothing_else_is(lab: Lab) -> None:
    lab.dropped = 1
    report = lab.audit()
    assert line(report, "groups dropped") == "groups dropped by Spark's watermark: 1"
    assert (report.lost, report.duplicated) == (0, 0)
    assert refuses(report)


def test_the_ledgers_own_counts_are_a_third_witness(lab: Lab) -> None:
    # The log holds another hashtag than the one that the producer got acknowledged.
    lab.ledger_counts["run", MINUTE, "#a"] -= 1
    lab.ledger_counts["run", MINUTE, "#b"] += 1
    report = lab.audit()
    assert (report.lost, report.duplicated) == (0, 0)
    assert [text for text in report.lines(UTC_ZONE) if "differs" in text] == [
        "audit: differs: 2025-12-16 00:31:00 #a: log 3, ledger 2",
        "audit: differs: 2025-12-16 00:31:00 #b: log 3, ledger 4",
    ]
    assert refuses(report)


@pytest.mark.parametrize("fate", [MINUTE - 3600, MINUTE + 3600])
def test_a_swap_of_two_hashtags_is_found_in_a_run_with_a_late_or_future_tweet(fate: float) -> None:
    lab = Lab(WindowTime.EVENT)
    lab.send(tweet("#c", fate), MINUTE)
    lab.send(tweet("#a"), MINUTE)
    lab.send(tweet("#b"), MINUTE)
    assert lab.audit().clean
    # The log holds the two hashtags of another tweet each, and the stream has counted what the log holds.
    lab.ledger_counts["run", MINUTE, "#a"] += 1
    lab.ledger_counts["run", MINUTE, "#b"] -= 1
    report = lab.audit()
    assert [text for text in report.lines(UTC_ZONE) if "differs" in text] == [
        "audit: differs: 2025-12-16 00:31:00 #a: log 1, ledger 2",
        "audit: differs: 2025-12-16 00:31:00 #b: log 1, ledger 0",
    ]
    assert refuses(report)


def test_a_late_tweet_with_another_hashtag_than_the_acknowledged_one_is_found() -> None:
    lab = Lab(WindowTime.EVENT)
    lab.send(tweet("#c", MINUTE - 3600), MINUTE)
    assert lab.audit().clean
    lab.ledger_counts = Counter({("run", MINUTE, "#d"): 1})
    assert [(each.hashtag, each.in_log, each.other) for each in lab.audit().differences] == [("#c", 1, 0), ("#d", 0, 1)]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "refused: tombstone"),
        (b"{", "refused: not valid JSON"),
        (b"\xff", "refused: not valid UTF-8"),
        (NO_TAG, ""),
        (PROBE, None),
    ],
)
def test_what_was_acknowledged_as_a_tweet_and_is_none_in_the_log_is_a_difference(
    value: bytes | None, found: str | None, lab: Lab
) -> None:
    lab.send(value)
    report = lab.audit()
    differences = {(each.hashtag.rstrip(), each.in_log, each.other) for each in report.differences}
    assert differences == {("#sent", 0, 1), *([] if found is None else [(found, 1, 0)])}
    assert (report.lost, report.duplicated) == (0, 0)
    assert refuses(report)


def test_a_second_reading_that_disagrees_makes_the_audit_fail(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the rule that stream and recount share is wrong, and all counts agree."""
    monkeypatch.setattr(second_reading, "read_again", lambda _value, at, _mode: Verdict(Kind.TWEET, "#other", at))
    report = lab.audit()
    assert (report.lost, report.duplicated, report.differences) == (0, 0, ())
    assert line(report, "records read a second time") == "records read a second time: 1, disagreements: 1"
    assert line(report, "  partition 0, offset 0").endswith("a second reading tweet '#other' at 1765845060.0")
    assert refuses(report)


def test_a_range_that_begins_later_leaves_out_what_was_acknowledged_before() -> None:
    lab = Lab()
    lab.send_tweets(10)
    lab.start = {0: 4}
    for record in lab.log[:4]:
        lab.counts[lab.window(record.append_time), classify(record.value, record.append_time, lab.rule).label] -= 1
    del lab.log[:4]
    report = lab.audit()
    assert headline(report) == "audit: acknowledged 6, in log 6, counted 6, lost 0, duplicated 0"
    assert report.clean


def test_several_runs_are_told_apart(lab: Lab) -> None:
    lab.send_tweets(5, run="second")
    assert headline(lab.audit()) == "audit: acknowledged 35, in log 35, counted 35, lost 0, duplicated 0"
    lab.acknowledged.append(Interval("second", 0, 5, 5, 99))
    assert lab.audit().lost == 1


def test_many_differences_are_counted_exactly_and_printed_in_part(lab: Lab) -> None:
    lab.counts.update({(MINUTE, f"#{number}"): 1 for number in range(MAX_DIFFERENCES + 5)})
    report = lab.audit()
    differing = [text for text in report.lines(UTC_ZONE) if "differs" in text]
    assert len(differing) == MAX_DIFFERENCES + 1
    assert differing[-1] == "audit: differs: and 5 more"
    assert report.duplicated == MAX_DIFFERENCES + 5


def test_a_hostile_hashtag_is_printed_harmlessly(lab: Lab) -> None:
    lab.counts[MINUTE, "\x1b[2J\n"] += 1
    assert line(lab.audit(), "differs") == "differs: 2025-12-16 00:31:00 \\x1b[2J\\n: log 0, store 1"


def test_a_failed_audit_says_what_to_do_next(lab: Lab) -> None:
    lab.counts[MINUTE, "#a"] += 1
    with pytest.raises(AuditFailed) as caught:
        lab.audit().require_clean()
    assert caught.value.exit_code == 7
    assert caught.value.next_command
    assert "lost 0, duplicated 1" in caught.value.evidence


VALUES = st.sampled_from([tweet("#a"), tweet("#b", MINUTE - 30), tweet("#a", 0), tweet("#a", 4e9), None, b"{", PROBE, b"\xff"])
# Our own producers send tweets and nothing else; anybody may send anything without an id.
OURS = st.tuples(
    VALUES.filter(lambda value: value and b"hashtag" in value),
    st.integers(0, 200),
    st.sampled_from(["run", "second"]),
    st.booleans(),
)
THEIRS = st.tuples(VALUES, st.integers(0, 200), st.none(), st.sampled_from([False]))
SENDS = st.lists(OURS | THEIRS, max_size=25)


@given(st.builds(Lab, st.sampled_from(WindowTime), st.sampled_from(WINDOW_LENGTHS)), SENDS)
def test_witnesses_that_agree_are_always_clean(lab: Lab, sends: list[tuple[bytes | None, int, str | None, bool]]) -> None:
    for value, seconds, run, acknowledge in sends:
        lab.send(value, MINUTE + seconds, run, acknowledge=acknowledge)
    report = lab.audit()
    assert (report.lost, report.duplicated, report.not_attempted) == (0, 0, 0)
    assert report.clean
    assert report.in_log == report.acknowledged + report.unknown_arrived


@pytest.mark.row(24)
@given(st.integers(1, 25), st.data())
def test_no_single_count_can_be_wrong_unnoticed(number: int, data: st.DataObject) -> None:
    lab = Lab()
    lab.send_tweets(number)
    group = data.draw(st.sampled_from(sorted(lab.counts)))
    lab.counts[group] += (change := data.draw(st.sampled_from([-1, 1, 3])))
    report = lab.audit()
    assert (report.lost, report.duplicated) == ((-change, 0) if change < 0 else (0, change))
    assert not report.clean


def test_what_the_stream_has_not_counted_yet_is_in_flight_and_not_lost(lab: Lab) -> None:
    for record in lab.log[20:]:
        verdict = classify(record.value, record.append_time, lab.rule)
        lab.counts[lab.window(verdict.time), verdict.label] -= 1
    lab.counted_to, lab.longest, lab.seen_at = {0: 20}, 40.0, lab.log[20].append_time + 39
    report = lab.audit()
    assert (report.clean, report.complete, report.in_flight, report.oldest) == (True, True, 10, 39.0)
    assert line(report, "in flight") == "in flight: 10, oldest 39 s"
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 20, lost 0, duplicated 0"


@pytest.mark.parametrize(("longest", "words"), [(40.0, ": the stream stands still"), (0.0, "")])
def test_a_stream_that_stands_still_is_a_fault_and_at_rest_anything_in_flight_is(lab: Lab, longest: float, words: str) -> None:
    record = lab.send(tweet("#a"), MINUTE + 250)
    lab.counts[lab.window(record.append_time), "#a"] -= 1
    lab.counted_to, lab.longest, lab.seen_at = {0: 30}, longest, record.append_time + 40
    report = lab.audit()
    assert line(report, "in flight") == f"in flight: 1, oldest 40 s{words}"
    assert (report.lost, report.duplicated) == (0, 0)
    assert refuses(report)


def test_a_write_of_somebody_elses_during_an_audit_is_no_duplicate(lab: Lab) -> None:
    lab.counted_to, lab.longest = {0: 30}, 40.0
    lab.send(tweet("#a"), lab.seen_at + 3, run=None)
    lab.counts[lab.window(lab.seen_at + 3), "#a"] -= 1
    report = lab.audit()
    assert (report.clean, report.in_flight, report.oldest, report.without_id) == (True, 1, 0.0, 0)
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0"


def test_what_was_acknowledged_while_the_log_was_read_is_neither_lost_nor_of_unknown_outcome(lab: Lab) -> None:
    lab.send(tweet("#a"), acknowledge=False)
    lab.later = Ledger((*lab.acknowledged, Interval("run", 0, 30, 30, 30)), {}, {"run": 90}, 0)
    report = lab.audit()
    assert (report.clean, report.acknowledged, report.unknown_arrived) == (True, 31, 0)


def test_an_id_that_was_reserved_while_the_log_was_read_was_attempted(lab: Lab) -> None:
    lab.send(tweet("#a"), acknowledge=False)
    lab.reserved["run"] = 30
    lab.later = Ledger(tuple(lab.acknowledged), {}, {"run": 90}, 0)
    assert lab.audit().not_attempted == 0


def two_epochs(lab: Lab, first_end: int, second_start: int, second: Rule = EVENT) -> Lab:
    """Divide the log between an epoch of minutes by arrival and one by another rule, each with counts of its own."""
    lab.epochs = (
        epoch("c", starts={0: 0}, ends={0: first_end}, closed=True),
        epoch("d", starts={0: second_start}, ends={0: BEYOND}, rule=second),
    )
    for record in lab.log:
        for each in lab.epochs:
            if each.starts[0] <= record.offset < each.ends[0]:
                verdict = classify(record.value, record.append_time, each.rule)
                key = (each.checkpoint, window_start(verdict.time, each.rule.window_seconds), verdict.label)
                lab.epoch_counts[key] = lab.epoch_counts.get(key, 0) + 1
    return lab


def test_each_epoch_is_audited_by_its_own_rule(lab: Lab) -> None:
    report = two_epochs(lab, 12, 12).audit()
    assert report.clean
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 30, lost 0, duplicated 0"


@given(st.builds(Rule, st.sampled_from(WindowTime), st.sampled_from(WINDOW_LENGTHS)), st.integers(0, 30))
def test_epochs_of_windows_of_two_lengths_are_audited_each_by_its_own(second: Rule, where: int) -> None:
    lab = Lab()
    lab.send_tweets(30)
    report = two_epochs(lab, where, where, second).audit()
    assert report.clean
    assert (report.counted, report.differences) == (30, ())


def test_a_window_of_one_epoch_does_not_make_up_for_a_longer_one_of_another(lab: Lab) -> None:
    """Both begin at the full minute."""
    two_epochs(lab, 12, 12, Rule(window_seconds=10))
    lab.epoch_counts["c", MINUTE, "#a"] -= 1
    lab.epoch_counts["d", MINUTE, "#a"] = 1
    report = lab.audit()
    assert (report.lost, report.duplicated) == (1, 1)
    lengths = [text.split("#")[0].split("00 ")[-1] for text in report.lines(UTC_ZONE) if "differs" in text]
    assert lengths == ["(60 s) ", "(10 s) "]


def test_what_lies_between_two_epochs_is_lost(lab: Lab) -> None:
    report = two_epochs(lab, 12, 15).audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 27, lost 3, duplicated 0"
    assert refuses(report)


def test_what_two_epochs_count_is_duplicated(lab: Lab) -> None:
    report = two_epochs(lab, 15, 12).audit()
    assert headline(report) == "audit: acknowledged 30, in log 30, counted 33, lost 0, duplicated 3"
    assert refuses(report)


def test_totals_of_two_epochs_that_cancel_do_not_hide_a_difference(lab: Lab) -> None:
    two_epochs(lab, 12, 12)
    lab.epoch_counts["c", MINUTE, "#a"] -= 1
    lab.epoch_counts["d", MINUTE, "#a"] = 1
    report = lab.audit()
    assert (report.lost, report.duplicated) == (1, 1)


def test_behind_the_last_epoch_of_a_topic_that_was_left_only_its_own_tweets_are_missed(lab: Lab) -> None:
    lab.send(tweet("#a"), run=None)
    lab.epochs = (epoch("c", ends={0: 30}, closed=True),)
    lab.counts[MINUTE, "#a"] -= 1
    assert lab.audit().clean, "somebody else's"
    lab.epochs = (epoch("c", ends={0: 29}, closed=True),)
    lab.counts[lab.window(lab.log[29].append_time), "#c"] -= 1
    assert lab.audit().lost == 1


def test_what_retention_took_after_it_was_counted_makes_the_verdict_incomplete(lab: Lab) -> None:
    lab.firsts, lab.log = {0: 10}, lab.log[10:]
    report = lab.audit()
    assert (report.clean, report.complete, report.expired, report.lost) == (True, False, 10, 0)
    assert line(report, "expired") == "expired after counting: 10"
    with pytest.raises(AuditIncomplete) as caught:
        report.require_clean()
    assert caught.value.exit_code == 18


def test_what_retention_took_before_it_was_counted_is_lost(lab: Lab) -> None:
    lab.firsts, lab.log, lab.counted_to = {0: 10}, lab.log[10:], {0: 7}
    lab.counts.clear()
    report = lab.audit()
    assert (report.expired, report.lost) == (7, 3)
    assert refuses(report)


def test_windows_that_retention_has_left_whole_are_compared_as_ever(lab: Lab) -> None:
    lab.firsts, lab.log = {0: 10}, lab.log[10:]
    lab.counts[MINUTE + 180, "#b"] -= 1
    assert refuses(lab.audit())


def test_the_report_of_two_topics_is_their_sum(lab: Lab) -> None:
    one, other = lab.audit(), replace(lab, counts=lab.counts - Counter({(MINUTE, "#a"): 1})).audit()
    both = one.joined(other)
    assert (both.acknowledged, both.in_log, both.counted, both.lost) == (60, 60, 59, 1)
    assert len(both.differences) == 1
    assert refuses(both)


def test_tweets_of_which_the_ledger_knows_two_minutes_are_compared_by_the_sum_of_both(lab: Lab) -> None:
    for (run, minute, hashtag), tweets in list(lab.ledger_counts.items()):
        if minute == MINUTE:
            del lab.ledger_counts[run, minute, hashtag]
            lab.spread[run, MINUTE, MINUTE + 60, hashtag] = tweets
    assert lab.audit().clean
    moved = replace(lab.log[0], append_time=MINUTE - 30)
    lab.log[0] = moved
    differing = {(row.window, row.hashtag) for row in lab.audit().differences if row.witness == "ledger"}
    assert differing == {(MINUTE - 60, "#a"), (MINUTE + 60, "#a")}, "a tweet that lies in neither of the two"


def test_acknowledged_records_without_known_places_are_audited_by_their_ids(lab: Lab) -> None:
    lab.acknowledged[3:9] = [Interval("run", 0, 3, 8, 2, 12)]
    assert lab.audit().clean
    assert lab.audit().acknowledged == 30
    del lab.log[5]
    assert lab.audit().lost >= 1


def test_an_id_is_found_in_the_key_as_in_the_header(lab: Lab) -> None:
    run = "0123456789ab"
    lab.send(tweet("#a"), run=None)
    lab.log[-1] = replace(lab.log[-1], key=b"orders:17")
    assert lab.audit().without_id == 1
    lab.send(tweet("#a"), run=None)
    lab.log[-1] = replace(lab.log[-1], key=b"t1:0123456789ab:0")
    lab.acknowledged.append(Interval(run, 0, 0, 0, len(lab.log) - 1))
    lab.ledger_counts[run, MINUTE, "#a"] += 1
    lab.reserved[run] = 1
    report = lab.audit()
    assert report.clean
    assert (report.without_id, report.acknowledged) == (1, 31)
