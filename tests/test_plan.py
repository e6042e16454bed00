"""The plan: every run once, with an action that can never start anything twice."""

import hashlib
import json
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.identity import Surroundings
from reconciler.ledger import Event, Ledger, RunState
from reconciler.model import EpochMs, Problem, Retry, Run, run_name
from reconciler.plan import Action, Plan, make, make_plan
from reconciler.plan.values import FullPlanned
from tests.building import (
    CLAIM_MS,
    EIGHT,
    NOW,
    a_claim,
    a_digest,
    a_ledger,
    a_problem,
    a_rejected,
    a_resolved,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_observed,
    an_unknown,
    declared,
    runs_apart,
)
from tests.ledger.histories import LATER, histories
from tests.sampling import examples

EMPTY = a_ledger()
OTHER = (("REPLACE", "other"),)
MINUTE = 60_000


def planned(
    *runs: Run,
    ledger: Ledger = EMPTY,
    now: EpochMs = LATER,
    problems: tuple[Problem, ...] = (),
    same_minute_allowed: bool = False,
) -> Plan:
    return make_plan(
        declared(*runs, problems=problems),
        ledger,
        now,
        environment="prod",
        commit=None,
        same_minute_allowed=same_minute_allowed,
    )


def actions(plan: Plan) -> dict[str, Action]:
    return {run.id: run.action for run in plan.runs}


def reason(plan: Plan, run: str) -> str:
    return next(planned.reason for planned in plan.runs if planned.id == run)


# One run


def succeeded(run: Run, claim: str = "c1", instance: str = "3377-1") -> list[Event]:
    return [a_claim(run, claim=claim), a_triggered(run, instance, claim), an_observed(run, 1)]


RETRIED = a_run(retry=Retry(max=2, on=frozenset({"FAILURE"})))
SECOND = RETRIED.but(attempt=2)


@pytest.mark.parametrize(
    ("runs", "recorded", "action"),
    [
        ([a_run()], succeeded(a_run()), Action.DONE),
        ([a_run(suspend=True, cancel=True)], succeeded(a_run()), Action.DONE),
        ([a_run(parameters=OTHER)], succeeded(a_run()), Action.CHANGED),
        ([a_run("a"), a_run("b")], succeeded(a_run("a")), Action.DUPLICATE),
        ([a_run()], [*succeeded(a_run()), a_triggered(a_run(), "3377-2", "c2")], Action.DONE),
        ([a_run(revision=2)], succeeded(a_run()), Action.START),
        ([RETRIED], succeeded(RETRIED), Action.DONE),
        (
            [RETRIED],
            [
                *(a_claim(RETRIED), a_triggered(RETRIED), an_observed(RETRIED, -1)),
                *(a_claim(SECOND, claim="c2"), an_observed(RETRIED, 1)),
            ],
            Action.RESOLVE,
        ),
    ],
)
def test_a_run_that_has_succeeded_is_planned_as_if_all_had_been_asked_about_it(
    runs: list[Run], recorded: list[Event], action: Action
) -> None:
    ledger = a_ledger(*recorded)
    found = planned(*runs, ledger=ledger)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "_succeeded_run", lambda *_: None)
        expected = planned(*runs, ledger=ledger)
    assert found == expected
    assert action in actions(found).values()
    for one, other in zip(found.runs, expected.runs, strict=True):
        said = {name: getattr(one, name) for name in FullPlanned.__struct_fields__}
        assert said == {name: getattr(other, name) for name in said}


@pytest.mark.parametrize(
    ("recorded", "action"),
    [
        ([], Action.START),
        ([a_claim(a_run())], Action.RESOLVE),
        ([a_claim(a_run()), an_unknown(a_run())], Action.RESOLVE),
        ([a_claim(a_run()), an_absent(a_run())], Action.START),
        ([a_claim(a_run()), a_resolved(a_run())], Action.START),
        ([a_claim(a_run()), a_rejected(a_run())], Action.START),
        ([a_claim(a_run()), a_triggered(a_run())], Action.DONE),
        ([a_claim(a_run()), a_resolved(a_run(), "3377-1")], Action.DONE),
        ([a_claim(a_run()), a_triggered(a_run()), an_observed(a_run(), 1)], Action.DONE),
        ([a_claim(a_run()), a_triggered(a_run()), an_observed(a_run(), -1)], Action.DONE),
    ],
)
def test_what_is_recorded_of_a_run_decides_on_its_action(
    recorded: list[Event], action: Action
) -> None:
    assert actions(planned(a_run(), ledger=a_ledger(*recorded))) == {"wind": action}


