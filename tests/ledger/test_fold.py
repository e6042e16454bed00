"""The fold: what the events together say of each run."""

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.errors import LedgerError
from reconciler.identity import services_of
from reconciler.ledger import Event, Ledger, RunState, events
from reconciler.ledger.events import stagger_of
from reconciler.ledger.records import MAY_HAVE_STARTED, STARTED, Phase
from reconciler.model import EpochMs, Nonce
from reconciler.times import format_instant
from tests.building import (
    CLAIM_MS,
    NOW,
    a_claim,
    a_digest,
    a_ledger,
    a_rejected,
    a_resolved,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_adopted,
    an_observed,
    an_unknown,
)
from tests.ledger.histories import LATER, RUNS, histories, states

RUN = a_run()


def state(*recorded: Event, now: EpochMs = LATER) -> RunState:
    return a_ledger(*recorded).records[RUN.id].state(now)


# What one run's events come to


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (an_absent(RUN), RunState.PENDING),
        (an_unknown(RUN), RunState.IN_DOUBT),
        (a_rejected(RUN), RunState.REJECTED),
        (a_triggered(RUN), RunState.TRIGGERED),
        (a_resolved(RUN), RunState.PENDING),
        (a_resolved(RUN, "3377-1"), RunState.TRIGGERED),
    ],
)
def test_an_outcome_gives_a_claimed_run_its_state_at_once(
    outcome: Event, expected: RunState
) -> None:
    assert state(a_claim(RUN), outcome, now=NOW) is expected
    assert state(a_claim(RUN), outcome, now=LATER) is expected


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (0, RunState.CLAIMED),
        (CLAIM_MS - 1, RunState.CLAIMED),
        (CLAIM_MS, RunState.IN_DOUBT),
        (CLAIM_MS * 1000, RunState.IN_DOUBT),
    ],
)
def test_a_claim_without_an_outcome_is_in_doubt_from_the_moment_it_expires(
    passed: int, expected: RunState
) -> None:
    assert state(a_claim(RUN), now=after(NOW, passed)) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (1, RunState.SUCCEEDED),
        ("SUCCESS", RunState.SUCCEEDED),
        ("success", RunState.SUCCEEDED),
        (-1, RunState.FAILED),
        (4, RunState.FAILED),
        (7, RunState.FAILED),
        (8, RunState.FAILED),
        (10, RunState.FAILED),
        ("CANCEL", RunState.FAILED),
        (0, RunState.TRIGGERED),
        (2, RunState.TRIGGERED),
        (3, RunState.TRIGGERED),
        (5, RunState.TRIGGERED),
        (6, RunState.TRIGGERED),
        (9, RunState.TRIGGERED),
        (77, RunState.TRIGGERED),
        ("what is this", RunState.TRIGGERED),
    ],
)
def test_only_a_final_status_ends_a_run(status: int | str, expected: RunState) -> None:
    assert state(a_claim(RUN), a_triggered(RUN), an_observed(RUN, status)) is expected


def test_a_run_ends_when_its_end_was_first_recorded_and_not_when_it_is_said_again() -> None:
    ended = an_observed(RUN, "SUCCESS")
    again = msgspec.structs.replace(ended, at=format_instant(after(NOW, 99_000)))
    ledger = a_ledger(a_claim(RUN), a_triggered(RUN), ended)
    assert ledger.records[RUN.id].ended_at == ended.at
    assert ledger.holds(again)
    assert ledger.with_events([again]).records[RUN.id].ended_at == ended.at
    assert a_ledger(a_claim(RUN), a_triggered(RUN)).records[RUN.id].ended_at is None


def test_a_record_knows_the_claim_that_its_run_is_under() -> None:
    record = a_ledger(a_claim(RUN)).records[RUN.id]
    assert (record.claim, record.flow_id, record.digest) == ("c1", RUN.flow_id, RUN.digest)
    assert (record.claimed_at, record.until) == (a_claim(RUN).at, after(NOW, CLAIM_MS))


