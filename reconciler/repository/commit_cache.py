"""What the cache knows of the files of commits, each by the id of its blob.

Git says which blob a commit has at a path, and what that blob holds. An id is kept only for content
that git gave under this id, so no id is ever worked out here. What is known in this way was not
read by this process: it is *unproven* until somebody reads the blob.
"""

from collections.abc import Iterable, Sequence

from reconciler.configuration import Environment
from reconciler.expansion import Bounds
from reconciler.git import Git
from reconciler.manifest import FileResult
from reconciler.model import Source
from reconciler.repository.cache import ReadCache, ReadFile
from reconciler.repository.committed import CommittedFile
from reconciler.repository.worktree import KnownFile

_LEAST_FILES = 200  # with fewer files to read, to look for them in a cache costs what it saves
_NO_CACHE = ReadCache()


class CommitCache:
    """The caches of all environments that one command reads in commits."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._caches: dict[str, tuple[Environment, Bounds, ReadCache]] = {}  # by environment
        self._met: dict[CommittedFile, ReadFile] = {}  # what was read here, as it may be kept
        self._unproven: set[CommittedFile] = set()

    def of(self, environment: Environment, bounds: Bounds, unread: int) -> ReadCache:
        """The cache to ask about so many files of an environment; it is read only once."""
        found = self._caches.get(environment.name)
        if found is None or found[:2] != (environment, bounds):
            if unread < _LEAST_FILES:
                return _NO_CACHE
            self._met.clear()  # a cache knows files by numbers of its own
            cache = ReadCache.of(self._git, environment, bounds)
            self._caches[environment.name] = found = environment, bounds, cache
        return found[2]

    def find_by_oid(self, cache: ReadCache, file: CommittedFile, path: str) -> FileResult | None:
        """What the file says, if its blob is known; `path`: as people know it."""
        found = cache.find_by_oid(path, file.oid)
        if found is None:
            return None
        self._unproven.add(file)
        return cache.find_result(found)

    def find_by_content(
        self, cache: ReadCache, file: CommittedFile, source: Source
    ) -> FileResult | None:
        """What the file says, if its content is known; otherwise it may be kept once it is read.

        Git has given the content under the blob's id.
        """
        if cache.path is None:
            return None
        found = self._met[file] = cache.find_by_blob(source, file.oid)
        if not isinstance(found, KnownFile):
            return None
        self._unproven.add(file)
        return cache.find_result(found)

    def list_unproven(self, files: Iterable[CommittedFile]) -> list[CommittedFile]:
        """The files whose runs and problems are known only from a cache."""
        return [file for file in files if file in self._unproven] if self._unproven else []

    def note_proven(self, file: CommittedFile) -> None:
        """Note that the file was read, and says what the cache says of it."""
        self._unproven.discard(file)

    def keep(
        self,
        environment: str,
        said: Sequence[tuple[CommittedFile, str, FileResult]],
    ) -> None:
        """Keep what the environment's files say, with their paths, for the next command."""
        cache = self._caches[environment][2] if environment in self._caches else _NO_CACHE
        if not cache.is_worth_it(len(self._met), len(said)):
            return
        met = (
            (self._met.get(file) or cache.find_by_oid(path, file.oid), result)
            for file, path, result in said
        )
        cache.keep([(found, result) for found, result in met if found is not None])

    def drop(self) -> None:
        """Delete the caches that were believed: one of them is wrong."""
        for _, _, cache in self._caches.values():
            cache.drop()
