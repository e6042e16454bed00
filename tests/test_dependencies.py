"""`dependsOn`: nothing starts before the success of what it depends on is recorded; its rules."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from reconciler.ledger import Ledger
from reconciler.model import Digest, EpochMs, Place, Problem, Retry, Run
from reconciler.plan import Action, Plan, PlannedRun, make_plan
from reconciler.rules import check
from reconciler.rules.dependencies import dependency_problems
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_history,
    a_ledger,
    a_run,
    after,
    declared,
)
from tests.sampling import examples

MINUTE = 60_000
EMPTY = a_ledger()


def a_member(name: str, minute: int, *depends_on: str, **more: object) -> Run:
    """A run at a minute of its own, with a place for each item of its `dependsOn`."""
    manifest = name.partition("/")[0]
    file = f"triggers/{manifest}.yaml"
    marks = {f"/spec/dependsOn/{index}": (10 + index, 5) for index in range(len(depends_on))}
    return a_run(
        name,
        trigger_time=after(EIGHT, minute * MINUTE),
        depends_on=depends_on,
        file=file,
        marks={"": (1, 1), **marks},
        **more,
    )


# What really becomes of a run, attempt after attempt: the model that plans are held against

UNSTARTED = ("absent", "rejected")
OPEN = ("claimed", "unknown", "triggered")
BAD_ENDS = ("FAIL", "TIMEOUT", "NOT_FOUND")
Fates = Sequence[str]


class Scene(Struct, frozen=True):
    """Runs, which of them are still declared, and what has become of each."""

    runs: Sequence[Run]
    declared: frozenset[str]
    fates: Mapping[str, Fates]
    now: EpochMs

    def plan(self, files: Sequence[Run] | None = None) -> Plan:
        """The plan, with what is declared in the order of those files."""
        recorded = [event for run in self.runs for event in a_history(run, *self.fates[run.name])]
        return make_plan(
            declared(*(run for run in files or self.runs if run.name in self.declared)),
            Ledger.of(recorded),
            self.now,
            environment="prod",
            commit=None,
            same_minute_allowed=False,
        )

    def last_started(self, name: str) -> str | None:
        return next((one for one in reversed(self.fates[name]) if one not in UNSTARTED), None)

    def has_succeeded(self, name: str) -> bool:
        return self.last_started(name) == "SUCCESS"

    def meant_by(self, wanted: str) -> list[str]:
        meant = [run.name for run in self.runs if f"{run.name}/".startswith(f"{wanted}/")]
        here = [name for name in meant if name in self.declared]
        return here or [name for name in meant if self.fates[name]]

    def is_satisfied(self, wanted: str) -> bool:
        meant = self.meant_by(wanted)
        return bool(meant) and all(map(self.has_succeeded, meant))

    def is_lost(self, wanted: str) -> bool:
        meant = self.meant_by(wanted)
        return not meant or any(map(self._is_lost, meant))

    def _is_lost(self, name: str) -> bool:
        run = next(run for run in self.runs if run.name == name)
        if name not in self.declared:
            return self.last_started(name) in {None, *BAD_ENDS}
        if self.next_attempt(run) is not None:
            missing = [one for one in run.depends_on if not self.is_satisfied(one)]
            return run.cancel or run.suspend or any(map(self.is_lost, missing))
        return self.fates[name][-1] in BAD_ENDS

    def next_attempt(self, run: Run) -> int | None:
        """Which one could be started, were nothing in its way."""
        fates = self.fates[run.name]
        if not fates:
            return 1
        if fates[-1] in UNSTARTED:
            return len(fates)
        again = run.retry is not None and fates[-1] in run.retry.on and len(fates) <= run.retry.max
        return len(fates) + 1 if again and not run.cancel else None


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Manifests that depend on earlier ones, and histories in which anything has happened."""
    runs: list[Run] = []
    for index in range(draw(st.integers(2, 4))):
        earlier = sorted({part for run in runs for part in (run.name, run.manifest)})
        wanted = st.lists(st.sampled_from(earlier), min_size=1, max_size=2, unique=True)
        depends_on = draw(wanted) if earlier else []
        on = st.sampled_from([frozenset({"FAIL"}), frozenset({"FAIL", "TIMEOUT"})])
        retry = draw(st.none() | st.builds(Retry, max=st.integers(1, 2), on=on))
        kind = draw(st.sampled_from(["", "", "", "", "cancel", "suspend"]))
        sites = draw(st.sampled_from([None, "ab"]))
        for site in sites or " ":
            name = f"m{index}/S={site}" if sites else f"m{index}"
            run = a_member(name, len(runs), *depends_on, retry=retry)
            runs.append(run.but(cancel=kind == "cancel", suspend=kind == "suspend"))
    fates = {run.name: draw(_fates(run)) for run in runs}
    names = [run.name for run in runs]
    here = frozenset(names) - draw(st.sampled_from([set[str](), {names[0]}, {names[0], names[1]}]))
    now = draw(st.sampled_from([after(NOW, 1000), after(NOW, 86_400_000)]))
    return Scene(runs, here, fates, now)


