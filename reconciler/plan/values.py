"""A plan as a value: every run, what an apply would do with it, why, and what a look may change."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from reconciler.ledger import Record, RunState
from reconciler.model import (
    Digest,
    EpochMs,
    InstanceId,
    Parameters,
    Place,
    Problem,
    Run,
    RunId,
    run_name,
    with_parents,
)
from reconciler.numerous import Brief, Numerous


class Action(StrEnum):
    """What the next apply does with a run."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"  # in doubt: look for the instance, or ask a person
    CANCEL = "cancel"  # started, and not wanted any more
    HOLD = "hold"  # claimed by a live apply
    WAIT = "wait"  # suspended, missed, or not yet allowed
    DONE = "done"
    CHANGED = "changed"
    DUPLICATE = "duplicate"
    ORPHANED = "orphaned"  # recorded, and no longer declared


class Reason(StrEnum):
    """Why a run is not done, in one word that scripts may rely on."""

    READY = "ready"  # the next apply starts it
    SUSPENDED = "suspended"
    MISSED = "missed"
    WAITS_FOR = "waits-for"
    BLOCKED = "blocked"  # by one that failed, or will never start as things are
    CANCELLED = "cancelled"
    OVER_LIMIT = "over-limit"
    NO_ROOM = "no-room"  # as many as may be are under way
    STOPPED = "stopped"  # too many of its manifest have failed
    REJECTED = "rejected"
    CLAIMED = "claimed"
    IN_DOUBT = "in-doubt"
    NOT_DUE = "not-due"  # started, and its time lies ahead
    RUNNING = "running"
    FAILED = "failed"
    CHANGED = "changed"
    DUPLICATE = "duplicate"
    COLLISION = "collision"
    PROBLEM = "problem"  # of some manifest of the environment
    UNDECLARED = "undeclared"  # recorded, not started, and no longer declared: no plan has it


WORK = frozenset({Action.TRIGGER, Action.RESOLVE, Action.CANCEL})


class FlowCheck(Struct, frozen=True, kw_only=True):
    """What the service says of a flow before anything of it is started."""

    refusal: str | None = None  # why a start would be refused, in words that go on from the flow
    parameters: frozenset[str] | None = None  # that it declares; None: it does not say


class Decision(Numerous, frozen=True, kw_only=True, gc=False):
    """What an apply does with a run, and why."""

    action: Action
    reason: str
    # What it depends on and has not succeeded: as the manifest says, or the runs that are meant.
    waits_for: tuple[str, ...] = ()
    blocked: bool = False  # one of them has failed, or will never start as things are
    refused: bool = False  # the service would refuse it
    warning: str | None = None  # that stops nothing
    code: Reason | None = None  # None: it is done, or no longer declared
    gist: str = ""  # what it has in common with others, where each has a reason of its own


class _Planned:
    """What follows from a run of a plan, in whichever form the plan has it."""

    __slots__ = ()

    @property
    def instance(self: "PlannedRun") -> InstanceId | None:  # type: ignore[misc] # both are so
        """The run's instance, where one is recorded."""
        return self.record.instance if self.record is not None else None

    @property
    def shared_reason(self: "PlannedRun") -> str:  # type: ignore[misc]
        """The reason, or what it has in common with those of other runs."""
        return self.gist or self.reason

    @property
    def turn(self: "PlannedRun") -> tuple[EpochMs, EpochMs, RunId]:  # type: ignore[misc]
        """What runs are sorted by to start in their order."""
        return self.run.turn if self.run else (self.trigger_time, self.trigger_time, self.id)

    @property
    def may_follow(self: "PlannedRun") -> bool:  # type: ignore[misc]
        """Whether the run waits for others that may still succeed, or end and make room."""
        return (bool(self.waits_for) or self.code is Reason.NO_ROOM) and not self.blocked