def test_a_run_under_a_live_claim_is_left_alone_and_says_whose_it_is() -> None:
    plan = planned(a_run(), ledger=a_ledger(a_claim(a_run())), now=after(NOW, CLAIM_MS - 1))
    assert actions(plan) == {"wind": Action.HOLD}
    assert reason(plan, "wind") == ("claimed by ana@ops-1 pid 4711 until 2024-03-02T04:02:00.000Z")


def test_a_suspended_run_waits() -> None:
    plan = planned(a_run(suspend=True))
    assert actions(plan) == {"wind": Action.WAIT}
    assert reason(plan, "wind") == "suspended"


@pytest.mark.parametrize(
    ("late", "action"), [(-1, Action.START), (0, Action.START), (1, Action.WAIT)]
)
def test_a_run_is_missed_once_its_last_moment_has_passed(late: int, action: Action) -> None:
    plan = planned(a_run(not_after=NOW), now=after(NOW, late))
    assert actions(plan) == {"wind": action}
    assert reason(plan, "wind").startswith("missed") is (action is Action.WAIT)


def test_a_run_whose_time_lies_ahead_is_handed_to_the_service_now() -> None:
    plan = planned(a_run(), now=EpochMs(EIGHT - 1))
    assert actions(plan) == {"wind": Action.START}
    assert reason(plan, "wind") == "an apply hands it over, and the service starts it at its time"


def test_a_refused_run_is_tried_again_and_says_why_it_was_refused() -> None:
    ledger = a_ledger(a_claim(a_run()), a_rejected(a_run()))
    assert reason(planned(a_run(), ledger=ledger), "wind").startswith(
        "refused before (62103: user has no privilege); "
    )


def test_a_run_that_was_started_twice_says_so() -> None:
    ledger = a_ledger(a_claim(a_run()), a_triggered(a_run(), "1"), a_triggered(a_run(), "2"))
    plan = planned(a_run(), ledger=ledger)
    assert actions(plan) == {"wind": Action.DONE}
    assert reason(plan, "wind") == "started twice: as 1 under claim c1 and as 2 under claim c1"


def test_a_revision_of_two_thousand_million_is_planned_at_once() -> None:
    assert actions(planned(a_run(revision=2**31 - 1))) == {f"wind@{2**31 - 1}": Action.START}


# Runs that are not declared any more


def test_a_started_run_that_is_not_declared_any_more_is_orphaned() -> None:
    plan = planned(ledger=a_ledger(a_claim(a_run()), a_triggered(a_run())))
    assert actions(plan) == {"wind": Action.ORPHANED}
    assert (plan.runs[0].place, plan.runs[0].run, plan.runs[0].instance) == (None, None, "3377-1")


def test_a_run_in_doubt_is_looked_for_also_when_it_is_not_declared_any_more() -> None:
    ledger = a_ledger(a_claim(a_run()))
    assert actions(planned(ledger=ledger)) == {"wind": Action.RESOLVE}
    assert actions(planned(ledger=ledger, now=NOW)) == {"wind": Action.HOLD}


def test_a_run_that_was_never_started_leaves_nothing_behind_when_it_is_removed() -> None:
    ledger = a_ledger(a_claim(a_run()), an_absent(a_run()))
    assert planned(ledger=ledger).runs == ()


def test_the_started_past_of_a_raised_run_is_no_orphan() -> None:
    ledger = a_ledger(a_claim(a_run()), a_triggered(a_run()))
    assert actions(planned(a_run(revision=2), ledger=ledger)) == {"wind@2": Action.START}


# Runs that could be taken for each other


def test_a_revision_waits_while_an_earlier_one_is_in_doubt() -> None:
    ledger = a_ledger(a_claim(a_run()))
    plan = planned(a_run(revision=2, parameters=OTHER), ledger=ledger)
    assert actions(plan) == {"wind": Action.RESOLVE, "wind@2": Action.WAIT}
    assert reason(plan, "wind@2") == "waits for wind, whose outcome is not known yet"