@st.composite
def _fates(draw: st.DrawFn, run: Run) -> list[str]:
    """Success is likely, so that dependents get their turn; and so are further attempts."""
    ends = ["SUCCESS", "FAIL"] * 4 + ["TIMEOUT", "NOT_FOUND"]
    fates: list[str] = []
    for _ in range(1 + (run.retry.max if run.retry else 0)):
        fate = draw(st.sampled_from(["none", "none", *UNSTARTED, *OPEN, *ends]))
        if fate == "none":
            return fates
        fates.append(fate)
        if run.retry is None or fate not in run.retry.on:
            return fates
    return fates


def planned(plan: Plan, run: Run) -> PlannedRun:
    (found,) = [one for one in plan.runs if one.run is not None and one.run.name == run.name]
    return found


@examples(300)
@given(scenes())
def test_a_run_starts_exactly_when_all_that_it_depends_on_is_recorded_as_succeeded(
    scene: Scene,
) -> None:
    plan = scene.plan()
    for run in scene.runs:
        if run.name not in scene.declared:
            continue
        attempt = scene.next_attempt(run)
        satisfied = all(map(scene.is_satisfied, run.depends_on))
        starts = attempt is not None and satisfied and not (run.cancel or run.suspend)
        found = planned(plan, run)
        assert (found.action is Action.START) is (starts and not plan.problems)
        if starts and attempt is not None:
            assert found.id == run.but(attempt=attempt).id


@examples(300)
@given(scenes())
def test_what_waits_says_for_what_and_whether_in_vain(scene: Scene) -> None:
    plan = scene.plan()
    for run in scene.runs:
        if run.name not in scene.declared:
            continue
        found = planned(plan, run)
        if found.waits_for:
            missing = [one for one in run.depends_on if not scene.is_satisfied(one)]
            assert found.action is Action.WAIT
            assert found.waits_for == tuple(missing)
            assert found.blocked is any(map(scene.is_lost, missing))
            assert found.blocked is ("blocked: " in found.reason)


@pytest.mark.parametrize(
    ("fates", "reason"),
    [
        ([], "waits for import, which was not started yet"),
        (["claimed"], "waits for import, which is in doubt or claimed"),
        (["unknown"], "waits for import, which is in doubt or claimed"),
        (["rejected"], "waits for import, which was refused and is tried again"),
        (["triggered"], "waits for import, which has not ended"),
        (["FAIL"], "waits for import, which is tried again"),
        (["FAIL", "triggered"], "waits for import#2, which has not ended"),
        (["FAIL", "FAIL"], "blocked: import#2 failed (FAIL)"),
        (["SKIP"], "blocked: import failed (SKIP)"),
    ],
)
def test_the_plan_says_how_far_the_dependency_has_come(fates: Fates, reason: str) -> None:
    first = a_member("import", 0, retry=Retry(max=1, on=frozenset({"FAIL"})))
    report = a_member("report", 1, "import")
    scene = Scene(
        [first, report],
        frozenset({"import", "report"}),
        {"import": fates, "report": []},
        after(NOW, 1000),
    )
    assert planned(scene.plan(), report).reason == reason


