"""Where `init` writes: the folder, its repository, its remote, and its forge."""

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from reconciler import DISTRIBUTION, PLACEHOLDER, __version__
from reconciler.cli.options import CommonOptions
from reconciler.configuration import CONFIGURATION, Configuration
from reconciler.errors import ConfigurationError
from reconciler.git import Git
from reconciler.repository.named_files import check_stays
from reconciler.repository.settings import read_configuration
from reconciler.starting.choices import CiKind, Home, recorded_home

_USUAL = ("main", "master")
_INSIDE = ("objects", "refs")  # folders of a repository
_READ_ELSEWHERE = frozenset("$*?[]{}#!\\\"'`")


class StartingPlace(Struct, frozen=True, kw_only=True):
    """A folder in which a repository begins, or has begun."""

    root: Path  # holds `reconciler.yaml`, or will
    git: Git | None  # None: it lies in no repository
    configuration: Configuration | None  # None: there is none yet

    @classmethod
    def find(cls, options: CommonOptions) -> "StartingPlace":
        """The folder that `--repo` names, or the nearest one with a configuration, or this one.

        Raises ConfigurationError for a configuration with problems and for a folder in which no
        repository can begin, and GitError where git cannot be asked about the repository.
        """
        if options.repo is not None:
            check_stays(options.repo)
        here = (options.repo or Path.cwd()).resolve()
        marked = next((one for one in (here, *here.parents) if os.path.lexists(one / ".git")), None)
        git = None if marked is None else Git.at(here)
        if git is None and any(map(_is_bare, (here, *here.parents))):
            raise ConfigurationError(
                f"{here} is the inside of a bare repository, in which nothing is checked out",
                hint="Clone it, and start in the clone: git clone URL",
            )
        root = here
        if options.repo is None and git is not None:
            inside = [one for one in (here, *here.parents) if one.is_relative_to(git.root)]
            root = next((one for one in inside if os.path.lexists(one / CONFIGURATION)), here)
            git = Git.at(root)
        _check_prefix(git.prefix if git is not None else "")
        begun = os.path.lexists(root / CONFIGURATION)
        return cls(root=root, git=git, configuration=read_configuration(root) if begun else None)

    @property
    def top(self) -> Path:
        """The top of the repository, where forges and hooks look for their files."""
        return self.git.root if self.git is not None else self.root

    @property
    def prefix(self) -> str:
        """The folder's path in the repository: "" or with a slash at its end."""
        return self.git.prefix if self.git is not None else ""

    @property
    def remote(self) -> str:
        """The name of the shared remote."""
        return self.configuration.git.remote if self.configuration else "origin"

    def remote_url(self) -> str:
        """The remote's address; "" where there is none."""
        return self._ask_git("remote", "get-url", self.remote)

    def forge(self) -> CiKind | None:
        """The forge in the remote's address, as git reads it (`insteadOf`) or as it is written."""
        written = self._ask_git("config", "--get", f"remote.{self.remote}.url")
        return guess_forge(self.remote_url()) or guess_forge(written)

    def branch(self) -> str:
        """The shared branch, as far as this clone can tell without asking the remote."""
        if self.configuration is not None and self.configuration.git.branch is not None:
            return self.configuration.git.branch
        beside = f"refs/remotes/{self.remote}/"
        told = self._ask_git("symbolic-ref", "--quiet", f"{beside}HEAD")
        if told.startswith(beside):
            return told.removeprefix(beside)
        for name in _USUAL:
            if any(
                self._ask_git("rev-parse", "--verify", "--quiet", f"{folder}{name}")
                for folder in (beside, "refs/heads/")
            ):
                return name
        current = self._ask_git("symbolic-ref", "--quiet", "HEAD")
        return current.removeprefix("refs/heads/") or _USUAL[0]

    def has_commits(self) -> bool:
        """Whether the checkout has a commit yet."""
        return bool(self._ask_git("rev-parse", "--verify", "--quiet", "HEAD"))

    def _ask_git(self, *question: str) -> str:
        if self.git is None:
            return ""
        done = self.git.run(*question, accept=None)
        return done.text if done.exit_code == 0 else ""


def _is_bare(folder: Path) -> bool:
    """Whether the folder itself is a git directory, such as a bare repository."""
    return (folder / "HEAD").is_file() and all((folder / one).is_dir() for one in _INSIDE)


def _check_prefix(prefix: str) -> None:
    """Raise ConfigurationError for a folder whose name would mean more where `init` writes it.

    `${{ … }}` is an expression in a workflow, `$` a variable for GitLab, `*` a pattern for
    CODEOWNERS and an editor, and a line feed begins another line in all of them.
    """
    if not prefix.isprintable() or set(prefix) & _READ_ELSEWHERE:
        raise ConfigurationError(
            f"the folder {prefix.rstrip('/')} has signs in its name that forges and editors read "
            f"as more than a name: none of {' '.join(sorted(_READ_ELSEWHERE))} can be used",
            hint="Rename it, or start in another folder: --repo DIR",
        )


def guess_forge(url: str) -> CiKind | None:
    """The forge that the host's name shows (github.com, gitlab.example.test), or None."""
    host = urlsplit(url).hostname if "://" in url else url.partition("@")[2].partition(":")[0]
    for kind in (CiKind.GITHUB, CiKind.GITLAB):
        if kind.value in (host or "").lower():
            return kind
    return None


def installed_home() -> Home | None:
    """The repository and commit that pip installed this reconciler from; None: from elsewhere."""
    try:
        recorded = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    return recorded_home(recorded, __version__)


def unknown_home() -> Home:
    """A placeholder for the home until somebody names it."""
    url = f"https://github.com/{PLACEHOLDER}/reconciler"
    return Home(url=url, revision=f"v{__version__}")
