"""What a change does, manifest by manifest: a reviewer reads one row for each."""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from reconciler.model import Declared, Place, Run, combination_of
from reconciler.plan.changes import Change, Kind


class OfManifest(Struct, frozen=True, kw_only=True):
    """What a change does to one manifest."""

    name: str
    place: Place | None  # where the manifest is now; None if it is gone
    before: int  # how many runs it declared before the change
    after: int  # how many it declares now
    changes: Sequence[Change]
    values: Mapping[str, frozenset[str]]  # of its matrix before the change, by key
    former: str | None = None  # its name before, where the whole manifest was renamed

    def of(self, kind: Kind) -> list[Change]:
        """The manifest's changes of that kind."""
        return [change for change in self.changes if change.kind is kind]


def group_by_manifest(
    found: Sequence[Change], before: Declared, after: Declared
) -> tuple[OfManifest, ...]:
    """The changes of each manifest that has any, sorted by the manifest's name."""
    former = _former_names(found, after)
    now_called = {was: name for name, was in former.items()}
    groups: dict[str, list[Change]] = {}
    for change in found:
        name = change.manifest
        is_gone = change.kind is Kind.REMOVED
        groups.setdefault(now_called.get(name, name) if is_gone else name, []).append(change)
    was = _runs_of(before, [former.get(name, name) for name in groups])
    now = _runs_of(after, groups)
    return tuple(
        OfManifest(
            name=name,
            place=now[name][0].place if now[name] else None,
            before=len(was[former.get(name, name)]),
            after=len(now[name]),
            changes=tuple(groups[name]),
            values=_values(was[former.get(name, name)]),
            former=former.get(name),
        )
        for name in sorted(groups)
    )


def _former_names(found: Iterable[Change], after: Declared) -> dict[str, str]:
    """The former names of the renamed manifests, by their names now.

    A former name is left out if several manifests go on with it, or if one still has it.
    """
    heirs: dict[str, set[str]] = {}
    for change in found:
        if change.before is not None and change.is_renamed and change.kind in _GOES_ON:
            heirs.setdefault(change.before.declared_manifest, set()).add(change.manifest)
    here = {run.declared_manifest for run in after.runs} if heirs else set()
    pairs = [(min(names), was) for was, names in heirs.items() if len(names) == 1]
    return {now: was for now, was in pairs if was not in here and now != was}


_GOES_ON = frozenset({Kind.RENAMED, Kind.CHANGED})


def _runs_of(declared: Declared, names: Iterable[str]) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for run in declared.runs:
        if run.declared_manifest in runs:
            runs[run.declared_manifest].append(run)
    return runs


def _values(runs: Iterable[Run]) -> dict[str, frozenset[str]]:
    values: dict[str, set[str]] = {}
    for run in runs:
        for key, value in combination_of(run.name).items():
            values.setdefault(key, set()).add(value)
    return {key: frozenset(found) for key, found in values.items()}