def test_a_new_claim_takes_the_place_of_what_an_older_one_left() -> None:
    again = a_run(parameters=(("REPLACE", "other"),))
    record = a_ledger(
        a_claim(RUN), a_rejected(RUN), a_claim(again, claim="c2", at=after(NOW, 5))
    ).records[RUN.id]
    assert (record.phase, record.claim, record.error) == (Phase.CLAIMED, "c2", None)
    assert record.digest == again.digest


def test_an_import_of_a_start_needs_no_claim() -> None:
    record = a_ledger(a_triggered(RUN, claim=None)).records[RUN.id]
    assert (record.phase, record.claim, record.instances) == (Phase.TRIGGERED, None, ("3377-1",))


def test_a_run_that_was_started_twice_says_so_with_both_instances() -> None:
    record = a_ledger(a_claim(RUN), a_triggered(RUN, "3377-1"), a_triggered(RUN, "3377-2")).records[
        RUN.id
    ]
    assert record.started_twice
    assert record.instances == ("3377-1", "3377-2")
    assert record.error == ("started twice: as 3377-1 under claim c1 and as 3377-2 under claim c1")


TAKEN: list[Event] = [a_claim(RUN), an_absent(RUN), a_claim(RUN, claim="c2")]
LATE = a_triggered(RUN, "3377-1", "c1")  # of the older claim, after the newer one was made


def test_a_late_start_under_an_older_claim_leaves_the_newest_claims_doubt_open() -> None:
    record = a_ledger(*TAKEN, LATE).records[RUN.id]
    assert (record.state(NOW), record.state(LATER)) == (RunState.CLAIMED, RunState.IN_DOUBT)
    assert (record.claim, record.instances) == ("c2", ("3377-1",))
    assert not record.started_twice
    unknown = a_ledger(*TAKEN, an_unknown(RUN, "c2"), LATE).records[RUN.id]
    assert unknown.state(LATER) is RunState.IN_DOUBT
    assert state(*TAKEN, LATE, an_unknown(RUN, "c2")) is RunState.IN_DOUBT


@pytest.mark.parametrize("outcome", [an_absent(RUN, "c2"), a_rejected(RUN, "c2"), a_resolved(RUN)])
def test_once_the_newest_claim_has_started_nothing_the_late_start_speaks_for_the_run(
    outcome: Event,
) -> None:
    record = a_ledger(*TAKEN, LATE, outcome).records[RUN.id]
    assert record.state(LATER) is RunState.TRIGGERED
    assert (record.claim, record.error, record.started_twice) == ("c1", None, False)


@pytest.mark.parametrize("instance", ["3377-1", "3377-2"])
def test_a_late_start_and_the_newest_claims_own_are_two(instance: str) -> None:
    """Also under one id: the service may give it to both."""
    record = a_ledger(*TAKEN, LATE, a_triggered(RUN, instance, "c2")).records[RUN.id]
    assert record.state(LATER) is RunState.TRIGGERED
    assert record.started_twice
    assert [(one.claim, one.instance) for one in record.starts] == [
        ("c1", "3377-1"),
        ("c2", instance),
    ]
    assert record.error == (
        f"started twice: as 3377-1 under claim c1 and as {instance} under claim c2"
    )


OVERDUE = an_unknown(RUN, "c1", late=True)  # it left after its claim had ended


def test_beside_a_known_start_a_late_one_without_an_answer_may_be_the_second() -> None:
    record = a_ledger(*TAKEN, a_triggered(RUN, "3377-1", "c2"), OVERDUE).records[RUN.id]
    assert (record.state(LATER), record.started_twice) == (RunState.TRIGGERED, True)
    assert record.error == (
        "perhaps started twice: as 3377-1 under claim c2 "
        "and too late and without an answer under claim c1"
    )
    assert a_ledger(*TAKEN, OVERDUE, a_triggered(RUN, "3377-1", "c2")).records[RUN.id] == record


