"""`retry`: which attempt is the newest, whether another follows, and that there is an end to it."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.ledger import Ledger, RunState
from reconciler.model import Retry, Run
from reconciler.plan import Action, PlannedRun, make_plan
from reconciler.plan.prerequisites import newest_attempt, wants_another_attempt
from tests.building import (
    NOW,
    a_claim,
    a_rejected,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_observed,
    an_unknown,
    declared,
)

LATER = after(NOW, 86_400_000)
BAD_ENDS = ("FAIL", "TIMEOUT", "CANCEL", "INTERNAL_ERROR", "SKIP")
ENDS = ("SUCCESS", *BAD_ENDS, "NOT_FOUND")
NO_ENDS = ("claimed", "unknown", "absent", "rejected", "triggered", "RUNNING")

some_ends = st.sampled_from(
    [frozenset(BAD_ENDS), frozenset({"FAIL", "TIMEOUT"}), frozenset({"SKIP"})]
)
retries = st.none() | st.builds(Retry, max=st.integers(1, 3), on=some_ends)
names = st.sampled_from(["wind", "wind-2", "bf/2024-03-01/S=a"])
runs = st.builds(
    lambda name, revision, retry: a_run(name, revision=revision, retry=retry),
    names,
    st.integers(1, 3),
    retries,
)
bad_ends = st.lists(st.sampled_from(["FAIL", *BAD_ENDS]), max_size=4)
fates = bad_ends | st.builds(
    lambda ended, last: [*ended, last], bad_ends, st.sampled_from([*NO_ENDS, *ENDS])
)


def recorded(ledger: Ledger, run: Run, fate: str) -> Ledger:
    """The ledger once that has become of the attempt."""
    claim = f"claim {ledger.length}"
    ledger = ledger.with_events([a_claim(run, claim=claim)])
    match fate:
        case "claimed":
            return ledger
        case "unknown":
            return ledger.with_events([an_unknown(run, claim)])
        case "absent":
            return ledger.with_events([an_absent(run, claim)])
        case "rejected":
            return ledger.with_events([a_rejected(run, claim)])
        case "triggered":
            return ledger.with_events([a_triggered(run, f"i-{run.id}", claim)])
        case _:
            triggered = a_triggered(run, f"i-{run.id}", claim)
            return ledger.with_events([triggered, an_observed(run, fate)])


def history(run: Run, fates: Sequence[str]) -> Ledger:
    """The ledger of that many attempts."""
    ledger = Ledger.of([])
    for number, fate in enumerate(fates, start=1):
        ledger = recorded(ledger, run.but(attempt=number), fate)
    return ledger


def plan_of(run: Run, ledger: Ledger) -> PlannedRun:
    """The plan of the run's newest attempt, or of the one that follows it."""
    plan = make_plan(
        declared(run), ledger, LATER, environment="prod", commit=None, same_minute_allowed=False
    )
    (planned,) = [one for one in plan.runs if one.run is not None]
    return planned


def counted(fates: Sequence[str]) -> Sequence[str]:
    """The attempts that count: a further one that was certainly not started is to be made yet."""
    return fates[:-1] if len(fates) > 1 and fates[-1] in {"absent", "rejected"} else fates


@given(runs, fates)
def test_the_newest_attempt_is_the_last_that_may_have_started(
    run: Run, fates: Sequence[str]
) -> None:
    newest = newest_attempt(run, history(run, fates))
    assert newest.attempt == max(len(counted(fates)), 1)
    if fates:
        assert newest.record is not None
        assert newest.record.run == run.but(attempt=len(counted(fates))).id
    else:
        assert newest.record is None
        assert newest.state is None


@given(runs, runs, fates)
def test_attempts_of_other_runs_and_revisions_are_none_of_this_one(
    run: Run, other: Run, fates: Sequence[str]
) -> None:
    newest = newest_attempt(run, history(other, fates))
    assert (newest.record is None) is (run.id != other.id or not fates)


