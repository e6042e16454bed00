"""The base that a change is compared with: find the commit, and read what it declares."""

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.cli.fetching import KnownLedger
from reconciler.cli.reading import Workspace
from reconciler.configuration import (
    CONFIGURATION,
    Configuration,
    Environment,
    InvalidConfigurationError,
    parse_configuration,
)
from reconciler.errors import ConfigurationError, LedgerError
from reconciler.git import CommitId, Git
from reconciler.ledger import Ledger
from reconciler.ledger.files import ledger_text
from reconciler.model import Declared, Problem
from reconciler.plan.by_manifest import group_by_manifest
from reconciler.plan.changes import changes
from reconciler.plan.pairs import undeclared_names, unjudged_names
from reconciler.plan.review import Compared, changed_settings, former_names
from reconciler.render.words import COMMIT_DIGITS
from reconciler.repository.books import CommittedBooks
from reconciler.repository.committed import CommittedFile
from reconciler.repository.committed_files import CommittedFiles
from reconciler.repository.declaring import Ceiling, TooManyRunsError, read_related
from reconciler.repository.settings import MOST_OF_CONFIGURATION, base_branch, base_commit
from reconciler.repository.worktree import read_one
from reconciler.schedule import schedule_runs


class BaseOptions(Struct, frozen=True, kw_only=True):
    """What the command line says about the base."""

    revision: str | None = None  # None: the pipeline's, or the shared branch
    off: bool = False


def find_base(
    workspace: Workspace, known: KnownLedger | None, options: BaseOptions
) -> "Base | None":
    """The base that the user named, or else the default one; None if there is none.

    `known`: what was read of the shared branch. Raises GitError, and ConfigurationError for a
    revision that does not exist.
    """
    git = None if options.off else workspace.git()
    if git is None:
        if options.revision is not None:
            raise ConfigurationError("--base: this folder is in no git repository")
        return None
    if options.revision is not None:
        return Base.of(workspace, git, _find_asked_commit(git, known, options.revision))
    if known is None or known.shared is None:
        return None
    parted, place = base_commit(), known.shared.place
    commit = _find_commit(git, place.remote, parted) if parted is not None else None
    if commit is None:
        forks = git.find_forks(place.remote, place.commit)
        commit = forks[0] if forks else place.commit
    base = Base.of(workspace, git, commit)
    in_pipeline = parted is not None or base_branch() is not None
    return base if in_pipeline or base.differing else None


def _find_asked_commit(git: Git, known: KnownLedger | None, revision: str) -> CommitId:
    remote = known.shared.place.remote if known and known.shared else None
    commit = _find_commit(git, remote, revision)
    if commit is None:
        raise ConfigurationError(
            f"--base {revision}: neither this clone nor its remote has such a commit",
            hint="Name a branch, a tag or a commit: --base origin/main.",
        )
    return commit


def _find_commit(git: Git, remote: str | None, revision: str) -> CommitId | None:
    here = git.resolve_commit(revision)
    if here is not None or remote is None:
        return here
    return git.bring_commit(remote, revision)