@pytest.mark.parametrize(
    ("fates", "reason"),
    [
        (["absent"], "blocked: import was not started, and is no longer declared"),
        (["triggered"], "waits for import, which has not ended"),
        (["FAIL"], "blocked: import failed (FAIL)"),
        (["FAIL", "absent"], "blocked: import failed (FAIL)"),
        (["FAIL", "SUCCESS"], "starts immediately: its time is past"),
    ],
)
def test_what_is_no_longer_declared_counts_by_its_record(fates: Fates, reason: str) -> None:
    first, report = a_member("import", 0), a_member("report", 1, "import")
    scene = Scene(
        [first, report], frozenset({"report"}), {"import": fates, "report": []}, after(NOW, 1000)
    )
    assert planned(scene.plan(), report).reason == reason


def test_the_newest_revision_that_is_recorded_counts() -> None:
    first, report = a_member("import", 0), a_member("report", 1, "import")
    second = first.but(revision=2)
    recorded = Ledger.of([*a_history(second, "SUCCESS"), *a_history(first, "FAIL")])
    plan = make_plan(
        declared(report),
        recorded,
        NOW,
        environment="prod",
        commit=None,
        same_minute_allowed=False,
    )
    assert planned(plan, report).action is Action.START


def test_what_blocks_is_told_before_what_is_only_waited_for() -> None:
    runs = [a_member("bf/a", 0), a_member("bf/b", 1), a_member("import", 2)]
    report = a_member("report", 3, "bf", "import")
    fates = {"bf/a": ["SUCCESS"], "bf/b": ["triggered"], "import": [], "report": []}
    names = frozenset(fates)
    waits = planned(Scene([*runs, report], names, fates, after(NOW, 1000)).plan(), report)
    assert waits.reason == "waits for bf: 1 of 2 runs have succeeded"
    blocked = planned(
        Scene([*runs, report], names, fates | {"import": ["FAIL"]}, after(NOW, 1000)).plan(), report
    )
    assert blocked.reason == "blocked: import failed (FAIL)"
    assert blocked.waits_for == ("bf", "import")


@pytest.mark.parametrize(
    ("kept", "words"),
    [({"cancel": True}, "is cancelled"), ({"suspend": True}, "is suspended")],
)
def test_a_dependency_that_will_not_start_blocks(kept: Mapping[str, bool], words: str) -> None:
    report = a_member("report", 1, "import")
    retry = Retry(max=1, on=frozenset({"FAIL"}))
    for fates in ([], ["absent"], *([["FAIL"]] if "suspend" in kept else [])):
        first = a_member("import", 0, retry=retry, **kept)
        fates_of = {"import": fates, "report": []}
        scene = Scene([first, report], frozenset(fates_of), fates_of, after(NOW, 1000))
        assert planned(scene.plan(), report).reason == f"blocked: import {words}"


# Chains: exact and quick at any length, in any order


@examples(300)
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_files_changes_no_plan(scene: Scene, chance: Random) -> None:
    shuffled = list(scene.runs)
    chance.shuffle(shuffled)
    assert scene.plan(shuffled) == scene.plan()


@given(st.data())
def test_the_order_of_files_changes_no_circle(data: st.DataObject) -> None:
    drawn = data.draw(references())
    runs = [
        run.but(trigger_time=after(EIGHT, number * MINUTE), digest=Digest(f"{number}"))
        for number, run in enumerate(drawn)
    ]
    assert a_plan(*data.draw(st.permutations(runs))) == a_plan(*runs)


def a_plan(*runs: Run, ledger: Ledger = EMPTY) -> Plan:
    return make_plan(
        declared(*runs), ledger, NOW, environment="prod", commit=None, same_minute_allowed=False
    )


def a_chain(length: int, **first: object) -> list[Run]:
    runs = [a_member("m0", 0, **first)]
    runs += [a_member(f"m{one}", one, f"m{one - 1}") for one in range(1, length)]
    return runs


