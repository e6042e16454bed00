"""A saved plan is what is done, in every respect, or it is refused with what differs."""

import pytest

from reconciler.apply.checks import check_zone, is_as_saved, refuse_repeated_ids, refuse_stale
from reconciler.apply.ports import SavedRun
from reconciler.errors import RefusedError
from reconciler.model import EpochMs, Run
from reconciler.plan import Plan, make_plan
from reconciler.refused import InvalidManifestsError
from reconciler.times import parse_zone
from tests.apply.service import ENVIRONMENT
from tests.building import EIGHT, NOW, a_digest, a_ledger, a_problem, a_run, after, declared

ZONE = parse_zone("GMT+8")
RUN = a_run("wind")
OTHER = a_run("other", flow_id=1)
MINUTE = 60_000


def plan_of(*runs: Run) -> Plan:
    return make_plan(
        declared(*runs),
        a_ledger(),
        NOW,
        environment="prod",
        commit=None,
        same_minute_allowed=False,
    )


def saved(run: Run) -> SavedRun:
    return SavedRun(
        digest=run.digest,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        parameters=run.parameters,
    )


def refusal(before: Run, *now: Run) -> str:
    with pytest.raises(RefusedError) as caught:
        refuse_stale(plan_of(*now), {before.id: saved(before)}, ZONE)
    beginning = "the saved plan is stale: an apply would not start wind as planned: "
    assert str(caught.value).startswith(beginning)
    return str(caught.value).removeprefix(beginning)


def test_a_plan_that_still_holds_is_not_refused() -> None:
    refuse_stale(plan_of(RUN, OTHER), {RUN.id: saved(RUN)}, ZONE)


def test_a_run_whose_stagger_moved_it_is_not_started_as_saved() -> None:
    """Its digest is the same: the stagger is no part of it."""
    moved = RUN.but(trigger_time=after(EIGHT, MINUTE), delay=MINUTE)
    assert moved.digest == RUN.digest
    said = "triggerTime 2024-03-02T08:00:00+08:00 → 2024-03-02T08:01:00+08:00"
    assert refusal(RUN, moved) == said
    (planned,) = plan_of(moved).runs
    assert not is_as_saved(planned, saved(RUN))
    assert is_as_saved(planned, saved(moved))
    assert not is_as_saved(planned, None)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (a_run(flow_id=4), "flowId 3377 → 4"),
        (
            a_run(parameters=(("SITE", "é"),)),
            'parameters {"REPLACE": "ddee"} → {"SITE": "é"}',
        ),
        (RUN.but(suspend=True), "suspended"),
        (RUN.but(digest=a_digest("b")), "triggerTime before its stagger"),
        (OTHER, "it is no longer declared"),
    ],
)
def test_the_refusal_says_what_differs(now: Run, said: str) -> None:
    assert refusal(RUN, now) == said


def test_a_time_that_no_calendar_has_is_told_as_its_number() -> None:
    assert refusal(RUN.but(trigger_time=EpochMs(10**17)), RUN).startswith(
        f"triggerTime {10**17} ms"
    )


def test_further_runs_that_differ_are_counted() -> None:
    only = {one.id: saved(one) for one in (RUN, OTHER)}
    with pytest.raises(RefusedError, match=r"it is no longer declared \(and 1 more\)$"):
        refuse_stale(plan_of(), only, ZONE)


# The service's zone


@pytest.mark.parametrize("name", ["+08:00", "+8", "UTC+8", "GMT+08:00", "asia/shanghai", "PRC"])
def test_a_zone_by_another_name_is_the_same_zone(name: str) -> None:
    check_zone(name, ENVIRONMENT, NOW, [EIGHT])


def test_a_zone_of_another_offset_is_refused_whatever_its_name() -> None:
    with pytest.raises(
        RefusedError, match=r"'\+09:00' and environment prod .* not 08:00$"
    ) as caught:
        check_zone("+09:00", ENVIRONMENT, EIGHT, [])
    assert str(caught.value.hint).startswith("Nothing was started. Correct gateway.timezone")


def test_a_zone_that_nobody_can_read_is_said_to_be_the_service_s_answer() -> None:
    with pytest.raises(RefusedError, match="the service answers that its zone is 'CST'") as caught:
        check_zone("CST", ENVIRONMENT, NOW, [EIGHT])
    assert str(caught.value.hint).startswith("Nothing was started. Have the service's own zone set")


# What lets nothing start


def test_a_batch_with_an_id_that_stands_twice_is_refused() -> None:
    refuse_repeated_ids(run.id for run in (RUN, OTHER))
    with pytest.raises(RefusedError, match="2 declared runs are called wind, so none of them was"):
        refuse_repeated_ids(run.id for run in (RUN, OTHER, RUN))


@pytest.mark.parametrize(
    ("tried", "words"),
    [(0, "nothing was started: the"), (4, "nothing more was started after 4 runs: the")],
)
def test_that_nothing_was_started_is_said_only_where_it_is_true(tried: int, words: str) -> None:
    assert str(InvalidManifestsError([a_problem()], tried=tried)).startswith(words)
