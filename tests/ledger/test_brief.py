"""Runs that went as they should, kept briefly: the same is known of them, in less memory."""

import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.ledger import Event, Ledger, read_events
from reconciler.ledger.brief import BriefRecord, ClaimedRuns
from reconciler.ledger.events import Claim, claimed_run
from reconciler.ledger.lines import encode_events
from reconciler.ledger.outcomes import with_outcome
from reconciler.ledger.records import STARTED, FullRecord, Phase, ledger_instant
from reconciler.model import Digest, EpochMs, Nonce, RunId
from tests.building import a_claim, a_digest, a_ledger, a_run, a_triggered, an_observed
from tests.ledger.histories import histories

RUN = a_run()


def folded_in_full(history: list[Event]) -> dict[RunId, FullRecord]:
    """What the events say of each run, each record kept in full."""
    records: dict[RunId, FullRecord] = {}
    claims: dict[Nonce, Claim] = {}
    for event in history:
        if not isinstance(event, Claim):
            records[event.run] = with_outcome(records.get(event.run), event, claims).full_value()
            continue
        claims[event.claim] = event
        for run, claimed in event.runs.items():
            if run not in records or records[run].phase not in STARTED:
                records[run] = FullRecord(
                    run=run,
                    phase=Phase.CLAIMED,
                    digest=claimed.digest,
                    trigger_time=claimed.trigger_time,
                    flow_id=claimed.flow_id,
                    claim=event.claim,
                    claimed_at=event.at,
                    until=ledger_instant(event.until),
                    overdue=records[run].overdue if run in records else (),
                )
    return records


@given(histories())
def test_what_is_kept_briefly_is_what_a_full_record_says(history: list[Event]) -> None:
    ledger = a_ledger(*history)
    full = folded_in_full(history)
    assert list(ledger.records) == list(full)
    for run, record in ledger.records.items():
        assert record.full_value() == full[run]
        assert record == full[run]
        assert hash(record.full_value()) == hash(record) if record.evidence is None else True
        for name in FullRecord.__struct_fields__:
            assert getattr(record, name) == getattr(full[run], name), name
        for name in ("instance", "instances", "triggered_at", "started_twice", "may_have_started"):
            assert getattr(record, name) == getattr(full[run], name), name


@given(histories(), st.data())
def test_and_so_it_is_whatever_event_comes_next(history: list[Event], data: st.DataObject) -> None:
    """Also one that no honest applier writes at that point."""
    outcomes = [one for one in data.draw(histories()) if not isinstance(one, Claim)]
    ledger = a_ledger(*history)
    for event in outcomes:
        record = ledger.records.get(event.run)
        if isinstance(record, BriefRecord):
            after = record.with_event(event)
            assert after is None or after.full_value() == with_outcome(record.full_value(), event)


@pytest.mark.parametrize("status", [1, "SUCCESS", "success"])
def test_a_run_that_was_claimed_started_and_has_succeeded_is_kept_briefly(
    status: int | str,
) -> None:
    ended = msgspec.structs.replace(an_observed(RUN, status), at="2024-03-02T09:00:00.001Z")
    story: list[Event] = [a_claim(RUN), a_triggered(RUN, "3377-1"), ended]
    for length in (1, 2, 3):
        assert isinstance(a_ledger(*story[:length]).records[RUN.id], BriefRecord)
    record = a_ledger(*story).records[RUN.id]
    assert (record.ended_at, record.instance) == (ended.at, "3377-1")
    assert record.triggered_at == a_triggered(RUN).at
    assert record == folded_in_full(story)[RUN.id]


@pytest.mark.parametrize(
    "odd",
    [
        {"digest": a_digest("b")},
        {"flow_id": 1},
        {"trigger_time": EpochMs(1)},
        {"inferred": True},
        {"evidence": {"found": []}},
        {"at": "2024-03-02T08:00:00Z"},
        {"claim": Nonce("c0")},
        {"claim": None},
    ],
    ids=str,
)
def test_a_start_that_says_more_than_the_claim_is_kept_whole(odd: dict[str, object]) -> None:
    event = msgspec.structs.replace(a_triggered(RUN), **odd)
    record = a_ledger(a_claim(RUN), event).records[RUN.id]
    assert isinstance(record, FullRecord)
    assert record == folded_in_full([a_claim(RUN), event])[RUN.id]


@pytest.mark.parametrize(
    "odd",
    [
        {"digest": Digest("short")},
        {"digest": Digest("0" * 65)},
        {"flow_id": None},
        {"flow_id": 1 << 64},
        {"trigger_time": EpochMs(1 << 64)},
        {"stagger": -(1 << 64)},
    ],
    ids=str,
)
def test_a_claim_that_has_no_place_in_columns_says_what_it_said(odd: dict[str, object]) -> None:
    runs = {RUN.id: msgspec.structs.replace(claimed_run(RUN), **odd)}
    claim = msgspec.structs.replace(a_claim(RUN), runs=runs)
    ledger = a_ledger(claim)
    assert ledger.claims[claim.claim].runs == runs
    record = ledger.records[RUN.id]
    assert (record.digest, record.flow_id) == (runs[RUN.id].digest, runs[RUN.id].flow_id)


def test_the_runs_of_a_claim_are_what_the_claim_said() -> None:
    runs = [a_run(name=f"r{number}", flow_id=number + 1) for number in range(3)]
    runs[1] = runs[1].but(delay=60_000)
    claim = a_claim(*runs)
    kept = a_ledger(claim).claims[claim.claim]
    assert isinstance(kept.runs, ClaimedRuns)
    assert dict(kept.runs) == claim.runs
    assert kept == claim
    assert list(kept.runs) == [run.id for run in runs]
    assert RunId("other") not in kept.runs


def test_a_run_that_has_ended_costs_few_bytes() -> None:
    """A run's id alone takes some 80 of them, its digest 64 and its times 48."""
    runs = [
        a_run(name=f"wind-march/2024-03-01/SITE=cn-{number:05d}", trigger_time=EpochMs(number))
        for number in range(4_000)
    ]
    story: list[Event] = [a_claim(*runs)]
    story += [a_triggered(run, f"3377-{number}") for number, run in enumerate(runs)]
    story += [an_observed(run, 1) for run in runs]
    files = {"ledger.jsonl": encode_events(story)}
    list(read_events({"ledger.jsonl": encode_events(story[:1])}, "state"))  # loads what reads
    del story
    tracemalloc.start()
    try:
        ledger = Ledger.of(read_events(files, "state"))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ledger.records) == len(runs)
    assert taken / len(runs) < 500
