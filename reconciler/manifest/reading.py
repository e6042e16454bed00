"""Manifests: from the bytes of files to the runs that an environment declares."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import chain

from reconciler.expansion import MOST_RUNS, expand
from reconciler.manifest.document import read_documents
from reconciler.manifest.verbatim import ANY
from reconciler.model import Declared, Place, Problem, Run, Source

VERBATIM = frozenset(
    {
        ("spec", "parameters"),
        ("spec", "matrix", ANY),
        ("spec", "exclude", ANY),
        ("metadata", "labels"),
    }
)

_ENDINGS = (".yaml", ".yml")


MOST_DECLARED = 200_000  # runs of one environment, unless its limits say otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class FileResult:
    """What one file declares, and what is wrong with it."""

    file: str
    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]


def is_manifest_path(path: str, folder: str) -> bool:
    """Whether the path is that of a manifest: a YAML file anywhere below the folder, not hidden.

    Both are relative to the same root, `/` between their parts.
    """
    if not (path.endswith(_ENDINGS) and path.startswith(f"{folder}/")):
        return False
    return not any(part.startswith(".") for part in path[len(folder) + 1 :].split("/"))


def read_file(
    source: Source, zone: tzinfo, *, max_runs: int = MOST_RUNS, most: int = MOST_DECLARED
) -> FileResult:
    """Read one file. The same content, path, zone and limits always give the same result.

    A document with a problem gives no run; the file's other documents do. `zone` is the gateway's,
    `max_runs` what one backfill may declare, `most` what all manifests together may: a file that
    passes it is not expanded to its end, for a few lines can declare what no memory holds.
    """
    documents, problems = read_documents(source, VERBATIM)
    runs: list[Run] = []
    for document in documents:
        found = document.problems("trigger")
        if found:
            problems += found
            continue
        if len(runs) > most:
            break
        expanded = expand(document, zone, max_runs=max_runs)
        runs += expanded.runs
        problems += expanded.problems
    return FileResult(file=source.path, runs=tuple(runs), problems=tuple(sorted(problems)))


def combine(
    results: Iterable[FileResult],
    problems: Iterable[Problem] = (),
    *,
    most: int = MOST_DECLARED,
) -> Declared:
    """Everything that the files of one environment declare. `problems` are known from elsewhere.

    Files are taken one by one until they declare more than `most` runs together: that is a problem
    at the file that passes it, and no run counts then.

    Of several manifests with one name only the first one's runs are kept, so that nothing else
    that is wrong with the others hides the cause.
    """
    manifests: dict[str, dict[Place, list[Run]]] = defaultdict(lambda: defaultdict(list))
    found = list(problems)
    files: list[str] = []
    total = 0
    for result in results:
        files.append(result.file)
        found += result.problems
        total += len(result.runs)
        if total > most:
            return Declared(runs=(), problems=(_too_many(result.file, most),), files=tuple(files))
        for run in result.runs:
            manifests[run.manifest][run.place].append(run)
    for documents in manifests.values():
        found += _taken([runs[0] for runs in documents.values()])
    kept = (next(iter(documents.values())) for documents in manifests.values())
    return Declared(
        runs=tuple(chain.from_iterable(kept)),
        problems=tuple(sorted(found)),
        files=tuple(files),
    )


def _too_many(file: str, most: int) -> Problem:
    return Problem(
        place=Place(file=file),
        code="too-many-runs",
        message=f"with this file the manifests declare more than {most:,} runs together, and "
        "nothing behind it was read: declare fewer, or raise limits.maxRuns in reconciler.yaml",
    )


def read_manifests(
    sources: Iterable[Source],
    zone: tzinfo,
    known_problems: Iterable[Problem] = (),
    *,
    max_runs: int = MOST_RUNS,
) -> Declared:
    """Read all files of one environment; `known_problems` is what hindered finding them."""
    results = (read_file(source, zone, max_runs=max_runs) for source in sources)
    return combine(results, known_problems)


def _taken(group: list[Run]) -> Iterator[Problem]:
    """One run of each manifest that has the name, if there are several."""
    if len(group) == 1:
        return
    for run in group:
        other = group[1] if run is group[0] else group[0]
        yield Problem(
            place=run.place_of("/metadata/name"),
            code="name-taken",
            pointer="/metadata/name",
            message=f"metadata.name: {run.manifest} is also the name at "
            f"{other.place_of('/metadata/name')}; give each manifest a name of its own",
        )