@pytest.mark.parametrize(
    ("settling", "instances", "twice"),
    [
        (a_resolved(RUN, "3377-1"), ("3377-1",), False),
        (a_triggered(RUN, "3377-2", "c1"), ("3377-1", "3377-2"), True),
        (an_absent(RUN, "c1"), ("3377-1",), False),
    ],
)
def test_a_person_an_answer_or_a_search_settles_a_late_start_beside_a_known_one(
    settling: Event, instances: tuple[str, ...], *, twice: bool
) -> None:
    ledger = a_ledger(*TAKEN, a_triggered(RUN, "3377-1", "c2"), OVERDUE, settling)
    record = ledger.records[RUN.id]
    assert (record.instances, record.started_twice) == (instances, twice)
    assert record.error is None or not record.error.startswith("perhaps")
    assert ledger.with_events([OVERDUE]).records[RUN.id].started_twice is twice or settling.claim


@pytest.mark.parametrize("outcome", [an_absent(RUN, "c2"), a_rejected(RUN, "c2"), a_resolved(RUN)])
@pytest.mark.parametrize("first", [True, False])
def test_once_no_other_claim_has_started_it_the_run_is_in_doubt_about_the_late_start(
    outcome: Event, *, first: bool
) -> None:
    again = RUN.but(digest=a_digest("another"), trigger_time=after(RUN.trigger_time, 60_000))
    taken: list[Event] = [a_claim(RUN), an_absent(RUN), a_claim(again, claim="c2")]
    ends = (OVERDUE, outcome) if first else (outcome, OVERDUE)
    ledger = a_ledger(*taken, *ends)
    record = ledger.records[RUN.id]
    assert (record.state(NOW), record.claim, record.evidence) == (
        RunState.IN_DOUBT,
        "c1",
        "HTTP 502",
    )
    assert (record.digest, record.trigger_time) == (RUN.digest, RUN.trigger_time)
    assert [one.claim for one in record.overdue] == ["c1"]
    searched = ledger.with_events([an_unknown(RUN, "c1")]).records[RUN.id]
    assert searched.overdue == record.overdue
    assert state(*taken, *ends, an_absent(RUN, "c1")) is RunState.PENDING
    assert state(*taken, *ends, a_triggered(RUN, "3377-1", "c1")) is RunState.TRIGGERED


@pytest.mark.parametrize(
    ("known", "is_settled"),
    [({}, False), ({"lateUntil": 119_999}, False), ({"lateUntil": 120_000}, True)],
)
def test_only_a_search_that_knew_of_the_late_start_settles_it(
    known: dict[str, int], *, is_settled: bool
) -> None:
    told = {key: format_instant(after(NOW, value)) for key, value in known.items()}
    evidence = {"searchedAt": format_instant(after(NOW, 300_000))} | told
    absent = msgspec.structs.replace(an_absent(RUN, "c1"), evidence=evidence)
    late = msgspec.structs.replace(OVERDUE, at=format_instant(after(NOW, 120_000)))
    expected = RunState.PENDING if is_settled else RunState.IN_DOUBT
    assert state(a_claim(RUN), late, absent) is expected
    assert a_ledger(a_claim(RUN), late).holds(absent) is not is_settled


@pytest.mark.parametrize("more", [{"inferred": True}, {}])
def test_what_only_a_search_or_a_person_says_of_the_claim_hides_no_late_start_of_it(
    more: dict[str, bool],
) -> None:
    named: Event = a_triggered(RUN, "3377-1", "c1", **more) if more else a_resolved(RUN, "3377-1")
    record = a_ledger(a_claim(RUN), named, OVERDUE).records[RUN.id]
    assert record.started_twice
    answered = a_ledger(a_claim(RUN), a_triggered(RUN, "3377-1", "c1"), OVERDUE).records[RUN.id]
    assert not answered.started_twice


def test_each_late_start_stays_one_that_another_runs_search_may_find() -> None:
    started = a_triggered(RUN, "3377-1", "c2")
    ledger = a_ledger(*TAKEN, started, OVERDUE, a_resolved(RUN, "3377-1"))
    (late,) = ledger.late
    assert (late.run, late.claim, late.phase, late.starts) == (RUN.id, "c1", Phase.UNKNOWN, ())
    assert list(a_ledger(a_claim(RUN), OVERDUE).late) == []  # the run's own record is about it


