"""A plan as a value: what an apply would do with each run and why, and which ends matter next."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
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
    covering_references,
    run_name,
)
from reconciler.numerous import Brief, Numerous


class Action(StrEnum):
    """What the next apply does with a run."""

    START = "trigger"  # the word of the plan format
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
    BLOCKED = "blocked"  # by a run that failed, or will never start as things are
    CANCELLED = "cancelled"
    OVER_LIMIT = "over-limit"
    NO_ROOM = "no-room"  # as many runs as allowed are already under way
    STOPPED = "stopped"  # too many runs of its manifest have failed
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


WORK = frozenset({Action.START, Action.RESOLVE, Action.CANCEL})


class FlowCheck(Struct, frozen=True, kw_only=True):
    """What the service says about a flow before any run of it is started."""

    refusal: str | None = None  # why a start would be refused: a predicate, the flow its subject
    parameters: frozenset[str] | None = None  # the names that the flow declares; None: not said


class Decision(Numerous, frozen=True, kw_only=True, gc=False):
    """What an apply does with a run, and why."""

    action: Action
    reason: str
    # Dependencies that have not succeeded: names from the manifest, or of the runs that they mean.
    waits_for: tuple[str, ...] = ()
    blocked: bool = False  # one of these has failed, or will never start as things are
    refused: bool = False  # the service would refuse the run
    warning: str | None = None  # stops nothing
    code: Reason | None = None  # None: the run is done, or no longer declared
    gist: str = ""  # what its reason shares with those of other runs, where each has its own


class _Planned:
    """What follows from a run of a plan, be it full or brief."""

    __slots__ = ()

    @property
    def instance(self: "PlannedRun") -> InstanceId | None:  # type: ignore[misc] # both are so
        """The run's instance, where one is recorded."""
        return self.record.instance if self.record is not None else None

    @property
    def shared_reason(self: "PlannedRun") -> str:  # type: ignore[misc]
        """The gist that the run shares with others, or else its reason."""
        return self.gist or self.reason

    @property
    def turn(self: "PlannedRun") -> tuple[EpochMs, EpochMs, RunId]:  # type: ignore[misc]
        """The key that sorts runs into the order in which they start."""
        return self.run.turn if self.run else (self.trigger_time, self.trigger_time, self.id)

    @property
    def may_follow(self: "PlannedRun") -> bool:  # type: ignore[misc]
        """Whether the run waits for other runs that may still succeed, or end and make room."""
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
    behind: frozenset[str] = frozenset()  # names of runs under way whose ends would make room

    def full_value(self) -> "FullPlanned":
        """The value itself."""
        return self


class BriefPlanned(_Planned, Brief[FullPlanned], msgspec.Struct, frozen=True, eq=False, gc=False):
    """A declared run, its record and the decision; all runs with one decision share that.

    There may be 100,000 of these, so each holds just references, and takes its fields from there.
    """

    run: Run
    record: Record | None
    decision: Decision
    behind: ClassVar[frozenset[str]] = frozenset()
    in_full: ClassVar[Any] = FullPlanned

    @property
    def id(self) -> RunId:
        """As in the full value; the properties below are, too."""
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


def plan_digest(environment: str, runs: Iterable[tuple[RunId, Action, Digest, EpochMs]]) -> str:
    """SHA-256 of the work: the environment, and each run's id, action, digest and trigger time.

    The trigger time is there because a run's digest leaves its stagger out.
    """
    # Of what `json.dumps` makes of the environment and a list of these, without that list.
    whole = hashlib.sha256(f"[{_quoted(environment)}, [".encode())
    for number, (run, action, digest, time) in enumerate(runs):
        row = f"{_quoted(run)}, {_quoted(action)}, {_quoted(digest)}"
        whole.update(f"{', ' if number else ''}[{row}, {time}]".encode())
    whole.update(b"]]")
    return whole.hexdigest()


class Plan(Struct, frozen=True, kw_only=True):
    """The plan of one environment, in the order in which runs would start."""

    environment: str
    commit: str | None  # that the ledger was read from; None where there is no commit yet
    at: EpochMs
    runs: tuple[PlannedRun, ...]
    problems: tuple[Problem, ...]
    retired: int = 0  # runs that retired ledgers record and no manifest declares any more

    @property
    def summary(self) -> dict[str, int]:
        """How many runs have each action, in the order of the actions; only actions with runs."""
        counts = Counter(run.action for run in self.runs)
        return {action.value: counts[action] for action in Action if counts[action]}

    @property
    def digest(self) -> str:
        """SHA-256 of the work; see `plan_digest`."""
        return plan_digest(
            self.environment,
            ((run.id, run.action, run.digest, run.trigger_time) for run in self.runs),
        )

    @property
    def has_work(self) -> bool:
        """Whether an apply would start a run, look for one, or cancel one."""
        return any(run.action in WORK for run in self.runs)

    @property
    def refused(self) -> tuple[PlannedRun, ...]:
        """The runs that the service was asked about and would refuse."""
        return tuple(run for run in self.runs if run.refused)

    def runs_of_action(self, action: Action) -> tuple[PlannedRun, ...]:
        """The runs with that action."""
        return tuple(run for run in self.runs if run.action is action)


_quoted = json.encoder.encode_basestring_ascii


class Awaited(Struct, frozen=True, kw_only=True):
    """Started runs that may have ended without anybody looking, and the runs that wait for them.

    Where there are none, an apply has nothing to ask the service, so the plan is at rest.
    """

    started: tuple[RunId, ...]
    waiting: tuple[RunId, ...]  # each waits for the end of at least one started run


def find_awaited(plan: Plan) -> Awaited:
    """The started runs that an apply would ask about, and the runs that wait for their ends."""
    followers = [run for run in plan.runs if run.may_follow]
    wanted = {name for run in followers for name in (*run.waits_for, *run.behind)}
    started: list[RunId] = []
    names: set[str] = set()
    for run in plan.runs if wanted else ():
        meant = wanted.intersection(covering_references(run_name(run.id)))
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
