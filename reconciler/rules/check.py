"""All rules, applied to everything declared and everything recorded."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo

from msgspec import Struct
from msgspec.structs import replace

from reconciler.identity import NOTHING_ELSE, Surroundings
from reconciler.ledger import Ledger, Record
from reconciler.ledger.events import stagger_of
from reconciler.model import (
    Declared,
    EpochMs,
    Place,
    Problem,
    Run,
    RunId,
    backfill_of,
    combination_of,
    manifest_of,
    run_digest,
    run_name,
    run_revision,
)
from reconciler.renaming import contested_names
from reconciler.rules.again import find_repeated
from reconciler.rules.collisions import collisions
from reconciler.rules.dependencies import dependency_problems
from reconciler.rules.duplicates import duplicates
from reconciler.rules.edits import edited_runs, lowered_runs
from reconciler.rules.pointing import given_pointer
from reconciler.schema.paths import message, pointer
from reconciler.times import HOUR_MS, MINUTE_MS, zoned_time

Found = tuple[Run, Problem]  # a run, and a problem with it

_QUARTER_MS = 15 * MINUTE_MS  # what the offsets of zones are whole numbers of
_FARTHEST_MS = 26 * HOUR_MS  # from GMT-12 to GMT+14


class Findings(Struct, frozen=True, kw_only=True):
    """What the rules found, as problems and as the runs that they are about."""

    problems: tuple[Problem, ...]
    changed: frozenset[RunId]
    duplicates: frozenset[RunId]
    colliding: frozenset[RunId]


def check(
    declared: Declared,
    ledger: Ledger,
    *,
    same_minute_allowed: bool,
    reserved_parameter: str | None = None,
    surroundings: Surroundings = NOTHING_ELSE,
    now: EpochMs | None = None,
) -> Findings:
    """Apply the rules to what is declared; its staggered runs must have been scheduled.

    `reserved_parameter` is the parameter that the gateway's configuration has the reconciler add.
    `surroundings` are the other ledgers and manifests of the repository. `now`: a run that is too
    late to start by then is in nobody's way. Runs are checked in the order in which they start, so
    that the names of files change neither the findings nor their messages.
    """
    runs = sorted(declared.runs, key=lambda run: run.turn)
    zone = declared.zone
    changed = list(_edit_problems(runs, ledger, zone))
    doubled = list(duplicates(runs, ledger, surroundings))
    colliding = [] if same_minute_allowed else list(collisions(runs, ledger, zone, now))
    reserved = list(_reserved_problems(runs, reserved_parameter)) if reserved_parameter else []
    dependent = list(dependency_problems(runs, ledger, zone))
    again = list(find_repeated(replace(declared, runs=tuple(runs)), ledger, surroundings, now))
    taken = list(rival_problems(runs, ledger))
    unclear = {run.id for run, _ in taken}  # these get no other finding: nobody knows what they are
    found = (*changed, *doubled, *colliding, *reserved, *dependent, *again)
    found = (*taken, *(one for one in found if one[0].id not in unclear))
    return Findings(
        problems=tuple(sorted((*surroundings.problems, *_merge_by_backfill(found)))),
        changed=frozenset(run.id for run, _ in changed),
        duplicates=frozenset(run.id for run, _ in doubled),
        colliding=frozenset(run.id for run, _ in colliding),
    )


def _merge_by_backfill(found: Iterable[Found]) -> Iterator[Problem]:
    """One problem for all runs of a backfill that share it: they all come from the same fields.

    It counts those that its message does not name.
    """
    of_backfills: dict[tuple[Place, str, str], list[Found]] = defaultdict(list)
    for run, problem in found:
        if backfill_of(run.id) is None:
            yield problem
        else:
            of_backfills[problem.place, problem.code, problem.pointer].append((run, problem))
    for group in of_backfills.values():
        run, problem = min(group, key=lambda one: one[0].turn)
        named = {word.strip("(),:;") for word in problem.message.split()}
        others = len(
            {other.id for other, _ in group if other.declared_id() not in named} - {run.id}
        )
        if others:
            more = f" (and {others} more of the runs of {run.declared_manifest})"
            problem = replace(problem, message=problem.message + more)
        yield problem


def _reserved_problems(runs: Iterable[Run], name: str) -> Iterator[Found]:
    for run in runs:
        if any(key == name for key, _ in run.parameters):
            from reconciler.expansion.characters import escape_for_name  # nobody else here needs it

            is_in_matrix = escape_for_name(name) in combination_of(run.declared_name)
            path = ("spec", "matrix" if is_in_matrix else "parameters", name)
            problem = Problem(
                place=run.place_of(pointer(path[:-1])),  # no run keeps the places of all its keys
                code="reserved",
                pointer=pointer(path),
                message=message(
                    path,
                    "is gateway.correlationParameter, which the reconciler adds by itself: give "
                    "the parameter another name",
                ),
            )
            yield run, problem


def _newest_revisions(runs: Iterable[Run], ledger: Ledger) -> dict[str, int]:
    """By manifest, the highest revision that is declared or recorded; the next is free."""
    found: dict[str, int] = defaultdict(lambda: 1)
    for run in runs:
        found[run.manifest] = max(found[run.manifest], run.revision)
    for recorded in ledger.records:
        if "@" in recorded:  # otherwise it is of the first revision
            manifest = manifest_of(run_name(recorded))
            if manifest in found:
                found[manifest] = max(found[manifest], run_revision(recorded))
    return found


def _edit_problems(runs: Sequence[Run], ledger: Ledger, zone: tzinfo) -> Iterator[Found]:
    """Every run that was edited under its revision, or goes back to an earlier revision."""
    edited_ones, lowered_ones = edited_runs(runs, ledger), list(lowered_runs(runs, ledger))
    if not (edited_ones or lowered_ones):
        return
    newest = _newest_revisions(runs, ledger)
    cause = (
        " (`gateway.timezone`, if that was changed)" if _have_one_shift(edited_ones, ledger) else ""
    )
    for run in edited_ones:
        yield run, _edited_problem(run, ledger, newest[run.manifest], zone, cause)
    for run, later in lowered_ones:
        yield run, _lowered_problem(run, later, newest[run.manifest])


def _have_one_shift(runs: Sequence[Run], ledger: Ledger) -> bool:
    """Whether runs of several manifests differ by one shift of time alone, as of another zone."""
    shifts = {_shift(run, ledger.records[run.id], ledger) for run in runs}
    return len(shifts) == 1 and None not in shifts and len({run.manifest for run in runs}) > 1


def _shift(run: Run, record: Record, ledger: Ledger) -> int | None:
    """The milliseconds between the times, if nothing else differs and two zones may be as far."""
    before = record.trigger_time - stagger_of(ledger.claims, record.claim, record.run)
    shift = run.trigger_time - run.delay - before
    may_be_zones = shift % _QUARTER_MS == 0 and abs(shift) <= _FARTHEST_MS
    is_same = run_digest(run.flow_id, EpochMs(before), run.parameters) == record.digest
    return shift if may_be_zones and is_same else None


def _edited_problem(run: Run, ledger: Ledger, newest: int, zone: tzinfo, cause: str) -> Problem:
    difference = _difference(run, ledger.records[run.id], ledger, zone)
    return Problem(
        place=run.place_of("/spec"),
        code="changed",
        pointer="/spec",
        message=f"{run.declared_id()} is recorded{_recorded_id_words(run)} with {difference}: "
        f"restore what it was{cause}, or write `revision: {newest + 1}` to run "
        f"{_rerun_scope(run)} again as it is now",
    )


def _rerun_scope(run: Run) -> str:
    """What a raised revision runs again: of a backfill, everything, including what succeeded."""
    return f"all of {run.declared_manifest}" if backfill_of(run.id) else "it"


def _recorded_id_words(run: Run) -> str:
    """The run's id in the ledger, in words, if its manifest had another name then."""
    return f" as {run.id}" if run.declared_as else ""


