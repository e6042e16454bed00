"""What a commit declares: its configuration, and the runs of its manifests.

What a blob says may be known from the cache. Whoever starts anything because of that has it
confirmed first: the blob is read again, by the same reader as everything else.
"""

from collections.abc import Collection, Sequence
from datetime import tzinfo
from functools import partial

from msgspec import Struct

from reconciler.configuration import CONFIGURATION, Configuration, Environment, parse_configuration
from reconciler.errors import ConfigurationError
from reconciler.expansion import Bounds
from reconciler.git import Git, ObjectId
from reconciler.manifest import CrowdedError, FileResult, is_manifest_path, read_file
from reconciler.model import Declared, Place, Problem, Run, Source, covering_references
from reconciler.repository.books import CommittedBooks
from reconciler.repository.cache import ReadCache
from reconciler.repository.commit_cache import CommitCache
from reconciler.repository.committed import CommittedFile, wanted_files
from reconciler.repository.declaring import Ceiling, read_bounded
from reconciler.repository.together import reader
from reconciler.repository.worktree import MOST_BYTES, too_large_problem


class _ReadEnvironment(Struct, frozen=True, kw_only=True):
    """What one environment was last found to declare, and all that this follows from."""

    tree: ObjectId | None  # of the folder of manifests; None: something else stands there
    environment: Environment
    ceiling: Ceiling
    declared: Declared
    files: Sequence[CommittedFile]


