"""Manifests: from the bytes of files to the runs that an environment declares."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo

from reconciler.expansion import expand
from reconciler.manifest.document import read_documents
from reconciler.model import Declared, Problem, Run, Source

# Here a value is the text that the author wrote: `012`, `no`, `12:30:00`.
VERBATIM = frozenset({("spec", "parameters"), ("metadata", "labels")})

_ENDINGS = (".yaml", ".yml")


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


def read_file(source: Source, zone: tzinfo) -> FileResult:
    """Read one file. The same content, path and zone always give the same result.

    A document with a problem gives no run; the file's other documents do. `zone` is the gateway's.
    """
    documents, problems = read_documents(source, VERBATIM)
    runs: list[Run] = []
    for document in documents:
        found = document.problems("trigger")
        if found:
            problems += found
            continue
        expanded = expand(document, zone)
        if isinstance(expanded, Run):
            runs.append(expanded)
        else:
            problems += expanded
    return FileResult(file=source.path, runs=tuple(runs), problems=tuple(sorted(problems)))


def combine(results: Iterable[FileResult], problems: Iterable[Problem] = ()) -> Declared:
    """Everything that the files of one environment declare. `problems` are known from elsewhere.

    Of several runs with one name only the first is kept, so that nothing else that is wrong with
    the others hides the cause.
    """
    runs: list[Run] = []
    found = list(problems)
    files: list[str] = []
    for result in results:
        files.append(result.file)
        runs += result.runs
        found += result.problems
    named: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        named[run.name].append(run)
    for group in named.values():
        found += _taken(group)
    return Declared(
        runs=tuple(group[0] for group in named.values()),
        problems=tuple(sorted(found)),
        files=tuple(files),
    )


def read_manifests(
    sources: Iterable[Source], zone: tzinfo, known_problems: Iterable[Problem] = ()
) -> Declared:
    """Read all files of one environment; `known_problems` is what hindered finding them."""
    return combine((read_file(source, zone) for source in sources), known_problems)


def _taken(group: list[Run]) -> Iterator[Problem]:
    if len(group) == 1:
        return
    for run in group:
        other = group[1] if run is group[0] else group[0]
        yield Problem(
            place=run.place_of("/metadata/name"),
            code="name-taken",
            pointer="/metadata/name",
            message=f"metadata.name: {run.name} is also the name at "
            f"{other.place_of('/metadata/name')}; give each run a name of its own",
        )