def test_what_was_only_recorded_late_changes_nothing_that_others_have_settled() -> None:
    ledger = a_ledger(*TAKEN, a_triggered(RUN, "3377-1", "c2"))
    assert ledger.with_events([an_unknown(RUN, "c1")]).records == ledger.records


def test_one_instance_under_two_claims_is_one_start_where_it_was_only_inferred() -> None:
    certain = a_triggered(RUN, "3377-1", "c2")
    inferred = a_triggered(RUN, "3377-1", "c1", inferred=True)
    for first, second in ((certain, inferred), (inferred, certain)):
        record = a_ledger(*TAKEN[:2], first, second).records[RUN.id]
        assert [(one.claim, one.inferred) for one in record.starts] == [("c2", False)]
        assert not record.started_twice


def test_another_instance_is_another_start_though_it_was_only_inferred() -> None:
    inferred = a_triggered(RUN, "3377-2", "c1", inferred=True)
    assert a_ledger(a_claim(RUN), LATE, inferred).records[RUN.id].started_twice


def test_what_was_inferred_and_is_now_certain_keeps_speaking_for_the_run() -> None:
    inferred = a_triggered(RUN, "3377-1", "c1", inferred=True)
    ledger = a_ledger(a_claim(RUN), inferred, a_triggered(RUN, "3377-2", "c2"))
    record = ledger.with_events([a_triggered(RUN, "3377-1", "c3")]).records[RUN.id]
    assert [(one.claim, one.instance) for one in record.starts] == [
        ("c3", "3377-1"),
        ("c2", "3377-2"),
    ]


def test_what_was_inferred_and_then_told_by_its_applier_is_one_of_two_starts() -> None:
    inferred, certain = (a_triggered(RUN, inferred=how) for how in (True, False))
    ledger = a_ledger(a_claim(RUN), inferred, certain, a_triggered(RUN, "3377-1", "c2"))
    record = ledger.records[RUN.id]
    assert [one.claim for one in record.starts] == ["c1", "c2"]
    assert record.started_twice


def test_a_person_settles_a_run_that_was_started_twice_by_choosing_an_instance() -> None:
    ledger = a_ledger(*TAKEN, LATE, a_triggered(RUN, "3377-2", "c2"))
    record = ledger.with_events([a_resolved(RUN, "3377-2")]).records[RUN.id]
    assert record.instances == ("3377-2", "3377-1")
    assert (record.acknowledged, record.started_twice) == (True, False)
    assert (record.state(LATER), record.error) == (RunState.TRIGGERED, None)
    assert "3377-1" in record.evidence["settled"]  # it stays known, and is no error any more
    assert ledger.with_events([a_resolved(RUN, "3377-2"), LATE]).records[RUN.id] == record
    for other in (a_resolved(RUN, "3377-9"), a_resolved(RUN)):
        assert ledger.with_events([other]).records[RUN.id].started_twice


def test_a_third_start_is_said_though_a_person_has_settled_two() -> None:
    two = a_ledger(*TAKEN, LATE, a_triggered(RUN, "3377-2", "c2"), a_resolved(RUN, "3377-2"))
    third = two.with_events([a_triggered(RUN, "3377-3", "c3")]).records[RUN.id]
    assert third.started_twice
    assert third.instances == ("3377-2", "3377-1", "3377-3")
    again = two.with_events([LATE]).records[RUN.id]  # nothing new
    assert not again.started_twice


def test_so_is_the_start_of_a_claim_that_was_open_while_a_person_settled_two_others() -> None:
    older = [
        msgspec.structs.replace(a_triggered(RUN, "3377-1", "c0"), inferred=True),
        a_triggered(RUN, "3377-2", "c0"),
    ]
    settled = msgspec.structs.replace(a_resolved(RUN, "3377-1"), claim=Nonce("c0"))
    two = a_ledger(a_claim(RUN), *older, settled)
    assert two.records[RUN.id].acknowledged
    assert two.with_events([a_triggered(RUN, "3377-3")]).records[RUN.id].started_twice