class CommittedFiles:
    """Reads configuration and manifests, each blob once, because it always says the same."""

    def __init__(self, git: Git, *, cached: bool = False) -> None:
        self._git = git
        self._configuration: tuple[ObjectId, Configuration] | None = None
        self._results: dict[tuple[CommittedFile, str, int], FileResult] = {}
        self._readings: dict[str, _ReadEnvironment] = {}  # by environment
        self._cache = CommitCache(git) if cached else None  # None: everything is read here

    def configuration(self, tree: CommittedBooks, place: str) -> Configuration:
        """The configuration in the tree. Raises ConfigurationError, which calls it `place`."""
        path = self._git.prefix + CONFIGURATION
        entry = next((one for one in tree.under(path) if one.is_file), None)
        if entry is None:
            raise ConfigurationError(
                f"{path} is not on {place}",
                hint="Commit and push it: an apply does what the shared branch says.",
            )
        if self._configuration is None or self._configuration[0] != entry.oid:
            content = self._git.read_blobs([entry.oid])[entry.oid]
            parsed = parse_configuration(Source(path=CONFIGURATION, content=content))
            self._configuration = entry.oid, parsed
            self._forget()  # the zone, or the limit of a backfill, may have changed
        return self._configuration[1]

    def know(self, file: CommittedFile, zone: tzinfo, bounds: Bounds, result: FileResult) -> None:
        """Take over what a file was found to say elsewhere, so that it is not read again."""
        self._results[file, str(zone), bounds.backfill] = result

    def read_declared(
        self, environment: Environment, tree: CommittedBooks, ceiling: Ceiling
    ) -> Declared:
        """The runs of an environment, up to the ceiling, and the problems of its files.

        The same value as before, if neither the folder nor what it is read by has changed.
        """
        folder = self._git.prefix + environment.manifests
        last, found = self._readings.get(environment.name), tree.folder(folder)
        if (
            last is not None
            and last.tree is not None
            and (last.tree, last.environment, last.ceiling) == (found, environment, ceiling)
        ):
            return last.declared
        entries = [*tree.entries_above(folder), *tree.under(folder)]
        is_wanted = partial(is_manifest_path, folder=folder)
        files, problems = wanted_files(entries, folder, is_wanted)
        zone = environment.gateway.zone
        key = str(zone), ceiling.bounds.backfill
        cache, unread = self._ask_cache(files, environment, ceiling, key)
        blobs, large = self._git.read_bounded_blobs((file.oid for file in unread), MOST_BYTES)
        problems += [
            too_large_problem(file.path, MOST_BYTES) for file in files if file.oid in large
        ]
        files = [file for file in files if file.oid not in large]
        sources = self._unknown_sources(
            cache, [one for one in unread if one.oid in blobs], blobs, key
        )
        read_one = reader(sources, zone, ceiling.bounds.but(left=ceiling.left))

        def read(file: CommittedFile, bounds: Bounds) -> FileResult:
            result = self._results.get((file, *key))
            if result is None or result.made > bounds.left:
                content = blobs.get(file.oid)  # b"" for an empty file
                if content is None:
                    content = self._git.read_blobs([file.oid])[file.oid]
                result = read_one(self._source(file, content), bounds)
                self._results[file, *key] = result
            return result

        shown = [self._shown_problem(problem) for problem in problems]
        declared = read_bounded(files, read, shown, ceiling, zone=zone)
        self._readings[environment.name] = _ReadEnvironment(
            tree=found, environment=environment, ceiling=ceiling, declared=declared, files=files
        )
        return declared

    def _ask_cache(
        self,
        files: Sequence[CommittedFile],
        environment: Environment,
        ceiling: Ceiling,
        key: tuple[str, int],
    ) -> tuple[ReadCache, list[CommittedFile]]:
        """The files that must be read, and the cache that was asked about the others."""
        unread = [file for file in files if (file, *key) not in self._results]
        if self._cache is None:
            return ReadCache(), unread
        cache, left = self._cache.of(environment, ceiling.bounds, len(unread)), []
        if cache.knows_nothing:
            return cache, unread
        for file in unread:
            result = self._cache.find_by_oid(cache, file, self._shown_path(file.path))
            if result is None:
                left.append(file)
            else:
                self._results[file, *key] = result
        return cache, left

    def _unknown_sources(
        self,
        cache: ReadCache,
        files: Sequence[CommittedFile],
        blobs: dict[ObjectId, bytes],
        key: tuple[str, int],
    ) -> list[Source]:
        """Those of the files whose content is not known either."""
        left = []
        for file in files:
            source = self._source(file, blobs[file.oid])
            known = (
                None if self._cache is None else self._cache.find_by_content(cache, file, source)
            )
            if known is None:
                left.append(source)
            else:
                self._results[file, *key] = known
        return left

    def confirm(self, environment: str, runs: Collection[Run]) -> bool:
        """Whether the manifests of these runs, and of those that they wait for, say what was found.

        Those that only a cache knew are read. If one says something else, the caches are deleted,
        and everything is read when it is asked for again. Raises GitError.
        """
        reading = self._readings.get(environment)
        if self._cache is None or reading is None:
            return True
        own = {run.place.file for run in runs}
        return self._is_so(reading, own) and self._is_so(
            reading, _awaited_paths(reading.declared, own)
        )

    def _is_so(self, reading: _ReadEnvironment, paths: Collection[str]) -> bool:
        """Whether the files at these paths say what they were taken to say."""
        if self._cache is None:
            return True
        wanted = (file for file in reading.files if self._shown_path(file.path) in paths)
        files = self._cache.list_unproven(wanted)
        blobs = self._git.read_blobs(file.oid for file in files)
        for file in files:
            if not self._is_said(file, blobs[file.oid], reading):
                self._cache.drop()
                self._cache = None
                self._forget()
                return False
            self._cache.note_proven(file)
        return True

    def _is_said(self, file: CommittedFile, content: bytes, reading: _ReadEnvironment) -> bool:
        """Whether the reader finds in the file what it was taken to say."""
        zone, ceiling = reading.environment.gateway.zone, reading.ceiling
        try:
            found = read_file(
                self._source(file, content), zone, ceiling.bounds.but(left=ceiling.left)
            )
        except CrowdedError:
            return False
        return found == self._results[file, str(zone), ceiling.bounds.backfill]

    def _forget(self) -> None:
        self._results.clear()
        self._readings.clear()

    def keep(self) -> None:
        """Keep what was read for the next command, if enough of it is new."""
        if self._cache is None:
            return
        for name, reading in self._readings.items():
            key = str(reading.environment.gateway.zone), reading.ceiling.bounds.backfill
            said = [
                (file, self._shown_path(file.path), self._results[file, *key])
                for file in reading.files
            ]
            self._cache.keep(name, said)

    def _source(self, file: CommittedFile, content: bytes) -> Source:
        return Source(path=self._shown_path(file.path), content=content)

    def _shown_path(self, path: str) -> str:
        """The path relative to the configuration's folder, as people know it."""
        return path.removeprefix(self._git.prefix)

    def _shown_problem(self, problem: Problem) -> Problem:
        place = Place(file=self._shown_path(problem.place.file))
        return Problem(place=place, code=problem.code, message=problem.message)


def _awaited_paths(declared: Declared, paths: Collection[str]) -> set[str]:
    """The paths of all manifests on which it depends whether runs of these files may start."""
    names = {
        name
        for run in declared.runs
        if run.place.file in paths
        for name in (*run.depends_on, run.duplicate_of)
        if name is not None
    }
    if not names:
        return set()
    return {
        run.place.file
        for run in declared.runs
        if not names.isdisjoint((*covering_references(run.name), *run.formerly))
    }
