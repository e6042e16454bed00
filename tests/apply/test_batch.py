"""How many runs are claimed at once, which, and in what order they start."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.start import Capacity, capacity, choose_batch, group_by_flow
from reconciler.configuration import Limits
from reconciler.model import Run
from tests.building import EIGHT, a_run, after, runs_apart

HUGE = Capacity(runs=10_000, runs_of_one_flow=10_000)


@st.composite
def wanted(draw: st.DrawFn) -> list[Run]:
    """Runs of a few flows at a few times, in any order."""
    times = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5)), max_size=15))
    return [
        a_run(f"run-{number}", flow_id=flow, trigger_time=after(EIGHT, minutes * 60_000))
        for number, (flow, minutes) in enumerate(times)
    ]


rooms = st.builds(Capacity, runs=st.integers(1, 8), runs_of_one_flow=st.integers(1, 4))


def test_as_many_runs_are_claimed_as_can_start_before_the_last_moment_for_one() -> None:
    # 120 s less a timeout of 30 s and a margin of 5 s: 85 s.
    limits = Limits(claim_seconds=120, concurrency=8)
    assert capacity(limits, 30, 1.0) == Capacity(runs=680, runs_of_one_flow=85)
    assert capacity(limits, 30, 0.1) == Capacity(runs=6800, runs_of_one_flow=850)
    assert capacity(limits, 30, 60.0) == Capacity(runs=8, runs_of_one_flow=1)


def test_a_rate_limit_bounds_the_batch() -> None:
    limits = Limits(claim_seconds=120, concurrency=8, requests_per_second=2)
    assert capacity(limits, 30, 0.1).runs == 170


@pytest.mark.parametrize("rate", [None, 0.001])
def test_there_is_always_room_for_one_run(rate: float | None) -> None:
    limits = Limits(claim_seconds=10, concurrency=1, requests_per_second=rate)
    assert capacity(limits, 30, 100.0) == Capacity(runs=1, runs_of_one_flow=1)


@given(
    st.floats(1, 3600),
    st.floats(0.1, 300),
    st.floats(0.01, 100),
    st.integers(1, 64),
    st.none() | st.floats(0.01, 100),
)
def test_a_batch_never_needs_more_than_the_claims_time(
    claim: float, timeout: float, request: float, concurrency: int, rate: float | None
) -> None:
    limits = Limits(claim_seconds=claim, concurrency=concurrency, requests_per_second=rate)
    room = capacity(limits, timeout, request)
    usable = claim - timeout - limits.margin
    assert room.runs >= 1
    # Floats: 26.9 / 0.01 is 2690, and 2690 * 0.01 is a little more than 26.9.
    assert room.runs_of_one_flow == 1 or room.runs_of_one_flow * request <= usable * (1 + 1e-9)
    assert room.runs <= room.runs_of_one_flow * concurrency
    assert rate is None or room.runs == 1 or room.runs <= usable * rate


def test_the_earliest_runs_are_chosen_and_of_a_flow_only_what_fits_in_a_row() -> None:
    quick = a_run("quick", flow_id=2, trigger_time=after(EIGHT, 3 * 60_000))
    slow = runs_apart(4)
    chosen = choose_batch([quick, *reversed(slow)], Capacity(runs=3, runs_of_one_flow=2))
    assert [run.id for run in chosen] == ["run-0", "run-1", "quick"]


@given(wanted(), rooms)
def test_a_batch_fits_and_leaves_out_no_run_that_would_fit(runs: list[Run], room: Capacity) -> None:
    chosen = choose_batch(runs, room)
    of_flow = {flow: [run for run in chosen if run.flow_id == flow] for flow in (1, 2, 3)}
    assert len(chosen) <= room.runs
    assert all(len(one) <= room.runs_of_one_flow for one in of_flow.values())
    for run in runs:
        if run not in chosen and len(chosen) < room.runs:
            assert len(of_flow[run.flow_id]) == room.runs_of_one_flow


@given(wanted(), rooms)
def test_no_run_overtakes_an_earlier_one_of_its_flow(runs: list[Run], room: Capacity) -> None:
    chosen = choose_batch(runs, room)
    for run in chosen:
        earlier = [
            one
            for one in runs
            if one.flow_id == run.flow_id and one.trigger_time < run.trigger_time
        ]
        assert all(one in chosen for one in earlier)


@given(wanted(), rooms)
def test_batch_after_batch_every_run_is_chosen_once(runs: list[Run], room: Capacity) -> None:
    left = list(runs)
    chosen: list[Run] = []
    while left:
        batch = choose_batch(left, room)
        assert batch
        chosen += batch
        left = [run for run in left if run not in batch]
    assert sorted(run.id for run in chosen) == sorted(run.id for run in runs)


@given(wanted())
def test_each_flow_starts_its_runs_in_order_of_trigger_time(runs: list[Run]) -> None:
    flows = group_by_flow(runs)
    assert sorted(run.id for flow in flows for run in flow) == sorted(run.id for run in runs)
    assert len({flow[0].flow_id for flow in flows}) == len(flows)
    for flow in flows:
        assert {run.flow_id for run in flow} == {flow[0].flow_id}
        assert [run.trigger_time for run in flow] == sorted(run.trigger_time for run in flow)
    firsts = [flow[0].trigger_time for flow in flows]
    assert firsts == sorted(firsts)


def test_the_order_in_which_runs_are_given_decides_nothing() -> None:
    runs = [a_run(name) for name in ("c", "a", "b")]
    assert choose_batch(runs, HUGE) == choose_batch(runs[::-1], HUGE)
    assert group_by_flow(runs) == group_by_flow(runs[::-1])
