"""Edits of a backfill that would process the same dates a second time.

A run is known by its name, and the name by date and combination. Where an edit moves the times of a
manifest, or adds a key to its matrix, the runs that it has declared are gone and others stand in
their place, for the same dates. Nothing tells the service that they are the same work.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import cache
from urllib.parse import unquote

from reconciler.expansion.alike import look
from reconciler.ledger import Ledger, Record
from reconciler.ledger.events import stagger_of
from reconciler.model import (
    Declared,
    EpochMs,
    Problem,
    Run,
    combination_of,
    covers,
    first_attempt,
    label_of,
    manifest_of,
    run_name,
    run_revision,
)
from reconciler.times import business_date, in_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gone:
    """A run that was started, and that its manifest does not declare any more."""

    record: Record
    name: str
    time: EpochMs  # before it was moved by a stagger
    combination: Mapping[str, str]


def repeated(declared: Declared, ledger: Ledger) -> Iterator[tuple[Run, Problem]]:
    """Every run for a date and combination for which its manifest had another one started.

    Not of a later revision, nor where `again` or `duplicateOf` says that it is meant. What an edit
    only cuts off was no other run: a time that the manifest would still name, were its range wider.
    """
    zone = declared.zone
    gone = _gone(declared, ledger)
    for run in declared.runs if gone else ():
        if run.again or run.cancel or ledger.may_have_started(run.id):
            continue
        day = business_date(run.trigger_time, zone)
        other = _before(run, gone.get((_manifest(run), day), ()))
        if other is not None:
            yield run, _problem(run, other, day, zone)


def _gone(declared: Declared, ledger: Ledger) -> dict[tuple[str, date], list[_Gone]]:
    """What was started and is not declared, by manifest and business date."""
    names = {run.name for run in declared.runs}
    heirs: dict[str, set[str]] = defaultdict(set)  # the manifests that may go on with one
    for run in declared.runs:
        for name in (_manifest(run), *run.formerly):
            heirs[name].add(_manifest(run))
    found: dict[tuple[str, date], list[_Gone]] = defaultdict(list)
    for record in ledger.records.values():
        name = run_name(record.run)
        if name in names or first_attempt(record.run) != record.run:
            continue
        if record.may_have_started and manifest_of(name) in heirs:
            day = business_date(record.trigger_time, declared.zone)
            delay = stagger_of(ledger.claims, record.claim, record.run)
            time = EpochMs(record.trigger_time - delay)
            combination = combination_of(name)
            gone = _Gone(record=record, name=name, time=time, combination=combination)
            for manifest in heirs[manifest_of(name)]:
                found[manifest, day].append(gone)
    return found


def _manifest(run: Run) -> str:
    """The manifest that declares the run, whatever name it is recorded under."""
    return manifest_of(run.declared_name)


def _before(run: Run, gone: Sequence[_Gone]) -> Record | None:
    """The one that has done the run's work already."""
    own = combination_of(run.declared_name) if gone else {}
    return next(
        (
            one.record
            for one in gone
            if run_revision(one.record.run) >= run.revision
            and one.record.digest != run.digest  # or it is a duplicate
            and not (run.duplicate_of and covers(run.duplicate_of, one.name))
            and all(
                _seen(own.get(key, value)) == _seen(value) for key, value in one.combination.items()
            )
            and (one.combination != own or not _is_cut_off(one, run, own))
        ),
        None,
    )


@cache
def _seen(written: str) -> str:
    """What a reader sees of a value of the matrix that stands so in names."""
    return look(unquote(written))


def _is_cut_off(one: _Gone, run: Run, own: Mapping[str, str]) -> bool:
    """Whether the run's manifest would still declare the other one, were its range wider."""
    label = label_of(one.name)
    if run.times is None or not label or one.combination.keys() != own.keys():
        return False
    return run.times.instant(label) == one.time


def _problem(run: Run, before: Record, day: date, zone: tzinfo) -> Problem:
    was, now = (_shown(time, zone) for time in (before.trigger_time, run.trigger_time))
    return Problem(
        place=run.place_of("/metadata/name"),
        code="again",
        pointer="/spec",
        message=f"{run.id} ({now}) would process {day} again: {before.run} ({was}) has done it and "
        "is no longer declared; restore what was changed, or write "
        f"`revision: {run.revision + 1}` to run all of {run.manifest} again as it is now, or "
        "`again: true` under `spec` if just that is meant",
    )


def _shown(time: EpochMs, zone: tzinfo) -> str:
    return in_zone(time, zone).isoformat(sep=" ", timespec="minutes")
