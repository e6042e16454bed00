"""How the runs that a run depends on stand, for the decision and in words."""

from collections.abc import Callable, Container, Mapping, Sequence
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from reconciler.ledger import Record, RunState
from reconciler.model import EpochMs, Held, Run, RunId, run_name
from reconciler.plan.values import Reason
from reconciler.rules.agreement import Agreeing
from reconciler.times import format_instant

Meant = Callable[[Run], bool]  # whether this apply may start that attempt at a run
LEFT_OUT = "left out of this apply"


class Hold(Struct, frozen=True, kw_only=True):
    """What is said of a run that its manifest holds back."""

    code: Reason
    why: str  # of the run itself
    words: str  # of the same run, for those that depend on it: a predicate


HOLDS = {
    Held.CANCELLED: Hold(
        code=Reason.CANCELLED, why="cancelled before it was started", words="is cancelled"
    ),
    Held.SUSPENDED: Hold(code=Reason.SUSPENDED, why="suspended", words="is suspended"),
    Held.MISSED: Hold(code=Reason.MISSED, why="missed", words="was missed"),
}


def describe_hold(run: Run, held: Held) -> str:
    """Why the run's manifest holds it back, in words."""
    if held is Held.MISSED and run.not_after is not None:
        return f"{HOLDS[held].why}: notAfter was {format_instant(run.not_after)}"
    return HOLDS[held].why


def accepts_every_run(_: Run) -> bool:
    """Every declared run may be started."""
    return True


class DependencyStanding(Enum):
    """How a run stands, for the runs that depend on it."""

    SUCCEEDED = auto()
    COMING = auto()  # it may still succeed
    LOST = auto()  # it ended badly, or will never start as things are


class Prerequisite(Struct, frozen=True, kw_only=True):
    """How one run stands."""

    run: RunId
    standing: DependencyStanding
    words: str  # a predicate, with the run as its subject: `is running`, `failed`
    # The run that is lost by itself and blocks this one, however long the chain between them.
    cause: "Prerequisite | None" = None

    @property
    def root(self) -> "Prerequisite":
        """The run that a person must look at: the one that blocks this run, or this run itself."""
        return self.cause or self


class Dependency(Struct, frozen=True, kw_only=True):
    """One thing that a run depends on, and how it stands."""

    names: tuple[str, ...]  # what has not succeeded: the name in the manifest, or single runs
    standing: DependencyStanding
    reason: str  # why it has not succeeded, in words; empty where it has
    gist: str = ""  # the reason that many runs share, where each waits for a run of its own


def recorded_prerequisite(record: Record) -> Prerequisite:
    """The standing of a recorded run that will not be attempted again."""
    match record.state(record.until):
        case RunState.SUCCEEDED:
            return Prerequisite(
                run=record.run, standing=DependencyStanding.SUCCEEDED, words="has succeeded"
            )
        case RunState.FAILED:
            words = f"failed ({record.status})"
            return Prerequisite(run=record.run, standing=DependencyStanding.LOST, words=words)
        case RunState.IN_DOUBT:
            return Prerequisite(
                run=record.run, standing=DependencyStanding.COMING, words="is in doubt or claimed"
            )
        case RunState.PENDING | RunState.REJECTED:
            words = "was not started, and is no longer declared"
            return Prerequisite(run=record.run, standing=DependencyStanding.LOST, words=words)
        case _:
            return Prerequisite(
                run=record.run, standing=DependencyStanding.COMING, words="has not ended"
            )


_NOT_STARTED: Mapping[RunState | None, str] = {  # by the state of the newest attempt
    RunState.FAILED: "is tried again",
    RunState.REJECTED: "was refused and is tried again",
}


def unstarted_prerequisite(
    run: Run, newest: RunState | None, now: EpochMs, stopped: Container[str]
) -> Prerequisite:
    """The standing of a run that has yet to start, without regard to its own dependencies.

    `newest`: the state of its newest attempt. `stopped`: manifests that start nothing more.
    """
    standing, held = DependencyStanding.LOST, run.hold_at(now)
    if held is not None:
        words = HOLDS[held].words
    elif run.declared_manifest in stopped:
        words = "is stopped"
    else:
        standing = DependencyStanding.COMING
        words = _NOT_STARTED.get(newest, "was not started yet")
    return Prerequisite(run=run.id, standing=standing, words=words)


def dependency_on_name(name: str, members: Sequence[Prerequisite]) -> Dependency:
    """The dependency on a name, from the standings of all runs that the name means."""
    lost = [one for one in members if one.standing is DependencyStanding.LOST]
    coming = [one for one in members if one.standing is DependencyStanding.COMING]
    if lost:
        words = f"blocked: {_causes(name, lost)}"
        return Dependency(names=(name,), standing=DependencyStanding.LOST, reason=words)
    if coming and len(members) > 1:
        done = len(members) - len(coming)
        words = f"waits for {name}: {done} of {len(members)} runs have succeeded"
        return Dependency(names=(name,), standing=DependencyStanding.COMING, reason=words)
    if coming:
        words = f"waits for {coming[0].run}, which {coming[0].words}"
        return Dependency(names=(name,), standing=DependencyStanding.COMING, reason=words)
    if not members:  # a problem reports this as well
        words = f"blocked: {name} is neither declared nor recorded"
        return Dependency(names=(name,), standing=DependencyStanding.LOST, reason=words)
    return Dependency(names=(), standing=DependencyStanding.SUCCEEDED, reason="")


def _causes(name: str, lost: Sequence[Prerequisite]) -> str:
    """Why the runs are lost: the first cause in full, and how many more causes there are.

    A run that is itself blocked stands for the run that blocks it, and each of those counts once:
    that is where a person must look.
    """
    causes = {one.root.run: one.root for one in lost}
    first, *others = causes.values()
    if not others:
        return f"{first.run} {first.words}"
    own = {one.run for one in lost}
    of = f" of {name}" if all(one.run in own for one in causes.values()) else ""
    return f"{first.run} {first.words}, and {len(others)} more{of}"


def dependency_on_group(group: Agreeing, members: Sequence[Prerequisite]) -> Dependency:
    """The dependency on runs that agree with the waiting run; it names each of them."""
    whole = dependency_on_name(group.name, members)
    missing = [one for one in members if one.standing is not DependencyStanding.SUCCEEDED]
    names = tuple(run_name(one.run) for one in missing)
    if not members:
        reason = f"blocked: no run of {group.name} agrees in {group.keys}"
        return replace(whole, names=(group.name,), reason=reason)
    if whole.standing is not DependencyStanding.COMING:
        return replace(whole, names=names)
    reason = whole.reason
    if len(members) > 1:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        done = len(members) - len(missing)
        reason = f"waits for {missing[0].run}{more}: {done} of {len(members)} runs have succeeded"
    gist = f"each waits for the runs of {group.name} that agree in {group.keys}"
    return replace(whole, names=names, reason=reason, gist=gist)