@pytest.mark.parametrize("backwards", [False, True])
def test_the_end_of_a_chain_of_five_thousand_is_blocked_by_its_beginning(
    *, backwards: bool
) -> None:
    runs = a_chain(5_000, suspend=True)
    began = process_time()
    plan = a_plan(*(reversed(runs) if backwards else runs))
    assert process_time() - began < 5
    assert plan.problems == ()
    assert {one.reason for one in plan.runs[1:]} == {"blocked: m0 is suspended"}
    assert all(one.blocked for one in plan.runs[1:])


def test_a_chain_of_five_thousand_that_may_succeed_waits() -> None:
    plan = a_plan(*reversed(a_chain(5_000)))
    assert plan.runs[0].action is Action.START
    assert plan.runs[-1].reason == "waits for m4998, which was not started yet"
    assert not any(one.blocked for one in plan.runs)


@pytest.mark.long  # what thousands cost
def test_circles_by_the_thousand_are_all_told_and_none_blocks() -> None:
    pairs = [a_member(f"m{number}", number, f"m{number ^ 1}") for number in range(5_000)]
    began = process_time()
    plan = a_plan(*pairs, a_member("behind", 5_001, "m0"))
    long = a_plan(a_member("m0", 9_000, "m4999"), *a_chain(5_000)[1:])
    assert process_time() - began < 10
    assert [problem.code for problem in plan.problems] == ["cycle"] * 5_000
    assert [problem.code for problem in long.problems] == ["cycle"] * 5_000
    assert not any(one.blocked for one in plan.runs)


def test_what_many_wait_for_by_names_of_its_runs_is_looked_up_once() -> None:
    members = [a_member(f"bf/{number}", number) for number in range(5_000)]
    each = [a_member(f"m{number}", 9_000 + number, f"bf/{number}") for number in range(5_000)]
    everything = a_member("all", 20_000, "bf")
    began = process_time()
    plan = a_plan(*each, *members, everything)
    assert process_time() - began < 10
    assert planned(plan, everything).reason == "waits for bf: 0 of 5000 runs have succeeded"


# Rules: unknown names and circles, each at its item


@st.composite
def references(draw: st.DrawFn) -> list[Run]:
    """Manifests that refer to one another, to themselves and to nothing, in any order."""
    names = [f"m{index}" for index in range(draw(st.integers(1, 5)))]
    members = {name: draw(st.sampled_from([[name], [f"{name}/a", f"{name}/b"]])) for name in names}
    known = sorted({*names, *(one for group in members.values() for one in group)})
    items = st.lists(st.sampled_from([*known, "nobody", "m0/nobody", "m"]), max_size=3, unique=True)
    depends_on = {name: draw(items) for name in names}
    runs = [
        a_member(one, number, *depends_on[name])
        for name in draw(st.permutations(names))
        for number, one in enumerate(members[name])
    ]
    return draw(st.permutations(runs))


def item(problem: Problem, runs: Sequence[Run]) -> tuple[str, str]:
    """The manifest that the problem is about, and the name that its item refers to."""
    run = next(run for run in runs if run.place.file == problem.place.file)
    index = int(problem.pointer.rpartition("/")[2])
    assert problem.pointer in run.marks
    assert problem.place == run.place_of(problem.pointer)
    assert f"spec.dependsOn[{index}]" in problem.message
    return run.manifest, run.depends_on[index]


