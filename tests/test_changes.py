"""What a change does, against what an apply would start before and after it."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.ledger import Event, Ledger
from reconciler.model import Declared, Digest, EpochMs, Match, Retry, Run, RunId, run_name
from reconciler.plan import Action, Plan, make_plan
from reconciler.plan.by_manifest import group_by_manifest
from reconciler.plan.changes import FIELDS, Change, Kind, changes
from reconciler.plan.pairs import unjudged_names
from reconciler.schedule import schedule_runs
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_ledger,
    a_problem,
    a_rejected,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_observed,
    an_unknown,
    declared,
)
from tests.sampling import examples
from tests.test_edits import read, started
from tests.test_edits_at_random import _EDITS, edited, spec_of

LATER = after(NOW, 3_600_000)
FAILED = a_run(retry=Retry(max=1, on=frozenset({"FAIL"})))


def compared(before: Declared, now: Declared, ledger: Ledger) -> tuple[Change, ...]:
    return changes(schedule_runs(before, ledger), schedule_runs(now, ledger), ledger)


def kinds(before: Sequence[Run], now: Sequence[Run], *recorded: Event) -> dict[str, str]:
    found = compared(declared(*before), declared(*now), a_ledger(*recorded))
    return {change.id: change.kind.value for change in found}


def ended(run: Run, status: int) -> list[Event]:
    return [a_claim(run), a_triggered(run), an_observed(run, status)]


def test_what_is_declared_now_and_not_before_is_added_and_the_other_way_round_removed() -> None:
    assert kinds([], [a_run()]) == {"wind": "added"}
    assert kinds([a_run()], []) == {"wind": "removed"}
    assert kinds([a_run()], [a_run()]) == {}


def test_what_ran_and_is_no_longer_declared_or_declared_again_starts_nothing() -> None:
    assert kinds([a_run()], [], *ended(a_run(), 1)) == {}
    assert kinds([], [a_run()], *ended(a_run(), 1)) == {}


def test_an_edit_of_what_is_not_recorded_is_a_change_with_its_fields() -> None:
    edits: dict[str, Any] = {
        "flow_id": 1,
        "trigger_time": NOW,
        "parameters": (("A", "b"),),
        "suspend": True,
        "not_after": NOW,
        "depends_on": ("other",),
        "matching": (Match(names=("other",), keys=("SITE",)),),
        "after": "wind/2024-03-01",
        "max_active": 4,
        "stop_after": 3,
        "cancel": True,
        "retry": Retry(max=1, on=frozenset({"FAIL"})),
        "duplicate_of": "other",
    }
    assert edits.keys() == set(FIELDS)
    for name, value in edits.items():
        (change,) = compared(declared(a_run()), declared(a_run(**{name: value})), a_ledger())
        assert (change.kind, change.fields) == (Kind.CHANGED, (name,))
    rejected = a_claim(a_run()), a_rejected(a_run())
    assert kinds([a_run()], [a_run(flow_id=1)], *rejected) == {"wind": "changed"}


def test_a_renamed_sequence_waits_for_the_same_run_as_before() -> None:
    before = a_run("old/2024-03-02", after="old/2024-03-01")
    now = a_run("new/2024-03-02", after="new/2024-03-01", formerly=("old",))
    (change,) = compared(declared(before), declared(now), a_ledger())
    assert (change.kind, change.fields) == (Kind.RENAMED, ())


def test_a_raised_revision_of_what_ran_runs_again_and_says_how_that_ended() -> None:
    (change,) = compared(
        declared(a_run()), declared(a_run(revision=2)), a_ledger(*ended(a_run(), -1))
    )
    assert (change.id, change.kind) == ("wind@2", Kind.RERUN)
    assert change.before is not None
    assert [(record.run, record.status) for record in change.earlier] == [("wind", "FAIL")]
    assert kinds([a_run()], [a_run(revision=2)]) == {"wind": "removed", "wind@2": "added"}


def test_a_retry_of_what_failed_runs_again_and_taking_it_away_removes_the_attempt() -> None:
    recorded = ended(a_run(), -1)
    assert kinds([a_run()], [FAILED], *recorded) == {"wind#2": "rerun"}
    assert kinds([FAILED], [a_run()], *recorded) == {"wind#2": "removed"}
    assert kinds([FAILED], [FAILED.but(suspend=True)], *recorded) == {"wind#2": "changed"}
    assert kinds([a_run()], [FAILED], *ended(a_run(), 1)) == {}


def test_what_is_renamed_before_it_ran_is_told_as_that() -> None:
    (change,) = compared(
        declared(a_run("old/1"), a_run("old/2")),
        declared(a_run("new/1", formerly=("old",)), a_run("old/2")),
        a_ledger(),
    )
    assert (change.id, change.kind, change.fields) == ("new/1", Kind.RENAMED, ())
    assert change.before is not None
    assert change.before.name == "old/1"
    new = a_run("new", formerly=("old",))
    assert kinds([a_run("old")], [a_run("old"), new]) == {"new": "added"}
    assert kinds([a_run("old"), a_run("new")], [new]) == {"old": "removed"}


def test_what_carries_the_same_under_another_name_is_renamed_without_being_told() -> None:
    assert kinds([a_run("old")], [a_run("new")]) == {"new": "renamed"}
    assert kinds([a_run("old")], [a_run("new", suspend=True)]) == {"new": "changed"}
    assert kinds([a_run("old")], [a_run("new", flow_id=1)]) == {"old": "removed", "new": "added"}
    both = [a_run("new"), a_run("newer", duplicate_of="new")]
    assert kinds([a_run("old")], both) == {"old": "removed", "new": "added", "newer": "added"}


def test_what_is_to_run_again_is_not_taken_for_another_run_renamed() -> None:
    ran = a_run("new", flow_id=1)
    again = a_run("new", revision=2)
    found = kinds([a_run("old"), ran], [again], *ended(ran, 1))
    assert found == {"old": "removed", "new@2": "rerun"}


def test_what_waits_for_a_renamed_run_is_no_change() -> None:
    waits = a_run(
        "b", flow_id=1, depends_on=("old",), matching=(Match(names=("old",), keys=("S",)),)
    )
    still = waits.but(depends_on=("new",), matching=(Match(names=("new",), keys=("S",)),))
    was, now = a_run("old/1"), a_run("new/1", formerly=("old",))
    assert kinds([was, waits], [now, still]) == {"new/1": "renamed"}
    both = still.but(matching=(Match(names=("new", "old"), keys=("S",)),))
    assert kinds([was, waits], [now, both]) == {"new/1": "renamed"}
    other = still.but(name="c", formerly=("b",))
    assert kinds([was, waits], [now, other]) == {"new/1": "renamed", "c": "renamed"}


def test_what_is_renamed_and_ran_goes_on_by_its_name_in_the_ledger() -> None:
    old, new = a_run("old"), a_run("new", formerly=("old",))
    (change,) = compared(declared(old), declared(new), a_ledger(*ended(old, 1)))
    assert (change.id, change.kind, change.manifest) == ("old", Kind.RENAMED, "new")
    assert [record.status for record in change.earlier] == ["SUCCESS"]
    failed = a_ledger(*ended(old, -1))
    retried = [run.but(retry=FAILED.retry) for run in (old, new)]
    (change,) = compared(declared(retried[0]), declared(retried[1]), failed)
    assert (change.id, change.kind) == ("old#2", Kind.RENAMED)


def broken(*runs: Run, at: str) -> Declared:
    return declared(*runs, problems=(a_problem(at),))


def test_runs_of_a_file_that_cannot_be_read_are_neither_declared_nor_removed() -> None:
    was = declared(a_run("a"), a_run("b"))
    now = broken(a_run("b"), at=a_run("a").place.file)
    assert compared(was, now, a_ledger()) == ()
    assert unjudged_names(was, now) == {a_run("a").place.file: {"a"}}
    elsewhere = broken(a_run("b"), at=a_run("b").place.file)
    assert [one.kind for one in compared(was, elsewhere, a_ledger())] == [Kind.REMOVED]


def test_so_are_runs_that_may_have_moved_to_a_new_file_that_cannot_be_read() -> None:
    was = declared(a_run("a"), a_run("b"))
    now = broken(a_run("b"), at="triggers/new.yaml")
    assert compared(was, now, a_ledger()) == ()
    assert unjudged_names(was, now) == {"triggers/new.yaml": {"a"}}
    assert unjudged_names(was, broken(at="triggers")) == {"triggers": {"a", "b"}}


def test_a_name_that_is_taken_hides_no_run() -> None:
    was = declared(a_run("a"), a_run("b"))
    now = declared(a_run("b"), problems=(a_problem(a_run("a").place.file, "name-taken"),))
    assert unjudged_names(was, now) == {}


def test_what_ran_and_is_edited_here_is_refused() -> None:
    recorded = ended(a_run(), 1)
    other = a_run(flow_id=1)
    assert kinds([a_run()], [other], *recorded) == {"wind": "refused"}
    assert kinds([], [other], *recorded) == {"wind": "refused"}
    assert kinds([other], [a_run(flow_id=2)], *recorded) == {}  # the branch is refused already
    assert kinds([other], [a_run()], *recorded) == {}


def test_calling_off_what_still_runs_is_a_change_and_what_has_ended_is_none() -> None:
    running = a_claim(a_run()), a_triggered(a_run())
    assert kinds([a_run()], [a_run(cancel=True)], *running) == {"wind": "changed"}
    assert kinds([a_run()], [a_run(cancel=True)], *ended(a_run(), 1)) == {}


def test_the_runs_of_a_manifest_are_told_together() -> None:
    one, two, other = (a_run(name) for name in ("a/1/S=x", "a/1/S=y", "b"))
    before, now = declared(one, two, other), declared(two)
    found = group_by_manifest(compared(before, now, a_ledger()), before, now)
    assert [(group.name, group.before, group.after) for group in found] == [
        ("a", 2, 1),
        ("b", 1, 0),
    ]
    assert found[0].values == {"S": {"x", "y"}}


def test_a_renamed_manifest_goes_on_with_all_that_its_runs_were_before() -> None:
    started, waits, other = (a_run(f"old/{day}", flow_id=day) for day in (1, 2, 3))
    before = declared(started, waits, other)
    now = declared(
        *(run.but(name=f"new/{run.flow_id}", formerly=("old",)) for run in (started, waits))
    )
    ledger = a_ledger(*ended(started, 1))
    found = group_by_manifest(compared(before, now, ledger), before, schedule_runs(now, ledger))
    assert [(one.name, one.former, one.before, one.after) for one in found] == [
        ("new", "old", 3, 2)
    ]
    assert [len(found[0].of(kind)) for kind in (Kind.RENAMED, Kind.REMOVED)] == [2, 1]


_RUNS = st.builds(
    a_run,
    st.sampled_from(["a", "b", "c/1", "c/2"]),
    revision=st.sampled_from([1, 1, 2]),
    flow_id=st.sampled_from([1, 1, 2]),
    trigger_time=st.sampled_from([EIGHT, EIGHT, NOW]),
    parameters=st.sampled_from([(("A", "1"),), (("A", "2"),)]),
    suspend=st.sampled_from([False, False, True]),
    not_after=st.sampled_from([None, None, NOW]),
    depends_on=st.sampled_from([(), (), ("a",), ("c",)]),
    cancel=st.sampled_from([False, False, False, True]),
    retry=st.sampled_from([None, Retry(max=1, on=frozenset({"FAIL"}))]),
    duplicate_of=st.sampled_from([None, None, "a"]),
)
_SIDES = st.lists(_RUNS, max_size=4, unique_by=lambda run: run.name)
_FATES = st.sampled_from(
    ["none", "claimed", "absent", "rejected", "unknown", "triggered", "SUCCESS", "FAIL"]
)


def fate(run: Run, what: str) -> list[Event]:
    """The run's events, under a claim of its own."""
    claim = f"c-{run.id}"
    begin: list[Event] = [a_claim(run, claim=claim)]
    started = a_triggered(run, f"i-{run.id}", claim)
    match what:
        case "none":
            return []
        case "absent":
            return [*begin, an_absent(run, claim)]
        case "rejected":
            return [*begin, a_rejected(run, claim)]
        case "unknown":
            return [*begin, an_unknown(run, claim)]
        case "triggered":
            return [*begin, started]
        case "SUCCESS" | "FAIL":
            return [*begin, started, an_observed(run, what)]
        case _:
            return begin


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Declared, Declared, Ledger]:
    """What was declared, what is now, and what became of runs like those."""
    before, now = draw(_SIDES), draw(_SIDES)
    shared = draw(st.lists(st.sampled_from(before), max_size=3)) if before else []
    now = [*{run.name: run for run in (*now, *shared)}.values()]
    runs = {run.id: run for run in (*draw(_SIDES), *before)}
    recorded = [one for run in runs.values() for one in fate(run, draw(_FATES))]
    return declared(*before), declared(*now), a_ledger(*recorded)


