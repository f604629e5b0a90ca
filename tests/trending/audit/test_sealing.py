"""An audit since a seal says what an audit of everything says, and reads only what came since."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from fakes.audits.audited import MINUTE, TAGS, Lab, tweet
from fakes.audits.planted import HARMLESS, PLANTS, found_by
from hypothesis import event, given
from hypothesis import strategies as st

from trending.audit.audit_report import Change
from trending.audit.seal import FORM, Unfit
from trending.audit.sealing import OPEN_SECONDS, Kept, require_letters_behind
from trending.errors import AuditFailed
from trending.producer.ledger import ExpiredCounts, Interval, Ledger
from trending.settings import WindowTime
from trending.stream.letters import Letters
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.audit.audit_report import AuditReport

PROBE = b'{"usuario": "User_1", "mensaje": "Hola Kafka", "contador": 1}'
UTC_ZONE = ZoneInfo("UTC")


def as_if_of_everything(report: AuditReport) -> AuditReport:
    """Return the report without what only an audit since a seal says."""
    return replace(report, seals=(), changed=(), expired_sealed=0)


class Sent(NamedTuple):
    """A record, so many seconds after the one before, and when the ledger has it: at once, once the seal is made, or never."""

    value: bytes | None
    seconds: float
    run: str | None
    told: str


SECONDS = st.sampled_from([0, 1, 7, 59, 61, 400])
SENT = st.one_of(
    st.builds(
        Sent,
        st.builds(tweet, st.sampled_from(TAGS)),
        SECONDS,
        st.sampled_from(["run", "other", None]),
        st.sampled_from(["at once", "at once", "at once", "later", "never"]),
    ),
    st.builds(Sent, st.sampled_from([PROBE, None, b"{", tweet("")]), SECONDS, st.none(), st.just("never")),
)
LOGS = st.lists(SENT, max_size=25)


def send(lab: Lab, sent: list[Sent], at: float) -> float:
    """Send these, each acknowledged at once, or later, or never; returns the time of the last one."""
    for each in sent:
        at += each.seconds
        lab.send(each.value, at, each.run, acknowledge=each.told == "at once")
    return at


def acknowledge_late(lab: Lab, sent: list[Sent]) -> None:
    """Let the ledger learn of what it was to have later."""
    fresh = Lab(lab.mode)
    at = float(MINUTE)
    for each in sent:
        at += each.seconds
        fresh.send(each.value, at, each.run, acknowledge=each.told != "never")
    lab.acknowledged, lab.ledger_counts = fresh.acknowledged, fresh.ledger_counts


@given(st.sampled_from([WindowTime.ARRIVAL, WindowTime.EVENT]), st.sampled_from([10, 60, 3600]), LOGS, LOGS, LOGS)
def test_an_audit_since_a_seal_says_what_one_of_everything_does(
    mode: WindowTime, window_seconds: int, first: list[Sent], second: list[Sent], third: list[Sent]
) -> None:
    """Sealed at any point, and again behind it, with acknowledgements that come late or never."""
    lab = Lab(mode, window_seconds)
    at = send(lab, first, float(MINUTE))
    kept = lab.seal()
    for sent in (second, third):
        before = len(lab.log)
        at = send(lab, sent, at)
        acknowledge_late(lab, [*first, *second, *third][: len(lab.log)])
        lab.count_all()
        whole = lab.audit()
        lab.records_read, why = 0, ""
        try:
            since = lab.examine(kept)
        except Unfit as unfit:
            why = str(unfit)
        if why:
            # Some of a run's were acknowledged late; by event time a record may also be for a window that is closed.
            event(why[-30:])
            assert mode is WindowTime.EVENT or "not acknowledged when it was made" in why
            return
        assert lab.records_read == len(lab.log) - before
        assert as_if_of_everything(since.report) == whole
        assert since.report.clean
        assert since.seal is not None
        kept = Kept.of(since.seal.stored())


@pytest.mark.row(23)
@given(st.sampled_from([10, 60]), LOGS, LOGS, LOGS, st.integers(1, 2), st.booleans())
def test_an_audit_since_a_seal_knows_windows_that_were_trimmed_before_and_behind_it(
    window_seconds: int,
    first: list[Sent],
    second: list[Sent],
    third: list[Sent],
    kept: int,
    trimmed: bool,  # noqa: FBT001 - drawn
) -> None:
    lab, at = Lab(window_seconds=window_seconds), float(MINUTE)
    seal = None
    for sent in (first, second, third):
        at = send(lab, [each._replace(told="at once") for each in sent], at)
        if trimmed or seal:
            lab.trim(kept, at - 180, seal.seal.closed_by()["c"] if seal else 0)
        if seal is None:
            seal = lab.seal()
            continue
        lab.count_all()
        whole, since = lab.audit(), lab.examine(seal)
        assert as_if_of_everything(since.report) == whole
        assert whole.clean
        assert whole.counted == whole.acknowledged
        event(f"trimmed: {bool(lab.others)}")
        assert since.seal is not None
        seal = Kept.of(since.seal.stored())


@given(st.integers(0, 40), st.integers(2, 20), st.sampled_from([7, 61]))
def test_a_seal_covers_what_is_counted_and_not_what_is_in_flight(counted: int, in_flight: int, seconds: int) -> None:
    lab = Lab(longest=10**6)
    lab.send_tweets(counted, seconds=seconds)
    store = lab.counts.copy()
    lab.send_tweets(in_flight, seconds=seconds)
    whole, lab.counts = lab.counts, store
    lab.ends, lab.counted_to = {0: counted + in_flight}, {0: counted}
    found = lab.examine()
    assert (found.report.clean, found.report.in_flight) == (True, in_flight)
    assert found.seal is not None
    assert found.seal.seal.ends == {0: counted}
    kept = Kept.of(found.seal.stored())
    lab.counts = whole
    lab.count_all()
    lab.records_read = 0
    since = lab.audit(kept)
    assert lab.records_read == in_flight
    assert as_if_of_everything(since) == lab.audit()
    assert (since.clean, since.counted) == (True, counted + in_flight)


@pytest.mark.parametrize("plant", PLANTS)
@given(sealed=st.integers(1, 60), number=st.integers(2, 30), data=st.data())
def test_a_fault_behind_a_seal_is_named_as_ever(
    plant: Callable[[Lab, st.DataObject], dict[str, int]], sealed: int, number: int, data: st.DataObject
) -> None:
    lab = Lab()
    lab.send_tweets(sealed)
    kept = lab.seal()
    lab.send_tweets(number)
    end = len(lab.log)
    expected = plant(lab, data)
    lab.ends = lab.counted_to = {0: max(end, lab.log[-1].offset + 1)}
    report = lab.audit(kept)
    assert found_by(report) == expected
    assert report.clean is (plant in HARMLESS)
    assert as_if_of_everything(report) == lab.audit()


@given(st.integers(1, 60), st.sampled_from([7, 61]), st.data())
def test_a_count_that_changes_in_the_store_behind_a_seal_is_found(number: int, seconds: int, data: st.DataObject) -> None:
    """By the digest where the window is closed, by comparison where it is not."""
    lab = Lab()
    lab.send_tweets(number, seconds=seconds)
    kept = lab.seal()
    window, hashtag = data.draw(st.sampled_from(sorted(lab.counts)))
    change = data.draw(st.sampled_from(["one more", "one less", "another name", "untagged"]))
    if change == "untagged":
        lab.untagged[window] += 1
    elif change == "another name":
        lab.counts[window, hashtag] -= 1
        lab.counts[window, "#other"] += 1
    else:
        lab.counts[window, hashtag] += 1 if change == "one more" else -1
    report = lab.audit(kept)
    assert not report.clean
    closed = window < kept.seal.closing
    assert report.changed == ((Change("c", window),) if closed else ())
    assert bool(report.differences) is not closed


def test_a_changed_store_has_a_verdict_and_a_way_out_of_its_own() -> None:
    lab = Lab()
    lab.send_tweets(20, seconds=60)
    kept = lab.seal()
    lab.counts[MINUTE, "#a"] += 1
    with pytest.raises(AuditFailed) as caught:
        lab.audit(kept).require_clean()
    assert "the store has changed behind the seal: window 2025-12-16 00:31:00 of c" in "\n".join(lab.audit(kept).lines(UTC_ZONE))
    assert "changed behind the seal" in caught.value.cause
    assert "AUDIT=full" in caught.value.next_command
    assert "make rebuild" in caught.value.next_command
    assert lab.audit().duplicated == 1, "an audit of everything tells by how much"


def test_rejects_that_change_in_the_store_behind_a_seal_are_found() -> None:
    lab = Lab()
    lab.send(b"{", run=None)
    kept = lab.seal()
    assert lab.audit(kept).clean
    lab.rejects.clear()
    assert lab.audit(kept).changed == (Change("c", None, "rejects"),)


def test_an_id_that_a_seal_covers_is_a_duplicate_behind_it() -> None:
    lab = Lab()
    lab.send_tweets(20, seconds=60)
    kept = lab.seal()
    lab.log.append(replace(lab.log[3], offset=20, append_time=lab.log[-1].append_time))
    lab.counts[lab.window(lab.log[-1].append_time), "#a"] += 1
    lab.count_all()
    assert (lab.audit(kept).duplicated, lab.audit().duplicated) == (1, 1)


def test_the_order_of_a_sender_is_followed_across_a_seal() -> None:
    lab = Lab()
    lab.send_tweets(6)
    lab.log[5], late = replace(lab.log[5], headers={"id": b"run:6"}), lab.log[5].headers
    lab.acknowledged[5] = Interval("run", 0, 6, 6, 5)
    kept = lab.seal()
    lab.log.append(replace(lab.log[5], offset=6, headers=late))
    lab.acknowledged.append(Interval("run", 0, 5, 5, 6))
    lab.ledger_counts["run", MINUTE, "#c"] += 1
    lab.counts[MINUTE, "#c"] += 1
    lab.count_all()
    assert (lab.audit(kept).disordered, lab.audit(kept).lost) == (1, 0)


def test_the_lines_say_how_far_a_seal_reaches_and_when_it_was_made() -> None:
    lab = Lab(seen_at=MINUTE + 300)
    lab.send_tweets(20)
    kept = lab.seal()
    lab.send_tweets(5)
    lab.count_all()
    first, *_rest, headline = lab.audit(kept).lines(UTC_ZONE)
    assert first == "audit: since the seal of 2025-12-16 00:36:00, which covers 20 records: partition 0 to offset 20"
    assert headline == "audit: acknowledged 25, in log 25, counted 25, lost 0, duplicated 0"


def test_what_retention_takes_behind_a_seal_leaves_the_verdict_complete() -> None:
    lab = Lab()
    lab.send_tweets(20)
    kept = lab.seal()
    lab.send_tweets(5)
    lab.count_all()
    lab.firsts, lab.log = {0: 15}, lab.log[15:]
    lab.records_read = 0
    report = lab.audit(kept)
    assert (report.clean, report.complete, report.expired_sealed, report.acknowledged) == (True, True, 15, 25)
    assert "audit: expired, and covered by the seal: 15" in report.lines(UTC_ZONE)
    assert not lab.audit().complete
    assert lab.examine().seal is None, "an audit that is not complete seals nothing"


def test_by_original_times_windows_of_other_years_are_compared_and_nothing_is_sealed() -> None:
    lab = Lab(WindowTime.ORIGINAL)
    for timestamp in (1_539_202_740.0, 1_539_202_741.0, MINUTE + 4e8, 0.0):
        lab.send(tweet("#a", timestamp), MINUTE)
    lab.send(tweet("#a", -1.0), MINUTE)
    lab.count_all()
    found = lab.examine()
    assert (found.report.clean, found.report.complete, found.seal) == (True, True, None), found.report.lines(None)
    assert found.report.rejected == {Reason.NO_DATE: 1}
    lab.counts[1_539_202_740, "#a"] -= 1
    assert lab.audit().lost == 1


def test_by_original_times_no_window_is_known_to_be_whole_once_retention_took_records() -> None:
    lab = Lab(WindowTime.ORIGINAL)
    for _record in range(2):
        lab.send(tweet("#a", MINUTE + 4e8), MINUTE)
    lab.count_all()
    lab.firsts, lab.log = {0: 1}, lab.log[1:]
    report = lab.audit()
    assert (report.clean, report.complete, report.expired) == (True, False, 1), report.lines(None)


def unfit(lab: Lab, kept: Kept) -> str:
    with pytest.raises(Unfit) as caught:
        lab.audit(kept)
    return str(caught.value)


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.send_tweets(20, seconds=30)
    return lab


def test_a_log_that_has_shrunk_takes_no_seal(lab: Lab) -> None:
    kept = lab.seal()
    lab.ends = {0: 19}
    assert unfit(lab, kept) == "partition 0 ends before offset 20"
    lab.ends, lab.firsts = {0: 30}, {0: 21}
    assert unfit(lab, kept) == "retention has taken records of partition 0 from offset 20 on"


@pytest.mark.parametrize("change", ["rule", "starts", "checkpoint", "ends"])
def test_an_epoch_that_is_another_one_takes_no_seal(change: str, lab: Lab) -> None:
    kept = lab.seal()
    (before,) = lab.examine().recounted.epochs
    others = {
        "rule": replace(before, rule=replace(before.rule, window_seconds=30)),
        "starts": replace(before, starts={0: 1}),
        "checkpoint": replace(before, checkpoint="d"),
        "ends": replace(before, ends={0: 19}),
    }
    lab.epochs = (others[change],)
    assert unfit(lab, kept) == "epoch c is another one, or was closed elsewhere"


def test_a_seal_of_another_form_is_told_so(lab: Lab) -> None:
    stored = lab.seal().stored()
    with pytest.raises(Unfit, match=f"its form {FORM + 1} is not known here"):
        Kept.of(stored._replace(form=FORM + 1))
    with pytest.raises(Unfit, match="it cannot be read"):
        Kept.of(stored._replace(document="{}"))


def test_a_record_for_a_window_that_is_closed_takes_no_seal(lab: Lab) -> None:
    kept = lab.seal()
    assert kept.seal.closing > MINUTE
    lab.send(tweet("#a"), MINUTE)
    lab.count_all()
    assert unfit(lab, kept) == "records behind it belong to windows that it has closed"
    assert lab.audit().clean


def test_a_ledger_that_changes_before_a_seal_takes_none(lab: Lab) -> None:
    kept = lab.seal()
    lab.ledger_counts["run", MINUTE, "#a"] += 1
    assert unfit(lab, kept) == "the ledger's counts of run run before it have changed"
    assert not lab.audit().clean


@pytest.mark.parametrize("change", ["one more", "one less"])
def test_acknowledgements_that_change_before_a_seal_take_none(change: str, lab: Lab) -> None:
    kept = lab.seal()
    if change == "one more":
        lab.acknowledged.append(Interval("run", 0, 40, 40, 3))
    else:
        del lab.acknowledged[3]
    assert unfit(lab, kept) == "the ledger's acknowledgements of run run before it have changed"
    assert lab.audit().lost == (change == "one more")


def test_of_records_acknowledged_late_it_is_all_or_none(lab: Lab) -> None:
    for _ in range(2):
        lab.send(tweet("#a"), MINUTE + 600, acknowledge=False)
    kept = lab.seal()
    assert lab.audit(kept).unknown_arrived == 2
    lab.acknowledged.append(Interval("run", 0, 20, 20, 20))
    lab.ledger_counts["run", MINUTE + 600, "#a"] += 1
    assert "1 of 2 records of run run" in unfit(lab, kept)
    lab.acknowledged.append(Interval("run", 0, 21, 21, 21))
    lab.ledger_counts["run", MINUTE + 600, "#a"] += 1
    report = lab.audit(kept)
    assert (report.clean, report.unknown_arrived, report.acknowledged) == (True, 0, 22)


def test_letters_add_up_across_a_seal_and_one_about_an_older_record_takes_none(lab: Lab) -> None:
    lab.send(b"{", MINUTE + 600, run=None)
    kept = lab.seal()
    lab.send(b"{", MINUTE + 601, run=None)
    lab.count_all()
    report = lab.audit(kept)
    assert (report.clean, report.dead_letters, report.rejected) == (True, 2, {Reason.BAD_JSON: 2})
    with pytest.raises(Unfit, match="dead letters behind it are about records before it"):
        require_letters_behind(kept.seal, Letters({(0, 20)}))


def test_tweets_between_two_minutes_stay_on_one_side_of_what_is_closed() -> None:
    lab = Lab()
    lab.send_tweets(20, seconds=60)
    closing = lab.seal().seal.closing
    assert closing == MINUTE + 19 * 60 - OPEN_SECONDS
    before = closing - 60
    for minute in (before, closing):
        hashtag = next(hashtag for run, start, hashtag in lab.ledger_counts if start == minute)
        del lab.ledger_counts["run", minute, hashtag]
        lab.spread["run", before, closing, hashtag] += 1
    kept = lab.seal()
    assert kept.seal.closing == before
    assert lab.audit(kept).clean


def test_too_many_open_counts_are_not_sealed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.count_all()
    open_counts = len(lab.seal().seal.tweets)
    said = f"audit: not sealed, too many counts in open windows: {open_counts}"
    monkeypatch.setattr("trending.audit.sealing.MOST_OPEN", open_counts)
    sealed = lab.examine()
    assert sealed.seal is not None
    assert said not in sealed.report.lines(None)
    monkeypatch.setattr("trending.audit.sealing.MOST_OPEN", open_counts - 1)
    unsealed = lab.examine()
    assert unsealed.seal is None
    assert unsealed.report.clean
    assert said in unsealed.report.lines(None)


def test_tweets_on_both_sides_of_the_last_expired_minute_are_not_sealed_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Retention has taken the whole log of a stack at rest, and the ledger cannot tell which of them lay in which minute."""
    lab = Lab(start={0: 20}, firsts={0: 20}, ends={0: 20}, counted_to={0: 20})
    pruned = Ledger((), {}, {"run": 60}, 0, {("run", MINUTE, MINUTE + 60, "#a"): 2}, expired={("run", 0): 20})
    expired = {"run": ExpiredCounts(MINUTE, 18)}
    monkeypatch.setattr(lab, "ledger", lambda _seal: replace(pruned, expired_counts=expired))
    found = lab.examine()
    assert found.seal is None
    assert found.report.clean
    assert "audit: not sealed, tweets on both sides of the last closed minute: 2" in found.report.lines(None)
    expired["run"] = ExpiredCounts(MINUTE + 60, 18)
    sealed = lab.examine()
    assert sealed.seal is not None
    assert not [line for line in sealed.report.lines(None) if "not sealed" in line]


def test_an_audit_that_finds_a_fault_seals_nothing(lab: Lab) -> None:
    lab.counts[MINUTE, "#a"] -= 1
    lab.count_all()
    assert lab.examine().seal is None


@pytest.mark.parametrize("window_seconds", [10, 60, 300, 3600])
def test_windows_of_any_length_are_closed_once_they_are_over(window_seconds: int) -> None:
    lab = Lab(window_seconds=window_seconds)
    lab.send_tweets(200, seconds=30)
    kept = lab.seal()
    last = MINUTE + 199 * 30
    assert kept.seal.closing == last // 60 * 60 - OPEN_SECONDS
    over = {("c", window) for window, _hashtag in lab.counts if window + window_seconds <= kept.seal.closing}
    assert kept.windows.keys() == over
    assert kept.seal.closed_by() == {"c": kept.seal.closing // window_seconds * window_seconds}
    lab.send(tweet("#a"), last + 1)
    lab.count_all()
    assert as_if_of_everything(lab.audit(kept)) == lab.audit()