def graph_of(runs: Sequence[Run]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        graph[run.manifest] |= {name.partition("/")[0] for name in run.depends_on}
    return graph


def reachable(graph: Mapping[str, Collection[str]], start: str) -> set[str]:
    """Where one gets to from there by one step or more."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for name in graph.get(ahead.pop(), ()):
            if name not in found:
                found.add(name)
                ahead.append(name)
    return found


@given(references(), st.sets(st.sampled_from(["nobody", "m0/nobody", "m0/a"])))
def test_exactly_the_unknown_names_are_problems(runs: list[Run], recorded: set[str]) -> None:
    ledger = a_ledger(*(a_claim(a_run(name), claim=name) for name in recorded))
    known = {run.name for run in runs} | {run.manifest for run in runs} | recorded
    known |= {name.partition("/")[0] for name in recorded}
    found = [item(one, runs) for _, one in dependency_problems(runs, ledger) if is_unknown(one)]
    expected = {(run.manifest, name) for run in runs for name in run.depends_on}
    assert sorted(found) == sorted((who, name) for who, name in expected if name not in known)


def is_unknown(problem: Problem) -> bool:
    return problem.code == "reference"


@given(references())
def test_circles_and_nothing_else_are_problems_at_an_item_of_theirs(runs: list[Run]) -> None:
    graph = graph_of(runs)
    found = [item(one, runs) for _, one in dependency_problems(runs, EMPTY) if not is_unknown(one)]
    assert len(found) == len(set(found))
    for manifest, name in found:
        needed = name.partition("/")[0]
        assert manifest in reachable(graph, needed) | {needed}
    # Every circle goes through a manifest that has a problem: without these there is none.
    told = {manifest for manifest, _ in found}
    rest = {name: needed - told for name, needed in graph.items() if name not in told}
    assert not any(name in reachable(rest, name) for name in rest)


@given(scenes())
def test_what_depends_on_earlier_manifests_only_has_no_problem(scene: Scene) -> None:
    assert list(dependency_problems(scene.runs, EMPTY)) == []


@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_a_circle_of_any_length_is_told_at_each_of_its_items(length: int) -> None:
    runs = [a_member(f"m{number}", number, f"m{(number + 1) % length}") for number in range(length)]
    aside = a_member("aside", 20, "m0")
    found = check(declared(*runs, aside), EMPTY, same_minute_allowed=False).problems
    assert [(one.code, one.place.file, one.place.line) for one in found] == [
        ("cycle", f"triggers/m{number}.yaml", 10) for number in range(length)
    ]


def test_a_backfill_must_not_wait_for_a_run_of_its_own() -> None:
    runs = [a_member(f"bf/{site}", number, "other", "bf/a") for number, site in enumerate("ab")]
    found = check(declared(*runs, a_member("other", 5)), EMPTY, same_minute_allowed=False).problems
    assert [(one.code, one.pointer) for one in found] == [("cycle", "/spec/dependsOn/1")]
    assert found[0].place == Place(file="triggers/bf.yaml", line=11, column=5)


def test_what_stands_behind_blocked_runs_names_the_run_that_is_at_the_root_of_it_all() -> None:
    first = a_member("m/1", 0, suspend=True)
    second = a_member("m/2", 1, "m/1")
    third = a_member("m/3", 2, "m/2")
    whole = a_member("whole", 10, "m")
    one = a_member("one", 11, "m/3")
    plan = a_plan(whole, one, third, second, first)
    reasons = {planned(plan, run).reason for run in (second, third, whole, one)}
    assert reasons == {"blocked: m/1 is suspended"}
    assert planned(plan, one).waits_for == ("m/3",)


def test_of_several_roots_the_first_is_named_and_the_others_are_counted_once_each() -> None:
    lost = [a_member(f"m/{number}", number, suspend=True) for number in (1, 2)]
    behind = [a_member(f"m/{number}", number, f"m/{number - 2}") for number in (3, 4)]
    whole = a_member("whole", 10, "m")
    plan = a_plan(whole, *behind, *lost)
    assert planned(plan, whole).reason == "blocked: m/1 is suspended, and 1 more of m"


def test_a_root_that_is_not_among_what_is_depended_on_is_not_said_to_be_of_it() -> None:
    lost = [a_member(name, number, suspend=True) for number, name in enumerate(("a", "b"))]
    behind = [a_member("m/1", 3, "a"), a_member("m/2", 4, "b")]
    whole = a_member("whole", 10, "m")
    plan = a_plan(whole, *behind, *lost)
    assert planned(plan, whole).reason == "blocked: a is suspended, and 1 more"
