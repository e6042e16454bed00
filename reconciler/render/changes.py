"""What a change does, in words that the terminal and Markdown share.

Words are plain text of our own and, as `Quoted`, text that a manifest or a configuration brings.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

from reconciler.counting import counted
from reconciler.enos.statuses import is_documented
from reconciler.model import EpochMs, Place, Run, combination_of, run_name
from reconciler.plan import Action, Plan, PlannedRun
from reconciler.plan.changes import Change, Kind, OfManifest
from reconciler.plan.review import Compared, Setting
from reconciler.render.moments import clock_time
from reconciler.render.words import action_counts

_ARROW = " → "
_MOST_VALUES = 3  # of a matrix that are named


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text of somebody else's."""

    text: str


Words = list[str | Quoted]

EDITED = "What ran already and carries something else by now"
STARTS_NOTHING = "This change starts nothing."


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What happens to one manifest."""

    manifest: str
    place: Place | None  # where it stands now; None where it is gone
    words: Words


def besides(plan: Plan, compared: Compared) -> str:
    """What an apply would do with all that the change does not touch."""
    others = replace(plan, runs=untouched(plan, compared), problems=())
    counts = ", ".join(action_counts(others))
    if plan.problems:
        return f"Besides, as long as there are problems: {counts}."
    return f"Also, whatever becomes of this change: {counts}."


def untouched(plan: Plan, compared: Compared) -> tuple[PlannedRun, ...]:
    """The runs that the change does not touch."""
    touched = {change.id for change in compared.changes}
    touched |= {run.id for run in _undeclared(plan, compared)}
    return tuple(run for run in plan.runs if run.id not in touched)


def _undeclared(plan: Plan, compared: Compared) -> list[PlannedRun]:
    orphaned = plan.of_action(Action.ORPHANED)
    return [run for run in orphaned if run_name(run.id) in compared.undeclared]


def undeclared_words(plan: Plan, compared: Compared) -> str:
    """How many recorded runs the change leaves without a manifest; empty where none.

    While a manifest has a problem nobody can tell: what it declares may only not be readable.
    """
    found = _undeclared(plan, compared)
    if not found or plan.problems:
        return ""
    return f"Recorded, and no longer declared by this change: {counted(len(found), 'run')}."


def setting_words(setting: Setting) -> Words:
    """`/git/branch: main → release`."""
    shown = (Quoted(_json(value)) for value in (setting.before, setting.after))
    before, after = shown
    return [Quoted(setting.pointer), ": ", before, _ARROW, after]


def _json(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rows(manifests: Iterable[OfManifest], zone: tzinfo) -> Iterator[Row]:
    """One row a manifest."""
    for one in manifests:
        yield Row(manifest=one.name, place=one.place, words=_row(one, zone))


def _row(one: OfManifest, zone: tzinfo) -> Words:
    added, removed = one.of(Kind.ADDED), one.of(Kind.REMOVED)
    revised = {change.run.name for change in added} & {change.run.name for change in removed}
    added = [change for change in added if change.run.name not in revised]
    removed = [change for change in removed if change.run.name not in revised]
    growth = _growth(one, added)
    phrases: list[Words] = []
    counts = one.before != one.after and (growth is None or bool(removed))
    if counts:
        phrases.append([_numbers(one)])
    if added and one.before:
        phrases.append(growth or [f"{counted(len(added), 'run')} more"])
    if removed:
        phrases.append([f"{len(removed):,} will never start"])
    if revised:
        phrases.append([f"another revision of {counted(len(revised), 'run')} that never ran"])
    phrases += _changed(one.of(Kind.CHANGED), "changed", zone)
    phrases += _again(one.of(Kind.RERUN))
    phrases += _changed(one.of(Kind.REFUSED), "edited that ran already", zone)
    return _joined(phrases, ": " if counts else ", ", ", ")


def _numbers(one: OfManifest) -> str:
    if not one.before:
        what = "new" if one.of(Kind.ADDED) else "declared again"
        return f"{what}: {counted(one.after, 'run')}"
    return f"{counted(one.before, 'run')}{_ARROW}{one.after:,}"


def _growth(one: OfManifest, added: Sequence[Change]) -> Words | None:
    """`one SITE more (cn-41): 31 runs`, where what is added has values of a key of its own."""
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
                f"): {counted(len(added), 'run')}",
            ]
    return None


def _changed(found: Sequence[Change], what: str, zone: tzinfo) -> Iterator[Words]:
    """What differs, if it is the same for all; else the first one's."""
    if not found:
        return
    said = [_differences(change, zone) for change in found]
    head = f"{counted(len(found), 'run')} {what} ("
    first = "" if all(one == said[0] for one in said) else "the first: "
    yield [f"{head}{first}", *said[0], ")"]


