"""How what a run depends on stands, in words and for the decision."""

from collections.abc import Callable, Container, Mapping, Sequence
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from reconciler.ledger import Record, RunState
from reconciler.model import EpochMs, Run, RunId, run_name
from reconciler.rules.agreement import Agreeing

Meant = Callable[[Run], bool]  # whether a run, by its attempt, is one that may be started now
LEFT_OUT = "left out of this apply"


def every_run(_: Run) -> bool:
    """Whatever is declared may be started."""
    return True


class DependencyStanding(Enum):
    """How a run stands, for those that depend on it."""

    SUCCEEDED = auto()
    COMING = auto()  # it may succeed yet
    LOST = auto()  # it ended badly, or will never start as things are


class Prerequisite(Struct, frozen=True, kw_only=True):
    """How one run stands."""

    run: RunId
    standing: DependencyStanding
    words: str  # that go on from the run: `is running`, `failed`
    # What is lost by itself and keeps the run from starting, however long the chain between them.
    cause: "Prerequisite | None" = None

    @property
    def root(self) -> "Prerequisite":
        """The one that a person must look at: what has blocked it, or else itself."""
        return self.cause or self


class Dependency(Struct, frozen=True, kw_only=True):
    """One thing that a run depends on, and how far it has come."""

    names: tuple[str, ...]  # what has not succeeded of it: as the manifest says, or the runs
    standing: DependencyStanding
    reason: str  # why it has not succeeded, in words; empty where it has
    gist: str = ""  # what many runs have in common, where each waits for a run of its own


def recorded_one(record: Record) -> Prerequisite:
    """The standing of a run of which nothing more is started, by its record."""
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


def to_be_started(
    run: Run, newest: RunState | None, now: EpochMs, stopped: Container[str]
) -> Prerequisite:
    """The standing of a run that is yet to be started, whatever becomes of what it depends on.

    `newest`: the state of its newest attempt. `stopped`: manifests of which nothing more starts.
    """
    standing = DependencyStanding.LOST
    if run.cancel:
        words = "is cancelled"
    elif run.suspend:
        words = "is suspended"
    elif run.not_after is not None and now > run.not_after:
        words = "was missed"
    elif run.declared_manifest in stopped:
        words = "is stopped"
    else:
        standing = DependencyStanding.COMING
        words = _NOT_STARTED.get(newest, "was not started yet")
    return Prerequisite(run=run.id, standing=standing, words=words)


def summed(name: str, members: Sequence[Prerequisite]) -> Dependency:
    """What all that the name means comes to."""
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
    if not members:  # a problem says so as well; nothing starts on the strength of it
        words = f"blocked: {name} is neither declared nor recorded"
        return Dependency(names=(name,), standing=DependencyStanding.LOST, reason=words)
    return Dependency(names=(), standing=DependencyStanding.SUCCEEDED, reason="")


def _causes(name: str, lost: Sequence[Prerequisite]) -> str:
    """What the lost ones are behind: the first in full, and how many others there are.

    Those that are blocked themselves count for what blocks them, each once: a person looks there.
    """
    causes = {one.root.run: one.root for one in lost}
    first, *others = causes.values()
    if not others:
        return f"{first.run} {first.words}"
    own = {one.run for one in lost}
    of = f" of {name}" if all(one.run in own for one in causes.values()) else ""
    return f"{first.run} {first.words}, and {len(others)} more{of}"


def summed_group(group: Agreeing, members: Sequence[Prerequisite]) -> Dependency:
    """The same for those that agree with the run: their own names are told."""
    whole = summed(group.name, members)
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
