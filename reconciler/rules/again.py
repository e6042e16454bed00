"""Edits of a backfill that would process the same dates a second time.

A run is known by its name, and the name holds its date and combination. If an edit moves the times
of a manifest, or adds a key to its matrix, the runs that it declared before are gone, and others
for the same dates are in their place. The service cannot know that they are the same work.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import date, tzinfo
from functools import cache
from urllib.parse import unquote

from msgspec import Struct

from reconciler.identity import NOTHING_ELSE, Surroundings
from reconciler.ledger import Ledger, Record
from reconciler.ledger.events import stagger_of
from reconciler.model import (
    Declared,
    EpochMs,
    Problem,
    Run,
    combination_of,
    covers,
    label_of,
    manifest_of,
    run_attempt,
    run_name,
    run_revision,
)
from reconciler.times import business_date, zoned_time


class _Gone(Struct, frozen=True, kw_only=True):
    """A run that was started, and that nobody declares any more."""

    record: Record
    name: str
    time: EpochMs  # the trigger time, without its delay
    combination: Mapping[str, str]
    elsewhere: str = ""  # the ledger that records it, if that is not the environment's own
    supposed: bool = False  # its manifest is only perhaps a former one of the new run's manifest


_Works = dict[tuple[str, date], list[_Gone]]  # by present manifest and business date


def find_repeated(
    declared: Declared,
    ledger: Ledger,
    surroundings: Surroundings = NOTHING_ELSE,
    now: EpochMs | None = None,
) -> Iterator[tuple[Run, Problem]]:
    """Every run whose date and combination another run of its manifest has processed already.

    A run is left out if its revision is later, if `again` or `duplicateOf` says that it is meant,
    or if it cannot start `now`. A range that moves, cut off at one end and extended at the other,
    repeats nothing: a started run that is still declared lies between the old run and the new one.
    """
    zone = declared.zone
    gone = _gone_runs(declared, ledger, surroundings)
    kept = _kept_times(declared, ledger) if gone else {}
    for run in declared.runs if gone else ():
        if run.again or run.hold_at(now) is not None or ledger.may_have_started(run.id):
            continue
        day = business_date(run.trigger_time, zone)
        other = _find_predecessor(
            run, gone.get((run.declared_manifest, day), ()), kept.get(_work(run, zone), ())
        )
        if other is not None:
            yield run, _problem(run, other, day, zone)


def _gone_runs(declared: Declared, ledger: Ledger, surroundings: Surroundings) -> _Works:
    """The runs that were started and are not declared, by manifest and business date."""
    found: _Works = defaultdict(list)
    undeclared = ledger.records.keys() - {run.name for run in declared.runs}
    lost = _lost_origin_manifests(declared.runs, ledger)
    if not (undeclared or lost or surroundings.elsewhere):  # usual, once all runs were started
        return found
    heirs: dict[str, set[str]] = defaultdict(set)  # manifests, by present and former names
    for run in declared.runs:
        manifest = run.declared_manifest
        for name in (manifest, *run.formerly):
            heirs[name].add(manifest)
    here = _own_gone_runs(
        declared, ledger, {manifest_of(run_name(one)) for one in undeclared}, heirs
    )
    for gone in (*here, *_foreign_gone_runs(declared, ledger, surroundings, heirs)):
        day = business_date(gone.record.trigger_time, declared.zone)
        for manifest in heirs[manifest_of(gone.name)]:
            found[manifest, day].append(gone)
    for orphan in ledger.of_manifests.keys() - heirs.keys() if lost else ():
        for record in _first_attempts(ledger, orphan):
            day = business_date(record.trigger_time, declared.zone)
            for manifest in lost:
                found[manifest, day].append(_build_gone(record, ledger, supposed=True))
    return found


def _own_gone_runs(
    declared: Declared, ledger: Ledger, undeclared: Container[str], heirs: Iterable[str]
) -> Iterator[_Gone]:
    """The runs of those manifests that the environment's ledger records and nothing declares.

    Only the `undeclared` manifests have any such run.
    """
    names = {run.name for run in declared.runs}
    for manifest in heirs:
        if manifest not in undeclared:
            continue
        for record in _first_attempts(ledger, manifest):
            if record.run not in names and run_name(record.run) not in names:
                yield _build_gone(record, ledger)


def _foreign_gone_runs(
    declared: Declared, ledger: Ledger, surroundings: Surroundings, heirs: Iterable[str]
) -> Iterator[_Gone]:
    """The runs of those manifests that other ledgers record, if no other environment declares them.

    Names mean nothing across environments: a manifest that another environment declares is its own.
    """
    if not surroundings.elsewhere:
        return
    digests = {run.name: run.digest for run in declared.runs}
    theirs = {
        name
        for others in surroundings.declared.values()
        for run in others
        for name in (run.manifest, *run.formerly)
    }
    for place, other in surroundings.elsewhere.items():
        for manifest in (one for one in heirs if one not in theirs):
            for record in _first_attempts(other, manifest):
                is_known = record.run in ledger.records
                if not is_known and digests.get(run_name(record.run)) != record.digest:
                    yield _build_gone(record, other, elsewhere=place)


def _first_attempts(ledger: Ledger, manifest: str) -> Iterator[Record]:
    for record in ledger.of_manifests.get(manifest, ()):
        if run_attempt(record.run) == 1:
            yield record


def _build_gone(
    record: Record, ledger: Ledger, *, elsewhere: str = "", supposed: bool = False
) -> _Gone:
    name, delay = run_name(record.run), stagger_of(ledger.claims, record.claim, record.run)
    return _Gone(
        record=record,
        name=name,
        time=EpochMs(record.trigger_time - delay),
        combination=combination_of(name),
        elsewhere=elsewhere,
        supposed=supposed,
    )


def _lost_origin_manifests(runs: Iterable[Run], ledger: Ledger) -> set[str]:
    """Manifests with `formerly` that have no record under any present or former name.

    Such a manifest may have had another name still, which `formerly` does not list any more; what
    was started keeps its first name in the ledger.
    """
    return {
        run.declared_manifest
        for run in runs
        if run.formerly
        and not any(name in ledger.of_manifests for name in (run.declared_manifest, *run.formerly))
    }


def _work(run: Run, zone: tzinfo) -> tuple[str, date, frozenset[tuple[str, str]]]:
    """The manifest, business date and combination of the run."""
    values = combination_of(run.declared_name)
    return run.declared_manifest, business_date(run.trigger_time, zone), frozenset(values.items())


def _kept_times(
    declared: Declared, ledger: Ledger
) -> Mapping[tuple[str, date, frozenset[tuple[str, str]]], Sequence[EpochMs]]:
    """The times of the runs that were started and are still declared, by `_work`."""
    found = defaultdict(list)
    for run in declared.runs:
        if ledger.may_have_started(run.id):
            found[_work(run, declared.zone)].append(EpochMs(run.trigger_time - run.delay))
    return found


def _find_predecessor(run: Run, gone: Sequence[_Gone], kept: Sequence[EpochMs]) -> _Gone | None:
    """The gone run that has done this run's work already; `kept`: started runs with that work."""
    own = combination_of(run.declared_name) if gone else {}
    return next(
        (
            one
            for one in gone
            if run_revision(one.record.run) >= run.revision
            and one.record.digest != run.digest  # an equal digest is the duplicate rule's
            and not ((one.elsewhere or one.supposed) and one.record.flow_id != run.flow_id)
            and not (run.duplicate_of and covers(run.duplicate_of, one.name))
            and all(
                _visible_value(own.get(key, value)) == _visible_value(value)
                for key, value in one.combination.items()
            )
            and (one.combination != own or not _is_cut_off(one, run, own, kept))
        ),
        None,
    )