def test_a_revision_that_was_lowered_is_a_problem_once_the_later_one_may_have_started() -> None:
    ledger = a_ledger(a_claim(a_run(revision=2)))
    plan = planned(a_run(), ledger=ledger)
    assert actions(plan) == {"wind": Action.CHANGED, "wind@2": Action.RESOLVE}
    (problem,) = plan.problems
    assert "write `revision: 2` again, or `revision: 3`" in problem.message
    both = a_ledger(a_claim(a_run()), a_triggered(a_run()), a_claim(a_run(revision=2), claim="c2"))
    assert planned(a_run(), ledger=both).problems == ()


def test_a_declared_duplicate_waits_for_its_original() -> None:
    first, second = a_run("b-first"), a_run("a-second", duplicate_of="b-first")
    plan = planned(second, first)
    assert actions(plan) == {"b-first": Action.START, "a-second": Action.WAIT}
    assert reason(plan, "a-second") == "waits for b-first"
    done = a_ledger(a_claim(first), a_triggered(first))
    assert actions(planned(second, first, ledger=done))["a-second"] is Action.START


def test_a_declared_duplicate_waits_while_any_revision_of_its_original_is_in_doubt() -> None:
    first = a_run("first", revision=2)
    second = a_run("second", duplicate_of="first")
    plan = planned(first, second, ledger=a_ledger(a_claim(first)))
    assert actions(plan) == {"first@2": Action.RESOLVE, "second": Action.WAIT}


def test_a_declared_duplicate_waits_while_another_one_is_in_doubt() -> None:
    first = a_run("first")
    second, third = (a_run(name, duplicate_of="first") for name in ("second", "third"))
    ledger = a_ledger(a_claim(first, second), a_triggered(first))
    plan = planned(first, second, third, ledger=ledger)
    assert actions(plan) == {
        "first": Action.DONE,
        "second": Action.RESOLVE,
        "third": Action.WAIT,
    }


def test_an_original_waits_while_its_declared_duplicate_is_in_doubt() -> None:
    first, second = a_run("first"), a_run("second", duplicate_of="first")
    ledger = a_ledger(a_claim(second))
    plan = planned(first, second, ledger=ledger)
    assert actions(plan) == {"first": Action.WAIT, "second": Action.RESOLVE}


def beside(ledger: Ledger, *others: Run) -> Surroundings:
    """Another environment that declares these runs and has recorded that."""
    return Surroundings(declared={"b": others}, elsewhere={"state/b": ledger})


def planned_beside(run: Run, surroundings: Surroundings) -> Plan:
    return make_plan(
        declared(run),
        a_ledger(),
        NOW,
        environment="a",
        commit=None,
        same_minute_allowed=False,
        surroundings=surroundings,
    )


def test_a_declared_duplicate_waits_for_an_original_that_another_environment_has_in_doubt() -> None:
    first, second = a_run("first"), a_run("second", duplicate_of="first")
    for doubtful in (first, first.but(revision=2, digest=a_digest("d"))):
        around = beside(a_ledger(a_claim(doubtful), an_unknown(doubtful)), first)
        plan = planned_beside(second, around)
        assert actions(plan) == {"second": Action.WAIT}
        assert f"waits for {doubtful.id}, whose outcome" in reason(plan, "second")
    done = beside(a_ledger(a_claim(first), a_triggered(first)), first)
    assert actions(planned_beside(second, done)) == {"second": Action.START}


def test_an_original_waits_while_its_duplicate_in_another_environment_is_in_doubt() -> None:
    second = a_run("second", duplicate_of="first")
    plan = planned_beside(a_run("first"), beside(a_ledger(a_claim(second)), second))
    assert actions(plan) == {"first": Action.WAIT}


def test_a_run_in_doubt_of_the_same_name_in_another_environment_is_not_waited_for() -> None:
    other = a_run("wind", flow_id=1)
    plan = planned_beside(a_run("wind"), beside(a_ledger(a_claim(other)), other))
    assert actions(plan) == {"wind": Action.START}


def test_a_declared_duplicate_waits_for_an_original_that_another_environment_is_to_start() -> None:
    first, second = a_run("first"), a_run("second", duplicate_of="first")
    plan = planned_beside(second, beside(a_ledger(), first))
    assert actions(plan) == {"second": Action.WAIT}
    assert reason(plan, "second") == "waits for first, which environment b has not started yet"
    held = (
        {"suspend": True},
        {"cancel": True},
        {"not_after": EIGHT},
        {"depends_on": ("x",)},
        {"after": "x"},
    )
    for change in held:
        around = beside(a_ledger(), first.but(**change))
        assert actions(planned_beside(second, around)) == {"second": Action.START}


