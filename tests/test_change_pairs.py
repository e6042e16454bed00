"""Pairs of generated manifests, before and after, against all that applies would ever start.

`tests/test_changes.py` draws runs; here they come from YAML, as edits of one another, and what is
started is found by applying each side until nothing is left to start.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import yaml
from hypothesis import assume, event, given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from reconciler.cli.options import CommonOptions
from reconciler.cli.planning import PlanReport, Reviewed
from reconciler.errors import ExitCode
from reconciler.ledger import Ledger
from reconciler.manifest import combine, read_file
from reconciler.model import Declared, Digest, EpochMs, Run, RunId, Source, covers
from reconciler.plan import Action, Plan, make_plan
from reconciler.plan.changes import Change, Kind, changes
from reconciler.plan.review import Review, refusals
from reconciler.schedule import schedule_runs
from tests.apply.service import ENVIRONMENT
from tests.building import NOW, a_ledger, after
from tests.sampling import examples
from tests.test_changes import fate
from tests.test_edits import GMT8
from tests.test_refusals import refusal_of_apply

LATER = after(NOW, 3_600_000)
LIMIT = 3

Document = Mapping[str, Any]  # a manifest's spec, with its kind
Starts = dict[RunId, tuple[Digest, EpochMs, int]]  # and after how many others, one by one

_DATES = [(first, last) for first in (1, 2) for last in (1, 2, 3) if first <= last]
_COMMON: dict[str, Sequence[Any]] = {  # what each field may become
    "flowId": [1, 2],
    "parameters": [{"A": "x"}, {"A": "y"}],
    "revision": [1, 2, 2, 2],
    "suspend": [False, True],
    "notAfter": [None, "2024-03-02T09:00:00Z", "2024-03-02T01:00:00Z"],
    "dependsOn": [None, ["a"], ["b"], ["m"]],
    "retry": [None, {"max": 1}, {"max": 1}],
    "cancel": [False, True],
}
_TRIGGER = _COMMON | {"triggerTime": [f"2024-03-02T08:0{one}:00+08:00" for one in range(5)]}
_BACKFILL = _COMMON | {
    "businessDates": [
        {"from": f"2024-02-0{one}", "to": f"2024-02-0{two}", "every": "1d"} for one, two in _DATES
    ],
    "matrix": [None, {"S": ["p"]}, {"S": ["p", "q"]}],
}
_FIELDS = {**dict.fromkeys("abc", _TRIGGER), "m": _BACKFILL}
_PLAIN: dict[str, Document] = {
    name: {"flowId": 1, "parameters": {"A": name}, "triggerTime": f"2024-03-02T08:1{number}:00Z"}
    for number, name in enumerate("abc")
}
_PLAIN["m"] = {"flowId": 1, "businessDates": _BACKFILL["businessDates"][2], "stagger": "1m"}
_OFTEN = ("dependsOn", "dependsOn", "retry", "retry", "retry", "revision")  # they need others too
_NAMES = st.sampled_from("abcm")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Declared, Declared, Ledger]:
    """What was declared, the same after some edits, and what became of some of its runs."""
    before = {name: draw(edits(name, _PLAIN[name])) for name in sorted(draw(st.sets(_NAMES)))}
    now = {name: draw(edits(name, document)) for name, document in before.items()}
    now = {name: one for name, one in now.items() if draw(st.integers(0, 7))}
    for name in draw(st.sets(_NAMES, max_size=1)) - before.keys():
        now[name] = draw(edits(name, _PLAIN[name]))
    was = read(before)
    fates = st.sampled_from(["none", "none", "triggered", "SUCCESS", "FAIL", "FAIL", "rejected"])
    started = schedule_runs(was, a_ledger()).runs if draw(st.booleans()) else ()
    ledger = a_ledger(*(one for run in started for one in fate(run, draw(fates))))
    return was, read(now), ledger


@st.composite
def edits(draw: st.DrawFn, name: str, document: Document) -> Document:
    """The manifest with up to two of its fields written anew."""
    chances = st.sampled_from([*sorted(_FIELDS[name]), *_OFTEN])
    fields = draw(st.sets(chances, max_size=2))
    values = {field: draw(st.sampled_from(_FIELDS[name][field])) for field in sorted(fields)}
    return {**document, **values}


def read(documents: Mapping[str, Document]) -> Declared:
    sources = []
    for name, document in documents.items():
        spec = {key: value for key, value in document.items() if value is not None}
        kind = "Backfill" if "businessDates" in spec else "Trigger"
        head = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}}
        content = yaml.safe_dump({**head, "spec": spec}).encode()
        sources.append(Source(path=f"triggers/{name}.yaml", content=content))
    found = combine([read_file(source, GMT8) for source in sources], (), GMT8)
    assert not found.problems, found.problems
    return found


def planned(side: Declared, ledger: Ledger) -> Plan:
    return make_plan(
        side, ledger, LATER, environment="prod", commit=None, same_minute_allowed=False
    )


def ever_started(side: Declared, ledger: Ledger) -> Starts | None:
    """What applies would start, one after another, if all of it went well; None: they refuse."""
    found: Starts = {}
    for turn in count():
        plan = planned(side, ledger)
        if plan.problems:
            return None
        starts = [one.run for one in plan.runs_of_action(Action.START) if one.run is not None]
        if not starts:
            return found
        found |= {run.id: (run.digest, run.trigger_time, turn) for run in starts}
        ledger = ledger.with_events([one for run in starts for one in fate(run, "SUCCESS")])
    raise AssertionError


class Waiting(Struct, frozen=True, kw_only=True):
    """Who waits for whom, on either side."""

    runs: Sequence[Run]

    def is_behind(self, run: RunId, touched: set[RunId]) -> bool:
        """Whether the run waits, through others perhaps, for one that the change touches."""
        seen, ahead = set[str](), [one for one in self.runs if run.startswith(one.id)]
        names = {id_.partition("#")[0].partition("@")[0] for id_ in touched}
        while ahead:
            for dependency in ahead.pop().depends_on:
                if any(covers(dependency, name) for name in names):
                    return True
                if dependency not in seen:
                    seen.add(dependency)
                    ahead += [one for one in self.runs if covers(dependency, one.name)]
        return False


@examples(200)
@given(pairs())
def test_changes_explain_what_is_ever_started_otherwise_and_nothing_else(
    world: tuple[Declared, Declared, Ledger],
) -> None:
    before, now, ledger = world
    was, will = ever_started(before, ledger), ever_started(now, ledger)
    assume(was is not None and will is not None)
    if was is None or will is None:
        raise AssertionError
    sides = [schedule_runs(side, ledger) for side in (before, now)]
    found = {one.id: one for one in changes(sides[0], sides[1], ledger)}
    told = {*found, *(one.before.id for one in found.values() if one.before is not None)}
    waiting = Waiting(runs=[*before.runs, *now.runs])
    for id_ in was.keys() | will.keys():
        if was.get(id_) != will.get(id_):
            assert id_ in told or waiting.is_behind(id_, told), (id_, was, will)
    for change in found.values():
        event(change.kind.value)
        check_that_it_is_true(change, was, will, sides[1], ledger)


def check_that_it_is_true(
    change: Change, was: Starts, will: Starts, now: Declared, ledger: Ledger
) -> None:
    """None too many: each does what it says."""
    waits = {one.id for one in planned(now, ledger).runs_of_action(Action.WAIT)}
    match change.kind:
        case Kind.ADDED | Kind.RERUN:
            assert change.id not in was
            assert change.id in will or change.id in waits
        case Kind.REMOVED:
            assert change.id not in will
            assert change.id not in {one.id for one in planned(now, ledger).runs}
        case Kind.RENAMED:
            assert change.before is not None
            assert change.before.id not in will
            assert change.id in will or change.id in waits
        case Kind.CHANGED:
            assert change.fields
        case Kind.REFUSED:
            raise AssertionError(change)  # then nothing at all would be started


@examples(100)
@given(pairs())
def test_whatever_makes_an_apply_of_the_change_refuse_makes_plan_exit_with_1(
    world: tuple[Declared, Declared, Ledger],
) -> None:
    _, now, ledger = world
    limits = replace(ENVIRONMENT.limits, max_runs_per_apply=LIMIT)
    here = replace(ENVIRONMENT, limits=limits)
    plan = planned(now, ledger)
    review = Review(refused=refusals(plan, LIMIT))
    reviewed = Reviewed(plan=plan, environment=here, review=review)
    report = PlanReport(plans=[reviewed], options=CommonOptions())
    error = refusal_of_apply(now, ledger, here)
    event(type(error).__name__)
    expected = ExitCode.OK if error is None else ExitCode.PROBLEM
    assert report.exit_code is expected, error
