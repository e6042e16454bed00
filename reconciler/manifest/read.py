"""Manifests: from the bytes of files to the runs that an environment declares.

Also notes about files that are not read, although somebody perhaps meant them as manifests.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, tzinfo
from itertools import chain, groupby

from reconciler.expansion import Bounds, NoRoomError, expand
from reconciler.links import readable_path
from reconciler.manifest.document import read_documents
from reconciler.manifest.learning import Blueprints
from reconciler.manifest.scalars import ANY, AS_YAML
from reconciler.model import Declared, Place, Problem, Run, Source
from reconciler.numerous import Numerous
from reconciler.schema import is_valid
from reconciler.schema.paths import Path, message, pointer

VERBATIM = frozenset(
    {
        ("spec", "parameters"),
        ("spec", "matrix", ANY),
        ("spec", "exclude", ANY),
        ("spec", "exclude", ANY, "triggerTime", AS_YAML),
        ("metadata", "labels"),
    }
)

_BLUEPRINTS = Blueprints(verbatim=VERBATIM)  # learned from all files; changes no result

_ENDINGS = (".yaml", ".yml")
_DEFAULTS = Bounds()

_LIKE_AN_ENDING = r"(?i)\.(?:y+a*m+l+|yalm|ymal|ymla|ylm|yam|jsonc?|json5)(?![a-z])"

# Codes for what is meant to declare something and does not. An apply does what is declared, so they
# do not stop it, and `plan` notes them. For `validate`, which judges what was written, they are
# problems, except a missing folder whose manifests were all done and removed.
SKIPPED = frozenset({"ignored-file"})
NO_FOLDER = "no-folder"


class FileResult(Numerous, frozen=True, kw_only=True, gc=False):
    """What one file declares, and what is wrong with the file."""

    file: str
    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()  # on probable mistakes, which stop nothing
    made: int = 0  # runs that count against the bounds, including those that `exclude` leaves out


class CrowdedError(Exception):
    """A file makes at least `made` runs, which is too many; `place` is the last manifest's.

    A caller that reads several files must turn this into a message for a person.
    """

    def __init__(self, place: Place, made: int) -> None:
        super().__init__()
        self.place = place
        self.made = made


def is_manifest_path(path: str, folder: str) -> bool:
    """Whether the path is a manifest's: a YAML file anywhere below the folder, not hidden.

    Both are relative to the same root, with `/` between their parts.
    """
    if not (path.endswith(_ENDINGS) and path.startswith(f"{folder}/")):
        return False
    return path.find("/.", len(folder)) < 0


def read_file(source: Source, zone: tzinfo, bounds: Bounds = _DEFAULTS) -> FileResult:
    """Read one file. The same content, path, zone and bounds always give the same result.

    A document with a problem declares no run; the file's other documents do. `zone` is the
    gateway's. Raises CrowdedError before more runs than the bounds allow take memory.
    """
    known = _read_by_blueprint(source, zone, bounds)
    if known is not None:
        return known
    documents, problems = read_documents(source, VERBATIM)
    runs: list[Run] = []
    notes: list[Problem] = []
    made = 0
    for document in documents:
        found = document.problems("trigger")
        if found:
            problems += found
            continue
        try:
            left = bounds.but(left=bounds.left - made) if made else bounds
            expanded = expand(document, zone, left)
        except NoRoomError as error:
            raise CrowdedError(document.place(()), made + error.runs) from None
        runs += expanded.runs
        problems += expanded.problems
        notes += expanded.notes
        made += expanded.made
    if len(documents) == len(runs) == 1 and not (problems or notes):
        _BLUEPRINTS.learn(source, documents[0])
    return FileResult(
        file=source.path,
        runs=tuple(runs),
        problems=tuple(sorted(problems)),
        notes=tuple(notes),
        made=made,
    )


def _read_by_blueprint(source: Source, zone: tzinfo, bounds: Bounds) -> FileResult | None:
    """The result for a file that fits a blueprint and has no finding; None for other files."""
    document = _BLUEPRINTS.read(source)
    if document is None or not is_valid("trigger", document.value):
        return None
    try:
        found = expand(document, zone, bounds)
    except NoRoomError:
        return None
    if found.problems or found.notes:
        return None
    return FileResult(file=source.path, runs=found.runs, problems=(), made=found.made)


def combine(
    results: Iterable[FileResult], problems: Iterable[Problem] = (), zone: tzinfo = UTC
) -> Declared:
    """Everything that the files of one environment declare. `problems`: found before.

    `zone` is the gateway's, with which the files were read.

    If several manifests have one name, only the runs of one of them are kept, so that no further
    problem with the others hides the cause. The names of files do not decide which one is kept.
    """
    manifests: dict[str, Sequence[Run]] = {}  # the first of each name
    others: dict[str, list[Sequence[Run]]] = defaultdict(list)
    found = list(problems)
    notes: list[Problem] = []
    files: list[str] = []
    for result in results:
        files.append(result.file)
        found += result.problems
        notes += result.notes
        for runs in _group_by_document(result.runs):
            name = runs[0].manifest
            if manifests.setdefault(name, runs) is not runs:
                others[name].append(runs)
    for name, more in others.items():
        rivals = [manifests[name], *more]
        found += _taken_name_problems([runs[0] for runs in rivals])
        manifests[name] = min(rivals, key=_content)
    return Declared(
        runs=tuple(chain.from_iterable(manifests.values())),
        problems=tuple(sorted(found)),
        files=tuple(files),
        zone=zone,
        notes=tuple(sorted(notes)),
    )


def _group_by_document(runs: tuple[Run, ...]) -> Iterator[Sequence[Run]]:
    if len(runs) == 1:
        yield runs
        return
    for _, group in groupby(runs, key=lambda run: (run.manifest, run.marks[""])):
        yield tuple(group)


def _content(runs: Sequence[Run]) -> list[tuple[object, ...]]:
    """A key to compare runs by, without the file and places that they were read from."""
    return [_run_content(run) for run in runs]


def _run_content(run: Run) -> tuple[object, ...]:
    rest = run.but(file="", marks={}, retry=None, times=None)
    retry = (run.retry.max, *sorted(run.retry.on)) if run.retry else ()
    return run.id, run.digest, repr(rest), repr(retry)


def _taken_name_problems(group: list[Run]) -> Iterator[Problem]:
    """A problem for each manifest of the name; `group` has one run of each of them."""
    for run in group:
        other = group[1] if run is group[0] else group[0]
        yield Problem(
            place=run.place_of("/metadata/name"),
            code="name-taken",
            pointer="/metadata/name",
            message=f"metadata.name: {run.manifest} is also the name at "
            f"{other.place_of('/metadata/name')}; give each manifest a name of its own",
        )


def looks_like_manifest(path: str, folder: str) -> bool:
    """Whether a file below the folder that is not a manifest was perhaps meant to be one.

    Only its name counts: `.YAML`, `.yaml.txt`, `.yml~`, `.yamll`, `.json`, or no ending
    at all. Names without
    an ending that begin with a capital, such as README and OWNERS, are other tools'.
    """
    parts = path.removeprefix(f"{folder}/").split("/")
    if any(part.startswith(".") for part in parts) or is_manifest_path(path, folder):
        return False
    name = parts[-1]
    return bool(re.search(_LIKE_AN_ENDING, name)) or ("." not in name and not name[:1].isupper())


def notes_of(passed_over: Iterable[str], folder: str) -> Iterator[Problem]:
    """A note about each file that looks like a manifest but is not read."""
    for path in passed_over:
        if looks_like_manifest(path, folder):
            yield Problem(
                place=Place(file=readable_path(path)),
                code="ignored-file",
                message="looks like a manifest and is not read, because its name does not end in "
                ".yaml or .yml in small letters: rename it, or move it out of this folder",
            )


def missing_folder_note(environment: str, folder: str, place: Place) -> Problem:
    """The note about a folder of manifests that does not exist; git keeps no empty folders.

    `place`: where the configuration names it.
    """
    path: Path = ("environments", environment, "manifests")
    words = (
        f"there is no folder {folder}, so the environment declares nothing: correct the name, or "
        "put a manifest into it (an empty .gitkeep will do: git keeps no empty folders)"
    )
    return Problem(
        place=place,
        code=NO_FOLDER,
        pointer=pointer(path),
        message=message(path, words),
    )
