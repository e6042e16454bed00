"""The first sentence of a comment: what the change starts, where, and what else it does."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from urllib.parse import urlsplit

from reconciler.configuration import GatewayConfiguration
from reconciler.counting import format_count
from reconciler.model import EpochMs, RunId
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.changes import Change, Kind
from reconciler.plan.review import Compared
from reconciler.render.changes_text import STARTS_NOTHING
from reconciler.render.differences import Quoted, Words
from reconciler.render.words import join_words


def change_sentence(plan: Plan, compared: Compared, gateway: GatewayConfiguration | None) -> Words:
    """`This change starts 1,240 runs at once, on organisation …; removes 28 runs that …`."""
    if compared.is_gone:
        runs = format_count(len(compared.changes), "run")
        away = " away, and with it "
        return ["This change takes the environment ", Quoted(plan.environment), away, runs, _LOST]
    lost = sum(map(len, compared.unjudged.values()))
    unjudged = f"What becomes of {format_count(lost, 'run')} nobody can tell." if lost else ""
    if not compared.changes:
        return [unjudged or STARTS_NOTHING, *_moved_runs_sentence(plan, compared, gateway)]
    starts = list(_starts(plan, compared))
    others = list(_other_change_words(plan, compared))
    words: Words = ["This change "]
    if starts:
        words += [join_words(starts), *(_destination(gateway) if gateway else [])]
        others = ["", *others]
    words += ["; ".join(others), ".", *([f" {unjudged}"] if unjudged else [])]
    return [*words, *_moved_runs_sentence(plan, compared, gateway)]


_LOST = " that will never start."


def _moved_runs_sentence(
    plan: Plan, compared: Compared, gateway: GatewayConfiguration | None
) -> Iterator[str | Quoted]:
    """A sentence about runs that the change does not touch, but moves to another destination."""
    told = {one.pointer.rpartition("/gateway/")[2] for one in compared.configuration if one.before}
    touched = {change.id for change in compared.changes}
    number = sum(
        run.action in {Action.START, Action.WAIT} and run.id not in touched for run in plan.runs
    )
    if gateway is not None and number and told & _DESTINATION:
        runs, verb = format_count(number, "run"), "waits" if number == 1 else "wait"
        yield f" It moves {runs} that {verb} on the branch to organisation "
        yield from [*_destination(gateway)[2:], "."]


_DESTINATION = frozenset({"url", "orgId", "userId", "service"})


def destination(gateway: GatewayConfiguration) -> Words:
    """`On organisation o1, gateway apim.example.com, as user u1.`."""
    return ["On", *_destination(gateway)[1:], "."]


def _destination(gateway: GatewayConfiguration) -> Words:
    host = urlsplit(gateway.url).netloc or gateway.url
    return [
        *(", on", " organisation ", Quoted(gateway.org_id), ", gateway ", Quoted(host)),
        *(", as user ", Quoted(gateway.user_id)),
    ]


def _starts(plan: Plan, compared: Compared) -> Iterator[str]:
    """What the change starts, and when."""
    planned = {run.id: run for run in plan.runs}
    when = Counter(
        (change.kind, _start_moment(change, planned, plan.at)) for change in compared.changes
    )
    at_once, later, rest = (when[Kind.ADDED, one] for one in (_AT_ONCE, _LATER, _NOT_YET))
    again = sum(change.kind is Kind.RERUN for change in compared.changes)
    changed, moved = (when[Kind.CHANGED, one] for one in (_AT_ONCE, _LATER))
    yield from chain(
        [f"starts {format_count(at_once, 'run')} at once"] if at_once else [],
        [f"starts {format_count(later, 'run')} at {_possessive(later)} time"] if later else [],
        [f"adds {format_count(rest, 'run')} that cannot start yet"] if rest else [],
        [_change_words(Kind.RERUN, again)] if again else [],
        [f"changes {format_count(changed, 'run')} that {_verb(changed)} at once"]
        if changed
        else [],
        [f"changes {format_count(moved, 'run')} that {_verb(moved)} at {_possessive(moved)} time"]
        if moved
        else [],
    )


_AT_ONCE, _LATER, _NOT_YET = range(3)


def _start_moment(change: Change, planned: Mapping[RunId, PlannedRun], now: EpochMs) -> int:
    """When the next apply starts the changed run."""
    run = planned.get(change.id)
    if run is None or run.action is not Action.START:
        return _NOT_YET
    return _AT_ONCE if run.trigger_time <= now else _LATER


def _verb(number: int) -> str:
    return "starts" if number == 1 else "start"


def _possessive(number: int) -> str:
    return "its" if number == 1 else "their"


def _other_change_words(plan: Plan, compared: Compared) -> Iterator[str]:
    """What the change does apart from starting runs."""
    starting = {run.id for run in plan.runs_of_action(Action.START)}
    kinds = Counter(
        change.kind
        for change in compared.changes
        if change.kind is not Kind.CHANGED or change.id not in starting
    )
    for kind in (Kind.RENAMED, Kind.CHANGED, Kind.REMOVED, Kind.REFUSED):
        if kinds[kind]:
            yield _change_words(kind, kinds[kind])


def _change_words(kind: Kind, number: int) -> str:
    """What a change does with that many runs: `removes 28 runs that will never start`."""
    runs = format_count(number, "run")
    match kind:
        case Kind.ADDED:
            return f"adds {runs}"
        case Kind.REMOVED:
            return f"removes {runs} that will never start"
        case Kind.RENAMED:
            return f"renames {runs}"
        case Kind.CHANGED:
            return f"changes {runs} that {'does' if number == 1 else 'do'} not start now"
        case Kind.RERUN:
            return f"starts {runs} again"
        case Kind.REFUSED:
            return f"edits {runs} that ran already, which is refused"
