"""Where a remote is: its name in the clone, and where it is fetched from and pushed to."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from reconciler.errors import GitError
from reconciler.git.command import run_git
from reconciler.git.gitconfig import read_value, read_values
from reconciler.git.said import redact_address


def check_remote(root: Path, remote: str) -> None:
    """Raise NoRemoteError unless the clone has a remote of that name.

    Git takes other names for paths or addresses. The name comes from the checkout, so it could lead
    anywhere, and what is there would count as shared.
    """
    if read_values(root, f"remote.{remote}.url"):
        return  # the usual case; `git remote` also knows remotes that older versions of git wrote
    there = run_git(root, "remote").text.split()
    if remote not in there:
        raise NoRemoteError(remote, there)


class NoRemoteError(GitError):
    """The clone has no remote of that name."""

    def __init__(self, name: str, there: Sequence[str]) -> None:
        others = f"It has {', '.join(there)}: set git.remote in reconciler.yaml."
        hint = others if there else f"Add it: git remote add {name} URL"
        super().__init__(f"this clone has no remote {name}", hint=hint)
        self.has_others = bool(there)


class Addresses(Struct, frozen=True, kw_only=True):
    """Where a remote is fetched from and where it is pushed to, without credentials."""

    name: str  # of the remote
    fetched: str
    pushed: str
    setting: str  # the setting that makes them differ, if they do

    @property
    def differ(self) -> bool:
        """Whether the two are written differently; they may still be one repository."""
        return self.fetched != self.pushed

    @property
    def difference(self) -> str:
        """What to say of the difference."""
        return (
            f"{self.name} pushes to {self.pushed} ({self.setting}), but is fetched from "
            f"{self.fetched}, and only what is there counts"
        )

    @property
    def hint(self) -> str:
        """What to do about the difference."""
        return f"let both be the same repository: look at git config --get-regexp '{self.setting}'"


def read_addresses(root: Path, remote: str) -> Addresses:
    """The remote's addresses. Raises GitError if there is no remote, or it pushes to several."""
    pushed = check_pushed(root, remote)
    fetched = run_git(root, "remote", "get-url", remote).text
    name = f"remote.{remote}.pushurl"
    is_named = pushed != fetched and read_value(root, name)
    return Addresses(
        name=remote,
        fetched=redact_address(fetched),
        pushed=redact_address(pushed),
        setting=name if is_named else "url.*.pushInsteadOf",
    )


def check_one_target(root: Path, remote: str) -> None:
    """Raise GitError if the remote pushes to no repository, or to several.

    Git is asked only if the configuration does not settle it: a single address stays a single one,
    however `url.*.pushInsteadOf` rewrites it.
    """
    if (
        read_values(root, f"remote.{remote}.pushurl")
        or len(read_values(root, f"remote.{remote}.url")) != 1
    ):
        check_pushed(root, remote)


def check_pushed(root: Path, remote: str) -> str:
    """The one address that the remote pushes to. Raises GitError for none and for several."""
    pushed = run_git(root, "remote", "get-url", "--push", "--all", remote).text.split("\n")
    if len(pushed) > 1:
        raise GitError(
            f"{remote} pushes to {len(pushed)} repositories, so no push to it can be a claim",
            hint=f"keep one of: git config --get-all remote.{remote}.pushurl",
        )
    return pushed[0]