def _differences(change: Change, zone: tzinfo) -> Words:
    if change.before is None or change.after is None:
        return _with_commit(change.unseen or "not declared before")
    before, after = change.before, change.after
    phrases = [_difference(name, before, after, zone) for name in change.fields]
    if before.name != after.name:
        phrases.insert(0, ["renamed from ", Quoted(before.name)])
    return _joined(phrases, ", ", ", ")


def _with_commit(text: str) -> Words:
    """The words, a commit's id in them as code: forges make a link of it."""
    pieces = _COMMIT.split(text)
    return [Quoted(piece) if number % 2 else piece for number, piece in enumerate(pieces)]


_COMMIT = re.compile(r"\b([0-9a-f]{12})\b")


def _difference(name: str, before: Run, after: Run, zone: tzinfo) -> Words:
    match name:
        case "flow_id":
            return [f"flow {before.flow_id}{_ARROW}{after.flow_id}"]
        case "trigger_time":
            times = (clock_time(run.trigger_time, zone) for run in (before, after))
            return [f"trigger time {_ARROW.join(times)}"]
        case "parameters":
            return _parameters(before, after)
        case "suspend":
            return ["suspended" if after.suspend else "no longer suspended"]
        case "cancel":
            return ["called off" if after.cancel else "no longer called off"]
        case "not_after":
            return [
                f"notAfter {_time(before.not_after, zone)}{_ARROW}{_time(after.not_after, zone)}"
            ]
        case "depends_on":
            sides = (Quoted(", ".join(run.depends_on) or "nothing") for run in (before, after))
            return ["dependsOn ", *_between(sides)]
        case "retry":
            numbers = (str(run.retry.max) if run.retry else "none" for run in (before, after))
            return [f"retry {_ARROW.join(numbers)}"]
        case "duplicate_of":
            sides = (Quoted(run.duplicate_of or "nothing") for run in (before, after))
            return ["duplicateOf ", *_between(sides)]
        case _:
            return _order(name, before, after)


def _order(name: str, before: Run, after: Run) -> Words:
    """What differs in what a run waits for within and beside its backfill."""
    match name:
        case "matching":
            sides = (Quoted(_matches(run)) for run in (before, after))
            return ["match ", *_between(sides)]
        case "after":
            sides = (Quoted(run.after or "nothing") for run in (before, after))
            return ["after ", *_between(sides)]
        case _:
            numbers = (str(getattr(run, name) or "none") for run in (before, after))
            return [f"{_NUMBERS[name]} {_ARROW.join(numbers)}"]


_NUMBERS = {"max_active": "maxActive", "stop_after": "stopAfter"}


def _matches(run: Run) -> str:
    """`wind-import by businessDate, SITE`."""
    found = (f"{one.names[0]} by {', '.join(one.keys)}" for one in run.matching)
    return "; ".join(found) or "nothing"


def _between(sides: Iterable[Quoted]) -> Words:
    first, second = sides
    return [first, _ARROW, second]


def _time(instant: EpochMs | None, zone: tzinfo) -> str:
    return "none" if instant is None else clock_time(instant, zone)


def _parameters(before: Run, after: Run) -> Words:
    hidden = before.sensitive | after.sensitive
    was, now = (dict(run.shown_parameters(hidden)) for run in (before, after))
    values = [dict(run.parameters) for run in (before, after)]
    phrases: list[Words] = []
    for key in dict.fromkeys((*was, *now)):
        first, second = (side.get(key) for side in values)
        if first != second:
            sides = (Quoted(side[key]) if key in side else Quoted("nothing") for side in (was, now))
            phrases.append([Quoted(key), " ", *_between(sides)])
    return _joined(phrases, ", ", ", ") if phrases else ["parameters in another order"]


def _again(found: Sequence[Change]) -> Iterator[Words]:
    """`revision 2 of 1,240 runs that have run already (1,200 SUCCESS, 40 FAIL)`."""
    groups: dict[str, list[Change]] = {}
    for change in found:
        run = change.run
        what = f"attempt {run.attempt}" if run.attempt > 1 else f"revision {run.revision}"
        groups.setdefault(what, []).append(change)
    for what, changes in groups.items():
        ends = Counter(record.status for change in changes for record in change.earlier[-1:])
        ended = _joined([[f"{n:,} ", _end(one)] for one, n in ends.most_common()], ", ", ", ")
        has = "has" if len(changes) == 1 else "have"
        runs = counted(len(changes), "run")
        yield [f"{what} of {runs} that {has} run already (", *ended, ")"]


def _end(status: str | None) -> str | Quoted:
    if status is None:
        return "not ended"
    return status if is_documented(status) else Quoted(status)


def _joined(phrases: Sequence[Words], first: str, others: str) -> Words:
    """The phrases one after another; `first` stands after the first of them."""
    words: Words = []
    for number, phrase in enumerate(phrases):
        words += [*([] if not number else [first if number == 1 else others]), *phrase]
    return words


def plain(words: Words) -> str:
    """The words as text."""
    return "".join(word.text if isinstance(word, Quoted) else word for word in words)
