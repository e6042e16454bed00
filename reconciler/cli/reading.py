"""What the read-only commands read: manifests and ledger, from here or from the remote."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reconciler.cli.options import CommonOptions
from reconciler.committed import CommittedLedger
from reconciler.configuration import Configuration, Environment
from reconciler.continuity import check_continuity
from reconciler.errors import ConfigurationError, GitError
from reconciler.git import CommitId, Git
from reconciler.ledger import Ledger, read_events
from reconciler.ledger.files import is_ledger_file
from reconciler.manifest import combine, is_manifest_path, read_file
from reconciler.model import Declared
from reconciler.settings import choose_environments, find_root, read_configuration
from reconciler.worktree import read_worktree


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A folder with a configuration, as a command found it."""

    root: Path
    configuration: Configuration
    environments: list[Environment]  # those that the command is about

    @classmethod
    def find(cls, options: CommonOptions) -> "Workspace":
        """Find and read it. Raises ConfigurationError."""
        root = find_root(options.repo)
        configuration = read_configuration(root)
        return cls(
            root=root,
            configuration=configuration,
            environments=choose_environments(configuration, options.env),
        )

    def declared(self, environment: Environment) -> Declared:
        """What the manifests in the working tree declare."""
        is_wanted = partial(is_manifest_path, folder=environment.manifests)
        sources, problems = read_worktree(self.root, environment.manifests, is_wanted)
        zone, most = environment.gateway.zone, environment.limits.max_runs_per_backfill
        return combine((read_file(source, zone, max_runs=most) for source in sources), problems)

    def local_ledger(self, environment: Environment) -> Ledger:
        """The ledger in the working tree. Raises LedgerError."""
        is_wanted: Callable[[str], bool] = partial(is_ledger_file, folder=environment.state)
        sources, problems = read_worktree(self.root, environment.state, is_wanted)
        if problems:
            raise ConfigurationError(f"the ledger cannot be read: {problems[0]}")
        files = {source.path.rpartition("/")[2]: source.content for source in sources}
        return Ledger.of(read_events(files, environment.state))


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLedger:
    """A ledger, and where it was read."""

    ledger: Ledger
    commit: str | None  # None: from the working tree
    note: str | None  # what a person should know about where it was read


def read_ledgers(workspace: Workspace, *, offline: bool) -> dict[str, KnownLedger]:
    """The ledger of each environment: the remote branch's, fetched, or else the local one.

    Raises GitError where there is a remote and it cannot be read.
    """
    git = None if offline else _repository(workspace)
    if git is None:
        note = "offline: the ledger is the working tree's, and may be behind"
        return {
            environment.name: KnownLedger(
                ledger=workspace.local_ledger(environment), commit=_head(workspace), note=note
            )
            for environment in workspace.environments
        }
    commit, parent = _fetch(git, workspace.configuration)
    known = {}
    for environment in workspace.environments:
        files = _committed(git, parent, environment)
        remote = workspace.configuration.git.remote
        check_continuity(git, remote, environment, files, commit=commit, parent=parent)
        known[environment.name] = KnownLedger(
            ledger=files.ledger(),
            commit=parent,
            note=_unpushed(git, commit, environment, remote),
        )
    return known


def _unpushed(git: Git, commit: CommitId, environment: Environment, remote: str) -> str | None:
    here = git.differing(commit, git.prefix + environment.manifests)
    if not here:
        return None
    what = f"{len(here)} files differ" if len(here) > 1 else f"{here[0]} differs"
    return f"{what} from {remote}'s branch: an apply goes by the branch, once they are there"


def _repository(workspace: Workspace) -> Git | None:
    """The clone, if it has the configured remote."""
    git = Git.at(workspace.root)
    return git if git.has_remote(workspace.configuration.git.remote) else None


def _head(workspace: Workspace) -> CommitId | None:
    try:
        return Git.at(workspace.root).working_tree_commit()
    except GitError:  # a folder that is no repository can be planned offline as well
        return None


def _fetch(git: Git, configuration: Configuration) -> tuple[CommitId, CommitId | None]:
    """Fetch the tips of the manifests' branch and of the ledger's; the latter need not exist."""
    remote = configuration.git.remote
    branch = configuration.git.branch or git.default_branch(remote)
    ledger_branch = configuration.git.ledger_branch or branch
    tips = git.fetch(remote, sorted({branch, ledger_branch}))
    commit = tips[branch]
    if commit is None:
        raise GitError(
            f"{remote} has no branch {branch}",
            hint="Push it first, or name another one in reconciler.yaml (git.branch).",
        )
    return commit, tips[ledger_branch]


def _committed(git: Git, commit: CommitId | None, environment: Environment) -> CommittedLedger:
    folder = git.prefix + environment.state
    entries = git.list_tree(commit, [folder]) if commit else []
    return CommittedLedger.read(git, folder, entries)