def _lowered_problem(run: Run, later: RunId, newest: int) -> Problem:
    return Problem(
        place=run.place_of(given_pointer(run, "/spec/revision", "/spec")),
        code="changed",
        pointer="/spec/revision",
        message=f"{run.declared_id()} is declared with revision {run.revision}, and {later} was "
        f"started already: write `revision: {newest}` again, or `revision: {newest + 1}` to "
        f"run {_rerun_scope(run)} once more",
    )


def _difference(run: Run, record: Record, ledger: Ledger, zone: tzinfo) -> str:
    """How the run differs from what was started. The digest says only that it does."""
    found = []
    if record.flow_id is not None and record.flow_id != run.flow_id:
        found.append(f"flow {record.flow_id}, not {run.flow_id}")
    delay = stagger_of(ledger.claims, record.claim, record.run)
    now = EpochMs(run.trigger_time - run.delay + delay)  # if it were moved by the recorded delay
    if now != record.trigger_time:
        times = (zoned_time(one, zone).isoformat(sep=" ") for one in (record.trigger_time, now))
        found.append("the trigger time {}, not {}".format(*times))
    return " and ".join(found) or "other parameters"


def rival_problems(runs: Sequence[Run], ledger: Ledger) -> Iterator[tuple[Run, Problem]]:
    """Every run that could go on with a recorded run's name, if another could as well.

    No two runs may have one name: each would take the other's start for its own.
    """
    for name, heirs in contested_names(runs, ledger).items():
        for run in heirs:
            other = heirs[1] if run is heirs[0] else heirs[0]
            yield run, _contested_problem(run, other, name)


def _contested_problem(run: Run, other: Run, name: str) -> Problem:
    pointer, former = _name_pointer(run, name), manifest_of(name)
    if run.name == name:
        remedy = f"give this manifest another name, or take `formerly: {former}` away there"
    elif other.name == name:
        remedy = f"take `formerly: {former}` away, or give the other one another name"
    else:
        remedy = f"write `formerly: {former}` in one of the two, or leave out of each what the "
        remedy += "other one goes on with"
    return Problem(
        place=run.place_of(pointer),
        code="name-taken",
        pointer=pointer,
        message=f"{run.declared_name} and {other.declared_name} "
        f"({other.place_of(_name_pointer(other, name))}) would both go on with {name}, which is "
        f"recorded: {remedy}",
    )


def _name_pointer(run: Run, name: str) -> str:
    """The pointer to the field that makes the run's manifest continue the run of that name."""
    return "/metadata/name" if run.name == name else "/spec/formerly"
