"""The stagger: a minute of its own for every run, chosen once and kept from then on."""

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from reconciler.ledger import Ledger, events
from reconciler.model import EpochMs, Run, RunId, Stagger, run_digest
from reconciler.rules import check
from reconciler.schedule import schedule_runs
from reconciler.times import MINUTE_MS
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_digest,
    a_ledger,
    a_rejected,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_unknown,
    declared,
)

EMPTY = a_ledger()


def at(minute: int) -> EpochMs:
    return after(EIGHT, minute * MINUTE_MS)


def a_site(
    name: str, minute: int = 0, *, slots: int = 60, step: int = 1, flow_id: int = 1, **more: object
) -> Run:
    """A staggered run that may start at `slots` minutes, the first of which is given."""
    stagger = Stagger(step=step * MINUTE_MS, before=at(minute + slots * step))
    return a_fixed(name, minute, flow_id=flow_id, stagger=stagger, **more)


def a_fixed(name: str, minute: int = 0, *, flow_id: int = 1, **more: object) -> Run:
    """A run that starts when it says; with parameters of its own, so that it is no duplicate."""
    return a_run(
        name, flow_id=flow_id, trigger_time=at(minute), parameters=(("SITE", name),), **more
    )


def minutes(runs: Iterable[Run], ledger: Ledger = EMPTY) -> dict[str, int]:
    """When each run is to start, in minutes after eight."""
    return {
        run.id: (run.trigger_time - EIGHT) // MINUTE_MS
        for run in schedule_runs(declared(*runs), ledger).runs
    }


def started(*runs: Run) -> Ledger:
    return a_ledger(a_claim(*runs), *(a_triggered(run, f"i-{run.id}") for run in runs))


def moved(run: Run, minute: int) -> Run:
    """The run as it is once it was given that minute."""
    return run.but(trigger_time=at(minute), delay=at(minute) - run.trigger_time)


# Examples


def test_runs_of_one_time_start_a_step_apart() -> None:
    assert minutes([a_site(name, step=2) for name in "abc"]) == {"a": 0, "b": 2, "c": 4}


def test_the_digest_stays_and_the_delay_is_told() -> None:
    runs = schedule_runs(declared(a_site("a"), a_site("b")), EMPTY).runs
    assert [run.delay for run in runs] == [0, MINUTE_MS]
    assert [run.digest for run in runs] == [
        run_digest(run.flow_id, EIGHT, run.parameters) for run in runs
    ]
    assert events.claimed_run(runs[1]).stagger == MINUTE_MS


def test_the_minutes_of_other_manifests_are_left_to_them() -> None:
    runs = [a_site("a"), a_site("b"), a_fixed("single", 1), a_fixed("other-flow", 0, flow_id=2)]
    assert minutes(runs) == {"a": 0, "b": 2, "single": 1, "other-flow": 0}


def test_a_site_more_moves_nothing_that_was_started() -> None:
    ledger = started(a_site("b"), moved(a_site("c"), 1))
    assert minutes([a_site(name) for name in "abc"], ledger) == {"a": 2, "b": 0, "c": 1}


def test_the_minute_of_a_run_that_is_gone_is_avoided_while_others_are_free() -> None:
    ledger = started(a_site("gone"))
    assert minutes([a_site("a")], ledger) == {"a": 1}
    assert minutes([a_site("a", slots=1)], ledger) == {"a": 0}


def test_the_minute_of_a_run_that_is_gone_is_avoided_unless_it_was_refused() -> None:
    """A late applier may still raise a doubt about the one that was proven absent."""
    gone = a_site("gone")
    for outcome, minute in ((an_absent, 1), (an_unknown, 1), (a_rejected, 0)):
        assert minutes([a_site("a")], a_ledger(a_claim(gone), outcome(gone))) == {"a": minute}


def test_a_run_does_not_avoid_its_own_minute() -> None:
    """It was proven absent, and its manifest has been corrected since."""
    before = a_site("a")
    ledger = a_ledger(a_claim(before), an_absent(before))
    corrected = before.but(digest=a_digest("c"))
    assert minutes([corrected], ledger) == {"a": 0}


def test_a_run_that_was_proven_absent_keeps_its_minute() -> None:
    for minute in (0, 5):
        absent = moved(a_site("b"), minute)
        ledger = a_ledger(a_claim(absent), an_absent(absent))
        kept = {"a": 1 if minute == 0 else 0, "b": minute}
        assert minutes([a_site("a"), a_site("b")], ledger) == kept