@given(runs, fates, st.booleans())
def test_another_attempt_follows_a_wanted_end_while_any_is_left(
    run: Run, fates: Sequence[str], cancel: bool
) -> None:
    run, made = run.but(cancel=cancel), counted(fates)
    wanted = run.retry is not None and not cancel and len(made) <= run.retry.max
    expected = bool(wanted and made and run.retry and made[-1] in run.retry.on)
    newest = newest_attempt(run, history(run, fates))
    assert wants_another_attempt(run, newest) is expected


@given(runs, fates)
def test_the_plan_starts_the_attempt_that_follows_and_no_other(
    run: Run, fates: Sequence[str]
) -> None:
    ledger, made = history(run, fates), counted(fates)
    planned = plan_of(run, ledger)
    follows = wants_another_attempt(run, newest_attempt(run, ledger))
    unstarted = not made or made[-1] in {"absent", "rejected"}
    attempt = len(made) + 1 if follows else max(len(made), 1)
    assert planned.id == run.but(attempt=attempt).id
    assert (planned.action is Action.START) is (follows or unstarted)


@given(runs, st.lists(st.sampled_from([*ENDS, "absent", "rejected"]), min_size=12, max_size=12))
def test_there_is_an_end_to_it(run: Run, coming: Sequence[str]) -> None:
    """Whatever each start comes to: one attempt at a time, and only as many as are wanted."""
    ledger, started = Ledger.of([]), list[str]()
    for fate in coming:
        planned = plan_of(run, ledger)
        if planned.action is not Action.START or planned.run is None:
            break
        ledger = recorded(ledger, planned.run, fate)
        if fate in ENDS:
            started.append(fate)
            assert planned.run.attempt == len(started)
    most = 1 + (run.retry.max if run.retry else 0)
    assert len(started) <= most
    assert all(run.retry and before in run.retry.on for before, _ in pairwise(started))


def test_an_attempt_carries_the_same_and_says_which_it_is() -> None:
    run = a_run(retry=Retry(max=2, on=frozenset({"FAIL"})))
    planned = plan_of(run, history(run, ["FAIL", "FAIL"]))
    assert planned.id == "wind#3"
    assert planned.reason.startswith("attempt 3 of 3, because the one before ended with FAIL; ")
    assert planned.digest == run.digest
    assert planned.trigger_time == run.trigger_time


@pytest.mark.parametrize("fate", ["RERUN", "RUNNING", "triggered", "unknown", "claimed"])
def test_nothing_follows_what_has_not_ended(fate: str) -> None:
    run = a_run(retry=Retry(max=2, on=frozenset(BAD_ENDS)))
    newest = newest_attempt(run, history(run, [fate]))
    assert newest.state is not RunState.FAILED
    assert not wants_another_attempt(run, newest)


def test_nothing_follows_what_was_called_off() -> None:
    run = a_run(retry=Retry(max=2, on=frozenset(BAD_ENDS)))
    ledger = history(run, ["CANCEL"])
    assert plan_of(run, ledger).id == "wind#2"
    assert plan_of(run.but(cancel=True), ledger).action is Action.DONE


def test_an_instance_that_was_run_again_in_the_service_needs_no_other_attempt() -> None:
    run = a_run(retry=Retry(max=2, on=frozenset({"FAIL"})))
    ledger = history(run, ["FAIL"]).with_events([an_observed(run, "SUCCESS")])
    assert plan_of(run, ledger).action is Action.DONE


@pytest.mark.parametrize("in_vain", ["absent", "rejected"])
def test_an_attempt_that_was_made_in_vain_is_made_again_only_if_it_is_still_wanted(
    in_vain: str,
) -> None:
    run = a_run(retry=Retry(max=1, on=frozenset({"FAIL"})))
    ledger = history(run, ["FAIL", in_vain])
    again = plan_of(run, ledger)
    assert (again.id, again.action) == ("wind#2", Action.START)
    assert again.record is ledger.records[again.id]
    assert again.reason.startswith("refused before") is (in_vain == "rejected")
    for no_longer in (
        plan_of(run, ledger.with_events([an_observed(run, "SUCCESS")])),
        plan_of(run.but(retry=None), ledger),
        plan_of(run.but(cancel=True), ledger),
    ):
        assert (no_longer.id, no_longer.action) == ("wind", Action.DONE)
