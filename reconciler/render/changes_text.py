"""What a change does, in words that the terminal and Markdown share."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.counting import format_count
from reconciler.enos.statuses import is_documented
from reconciler.model import Place, RunId, combination_of, covering_references, run_name
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.by_manifest import OfManifest
from reconciler.plan.changes import Change, Kind
from reconciler.plan.review import Compared, Setting
from reconciler.render.differences import ARROW, Quoted, Words, differences, join_phrases
from reconciler.render.words import action_counts

_MOST_VALUES = 3  # of a matrix, at most, that are named


EDITED = "What ran already and carries something else by now"
STARTS_NOTHING = "This change starts nothing."


class Row(Struct, frozen=True, kw_only=True):
    """What happens to one manifest."""

    manifest: str
    place: Place | None  # where the manifest is now; None where it is gone
    words: Words


def untouched_sentence(plan: Plan, compared: Compared) -> str:
    """What an apply would do with the runs that the change does not touch."""
    others = replace(plan, runs=untouched_runs(plan, compared), problems=())
    counts = ", ".join(action_counts(others))
    if plan.problems:
        return f"Besides, as long as there are problems: {counts}."
    behind = _count_waiting(others.runs, compared)
    verb = "waits" if behind == 1 else "wait"
    more = f" {format_count(behind, 'run')} of these {verb} for what it touches." if behind else ""
    return f"Also, of what this change does not touch: {counts}.{more}"


def _count_waiting(runs: Iterable[PlannedRun], compared: Compared) -> int:
    """How many of the runs wait for a run that the change touches."""
    touched = {
        one for change in compared.changes for one in covering_references(run_name(change.id))
    }
    return sum(any(run_name(RunId(one)) in touched for one in run.waits_for) for run in runs)


def untouched_runs(plan: Plan, compared: Compared) -> tuple[PlannedRun, ...]:
    """The runs that the change does not touch."""
    touched = {change.id for change in compared.changes}
    touched |= {run.id for run in _orphaned_runs(plan, compared)}
    return tuple(run for run in plan.runs if run.id not in touched)


def _orphaned_runs(plan: Plan, compared: Compared) -> list[PlannedRun]:
    orphaned = plan.runs_of_action(Action.ORPHANED)
    return [run for run in orphaned if run_name(run.id) in compared.undeclared]


def undeclared_words(plan: Plan, compared: Compared) -> str:
    """How many recorded runs the change leaves without a manifest; empty where there are none.

    Empty also while a manifest has a problem: the runs that seem undeclared may be declared there.
    """
    found = _orphaned_runs(plan, compared)
    if not found or plan.problems:
        return ""
    return f"Recorded, and no longer declared by this change: {format_count(len(found), 'run')}."


def unjudged_words(compared: Compared) -> list[Words]:
    """The files with a problem, and how many runs cannot be judged because of each."""
    found: list[Words] = []
    for file, names in compared.unjudged.items():
        verb = "is" if len(names) == 1 else "are"
        runs = f"{format_count(len(names), 'run')} that it may declare {verb} not judged"
        found.append([Quoted(file), f" cannot be read: {runs}"])
    return found


def setting_words(setting: Setting) -> Words:
    """`/git/branch: main → release`."""
    shown = (Quoted(_json(value)) for value in (setting.before, setting.after))
    before, after = shown
    return [Quoted(setting.pointer), ": ", before, ARROW, after]


def _json(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rows(manifests: Iterable[OfManifest], zone: tzinfo) -> Iterator[Row]:
    """One row for each manifest."""
    for one in manifests:
        yield Row(manifest=one.name, place=one.place, words=_row(one, zone))


def _row(one: OfManifest, zone: tzinfo) -> Words:
    added, removed = one.of(Kind.ADDED), one.of(Kind.REMOVED)
    revised = {change.run.name for change in added} & {change.run.name for change in removed}
    added = [change for change in added if change.run.name not in revised]
    removed = [change for change in removed if change.run.name not in revised]
    growth = _growth(one, added)
    phrases: list[Words] = []
    is_told = growth is not None or (bool(one.of(Kind.RENAMED)) and not one.before)
    counts = one.before != one.after and (not is_told or bool(removed))
    if counts:
        phrases.append([_numbers(one)])
    phrases += _renamed_words(one)
    if added and one.before:
        phrases.append(growth or [f"{format_count(len(added), 'run')} more"])
    if removed:
        phrases.append([f"{len(removed):,} will never start"])
    if revised:
        phrases.append([f"another revision of {format_count(len(revised), 'run')} that never ran"])
    phrases += _changed_words(one.of(Kind.CHANGED), "changed", zone)
    phrases += _rerun_words(one.of(Kind.RERUN))
    phrases += _changed_words(one.of(Kind.REFUSED), "edited that ran already", zone)
    return join_phrases(phrases, ": " if counts else ", ", ", ")


def _numbers(one: OfManifest) -> str:
    if not one.before:
        what = "new" if one.of(Kind.ADDED) else "declared again"
        return f"{what}: {format_count(one.after, 'run')}"
    return f"{format_count(one.before, 'run')}{ARROW}{one.after:,}"


def _growth(one: OfManifest, added: Sequence[Change]) -> Words | None:
    """`one SITE more (cn-41): 31 runs`, where all added runs have new values of one key."""
    if not one.before or not added:
        return None
    for key in combination_of(added[0].run.name):
        new = {combination_of(change.run.name).get(key, "") for change in added}
        if one.values.get(key) and not new & one.values[key]:
            number = "one" if len(new) == 1 else f"{len(new):,}"
            shown = sorted(new)[:_MOST_VALUES]
            more = ", …" if len(new) > len(shown) else ""
            return [
                *(f"{number} ", Quoted(key), " more (", Quoted(", ".join(shown)), more),
                f"): {format_count(len(added), 'run')}",
            ]
    return None


def _renamed_words(one: OfManifest) -> Iterator[Words]:
    """`renamed from wind-march: 31 runs, nothing starts again`."""
    found = one.of(Kind.RENAMED)
    if not found:
        return
    runs = f"{format_count(len(found), 'run')}, nothing starts again"
    names = next(
        (change.before.declared_name, change.run.declared_name) for change in found if change.before
    )
    if one.former is not None:
        yield ["renamed from ", Quoted(one.former), f": {runs}"]
    elif len(found) == 1:
        yield ["renamed from ", Quoted(names[0]), f": {runs}"]
    else:
        yield [f"{runs}: renamed, the first from ", Quoted(names[0]), " to ", Quoted(names[1])]


def _changed_words(found: Sequence[Change], what: str, zone: tzinfo) -> Iterator[Words]:
    """What differs if it is the same for all changes, otherwise what differs in the first."""
    if not found:
        return
    said = [differences(change, zone) for change in found]
    head = f"{format_count(len(found), 'run')} {what} ("
    first = "" if all(one == said[0] for one in said) else "the first: "
    yield [f"{head}{first}", *said[0], ")"]


def _rerun_words(found: Sequence[Change]) -> Iterator[Words]:
    """`revision 2 of 1,240 runs that have run already (1,200 SUCCESS, 40 FAIL)`."""
    groups: dict[str, list[Change]] = {}
    for change in found:
        run = change.run
        what = f"attempt {run.attempt}" if run.attempt > 1 else f"revision {run.revision}"
        groups.setdefault(what, []).append(change)
    for what, changes in groups.items():
        ends = Counter(record.status for change in changes for record in change.earlier[-1:])
        ended = join_phrases([[f"{n:,} ", _end(one)] for one, n in ends.most_common()], ", ", ", ")
        has = "has" if len(changes) == 1 else "have"
        runs = format_count(len(changes), "run")
        yield [f"{what} of {runs} that {has} run already (", *ended, ")"]


def _end(status: str | None) -> str | Quoted:
    if status is None:
        return "not ended"
    return status if is_documented(status) else Quoted(status)
