"""`maxActive`, `maxActivePerFlow` and `stopAfter`: what a plan starts, and says of the rest."""

import pytest

from reconciler.ledger import Event, Ledger, events
from reconciler.model import EpochMs, Retry, Run
from reconciler.plan import Action, Plan, PlannedRun, Reason, make_plan
from reconciler.plan.limits import surplus
from reconciler.times import DAY_MS, format_instant
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_history,
    a_rejected,
    a_run,
    after,
    an_absent,
    an_observed,
    declared,
)

LATER = after(NOW, 3_600_000)


def a_backfill(name: str = "b", number: int = 4, **more: object) -> list[Run]:
    """That many runs of one manifest, the first one earliest."""
    return [
        a_run(f"{name}/2024-03-0{day}", trigger_time=after(EIGHT, (day - 9) * DAY_MS), **more)
        for day in range(1, number + 1)
    ]


def a_plan(
    runs: list[Run], *recorded: Event, now: EpochMs = LATER, per_flow: int | None = None
) -> Plan:
    plan = make_plan(
        declared(*runs),
        Ledger.of(recorded),
        now,
        environment="prod",
        commit=None,
        same_minute_allowed=True,
        max_active_per_flow=per_flow,
    )
    assert plan.problems == ()  # which would start nothing either
    return plan


def starts(plan: Plan) -> list[str]:
    return [one.id.rpartition("-")[2] for one in plan.runs_of_action(Action.START)]


def waiting(plan: Plan) -> list[PlannedRun]:
    return [one for one in plan.runs if one.code is Reason.NO_ROOM]


# maxActive


def test_no_more_start_than_may_be_under_way() -> None:
    plan = a_plan(a_backfill(max_active=2))
    assert starts(plan) == ["01", "02"]
    assert {one.reason for one in waiting(plan)} == {
        "0 of 2 at most are under way, and 2 start now"
    }
    assert all(one.may_follow for one in waiting(plan))


@pytest.mark.parametrize("fate", ["claimed", "unknown", "triggered"])
def test_what_is_claimed_in_doubt_or_started_takes_a_place(fate: str) -> None:
    runs = a_backfill(max_active=2)
    plan = a_plan(runs, *a_history(runs[2], fate))
    assert starts(plan) == ["01"]
    assert [one.reason for one in waiting(plan)] == [
        "1 of 2 at most are under way, and 1 starts now"
    ] * 2
    assert waiting(plan)[0].behind == {"b/2024-03-03"}


@pytest.mark.parametrize("fate", ["absent", "rejected", "SUCCESS", "FAIL"])
def test_what_has_ended_or_was_not_started_takes_none(fate: str) -> None:
    runs = a_backfill(max_active=1)
    assert starts(a_plan(runs, *a_history(runs[3], fate))) == ["01"]


def test_an_attempt_needs_a_place_as_well_and_does_not_keep_that_of_the_one_before() -> None:
    runs = a_backfill(max_active=1, retry=Retry(max=1, on=frozenset({"FAIL"})))
    plan = a_plan(runs, *a_history(runs[0], "FAIL"))
    assert [one.id for one in plan.runs_of_action(Action.START)] == ["b/2024-03-01#2"]
    again = a_plan(runs, *a_history(runs[0], "FAIL", "triggered"))
    assert starts(again) == []


def test_what_ran_for_an_earlier_revision_or_is_left_out_by_now_takes_a_place() -> None:
    runs = a_backfill(max_active=1)
    revised = [run.but(revision=2) for run in runs]
    assert starts(a_plan(revised, *a_history(runs[0], "triggered"))) == []
    assert starts(a_plan(runs[1:], *a_history(runs[0], "triggered"))) == []


def test_what_ran_under_a_former_name_takes_a_place_unless_another_goes_on_with_it() -> None:
    old, new = a_backfill("old"), a_backfill("new", max_active=1, formerly=("old",), flow_id=9)
    assert starts(a_plan(new[1:], *a_history(old[0], "triggered"))) == []
    assert starts(a_plan([*new[1:], old[0]], *a_history(old[0], "triggered"))) == ["02"]


def test_each_manifest_has_places_of_its_own() -> None:
    one, other = a_backfill("a", 2, max_active=1), a_backfill("b", 2, max_active=1, flow_id=9)
    plan = a_plan([*one, *other], *a_history(one[0], "triggered"))
    assert [run.id for run in plan.runs_of_action(Action.START)] == ["b/2024-03-01"]


def test_what_the_service_refused_keeps_no_place_from_others() -> None:
    runs = a_backfill(max_active=1)
    plan = a_plan(runs, *a_history(runs[0], "rejected"))
    assert starts(plan) == ["02"]
    ended = [event for run in runs[1:] for event in a_history(run, "SUCCESS")]
    assert starts(a_plan(runs, *a_history(runs[0], "rejected"), *ended)) == ["01"]


def test_of_what_was_tried_before_the_longest_ago_comes_first() -> None:
    runs = a_backfill(max_active=1)
    tried = [
        event
        for minutes, run in ((3, runs[0]), (1, runs[1]), (2, runs[2]))
        for event in (
            a_claim(run, claim=f"c{minutes}", at=after(NOW, -minutes * 60_000)),
            a_rejected(run, f"c{minutes}") if minutes > 1 else an_absent(run, f"c{minutes}"),
        )
    ]
    others = [event for run in runs[3:] for event in a_history(run, "SUCCESS")]
    assert starts(a_plan(runs, *tried, *others)) == ["01"]
    again = a_claim(runs[0], claim="c4", at=NOW)
    assert starts(a_plan(runs, *tried, *others, again, a_rejected(runs[0], "c4"))) == ["03"]


