"""The checks that `doctor` makes of manifests and ledgers: readable, whole, and guarded."""

from msgspec.structs import replace

from reconciler.cli.differing import SharedLedgers, find_ledger_edits
from reconciler.cli.examining import OFFLINE, ClonePatient, Examination
from reconciler.cli.fetching import KnownLedger, read_ledgers
from reconciler.cli.reading import Workspace
from reconciler.configuration import CONFIGURATION, Environment
from reconciler.counting import format_count
from reconciler.model import Declared
from reconciler.render.diagnosis import (
    Diagnosis,
    failed_diagnosis,
    ok_diagnosis,
    skipped_diagnosis,
    warning_diagnosis,
)
from reconciler.repository.named_files import read_regular
from reconciler.repository.owners import PLACES, TEAM, owners_of

_LEDGER = "ledger.jsonl"
_MOST_OWNERS = 3 << 20  # bytes: GitHub reads no larger file
_GUARDED = f"Add these lines to {{}}, with your team for {TEAM}: {{}}"


def examine_code_owners(examination: Examination, clone: ClonePatient) -> None:
    """Check that the forge is told who must review a change of ledger or configuration."""
    examination.check("code-owners", lambda: _check_code_owners(clone))


def _check_code_owners(clone: ClonePatient) -> Diagnosis:
    if clone.git is None or clone.workspace is None:
        return skipped_diagnosis("there is no clone with a configuration to look at")
    root, prefix = clone.git.root, clone.git.prefix
    states = [one.state for one in clone.workspace.configuration.environments.values()]
    lines = [f"/{prefix}{name}" for name in (CONFIGURATION, *(f"{one}/" for one in states))]
    advice = ", ".join(f"`{line} {TEAM}`" for line in lines)
    place = next((one for one in PLACES if (root / one).is_file()), None)
    if place is None:
        return warning_diagnosis(
            "there is no CODEOWNERS, so anybody who reviews may let an edited ledger pass",
            _GUARDED.format(PLACES[0], advice),
        )
    text = read_regular(root / place, _MOST_OWNERS).decode("utf-8", "replace")
    paths = [f"{prefix}{CONFIGURATION}", *(f"{prefix}{one}/{_LEDGER}" for one in states)]
    bare = [path for path in paths if not owners_of(text, path)]
    if bare:
        return warning_diagnosis(
            f"{place} names no owner of {bare[0]}", _GUARDED.format(place, advice)
        )
    return ok_diagnosis(f"{place} names owners of {CONFIGURATION} and of every ledger")


def examine_ledger(
    examination: Examination, clone: ClonePatient, environment: Environment, *, offline: bool
) -> Declared | None:
    """Check manifests and ledger; gives what the manifests declare, None if that is unknown."""
    workspace = clone.workspace
    if workspace is None:
        return None
    found: list[Declared] = []
    known: list[KnownLedger] = []
    alone = replace(workspace, environments=[environment])

    def check_manifests() -> Diagnosis:
        found.append(alone.read_declared(environment))
        return _manifests(found[0], environment)

    def check_ledger() -> Diagnosis:
        known.append(read_ledgers(alone, offline=offline or clone.branch is None)[environment.name])
        return _ledger(known[0], offline=offline)

    examination.check("manifests", check_manifests, environment.name)
    examination.check("ledger", check_ledger, environment.name)
    shared = known[0].shared if known else None
    if offline or shared is None:
        unread = "the shared branch could not be read" if known else "there is no ledger to compare"
        why = OFFLINE if offline else unread
        examination.skip(("ledger-edited", "pushed"), why, environment.name)
    else:
        examination.check("ledger-edited", lambda: _check_edits(alone, shared), environment.name)
        examination.check(
            "pushed", lambda: _push_diagnosis(known[0].note, shared.place.name), environment.name
        )
    return found[0] if found else None


def _manifests(declared: Declared, environment: Environment) -> Diagnosis:
    if declared.problems:
        return failed_diagnosis(
            f"{format_count(len(declared.problems), 'problem')}, the first: {declared.problems[0]}",
            f"See them all: reconciler validate --env {environment.name}",
        )
    runs = format_count(len(declared.runs), "run")
    if declared.notes:
        return warning_diagnosis(
            f"{runs} declared, and a note: {declared.notes[0]}",
            f"See them all: reconciler validate --env {environment.name}",
        )
    return ok_diagnosis(f"{runs} declared in {environment.manifests}/, no problems")


def _ledger(known: KnownLedger, *, offline: bool) -> Diagnosis:
    runs = format_count(len(known.ledger.records), "run")
    if known.shared is None and not offline:
        return skipped_diagnosis(f"the shared branch could not be read; {runs} recorded here")
    if known.shared is None:
        return ok_diagnosis(f"{runs} recorded; {known.note}")
    remote = known.shared.place.remote
    return ok_diagnosis(f"{runs} recorded on {remote}; it continues everything that is known of it")


def _check_edits(workspace: Workspace, shared: SharedLedgers) -> Diagnosis:
    problems = find_ledger_edits(workspace, shared, quiet=True)
    if not problems:
        return ok_diagnosis("this checkout has the ledger as the shared branch has it, or had it")
    return failed_diagnosis(
        str(problems[0]),
        f"Do that, then look again: reconciler validate --base {shared.place.name}",
    )


def _push_diagnosis(note: str | None, branch: str) -> Diagnosis:
    if note is None:
        return ok_diagnosis(f"the manifests are those of {branch}")
    return warning_diagnosis(note, "Then see what an apply would do: reconciler plan")