def planned(side: Declared, ledger: Ledger) -> Plan:
    return make_plan(side, ledger, LATER, environment="prod", commit=None, same_minute_allowed=True)


def startable(plan: Plan) -> dict[RunId, tuple[object, ...]]:
    """What an apply may still start, by its own account, and all that decides whether and how."""
    return {
        one.id: tuple(getattr(one.run, name) for name in FIELDS)
        for one in plan.runs
        if one.action in {Action.START, Action.WAIT, Action.DUPLICATE}
        and not (one.record and one.record.may_have_started)
    }


def expected(before: Plan, now: Plan, ledger: Ledger) -> dict[RunId, Kind]:
    ran = {run_name(one.run) for one in ledger.records.values() if one.may_have_started}
    was, is_ = startable(before), startable(now)
    refused, earlier = (
        {one.id for one in plan.runs if one.action is Action.CHANGED} for plan in (now, before)
    )
    found = dict.fromkeys(refused - earlier, Kind.REFUSED)
    for id_ in was.keys() | is_.keys():
        if id_ not in was:
            found[id_] = Kind.RERUN if run_name(id_) in ran else Kind.ADDED
        elif id_ not in is_:
            if RunId(id_.partition("#")[0]) not in refused:
                found[id_] = Kind.REMOVED
        elif was[id_] != is_[id_]:
            found[id_] = Kind.CHANGED
    return found | renamed(before, now, found)