class FullPlanned(_Planned, Numerous, frozen=True, kw_only=True, gc=False):
    """One run, what an apply would do with it, and why."""

    id: RunId
    action: Action
    reason: str
    flow_id: int | None  # None: no longer declared, and the ledger does not say
    trigger_time: EpochMs
    parameters: Parameters
    digest: Digest
    place: Place | None  # None: no longer declared
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    run: Run | None = None  # None: no longer declared
    record: Record | None = None
    waits_for: tuple[str, ...] = ()  # see `Decision`
    blocked: bool = False
    refused: bool = False
    warning: str | None = None
    code: Reason | None = None
    gist: str = ""
    behind: frozenset[str] = frozenset()  # names of the runs under way whose ends make room for it

    def full(self) -> "FullPlanned":
        """The same value."""
        return self


class BriefPlanned(_Planned, Brief[FullPlanned], msgspec.Struct, frozen=True, eq=False, gc=False):
    """A declared run as it is, and what was decided on it: one value for all that are alike.

    There may be 100,000 of them. So it has nothing of its own, and says what they say.
    """

    run: Run
    record: Record | None
    decision: Decision
    behind: ClassVar[frozenset[str]] = frozenset()
    in_full: ClassVar[Any] = FullPlanned

    @property
    def id(self) -> RunId:
        """As in the full value; so are all that follow."""
        return self.run.id

    @property
    def flow_id(self) -> int:  # noqa: D102 - as in the full value, and so below
        return self.run.flow_id

    @property
    def trigger_time(self) -> EpochMs:  # noqa: D102
        return self.run.trigger_time

    @property
    def parameters(self) -> Parameters:  # noqa: D102
        return self.run.shown_parameters()

    @property
    def digest(self) -> Digest:  # noqa: D102
        return self.run.digest

    @property
    def place(self) -> Place:  # noqa: D102
        return self.run.place

    @property
    def labels(self) -> Mapping[str, str]:  # noqa: D102
        return self.run.labels

    @property
    def action(self) -> Action:  # noqa: D102
        return self.decision.action

    @property
    def reason(self) -> str:  # noqa: D102
        return self.decision.reason

    @property
    def waits_for(self) -> tuple[str, ...]:  # noqa: D102
        return self.decision.waits_for

    @property
    def blocked(self) -> bool:  # noqa: D102
        return self.decision.blocked

    @property
    def refused(self) -> bool:  # noqa: D102
        return self.decision.refused

    @property
    def warning(self) -> str | None:  # noqa: D102
        return self.decision.warning

    @property
    def code(self) -> Reason | None:  # noqa: D102
        return self.decision.code

    @property
    def gist(self) -> str:  # noqa: D102
        return self.decision.gist


PlannedRun = FullPlanned | BriefPlanned


class Plan(Struct, frozen=True, kw_only=True):
    """The plan of one environment, in the order in which runs would start."""

    environment: str
    commit: str | None  # of the ledger; None where there is no commit yet
    at: EpochMs
    runs: tuple[PlannedRun, ...]
    problems: tuple[Problem, ...]
    retired: int = 0  # runs that retired ledgers record and that nobody declares any more

    @property
    def summary(self) -> dict[str, int]:
        """How many runs have which action, in the order of the actions."""
        counts = Counter(run.action for run in self.runs)
        return {action.value: counts[action] for action in Action if counts[action]}

    @property
    def digest(self) -> str:
        """SHA-256 over what each run is, carries and waits for: the same work, the same digest.

        The trigger time stands beside the run's digest, which leaves its stagger out.
        """
        runs = [[run.id, run.action, run.digest, run.trigger_time] for run in self.runs]
        content = [self.environment, runs]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def has_work(self) -> bool:
        """Whether an apply would start a run, look for one, or cancel one."""
        return any(run.action in WORK for run in self.runs)

    @property
    def refused(self) -> tuple[PlannedRun, ...]:
        """The runs that the service was asked about and would refuse."""
        return tuple(run for run in self.runs if run.refused)

    def of_action(self, action: Action) -> tuple[PlannedRun, ...]:
        """The runs with that action."""
        return tuple(run for run in self.runs if run.action is action)


class Awaited(Struct, frozen=True, kw_only=True):
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
