"""How many runs may be under way at once, and how many may fail: `maxActive` and `stopAfter`.

A run is under way from its claim until the end of its instance is recorded, also while it is in
doubt. So two appliers cannot both take the last place: a claim is a compare-and-swap on the branch,
and the second applier must plan again from a branch that holds the first claim.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from reconciler.ledger import Ledger, Record
from reconciler.ledger.records import UNDER_WAY, Phase
from reconciler.model import (
    EpochMs,
    Run,
    RunId,
    manifest_of,
    run_attempt,
    run_id,
    run_name,
    run_revision,
)
from reconciler.plan.values import Action, PlannedRun, Reason
from reconciler.times import parse_instant


class Owners:
    """Which manifests a recorded run belongs to: the one that declares it, or those that might."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._declared: dict[str, str] = {}
        self._heirs: dict[str, set[str]] = defaultdict(set)  # by present and former names
        for run in runs:
            self._declared[run.name] = run.declared_manifest
            for name in (run.manifest, run.declared_manifest, *run.formerly):
                self._heirs[name].add(run.declared_manifest)

    def of(self, record: Record) -> Iterable[str]:
        """The present names of the manifests that the recorded run belongs to."""
        name = run_name(record.run)
        declared = self._declared.get(name)
        return self._heirs.get(manifest_of(name), ()) if declared is None else (declared,)


class Stopped(Struct, frozen=True, kw_only=True):
    """A manifest with so many failed runs that nothing more of it starts."""

    failed: tuple[str, ...]  # the names of the failed runs
    words: str


def stopped_manifests(runs: Sequence[Run], ledger: Ledger) -> dict[str, Stopped]:
    """By name, the manifests with at least `stopAfter` runs that failed for good.

    Only runs of the present revision count. A failed run that is no longer declared counts as well,
    because removing it mends nothing. A run that the reconciler was told to cancel does not count.
    """
    first = {run.declared_manifest: run for run in runs if run.stop_after is not None}
    if not first:
        return {}
    owners = Owners(runs)
    failed: dict[str, list[str]] = defaultdict(list)
    for record in ledger.records.values():
        if record.phase is Phase.FAILED and record.cancelled is None:
            for manifest in owners.of(record):
                run = first.get(manifest)
                if run is not None and _is_for_good(record, run, ledger):
                    failed[manifest].append(run_name(record.run))
    return {
        manifest: _build_stopped(first[manifest], names)
        for manifest, names in failed.items()
        if len(names) >= (first[manifest].stop_after or 0)
    }


def _is_for_good(record: Record, run: Run, ledger: Ledger) -> bool:
    """Whether the failed attempt is of the run's revision, and no other attempt follows it."""
    if run_revision(record.run) != run.revision:
        return False
    attempt = run_attempt(record.run)
    if ledger.may_have_started(run_id(run_name(record.run), run.revision, attempt + 1)):
        return False
    retry = run.retry
    return retry is None or attempt > retry.max or record.status not in retry.on


def _build_stopped(run: Run, failed: Sequence[str]) -> Stopped:
    number = len(failed)
    words = (
        f"stopped: {number} run{'s have' if number > 1 else ' has'} failed, and stopAfter is "
        f"{run.stop_after}: raise the number, or `revision` to run all of {run.declared_manifest} "
        "again"
    )
    return Stopped(failed=tuple(sorted(failed)), words=words)


class _Room(Struct, kw_only=True):
    """How many more runs of one manifest or flow may be under way."""

    words: str  # how many are under way, for the reason of runs that find no room
    under_way: frozenset[str]  # the names of the runs that are under way
    left: int  # places; below 0: more runs are under way than may be
    taken: int = 0  # places that this plan has given away

    @classmethod
    def of(cls, whose: str, most: int, records: Sequence[Record]) -> "_Room":
        return cls(
            words=f"{whose}{len(records):,} of {most:,} at most are under way",
            under_way=frozenset(run_name(one.run) for one in records),
            left=most - len(records),
        )

    @property
    def reason(self) -> str:
        """Why a run finds no room, with the number of runs that took a place in this plan."""
        if not self.taken:
            return self.words
        return f"{self.words}, and {self.taken:,} start{'s' if self.taken == 1 else ''} now"

    def take(self) -> None:
        """Give one place away."""
        self.left -= 1
        self.taken += 1