# Rules


def test_a_changed_run_is_changed_and_blocks_the_others() -> None:
    ledger = a_ledger(a_claim(a_run()), a_triggered(a_run()))
    fresh = a_run("fresh", flow_id=1)
    plan = planned(a_run(parameters=OTHER), fresh, ledger=ledger)
    assert actions(plan) == {"wind": Action.CHANGED, "fresh": Action.WAIT}
    assert reason(plan, "fresh") == "nothing starts while a manifest has a problem"


def test_duplicates_are_duplicates() -> None:
    plan = planned(a_run("one"), a_run("two"), a_run("three", flow_id=1))
    assert actions(plan) == {
        "one": Action.DUPLICATE,
        "two": Action.DUPLICATE,
        "three": Action.WAIT,
    }


def test_colliding_runs_wait_unless_the_gateway_copes() -> None:
    pair = a_run("one"), a_run("two", parameters=OTHER)
    assert set(actions(planned(*pair)).values()) == {Action.WAIT}
    assert len(planned(*pair).problems) == 2
    allowed = planned(*pair, same_minute_allowed=True)
    assert set(actions(allowed).values()) == {Action.START}


def test_a_problem_of_a_manifest_stops_every_start_but_hides_nothing_else() -> None:
    done, doubted, fresh = runs_apart(3)
    ledger = a_ledger(a_claim(done, doubted), a_triggered(done))
    plan = planned(done, doubted, fresh, ledger=ledger, problems=(a_problem(),))
    assert actions(plan) == {
        "run-0": Action.DONE,
        "run-1": Action.RESOLVE,
        "run-2": Action.WAIT,
    }
    assert plan.problems == (a_problem(),)


# The plan as a whole


def test_runs_come_in_order_of_trigger_time() -> None:
    runs = runs_apart(12)
    assert [run.id for run in planned(*reversed(runs)).runs] == [run.id for run in runs]


def test_the_summary_counts_the_actions_that_there_are() -> None:
    suspended = a_run("later", flow_id=9, suspend=True)
    plan = planned(*runs_apart(2), suspended)
    assert plan.summary == {"trigger": 2, "wait": 1}
    assert len(plan.runs_of_action(Action.START)) == 2


@pytest.mark.parametrize(
    ("recorded", "work"),
    [([], True), ([a_claim(a_run())], True), ([a_claim(a_run()), a_triggered(a_run())], False)],
)
def test_there_is_work_while_a_run_is_to_be_started_or_looked_for(
    recorded: list[Event], work: bool
) -> None:
    assert planned(a_run(), ledger=a_ledger(*recorded)).has_work is work


def test_the_digest_changes_with_the_work_and_with_nothing_else() -> None:
    base = planned(a_run())
    assert msgspec.structs.replace(base, at=NOW, commit="c" * 40).digest == base.digest
    ours = msgspec.structs.replace(base, environment='prüf "1"')
    content = [ours.environment, [[a.id, a.action, a.digest, a.trigger_time] for a in ours.runs]]
    assert ours.digest == hashlib.sha256(json.dumps(content).encode()).hexdigest()
    different = [
        planned(a_run(parameters=OTHER)),
        planned(a_run("other")),
        planned(a_run(suspend=True)),
        planned(a_run(), a_run("more", flow_id=1)),
        msgspec.structs.replace(base, environment="test"),
    ]
    assert len({base.digest, *(plan.digest for plan in different)}) == 6


# Any manifests over any ledger


# Few names, times and parameters, so that runs often clash with each other and with the recorded.
_TIMES = (EIGHT, EIGHT, after(EIGHT, 1), after(EIGHT, MINUTE))
RECORDED = (
    a_run("one"),
    a_run("two"),
    a_run("three"),
    a_run("one", revision=2),
    a_run("two", trigger_time=after(EIGHT, MINUTE)),
)