@cache
def _visible_value(written: str) -> str:
    """What a reader sees of a matrix value; `written` is its form in the names of runs."""
    from reconciler.expansion.characters import visible_form

    return visible_form(unquote(written))


def _is_cut_off(one: _Gone, run: Run, own: Mapping[str, str], kept: Sequence[EpochMs]) -> bool:
    """Whether a moving range has dropped `one` and added the run, so the run does not replace it.

    That is so if the run's manifest would still declare `one` with a wider range, and a started run
    that is still declared lies between the two. Without such a run, nobody can tell a range that
    has moved from one run that replaces another.
    """
    label = label_of(one.name)
    if run.times is None or not label or one.combination.keys() != own.keys():
        return False
    first, last = sorted((one.time, EpochMs(run.trigger_time - run.delay)))
    return run.times.instant(label) == one.time and any(first < time < last for time in kept)


def _problem(run: Run, before: _Gone, day: date, zone: tzinfo) -> Problem:
    was, now = (_time_text(time, zone) for time in (before.record.trigger_time, run.trigger_time))
    manifest = run.declared_manifest
    where = f", recorded in {before.elsewhere}," if before.elsewhere else ""
    restore = "restore what was changed"
    if before.supposed:
        former = ", ".join((manifest_of(before.name), *run.formerly))
        restore = (
            f"write `formerly: [{former}]` if {manifest} goes on with it (nothing is recorded "
            "under the names that it says), or take `formerly` away if it does not"
        )
    return Problem(
        place=run.place_of("/spec"),
        code="again",
        pointer="/spec",
        message=f"{run.declared_id()} ({now}) would process {day} again: {before.record.run} "
        f"({was}){where} has done it and is no longer declared; {restore}, or write "
        f"`revision: {run.revision + 1}` to run all of {manifest} again as it is now, or "
        "`again: true` under `spec` if just that is meant",
    )


def _time_text(time: EpochMs, zone: tzinfo) -> str:
    return zoned_time(time, zone).isoformat(sep=" ", timespec="minutes")