def test_a_claim_that_has_lapsed_has_expired_then_at_the_latest() -> None:
    other = a_run("other", trigger_time=EpochMs(0))
    ledger = a_ledger(a_claim(RUN, claim="c1"), a_claim(other, claim="c2"))
    since = after(NOW, 10)
    lapsed = ledger.with_lapsed({Nonce("c1"): since, Nonce("c9"): since})
    assert lapsed.records[RUN.id].until == since
    assert lapsed.records[other.id] == ledger.records[other.id]
    assert lapsed.records[RUN.id].state(since) is RunState.IN_DOUBT
    assert ledger.records[RUN.id].state(since) is RunState.CLAIMED
    later = ledger.with_lapsed({Nonce("c1"): after(NOW, CLAIM_MS * 2)})
    assert later.records == ledger.records
    assert ledger.with_lapsed({}) is ledger


def test_a_doubt_that_is_raised_after_a_proof_of_absence_is_looked_into_again() -> None:
    # Its applier was frozen: the request may have left after others had looked for it in vain.
    assert state(a_claim(RUN), an_absent(RUN), an_unknown(RUN)) is RunState.IN_DOUBT


def test_a_claim_of_a_started_run_changes_nothing() -> None:
    started: list[Event] = [a_claim(RUN), a_triggered(RUN)]
    assert a_ledger(*started, a_claim(RUN, claim="c2")).records == a_ledger(*started).records


def test_a_person_cannot_undo_a_start() -> None:
    assert state(a_claim(RUN), a_triggered(RUN), a_resolved(RUN)) is RunState.TRIGGERED


def test_what_a_person_settled_names_the_person() -> None:
    record = a_ledger(a_claim(RUN), an_unknown(RUN), a_resolved(RUN, "3377-9")).records[RUN.id]
    assert record.instances == ("3377-9",)
    assert record.evidence == {
        "resolvedBy": "Ana Lima <ana@example.com>",
        "reason": "seen in the console",
    }


# What contradicts itself


@pytest.mark.parametrize(
    "event",
    [an_absent(RUN), an_unknown(RUN), a_rejected(RUN), an_observed(RUN), a_resolved(RUN)],
)
def test_news_of_a_run_that_was_never_claimed_stops_everything(event: Event) -> None:
    with pytest.raises(LedgerError, match="wind"):
        a_ledger(event)


@pytest.mark.parametrize("outcome", [an_absent, an_unknown, a_rejected])
@pytest.mark.parametrize("claim", ["c1", "c2", "c3"])
def test_an_outcome_whose_claim_the_ledger_has_lost_stops_everything(
    outcome: type, claim: str
) -> None:
    # As where a commit that holds a claim was reverted: the run may have been started under it.
    other = a_run("other", trigger_time=EpochMs(0))
    history: list[Event] = [
        a_claim(other, claim="c2"),
        a_claim(RUN, claim="c1"),
        an_absent(RUN, "c1"),
    ]
    if claim == "c1":
        assert state(*history, outcome(RUN, claim)) is not None
        return
    with pytest.raises(LedgerError, match=f"under claim {claim}, which is not there"):
        a_ledger(*history, outcome(RUN, claim))


@pytest.mark.parametrize("before", [[], [an_unknown(RUN)], [an_absent(RUN)], [a_rejected(RUN)]])
def test_the_status_of_an_instance_whose_start_is_lost_stops_everything(
    before: list[Event],
) -> None:
    with pytest.raises(LedgerError, match="not that it was started"):
        a_ledger(a_claim(RUN), *before, an_observed(RUN))


def test_a_claim_whose_end_cannot_be_told_stops_everything() -> None:
    with pytest.raises(LedgerError, match="holds a time that"):
        a_ledger(a_claim(RUN, until="soon"))


def test_a_start_whose_time_cannot_be_told_is_an_error_of_the_ledger() -> None:
    (start,) = a_ledger(a_triggered(RUN, at="soon")).records[RUN.id].starts
    with pytest.raises(LedgerError, match="holds a time that"):
        _ = start.instant
    (start,) = a_ledger(a_triggered(RUN)).records[RUN.id].starts
    assert start.instant == NOW


# What holds of any history