@st.composite
def declarations(draw: st.DrawFn) -> list[Run]:
    """Manifests, each name once."""
    names = draw(st.lists(st.sampled_from(["one", "two", "three", "new"]), unique=True))
    return [
        a_run(
            name,
            revision=draw(st.sampled_from([1, 1, 1, 2])),
            trigger_time=draw(st.sampled_from(_TIMES)),
            parameters=draw(st.sampled_from([a_run().parameters, a_run().parameters, OTHER])),
            suspend=draw(st.sampled_from([False, False, False, True])),
            not_after=draw(st.sampled_from([None, None, None, NOW])),
            duplicate_of=draw(st.sampled_from([None, None, "one", "two", "three"])),
        )
        for name in names
    ]


times = st.sampled_from([NOW, after(NOW, CLAIM_MS), LATER])
problem_sets = st.sampled_from([(), (), (a_problem(),)])


@examples(500)
@given(declarations(), histories(longest=6, runs=RECORDED), times, problem_sets, st.booleans())
def test_every_plan_keeps_the_promise(
    runs: list[Run],
    history: list[Event],
    now: EpochMs,
    problems: tuple[Problem, ...],
    allowed: bool,
) -> None:
    ledger = Ledger.of(history)
    plan = planned(*runs, ledger=ledger, now=now, problems=problems, same_minute_allowed=allowed)
    triggers = plan.runs_of_action(Action.START)
    # Each declared run is there once, and so is whatever else may have been started.
    ids = [run.id for run in plan.runs]
    assert len(set(ids)) == len(ids)
    assert sorted(run.id for run in plan.runs if run.run) == sorted(run.id for run in runs)
    unsettled = {
        id_
        for id_, record in ledger.records.items()
        if record.state(now) in {RunState.CLAIMED, RunState.IN_DOUBT}
    }
    assert unsettled <= set(ids)
    # Nothing starts that may have been started, nor while anything is wrong.
    for run in triggers:
        record = ledger.records.get(run.id)
        assert run.run is not None
        assert not run.run.suspend
        assert record is None or not record.may_have_started
    assert not (plan.problems and triggers)
    # No two starts, and no start and doubt, whose instances could not be told apart.
    digests = [run.digest for run in triggers]
    assert len(set(digests)) == len(digests)
    assert not {ledger.records[id_].digest for id_ in unsettled} & set(digests)
    # What was started under a name that does not declare it any more starts again only by leave.
    for run in triggers:
        assert run.run is not None
        twins = {one.name for one in runs if one.digest == run.digest}
        gone = {
            run_name(id_)
            for id_, record in ledger.records.items()
            if record.may_have_started and record.digest == run.digest
        } - twins
        assert not gone or run.run.duplicate_of in gone


@given(declarations(), histories(longest=6, runs=RECORDED), st.randoms())
def test_the_order_in_which_manifests_are_read_decides_nothing(
    runs: list[Run], history: list[Event], random: Random
) -> None:
    ledger = Ledger.of(history)
    shuffled = list(runs)
    random.shuffle(shuffled)
    one, other = planned(*runs, ledger=ledger), planned(*shuffled, ledger=ledger)
    assert actions(one) == actions(other)
    assert [run.id for run in one.runs] == [run.id for run in other.runs]
    assert one.digest == other.digest


@given(declarations(), histories(longest=6, runs=RECORDED))
def test_planning_changes_neither_what_is_declared_nor_the_ledger(
    runs: list[Run], history: list[Event]
) -> None:
    ledger = Ledger.of(history)
    records, claims = dict(ledger.records), dict(ledger.claims)
    first = planned(*runs, ledger=ledger)
    assert planned(*runs, ledger=ledger) == first
    assert (ledger.records, ledger.claims) == (records, claims)


@given(declarations(), histories(longest=6, runs=RECORDED))
def test_a_run_that_was_triggered_is_never_triggered_again(
    runs: list[Run], history: list[Event]
) -> None:
    ledger = Ledger.of(history)
    first = planned(*runs, ledger=ledger, same_minute_allowed=True)
    starts = [run.run for run in first.runs_of_action(Action.START) if run.run]
    if not starts:
        return
    recorded = [a_triggered(run, f"new-{run.id}", "new") for run in starts]
    after_apply = ledger.with_events([a_claim(*starts, claim="new"), *recorded])
    again = planned(*runs, ledger=after_apply, same_minute_allowed=True)
    assert not {run.id for run in starts} & {run.id for run in again.runs_of_action(Action.START)}