def renamed(before: Plan, now: Plan, found: dict[RunId, Kind]) -> dict[RunId, Kind]:
    """Of what is removed and added, the pairs that alone carry the same; they leave `found`."""
    sides = {Kind.REMOVED: before, Kind.ADDED: now, Kind.RERUN: now}
    carriers: dict[Digest, list[tuple[RunId, Kind]]] = {}
    for kind, plan in sides.items():
        for one in plan.runs:
            if found.get(one.id) is kind:
                carriers.setdefault(one.digest, []).append((one.id, kind))
    again: dict[RunId, Kind] = {}
    for pair in carriers.values():
        ids = {kind: id_ for id_, kind in pair}
        if len(pair) == 2 and ids.keys() == {Kind.REMOVED, Kind.ADDED}:
            gone, new = ids[Kind.REMOVED], ids[Kind.ADDED]
            if run_name(gone) != run_name(new):
                del found[gone]
                same = startable(before)[gone] == startable(now)[new]
                again[new] = Kind.RENAMED if same else Kind.CHANGED
    return again


def cancelled(plan: Plan) -> set[RunId]:
    return {one.id for one in plan.runs_of_action(Action.CANCEL)}


def is_called_off(change: Change) -> bool:
    """Whether it is about what still runs, and is to be cancelled now, or not any more."""
    was, now = (one is not None and one.cancel for one in (change.before, change.after))
    return change.kind is Kind.CHANGED and was != now


