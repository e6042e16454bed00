"""Manifests that declare nothing, although somebody probably meant them to.

Either a folder of manifests does not exist, or manifests lie in no environment's folder.
"""

from collections.abc import Collection, Sequence

from reconciler.cli.reading import Workspace
from reconciler.configuration import CONFIGURATION, Environment
from reconciler.git import CommitId, Git
from reconciler.ledger import Ledger
from reconciler.links import readable_path
from reconciler.manifest.read import NO_FOLDER
from reconciler.model import Declared, Place, Problem


def list_unread_manifests(workspace: Workspace) -> list[str]:
    """The manifests of the checkout that lie in no environment's folder, as far as git sees them.

    Hidden files are passed over, as they are in those folders. Files beside or below another
    `reconciler.yaml` belong to that one. Empty outside a repository.
    """
    git = workspace.git()
    if git is None:
        return []
    folders = [one.manifests for one in workspace.configuration.environments.values()]
    listed = git.find_manifests_under(git.prefix, besides=folders)
    found = (path.removeprefix(git.prefix) for path in listed)
    return [path for path in found if _is_meant(workspace, path, folders)]


def _is_meant(workspace: Workspace, path: str, folders: Collection[str]) -> bool:
    parents = path.split("/")[:-1]
    if any(part.startswith(".") for part in path.split("/")):
        return False
    above = ["/".join(parents[: end + 1]) for end in range(len(parents))]
    if any(folder in above for folder in folders):
        return False
    return not any((workspace.root / folder / CONFIGURATION).exists() for folder in above)


def unread_note(paths: Sequence[str]) -> list[Problem]:
    """One note about all the paths, placed at the first; empty where there are none."""
    if not paths:
        return []
    first, *more = paths
    others = f" (nor are {len(more):,} more, such as {readable_path(more[-1])})" if more else ""
    words = (
        f"is a manifest in no environment's folder, so it declares nothing{others}: move it there, "
        "name its folder as `manifests` in reconciler.yaml, or hide it behind a name that begins "
        "with a dot"
    )
    return [Problem(place=Place(file=readable_path(first)), code="unread-manifest", message=words)]


def missed_folder_problems(
    workspace: Workspace,
    environment: Environment,
    declared: Declared,
    ledger: Ledger,
    *,
    unread: Sequence[str],
    base: str | None,
) -> list[Problem]:
    """The problem of a missing folder of manifests, unless the last manifest in it was removed.

    Git keeps no empty folders, so removing the last manifest removes its folder. A misspelt folder
    is different: the ledger has no runs and the history has no such folder, or manifests lie
    elsewhere.
    """
    notes = [note for note in declared.notes if note.code == NO_FOLDER]
    if not notes or unread:
        return notes
    return [] if ledger.records or _has_had_folder(workspace.git(), environment, base) else notes


def _has_had_folder(git: Git | None, environment: Environment, base: str | None) -> bool:
    """Whether the base, or any commit of the branch that this clone has, had the folder."""
    if git is None:
        return False
    folder = git.prefix + environment.manifests
    commit: CommitId | None = git.resolve_commit(base) if base is not None else None
    return git.has_known(folder) or (commit is not None and git.folder(commit, folder) is not None)