@given(histories(), st.integers(0, 12))
def test_a_ledger_may_be_folded_in_two_parts(history: list[Event], cut: int) -> None:
    whole = Ledger.of(history)
    parts = Ledger.of(history[:cut]).with_events(history[cut:])
    assert (parts.records, parts.claims, parts.length) == (
        whole.records,
        whole.claims,
        whole.length,
    )


@given(histories())
def test_extending_a_ledger_leaves_the_old_one_as_it_was(history: list[Event]) -> None:
    old = Ledger.of(history)
    records, claims = dict(old.records), dict(old.claims)
    old.with_events([a_claim(claim="new"), a_triggered(RUNS[0], "3377-new")])
    assert (old.records, old.claims, old.length) == (records, claims, len(history))


@given(histories())
def test_an_event_that_was_recorded_twice_says_no_more_than_once(history: list[Event]) -> None:
    assume(history)
    once, event = Ledger.of(history), history[-1]
    twice = once.with_events([event])
    assert (twice.records, twice.claims) == (once.records, once.claims)


@given(histories())
def test_a_ledger_holds_the_event_that_it_has_just_been_given(history: list[Event]) -> None:
    assume(history)
    assert Ledger.of(history).holds(history[-1])


@given(histories())
def test_a_ledger_that_holds_an_event_is_not_changed_by_it(history: list[Event]) -> None:
    assume(history)
    before, event = Ledger.of(history[:-1]), history[-1]
    if before.holds(event):
        assert before.with_events([event]).records == before.records


@given(histories())
def test_a_ledger_holds_every_start_that_it_was_ever_given(history: list[Event]) -> None:
    ledger = Ledger.of(history)
    starts = [event for event in history if isinstance(event, events.Triggered)]
    assert all(ledger.holds(event) for event in starts)
    assert all(event.flow_instance_id in ledger.records[event.run].instances for event in starts)


@given(histories(), histories())
def test_a_run_that_was_started_stays_started(first: list[Event], more: list[Event]) -> None:
    before = Ledger.of(first)
    ledger = before
    for event in more:
        try:
            ledger = ledger.with_events([event])
        except LedgerError:  # the second history may contradict the first
            continue
    for run, record in before.records.items():
        if record.phase in STARTED:
            assert ledger.records[run].phase in STARTED
            instances = ledger.records[run].instances
            assert set(record.instances) <= set(instances)
            if not any(isinstance(event, events.Resolved) for event in more):
                assert instances[: len(record.instances)] == record.instances


@given(histories(), st.sampled_from([an_absent, an_unknown, a_rejected]))
def test_an_outcome_of_an_older_claim_changes_nothing(history: list[Event], outcome: type) -> None:
    ledger = Ledger.of(history)
    for run in RUNS:
        record = ledger.records.get(run.id)
        older = [
            claim.claim
            for claim in ledger.claims.values()
            if run.id in claim.runs and record is not None and claim.claim != record.claim
        ]
        for claim in older:
            event = outcome(run, claim)
            assert ledger.with_events([event]).records == ledger.records
            assert ledger.holds(event)


@given(histories())
def test_a_run_is_pending_or_rejected_only_by_the_newest_claims_own_outcome(
    history: list[Event],
) -> None:
    ledger = Ledger.of(history)
    for run, its_state in states(ledger).items():
        mine = [event for event in history if event_is_about(event, run)]
        newest = max(
            (index for index, event in enumerate(mine) if isinstance(event, events.Claim)),
            default=-1,
        )
        settled = any(
            isinstance(event, events.Absent | events.Rejected | events.Resolved)
            for event in mine[newest + 1 :]
        )
        if its_state in {RunState.PENDING, RunState.REJECTED}:
            assert settled


def event_is_about(event: Event, run: str) -> bool:
    return run in event.runs if isinstance(event, events.Claim) else event.run == run


@given(histories())
def test_no_time_makes_a_run_startable(history: list[Event]) -> None:
    for record in Ledger.of(history).records.values():
        free = {RunState.PENDING, RunState.REJECTED}
        assert (record.state(EpochMs(0)) in free) is (record.state(LATER) in free)
        assert record.may_have_started is (record.state(LATER) not in free)