def test_a_run_that_was_not_started_gives_way_to_who_was_given_its_minute_meanwhile() -> None:
    """`a` was claimed in vain, taken off the branch, and put back once `b` had its minute."""
    first, second = a_site("a"), a_site("b")
    ledger = a_ledger(
        a_claim(first, claim="c1"),
        a_rejected(first, claim="c1"),
        a_claim(second, claim="c2"),
        a_triggered(second, claim="c2"),
    )
    assert minutes([first, second], ledger) == {"a": 1, "b": 0}
    assert minutes([first], ledger) == {"a": 1}  # for `b` may be declared again


def test_a_run_that_is_declared_anew_as_something_else_is_given_a_minute_anew() -> None:
    before = moved(a_site("a", 30), 40)
    ledger = a_ledger(a_claim(before), an_absent(before))
    assert minutes([a_site("a")], ledger) == {"a": 0}


def test_without_a_free_minute_a_run_collides_where_it_is() -> None:
    runs = [a_site(name, slots=2) for name in "abc"]
    assert minutes(runs) == {"a": 0, "b": 1, "c": 0}
    found = check(schedule_runs(declared(*runs), EMPTY), EMPTY, same_minute_allowed=False)
    assert found.colliding == {"a", "c"}


# One window: the bound is exact


@given(
    st.integers(1, 8),
    st.sets(st.integers(0, 11)),
    st.sets(st.integers(0, 11)),
    st.integers(1, 2),
    st.data(),
)
def test_runs_of_one_time_share_no_minute_if_there_is_room(
    count: int, singles: set[int], gone: set[int], step: int, data: st.DataObject
) -> None:
    sites = [a_site(f"site-{number}", slots=12 // step, step=step) for number in range(count)]
    fixed = [a_fixed(f"single-{minute}", minute) for minute in singles]
    ledger = started(*(a_fixed(f"gone-{minute}", minute) for minute in gone))
    runs = data.draw(st.permutations([*sites, *fixed]))
    found = minutes(runs, ledger)
    free = [minute for minute in range(0, 12, step) if minute not in singles]
    given = {found[run.id] for run in sites}
    assert all(found[run.id] in range(0, 12, step) for run in sites)
    if count <= len(free):
        assert len(given) == count
        assert given.isdisjoint(singles)
    # What is no longer declared is passed over first.
    untouched = [minute for minute in free if minute not in gone]
    assert given >= set(untouched) or given.isdisjoint(gone)


# Any history of edits, claims and outcomes


class Edit(Struct, frozen=True):
    """The runs that are declared next, in that order, and what an apply does with them then."""

    runs: Sequence[int]
    claimed: Sequence[int]
    outcome: str


@st.composite
def universes(draw: st.DrawFn) -> list[Run]:
    """Runs that stand in each other's way, every staggered one with room for all of them."""
    count = draw(st.integers(2, 5))
    runs = []
    for number in range(count):
        name, flow_id = f"r{number}", draw(st.sampled_from([1, 1, 1, 2]))
        if draw(st.integers(0, 3)) == 3:
            runs.append(a_fixed(name, 10 + number, flow_id=flow_id))
        else:
            minute, step = draw(st.integers(10, 11)), draw(st.sampled_from([1, 1, 2]))
            runs.append(a_site(name, minute, slots=count, step=step, flow_id=flow_id))
    return runs


def edits(count: int) -> st.SearchStrategy[list[Edit]]:
    some = st.permutations(range(count)).flatmap(
        lambda order: st.integers(1, count).map(lambda length: order[:length])
    )
    outcome = st.sampled_from(["none", "triggered", "absent", "rejected"])
    return st.lists(st.builds(Edit, some, some, outcome), min_size=1, max_size=6)


@given(st.data(), universes())
def test_what_was_started_never_moves_whatever_is_added_removed_or_reordered(
    data: st.DataObject, universe: list[Run]
) -> None:
    ledger = EMPTY
    for number, edit in enumerate(data.draw(edits(len(universe)))):
        plain = [universe[index] for index in edit.runs]
        runs = {run.id: run for run in schedule_runs(declared(*plain), ledger).runs}
        assert list(runs) == [run.id for run in plain]
        for run in plain:
            check_place(run, runs, ledger)
        check_apart(list(runs.values()), ledger)
        check_again(plain, list(runs.values()), ledger)
        ledger = ledger.with_events(
            _applied(
                [runs[universe[index].id] for index in edit.claimed if index in edit.runs],
                edit.outcome,
                f"c{number}",
                ledger,
            )
        )


def check_place(plain: Run, runs: Mapping[RunId, Run], ledger: Ledger) -> None:
    """Where it was, once it may have been started; else at one of its minutes."""
    placed = runs[plain.id]
    assert placed.but(trigger_time=plain.trigger_time, delay=0) == plain
    assert placed.delay == placed.trigger_time - plain.trigger_time
    if plain.stagger is None:
        assert placed == plain
        return
    assert placed.trigger_time in range(
        plain.trigger_time, plain.stagger.before, plain.stagger.step
    )
    record = ledger.records.get(plain.id)
    if record is None or record.trigger_time == placed.trigger_time:
        return
    assert not record.may_have_started
    # Whoever has its minute by now had it before, or cannot be moved.
    minute = (plain.flow_id, record.trigger_time // MINUTE_MS)
    others = [
        one for one in runs.values() if (one.flow_id, one.trigger_time // MINUTE_MS) == minute
    ]
    assert all(one.stagger is None or one.id in ledger.records for one in others)
    gone = [one for one in ledger.records.values() if one.run not in runs]
    assert others or minute in {(one.flow_id, one.trigger_time // MINUTE_MS) for one in gone}


def check_apart(runs: Sequence[Run], ledger: Ledger) -> None:
    """Nobody shares a minute, but for a run without stagger that came too late to have its own."""
    for one, other in combinations(runs, 2):
        same = one.trigger_time // MINUTE_MS == other.trigger_time // MINUTE_MS
        if one.flow_id == other.flow_id and same:
            moved_ones = [run for run in (one, other) if run.stagger is not None]
            assert len(moved_ones) == 1
            record = ledger.records.get(moved_ones[0].id)
            assert record is not None
            assert record.may_have_started


def check_again(plain: Sequence[Run], placed: Sequence[Run], ledger: Ledger) -> None:
    """Neither the order matters, nor that it is done twice, nor that what was chosen is claimed."""
    times = {run.id: run.trigger_time for run in placed}
    for runs in (list(reversed(plain)), placed):
        again = schedule_runs(declared(*runs), ledger).runs
        assert {run.id: run.trigger_time for run in again} == times
    claimed = ledger.with_events(_applied(placed, "none", "again", ledger))
    assert list(schedule_runs(declared(*plain), claimed).runs) == list(placed)


def _applied(
    runs: Sequence[Run], outcome: str, claim: str, ledger: Ledger
) -> Iterable[events.Event]:
    fresh = [
        run
        for run in runs
        if run.id not in ledger.records or not ledger.records[run.id].may_have_started
    ]
    if not fresh:
        return
    yield a_claim(*fresh, claim=claim, at=NOW)
    for run in fresh:
        match outcome:
            case "triggered":
                yield a_triggered(run, f"i-{run.id}-{claim}", claim)
            case "absent":
                yield an_absent(run, claim)
            case "rejected":
                yield a_rejected(run, claim)
            case _:
                return


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=6
    ),
    st.sets(st.integers(0, 7), max_size=3),
    st.sets(st.integers(0, 7), max_size=3),
)
def test_where_some_arrangement_gives_each_a_minute_it_is_found(
    windows: list[tuple[int, int, int]], singles: set[int], gone: set[int]
) -> None:
    """Else as many as can have one."""
    sites = [
        a_site(f"s{index}", minute, slots=slots, step=step)
        for index, (minute, slots, step) in enumerate(windows)
    ]
    choices = [range(minute, minute + slots * step, step) for minute, slots, step in windows]
    most = max(len(set(chosen) - singles) for chosen in product(*choices))
    fixed = [a_fixed(f"single-{minute}", minute) for minute in singles]
    ledger = started(*(a_fixed(f"gone-{minute}", minute) for minute in gone))
    placed = minutes([*sites, *fixed], ledger)
    given = {placed[site.id] for site in sites}
    assert len(given - singles) == most
    for site, choice in zip(sites, choices, strict=True):
        assert placed[site.id] in choice


def test_how_many_times_a_backfill_has_does_not_decide_whether_its_staggers_fit() -> None:
    hours, sites = 24 * 14, 30
    runs = [
        a_site(f"{name}-{hour}-{site}", hour * 60, slots=60 // step, step=step)
        for hour in range(hours)
        for site in range(sites)
        for name, step in (("a", 1), ("b", 2))
    ]
    assert len(set(minutes(runs).values())) == len(runs)


@pytest.mark.parametrize("room", [0, 1])
def test_a_chain_of_moves_may_be_as_long_as_a_day(room: int) -> None:
    """Each run could stand at its own minute or the next, and one more came to the first."""
    length = 1400
    runs = [a_site(f"r{minute:04}", minute, slots=2) for minute in range(length - 1)]
    last = a_site(f"r{length - 1:04}", length - 1, slots=1 + room)
    placed = minutes([*runs, last, a_site("z", 0, slots=1)])
    assert len(set(placed.values())) == length + room


def test_many_runs_that_cannot_all_stand_apart_are_found_out_in_little_time() -> None:
    runs = [a_site(f"r{number:04}", number % 700, slots=720) for number in range(3_000)]
    begun = time.process_time()
    placed = minutes(runs)
    assert len(set(placed.values())) == 1_419
    assert time.process_time() - begun < 5
