"""Which change brought each file to the branch as it is now: its commit, and the pull request."""

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from reconciler.git.command import run_git
from reconciler.git.objects import CommitId, is_shallow

# What hosts write into the message of a merge or of a squashed commit, by its first line.
_SUBJECTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"Merge pull request #(?P<number>\d{1,9}) (?:from|in) ",  # GitHub; Bitbucket Data Center
        r"Merge pull request '.*' \(#(?P<number>\d{1,9})\) from ",  # Gitea, Forgejo
        r"Merged in .* \(pull request #(?P<number>\d{1,9})\)$",  # Bitbucket
        r"Merged PR (?P<number>\d{1,9}): ",  # Azure DevOps
        r"Pull request #(?P<number>\d{1,9}): ",  # Bitbucket Data Center, squashed
        r".* \(#(?P<number>\d{1,9})\)$",  # GitHub, squashed
    )
)
_GITLAB = re.compile(r"^See merge request (?P<project>[\w./-]*)!(?P<number>\d{1,9})$", re.MULTILINE)
_LONGEST = 2_000  # characters of a message that are read: hosts write into its beginning or end


class Origin(Struct, frozen=True, kw_only=True):
    """The newest commit of the branch's own line that changed a file."""

    commit: CommitId
    subject: str  # the first line of its message
    pull_request: str | None  # `#12`, or `!12` on GitLab; None: the message names none


def pull_request_of(message: str) -> str | None:
    """The pull request that a commit's message says it merges; None where it says none."""
    subject = message.partition("\n")[0][:_LONGEST].rstrip()
    for pattern in _SUBJECTS:
        if found := pattern.match(subject):
            return f"#{found['number']}"
    found = _GITLAB.search(message[-_LONGEST:].rstrip())
    return f"!{found['number']}" if found else None


def origins(root: Path, commit: CommitId, folder: str) -> dict[str, Origin]:
    """By path, the origin of each file below the folder that the commit's history tells of.

    Only the first parents count: a merge is the change, not what was committed on the way to it.
    A clone whose history is cut off says nothing of what is older. Raises GitError.
    """
    newest: dict[str, CommitId] = {}
    for found, paths in _changes(root, commit, folder):
        for path in paths:
            newest.setdefault(path, found)
    told = _told(root, dict.fromkeys(newest.values()))
    return {path: told[found] for path, found in newest.items() if found in told}


def _changes(root: Path, commit: CommitId, folder: str) -> list[tuple[CommitId, list[str]]]:
    """Each commit of the first parents' line that changed something there, the newest first."""
    plainly = ("--no-show-signature", "--no-renames", "--no-ext-diff", "--name-only", "-z")
    listing = run_git(
        root,
        *("-c", "log.diffMerges=separate", "--literal-pathspecs"),
        *("log", "--first-parent", "-m", *plainly, "--format=%H %P", commit, "--", folder),
    ).stdout
    is_cut = is_shallow(root)
    changes: list[tuple[CommitId, list[str]]] = []
    for word in listing.decode("utf-8", "surrogateescape").split("\0"):
        path = word.removeprefix("\n")  # stands between a commit and its first path
        if path.startswith(f"{folder}/") or path == folder:
            changes[-1][1].append(path)
        elif word:
            found, *parents = word.split()
            changes.append((CommitId(found), []))
            if is_cut and not parents:  # all that is there seems to be new
                changes.pop()
                break
    return changes


def _told(root: Path, commits: Iterable[CommitId]) -> dict[CommitId, Origin]:
    asked = "".join(f"{commit}\n" for commit in commits).encode()
    if not asked:
        return {}
    options = ("--no-show-signature", "--encoding=UTF-8", "--no-walk=unsorted", "-z", "--stdin")
    listing = run_git(root, "log", *options, "--format=%H%n%B", stdin=asked).stdout
    told = {}
    for word in listing.decode("utf-8", "replace").split("\0"):
        commit, _, message = word.partition("\n")
        if commit:
            told[CommitId(commit)] = Origin(
                commit=CommitId(commit),
                subject=message.partition("\n")[0],
                pull_request=pull_request_of(message),
            )
    return told