def test_every_phase_is_sorted_into_those_that_may_have_started() -> None:
    assert set(Phase) - MAY_HAVE_STARTED == {Phase.ABSENT, Phase.REJECTED}
    assert STARTED < MAY_HAVE_STARTED


def test_a_ledger_holds_a_claim_by_its_nonce_alone() -> None:
    ledger = a_ledger(a_claim(RUN, claim="c1"))
    assert ledger.holds(a_claim(claim="c1"))
    assert not ledger.holds(a_claim(RUN, claim="c2"))


def test_a_ledger_does_not_hold_news_of_a_run_that_it_does_not_know() -> None:
    assert not a_ledger().holds(an_absent(RUN))
    assert not a_ledger().holds(a_triggered(RUN))


def test_a_record_of_a_start_has_the_digest_that_the_wire_carried() -> None:
    started = a_triggered(RUN, digest=a_digest("d"))
    assert a_ledger(a_claim(RUN), started).records[RUN.id].digest == a_digest("d")


def test_a_claim_over_one_that_has_no_outcome_is_two_histories_merged() -> None:
    run = RUNS[0]
    for open_ in ([a_claim(run)], [a_claim(run), an_unknown(run)]):
        with pytest.raises(LedgerError, match="two histories were merged"):
            Ledger.of([*open_, a_claim(run, claim="c2")])


def test_a_decision_about_an_older_claim_decides_nothing_about_the_newest() -> None:
    run = RUNS[0]
    claimed_again = Ledger.of([a_claim(run), an_absent(run), a_claim(run, claim="c2")])
    judged = msgspec.structs.replace(a_resolved(run), claim=Nonce("c1"))
    assert claimed_again.with_events([judged]).records == claimed_again.records


def test_an_adopted_run_is_started_under_no_claim_that_could_tell_its_age() -> None:
    histories_before: list[list[Event]] = [
        [],
        [a_claim(RUN), an_absent(RUN)],
        [a_claim(RUN), a_rejected(RUN)],
    ]
    for before in histories_before:
        record = Ledger.of([*before, an_adopted(RUN)]).records[RUN.id]
        assert (record.state(NOW), record.instances) == (RunState.TRIGGERED, ("3377-1",))
        assert record.evidence == {
            "adoptedBy": "Ana Lima <ana@example.com>",
            "reason": "the gateway was down",
        }
        assert record.is_by_hand(record.claim)
        assert not record.starts[0].is_from_an_answer


def test_an_adoption_stands_for_a_claim_with_its_service_and_stagger() -> None:
    moved = RUN.but(delay=60_000)
    ledger = Ledger.of([an_adopted(moved)])
    assert stagger_of(ledger.claims, ledger.records[RUN.id].claim, RUN.id) == 60_000
    assert [one.org_id for one in services_of(ledger)] == ["o1"]


def test_a_claim_does_not_undo_an_adoption_and_a_second_start_beside_it_is_said() -> None:
    adopted = Ledger.of([an_adopted(RUN)])
    assert adopted.with_events([a_claim(RUN)]).records == adopted.records
    assert adopted.with_events([an_adopted(RUN, claim="a2")]).records == adopted.records
    twice = adopted.with_events([a_claim(RUN), a_triggered(RUN, "3377-2")]).records[RUN.id]
    assert twice.started_twice
    assert twice.error == "started twice: as 3377-1 under claim a1 and as 3377-2 under claim c1"
    other = Ledger.of([a_claim(RUN), a_triggered(RUN, "3377-2"), an_adopted(RUN)])
    assert other.records[RUN.id].started_twice


def test_an_adoption_over_a_claim_without_an_outcome_is_two_histories_merged() -> None:
    with pytest.raises(LedgerError, match="`adopted` for wind, whose claim c1 had no outcome"):
        Ledger.of([a_claim(RUN), an_adopted(RUN)])


def test_an_unknown_that_an_absent_has_followed_is_not_missing() -> None:
    run = RUNS[0]
    both: list[Event] = [an_unknown(run), an_absent(run)]
    recorded = Ledger.of([a_claim(run), *both])
    assert recorded.missing(both) == []
    assert Ledger.of([a_claim(run)]).missing(both) == both