class _Rooms:
    """The room of every manifest and flow that has a limit, worked out on demand."""

    def __init__(self, runs: Sequence[Run], ledger: Ledger, most_of_flow: int | None) -> None:
        self._most_of_flow = most_of_flow
        self._rooms: dict[str | int, _Room] = {}
        self._of_manifest: dict[str, list[Record]] = defaultdict(list)
        self._of_flow: dict[int | None, list[Record]] = defaultdict(list)
        self._owners = Owners(runs)
        for record in ledger.records.values():
            if record.phase in UNDER_WAY:
                self._of_flow[record.flow_id].append(record)
                for manifest in self._owners.of(record):
                    self._of_manifest[manifest].append(record)

    def of(self, run: Run) -> list[_Room]:
        """The rooms in which the run needs a place."""
        found, manifest = [], run.declared_manifest
        if run.max_active is not None:
            if manifest not in self._rooms:
                records = self._of_manifest[manifest]
                self._rooms[manifest] = _Room.of("", run.max_active, records)
            found.append(self._rooms[manifest])
        if self._most_of_flow is not None:
            if run.flow_id not in self._rooms:
                records, whose = self._of_flow[run.flow_id], f"of flow {run.flow_id}, "
                self._rooms[run.flow_id] = _Room.of(whose, self._most_of_flow, records)
            found.append(self._rooms[run.flow_id])
        return found


def limit_runs(
    planned: Sequence[PlannedRun], runs: Sequence[Run], ledger: Ledger, most_of_flow: int | None
) -> Sequence[PlannedRun]:
    """The plan's runs. Those that there is no room for are made to wait.

    Runs that were never claimed get places first, then the others, the longest ago first. Otherwise
    a run that the service rejects each time would take a place for ever.
    """
    if most_of_flow is None and all(run.max_active is None for run in runs):
        return planned
    starting = [one for one in planned if one.action is Action.START]
    if not starting:
        return planned
    rooms = _Rooms(runs, ledger, most_of_flow)
    full: dict[RunId, _Room] = {}
    for one in sorted(starting, key=_last_claim_time):
        of_it = rooms.of(one.run) if one.run is not None else []
        none_left = next((room for room in of_it if room.left <= 0), None)
        if none_left is not None:
            full[one.id] = none_left
            continue
        for room in of_it:
            room.take()
    return [_defer_run(one, full[one.id]) if one.id in full else one for one in planned]


def _last_claim_time(planned: PlannedRun) -> EpochMs:
    """When the run was last claimed; 0 if never."""
    claimed_at = planned.record.claimed_at if planned.record is not None else None
    return EpochMs(0) if claimed_at is None else parse_instant(claimed_at)


def _defer_run(planned: PlannedRun, room: _Room) -> PlannedRun:
    return planned.but(
        action=Action.WAIT,
        reason=room.reason,
        code=Reason.NO_ROOM,
        warning=None,
        behind=room.under_way,
    )


def surplus(
    claimed: Sequence[Run], runs: Sequence[Run], ledger: Ledger, most_of_flow: int | None
) -> frozenset[RunId]:
    """The last ones of a claim's runs that exceed a limit, now that they are all under way.

    A git server may put a claim on the branch after it has answered that the push lost. Meanwhile
    it may have taken another claim, whose plan did not know about this one.
    """
    rooms = _Rooms(runs, ledger, most_of_flow)
    found = set()
    for run in sorted(claimed, key=lambda run: run.turn, reverse=True):
        of_it = rooms.of(run)
        if any(room.left < 0 for room in of_it):
            found.add(run.id)
            for room in of_it:
                room.left += 1
    return frozenset(found)