class Base(Struct, frozen=True, kw_only=True):
    """A commit, compared with the working tree."""

    commit: CommitId
    differing: frozenset[str]  # paths of manifests and configuration that differ in the checkout
    notes: list[str] = field(default_factory=list)  # why the base could not be read as a whole
    _workspace: Workspace
    _git: Git
    _read: dict[str, Declared] = field(default_factory=dict)  # by environment
    _known: "list[_Committed]" = field(default_factory=list)

    @classmethod
    def of(cls, workspace: Workspace, git: Git, commit: CommitId) -> "Base":
        """The base at that commit. Raises GitError."""
        environments = workspace.configuration.environments.values()
        folders = sorted({git.prefix + one.manifests for one in environments})
        found = git.differing(commit, git.prefix + CONFIGURATION, *folders)
        return cls(commit=commit, differing=frozenset(found), _workspace=workspace, _git=git)

    def compare(
        self, environment: Environment, declared: Declared, ledger: Ledger, here: Configuration
    ) -> Compared:
        """What the change does to the environment; `here`: the checkout's own configuration.

        `declared` is scheduled with that ledger. Raises GitError.
        """
        theirs = self._read_base().configuration
        former = self._former_names().get(environment.name)
        before = schedule_runs(self._read_declared(former or environment.name, declared), ledger)
        found = changes(before, declared, ledger)
        return Compared(
            base=self.commit,
            changes=found,
            manifests=group_by_manifest(found, before, declared),
            configuration=changed_settings(theirs, here, environment.name, former),
            undeclared=undeclared_names(before, declared),
            unjudged=unjudged_names(before, declared),
            notes=tuple(self.notes),
        )

    def removed_environments(self) -> list[Environment]:
        """The environments of the base that the checkout does not have, under any name."""
        theirs = self._read_base().configuration
        here = self._workspace.configuration.environments
        kept = {*here, *self._former_names().values()}
        found = theirs.environments.values() if theirs is not None else ()
        return [one for one in found if one.name not in kept]

    def compare_removed(self, environment: Environment, ledger: Ledger) -> Compared:
        """What becomes of the runs of an environment that is gone. Raises GitError."""
        nothing = Declared(runs=(), problems=(), files=(), zone=environment.gateway.zone)
        before = schedule_runs(self._read_declared(environment.name, nothing), ledger)
        found = changes(before, nothing, ledger)
        manifests = group_by_manifest(found, before, nothing)
        return Compared(
            base=self.commit, changes=found, manifests=manifests, configuration=(), is_gone=True
        )

    def _read_base(self) -> "_Committed":
        if not self._known:
            self._known.append(_Committed.read(self._git, self.commit))
            self.notes.extend(self._known[0].notes)
        return self._known[0]

    def _former_names(self) -> dict[str, str]:
        """For each environment with another name at the base, that name, by its name here."""
        committed = self._read_base()
        if committed.configuration is None:
            return {}
        return former_names(committed.configuration, self._workspace.configuration, self._has_moved)

    def _has_moved(self, was: Environment, now: Environment) -> bool:
        """Whether the ledger of `was` goes on in the folder of `now` in this checkout."""
        prefix, ledgers = self._git.prefix, self._workspace.shelf().ledgers
        try:
            before = self._read_base().tree.ledger(prefix + was.state).text()
        except LedgerError:  # a link in its place, which is reported wherever that ledger counts
            return False
        here = ledger_text(ledgers.get(prefix + now.state, {}), now.state)
        return bool(before) and here.startswith(before)

    def _read_declared(self, name: str, after: Declared) -> Declared:
        """What the base declares in its environment of that name; nothing if it has none."""
        nothing = Declared(runs=(), problems=(), files=(), zone=after.zone)
        configuration = self._read_base().configuration
        if configuration is None or name not in configuration.environments:
            return nothing
        theirs = configuration.environments[name]
        try:
            if name not in self._read:
                found = read_related(configuration, theirs, self._read_one, now=self._workspace.now)
                self._read.update(found)
        except TooManyRunsError as error:
            self._say(f"{error.problem}")
            return nothing
        declared = self._read[name]
        if declared.problems:
            self._say(_describe_problems(declared.problems))
        return declared

    def _say(self, what: str) -> None:
        base = self.commit[:COMMIT_DIGITS]
        note = f"the base {base} is compared with as far as it can be read: {what}"
        if note not in self.notes:
            self.notes.append(note)

    def _read_one(self, theirs: Environment, ceiling: Ceiling) -> Declared:
        """The environment's manifests at the base; those that are the same here are not reread."""
        committed = self._read_base()
        names = {was: now for now, was in self._former_names().items()}
        ours = self._workspace.configuration.environments.get(names.get(theirs.name, theirs.name))
        alike = ours is not None and _reads_alike(ours, theirs)
        parsed = self._workspace.parsed.get(ours.name, {}) if ours is not None and alike else {}
        left_out: set[str] = set()  # by a sparse checkout, so they count on neither side
        for entry in committed.tree.under(self._git.prefix + theirs.manifests) if parsed else ():
            path = entry.path.removeprefix(self._git.prefix)
            if not entry.is_file or entry.path in self.differing:
                continue
            if path in parsed:
                file = CommittedFile(path=entry.path, oid=entry.oid)
                zone = theirs.gateway.zone
                committed.files.know(file, zone, ceiling.bounds, parsed[path])
            else:
                left_out.add(path)
        declared = committed.files.read_declared(theirs, committed.tree, ceiling)
        kept = tuple(run for run in declared.runs if run.place.file not in left_out)
        return replace(declared, runs=kept) if left_out else declared


class _Committed(Struct, frozen=True, kw_only=True):
    """What the base's commit holds."""

    tree: CommittedBooks
    files: CommittedFiles
    configuration: Configuration | None  # None: there is none that can be read
    notes: tuple[str, ...]

    @classmethod
    def read(cls, git: Git, commit: CommitId) -> "_Committed":
        tree, files = CommittedBooks(git, commit), CommittedFiles(git)
        configuration, notes = None, []
        try:
            configuration = files.configuration(tree, f"the base {commit[:COMMIT_DIGITS]}")
        except ConfigurationError as error:
            why = f"the base cannot be read: {'; '.join(str(error).splitlines())}"
            if not tree.under(git.prefix + CONFIGURATION):
                why = f"the base {commit[:COMMIT_DIGITS]} has no {CONFIGURATION}"
            notes.append(f"everything counts as added, for {why}")
        return cls(tree=tree, files=files, configuration=configuration, notes=tuple(notes))


def own_configuration(workspace: Workspace) -> Configuration:
    """The configuration as the checkout has it, even if the pipeline names another branch.

    Raises ConfigurationError.
    """
    found = read_one(workspace.root, CONFIGURATION, MOST_OF_CONFIGURATION)
    if isinstance(found, Problem):
        raise InvalidConfigurationError((found,))
    return parse_configuration(found)


def _reads_alike(one: Environment, other: Environment) -> bool:
    """Whether a file declares the same runs in both: the zone and some limits decide that."""
    return _decisive_settings(one) == _decisive_settings(other)


def _decisive_settings(environment: Environment) -> tuple[object, ...]:
    limits = environment.limits
    bounds = limits.max_runs_per_backfill, limits.first_year, limits.years_ahead
    return environment.manifests, environment.gateway.zone, bounds, limits.sensitive_parameters


def _describe_problems(problems: tuple[Problem, ...]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"