def _renamed_records(found: Mapping[RunId, Change], ledger: Ledger) -> set[RunId]:
    """What was started and has another name by now: an apply does nothing about it."""
    return {
        id_
        for id_, one in found.items()
        if one.kind is Kind.RENAMED
        and id_ in ledger.records
        and one.before is not None
        and one.after is not None
        and one.before.declared_name != one.after.declared_name
    }


def check(before: Declared, now: Declared, ledger: Ledger) -> None:
    found = {change.id: change for change in compared(before, now, ledger)}
    first, second = planned(before, ledger), planned(now, ledger)
    called_off = {id_ for id_, one in found.items() if is_called_off(one)}
    wanted = expected(first, second, ledger)
    kinds = {id_: change.kind for id_, change in found.items()}
    assert {id_: kind for id_, kind in kinds.items() if id_ in wanted} == wanted
    assert kinds.keys() - wanted.keys() <= called_off | _renamed_records(found, ledger)
    freed = {one.id for one in first.runs_of_action(Action.DUPLICATE)}  # of what stood beside it
    assert cancelled(second) - cancelled(first) - freed <= kinds.keys()
    for change in found.values():
        event(change.kind.value)


@examples(300)
@given(worlds())
def test_changes_explain_exactly_what_an_apply_would_start_otherwise(
    world: tuple[Declared, Declared, Ledger],
) -> None:
    check(*world)


@examples(300)
@given(worlds())
def test_what_starts_now_and_did_not_before_is_a_change_of_that_very_run(
    world: tuple[Declared, Declared, Ledger],
) -> None:
    """Unless the change did away with what stood in its way: a problem, a twin, a dependency."""
    before, now, ledger = world
    first, second = planned(before, ledger), planned(now, ledger)
    found = {change.id for change in compared(*world)}
    waited = {one.id for one in first.runs if one.action is Action.WAIT}
    starts: dict[RunId, tuple[object, EpochMs]] = {
        one.id: (one.digest, one.trigger_time) for one in first.runs_of_action(Action.START)
    }
    for one in second.runs_of_action(Action.START):
        if starts.get(one.id) != (one.digest, one.trigger_time):
            assert one.id in found or one.id in waited or first.problems


@examples(120)
@given(
    st.lists(_EDITS, max_size=3),
    st.lists(_EDITS, min_size=1, max_size=3),
    st.booleans(),
)
def test_so_do_those_of_edited_backfills(
    earlier: list[tuple[str, Any]], edits: list[tuple[str, Any]], has_run: bool
) -> None:
    state: dict[str, Any] = {
        "from": "2024-03-01",
        "to": "2024-03-02",
        "grid": {"every": "1d"},
        "at": "08:00",
        "matrix": {"A": ["x", "y"]},
        "stagger": "1m",
        "revision": 1,
    }
    ledger = started(read(spec_of(state))) if has_run else a_ledger()
    for edit in earlier:
        state = edited(state, edit)
    before = read(spec_of(state))
    for edit in edits:
        state = edited(state, edit)
    check(before, read(spec_of(state)), ledger)
