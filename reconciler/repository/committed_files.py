"""What a commit declares: its configuration, and the runs of its manifests."""

from datetime import tzinfo
from functools import partial

from reconciler.configuration import CONFIGURATION, Configuration, Environment, parse_configuration
from reconciler.errors import ConfigurationError
from reconciler.expansion import Bounds
from reconciler.git import Git, ObjectId
from reconciler.manifest import FileResult, is_manifest_path
from reconciler.model import Declared, Place, Problem, Source
from reconciler.repository.books import CommittedBooks
from reconciler.repository.committed import CommittedFile, wanted_files
from reconciler.repository.declaring import Ceiling, read_bounded
from reconciler.repository.together import reader
from reconciler.repository.worktree import MOST_BYTES, too_large


class CommittedFiles:
    """Reads configuration and manifests, each blob once, for a blob always says the same."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._configuration: tuple[ObjectId, Configuration] | None = None
        self._results: dict[tuple[CommittedFile, str, int], FileResult] = {}

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
            self._results.clear()  # the zone, or the limit of a backfill, may have changed
        return self._configuration[1]

    def know(self, file: CommittedFile, zone: tzinfo, bounds: Bounds, result: FileResult) -> None:
        """Take over what a file was found to say elsewhere, so that it is not read again."""
        self._results[file, str(zone), bounds.backfill] = result

    def declared(
        self, environment: Environment, tree: CommittedBooks, ceiling: Ceiling
    ) -> Declared:
        """The runs of an environment, up to the ceiling, and the problems of its files."""
        folder = self._git.prefix + environment.manifests
        entries = [*tree.on_the_way(folder), *tree.under(folder)]
        is_wanted = partial(is_manifest_path, folder=folder)
        files, problems = wanted_files(entries, folder, is_wanted)
        zone = environment.gateway.zone
        key = str(zone), ceiling.bounds.backfill
        unread = [file for file in files if (file, *key) not in self._results]
        blobs, large = self._git.read_bounded_blobs((file.oid for file in unread), MOST_BYTES)
        problems += [too_large(file.path, MOST_BYTES) for file in files if file.oid in large]
        files = [file for file in files if file.oid not in large]
        sources = [self._source(file, blobs[file.oid]) for file in unread if file.oid in blobs]
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
        return read_bounded(files, read, shown, ceiling, zone=zone)

    def _source(self, file: CommittedFile, content: bytes) -> Source:
        return Source(path=self._shown(file.path), content=content)

    def _shown(self, path: str) -> str:
        """The path relative to the configuration's folder, as people know it."""
        return path.removeprefix(self._git.prefix)

    def _shown_problem(self, problem: Problem) -> Problem:
        place = Place(file=self._shown(problem.place.file))
        return Problem(place=place, code=problem.code, message=problem.message)
