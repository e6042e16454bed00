"""Finding the repository that a folder lies in, so that nothing in a checkout can pass for one.

Git takes a folder with `HEAD`, `objects/` and `refs/` for a bare repository and obeys its `config`,
which may name programs to run. A checkout can bring such a folder along, and cannot bring a `.git`:
git writes no path of that name. So only a `.git` counts here, git is run at the top, where it finds
that one, and is told not to look for any other.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from reconciler.errors import GitError
from reconciler.git.command import names_repository, run_git

_OF_A_CLONE = {"local", "worktree"}  # the scopes whose files lie in the clone, or are included


def find(folder: Path) -> tuple[Path, str]:
    """The top of the working tree that the folder lies in, and the folder, relative to it.

    The second is "" or ends in a slash. Raises GitError if there is no repository, it is bare, git
    distrusts its owner, git is missing, or a file of the checkout is part of git's configuration.
    """
    here = Path(os.path.realpath(folder))
    start = here if names_repository(here) else _marked(here, folder)
    asked = run_git(
        start, "rev-parse", "--is-inside-work-tree", "--show-cdup", "--absolute-git-dir"
    )
    inside, up, gits = (*asked.text.split("\n", 2), "", "")[:3]
    if inside != "true" or here.is_relative_to(gits):
        raise GitError(
            f"{folder} is not in a working tree: the repository is bare, or this is its inside",
            hint="run it in a clone that has its files checked out",
        )
    depth = up.count("../")
    root = start.parents[depth - 1] if depth else start
    _check_configuration(root, Path(gits))
    inner = here.relative_to(root).as_posix()
    return root, "" if inner == "." else f"{inner}/"


def _marked(here: Path, folder: Path) -> Path:
    """The nearest folder upwards that has a `.git`. Raises GitError if there is none."""
    found = next((one for one in _upwards(here) if os.path.lexists(one / ".git")), None)
    if found is not None:
        return found
    if not here.is_dir():
        raise GitError(f"{folder} is not a folder")
    raise GitError(  # without having asked git, which would read what lies here as a repository
        f"{folder} is not in a working tree: this is not a git repository, or it is a bare one",
        hint="run it inside a clone, or name one with --repo",
    )


def _upwards(here: Path) -> Iterator[Path]:
    """The folders in which git would look: it stops at a mount, and where it is told to."""
    told = os.environ.get("GIT_CEILING_DIRECTORIES", "").split(os.pathsep)
    ceilings = {os.path.realpath(one) for one in told if Path(one).is_absolute()}
    across = os.environ.get("GIT_DISCOVERY_ACROSS_FILESYSTEM", "").lower() in {"1", "true", "yes"}
    device = os.stat(here).st_dev if here.is_dir() else None  # noqa: PTH116 - beside os.path, for bytes
    for one in (here, *here.parents):
        if one != here and str(one) in ceilings:
            return
        if not across and one.is_dir() and os.stat(one).st_dev != device:  # noqa: PTH116 - the same
            return
        yield one


def _check_configuration(root: Path, gits: Path) -> None:
    """Raise GitError if the clone's configuration includes a file that the checkout brings.

    `git config include.path ../.gitconfig` lets whoever writes that file name programs.
    """
    listing = run_git(
        root, "config", "--list", "--show-scope", "--show-origin", "--name-only", "-z"
    )
    words = listing.stdout.decode("utf-8", "surrogateescape").split("\0")
    for scope, origin in sorted(set(zip(words[::3], words[1::3], strict=False))):
        if scope not in _OF_A_CLONE or not origin.startswith("file:"):
            continue
        file = Path(os.path.realpath(root / origin.removeprefix("file:")))
        if file.is_relative_to(root) and not file.is_relative_to(gits):
            shown = file.relative_to(root).as_posix()
            raise GitError(
                f"git's configuration of this clone includes {shown}, a file of the checkout: "
                "whoever changes that file could have git run programs",
                hint="see `git config --local --list --show-origin`, and take the include away, "
                "or keep the file outside the checkout",
            )
