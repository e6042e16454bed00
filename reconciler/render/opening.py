"""The sentence with which a comment begins: what the change starts, where, what else it does."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlsplit

from reconciler.configuration import GatewayConfiguration
from reconciler.counting import counted
from reconciler.plan import Action, Plan
from reconciler.plan.changes import Kind
from reconciler.plan.review import Compared
from reconciler.render.changes import STARTS_NOTHING
from reconciler.render.differences import Quoted, Words
from reconciler.render.words import joined


def opening(plan: Plan, compared: Compared, gateway: GatewayConfiguration | None) -> Words:
    """`This change starts 1,240 runs at once, on organisation …; removes 28 runs that …`."""
    if compared.is_gone:
        runs = counted(len(compared.changes), "run")
        away = " away, and with it "
        return ["This change takes the environment ", Quoted(plan.environment), away, runs, _LOST]
    lost = sum(map(len, compared.unjudged.values()))
    unjudged = f"What becomes of {counted(lost, 'run')} nobody can tell." if lost else ""
    if not compared.changes:
        return [unjudged or STARTS_NOTHING, *_elsewhere(plan, compared, gateway)]
    starts = list(_starts(plan, compared))
    others = list(_others(compared))
    words: Words = ["This change "]
    if starts:
        words += [joined(starts), *(_destination(gateway) if gateway else [])]
        others = ["", *others]
    words += ["; ".join(others), ".", *([f" {unjudged}"] if unjudged else [])]
    return [*words, *_elsewhere(plan, compared, gateway)]


_LOST = " that will never start."


def _elsewhere(
    plan: Plan, compared: Compared, gateway: GatewayConfiguration | None
) -> Iterator[str | Quoted]:
    """What the change lets start elsewhere, though it does not touch the runs themselves."""
    told = {one.pointer.rpartition("/gateway/")[2] for one in compared.configuration if one.before}
    touched = {change.id for change in compared.changes}
    number = sum(
        run.action in {Action.TRIGGER, Action.WAIT} and run.id not in touched for run in plan.runs
    )
    if gateway is not None and number and told & _DESTINATION:
        runs, verb = counted(number, "run"), "waits" if number == 1 else "wait"
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
    """What the change lets start; of what it adds, when."""
    planned = {run.id: run for run in plan.runs}
    at_once = later = rest = 0
    for change in compared.changes:
        if change.kind is not Kind.ADDED:
            continue
        run = planned.get(change.id)
        if run is None or run.action is not Action.TRIGGER:
            rest += 1
        elif run.trigger_time <= plan.at:
            at_once += 1
        else:
            later += 1
    again = sum(change.kind is Kind.RERUN for change in compared.changes)
    yield from chain(
        [f"starts {counted(at_once, 'run')} at once"] if at_once else [],
        [f"starts {counted(later, 'run')} at {_its(later)} time"] if later else [],
        [f"adds {counted(rest, 'run')} that cannot start yet"] if rest else [],
        [_deed(Kind.RERUN, again)] if again else [],
    )


def _its(number: int) -> str:
    return "its" if number == 1 else "their"


def _others(compared: Compared) -> Iterator[str]:
    """What the change does besides letting runs start."""
    kinds = Counter(change.kind for change in compared.changes)
    for kind in (Kind.RENAMED, Kind.CHANGED, Kind.REMOVED, Kind.REFUSED):
        if kinds[kind]:
            yield _deed(kind, kinds[kind])


def _deed(kind: Kind, number: int) -> str:
    """What a change does with that many runs: `removes 28 runs that will never start`."""
    runs = counted(number, "run")
    match kind:
        case Kind.ADDED:
            return f"adds {runs}"
        case Kind.REMOVED:
            return f"removes {runs} that will never start"
        case Kind.RENAMED:
            return f"renames {runs}"
        case Kind.CHANGED:
            return f"changes {runs}"
        case Kind.RERUN:
            return f"starts {runs} again"
        case Kind.REFUSED:
            return f"edits {runs} that ran already, which is refused"