def test_more_under_way_than_a_lowered_number_allows_start_nothing() -> None:
    runs = a_backfill(max_active=1)
    recorded = [event for run in runs[:3] for event in a_history(run, "triggered")]
    plan = a_plan(runs, *recorded)
    assert [one.reason for one in waiting(plan)] == ["3 of 1 at most are under way"]


def test_of_a_claim_that_lands_beside_another_the_last_ones_are_too_many() -> None:
    runs = a_backfill(max_active=2)
    ledger = Ledger.of([a_claim(*runs[:2], claim="c1"), a_claim(runs[2], claim="c2")])
    assert surplus(runs[:2], runs, ledger, None) == {"b/2024-03-02"}
    assert surplus(runs[2:3], runs, ledger, None) == {"b/2024-03-03"}
    assert surplus(runs[:2], runs, Ledger.of([a_claim(*runs[:2])]), None) == frozenset()
    assert len(surplus(runs[:2], runs, ledger, 1)) == 2


# maxActivePerFlow


def test_a_flow_has_no_more_under_way_than_the_environment_says() -> None:
    one, other = a_backfill("a", 2), a_backfill("b", 2, parameters=())
    single = a_run("single", flow_id=9)
    plan = a_plan([*one, *other, single], *a_history(other[1], "triggered"), per_flow=2)
    assert [run.id for run in plan.runs_of_action(Action.START)] == ["a/2024-03-01", "single"]
    assert {run.reason for run in waiting(plan)} == {
        "of flow 3377, 1 of 2 at most are under way, and 1 starts now"
    }


def test_a_run_that_finds_its_flow_full_takes_no_place_of_its_manifest() -> None:
    runs = [*a_backfill("a", 1), *a_backfill("b", 2, max_active=1, parameters=())]
    runs[-1] = runs[-1].but(flow_id=9)
    plan = a_plan(runs, *a_history(runs[0], "triggered"), per_flow=1)
    assert [run.id for run in plan.runs_of_action(Action.START)] == ["b/2024-03-02"]


# stopAfter


def failed(runs: list[Run], *numbers: int) -> list[Event]:
    return [event for number in numbers for event in a_history(runs[number], "FAIL")]


def test_after_so_many_failures_nothing_more_starts() -> None:
    runs = a_backfill(stop_after=2)
    assert starts(a_plan(runs, *failed(runs, 0))) == ["02", "03", "04"]
    plan = a_plan(runs, *failed(runs, 0, 1))
    stopped = [one for one in plan.runs if one.code is Reason.STOPPED]
    assert [one.id for one in stopped] == ["b/2024-03-03", "b/2024-03-04"]
    assert stopped[0].reason == (
        "stopped: 2 runs have failed, and stopAfter is 2: raise the number, or `revision` to run "
        "all of b again"
    )
    assert stopped[0].waits_for == ("b/2024-03-01", "b/2024-03-02")
    assert stopped[0].blocked


def test_raising_the_number_or_the_revision_goes_on() -> None:
    runs = a_backfill(stop_after=1)
    raised = [run.but(stop_after=2) for run in runs]
    assert starts(a_plan(raised, *failed(runs, 0))) == ["02", "03", "04"]
    revised = [run.but(revision=2) for run in runs]
    assert len(starts(a_plan(revised, *failed(runs, 0)))) == 4
    assert starts(a_plan(revised, *failed(runs, 0), *failed(revised, 0))) == []


def test_a_failure_that_is_tried_again_is_none_yet_and_no_other_attempt_starts_after_the_stop() -> (
    None
):
    runs = a_backfill(stop_after=1, retry=Retry(max=1, on=frozenset({"FAIL"})))
    assert starts(a_plan(runs, *a_history(runs[0], "FAIL")))[0] == "01#2"
    assert starts(a_plan(runs, *a_history(runs[0], "FAIL", "triggered"))) == ["02", "03", "04"]
    assert starts(a_plan(runs, *a_history(runs[0], "FAIL", "FAIL"), *failed(runs, 1))) == []
    assert starts(a_plan(runs, *a_history(runs[0], "TIMEOUT"))) == []


def test_what_failed_counts_though_it_is_left_out_by_now() -> None:
    runs = a_backfill(stop_after=1)
    assert starts(a_plan(runs[1:], *failed(runs, 0))) == []


def test_what_was_cancelled_by_its_manifest_is_no_failure() -> None:
    runs = a_backfill(stop_after=1)
    run, at = runs[0], format_instant(NOW)
    cancelled = events.Cancelled(v=events.VERSION, at=at, run=run.id, code=0)
    ended = [*a_history(run, "triggered"), cancelled, an_observed(run, "CANCEL")]
    assert starts(a_plan(runs, *ended)) == ["02", "03", "04"]


def test_what_depends_on_a_stopped_backfill_is_blocked() -> None:
    runs = a_backfill(stop_after=1)
    follower = a_run("report", depends_on=("b/2024-03-03",), flow_id=9)
    plan = a_plan([*runs, follower], *failed(runs, 0))
    (planned,) = [one for one in plan.runs if one.id == "report"]
    assert (planned.reason, planned.blocked) == ("blocked: b/2024-03-03 is stopped", True)
