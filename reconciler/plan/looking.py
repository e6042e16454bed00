"""What an apply would learn by looking: the ends of started runs that others wait for."""

from dataclasses import dataclass

from reconciler.ledger import RunState
from reconciler.model import RunId, run_name, with_parents
from reconciler.plan.values import Plan, PlannedRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """Started runs whose time has come and whose end nobody has looked at, and who waits for it.

    Without them an apply has nothing to ask, so a plan with none of them is at rest.
    """

    started: tuple[RunId, ...]
    waiting: tuple[RunId, ...]  # each of which waits for the end of some of them


def awaited(plan: Plan) -> Awaited:
    """What an apply of the plan would ask, as far as that may let a further run start."""
    followers = [run for run in plan.runs if run.may_follow]
    wanted = {name for run in followers for name in (*run.waits_for, *run.behind)}
    started: list[RunId] = []
    names: set[str] = set()
    for run in plan.runs if wanted else ():
        meant = wanted.intersection(with_parents(run_name(run.id)))
        if meant and _may_have_ended(run, plan):
            started.append(run.id)
            names |= meant
    waiting = tuple(
        run.id for run in followers if not names.isdisjoint((*run.waits_for, *run.behind))
    )
    return Awaited(started=tuple(started), waiting=waiting)


def _may_have_ended(run: PlannedRun, plan: Plan) -> bool:
    record = run.record
    if record is None or record.state(plan.at) is not RunState.TRIGGERED:
        return False
    return bool(record.starts) and record.trigger_time <= plan.at
