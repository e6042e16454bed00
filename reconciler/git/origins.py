"""Which change brought each file to the branch as it is now: its commit, and the pull request."""

import re
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from reconciler.git.command import run_git
from reconciler.git.objects import CommitId, is_shallow

# What forges write into the first line of the message of a merge or a squashed commit.
_SUBJECTS = (
    r"Merge pull request #(?P<number>\d{1,9}) (?:from|in) ",  # GitHub; Bitbucket Data Center
    r"Merge pull request '.*' \(#(?P<number>\d{1,9})\) from ",  # Gitea, Forgejo
    r"Merged in .* \(pull request #(?P<number>\d{1,9})\)$",  # Bitbucket
    r"Merged PR (?P<number>\d{1,9}): ",  # Azure DevOps
    r"Pull request #(?P<number>\d{1,9}): ",  # Bitbucket Data Center, squashed
    r".* \(#(?P<number>\d{1,9})\)$",  # GitHub, squashed
)
_GITLAB = r"(?m)^See merge request (?P<project>[\w./-]*)!(?P<number>\d{1,9})$"
_LONGEST = 2_000  # characters of a message that are read: forges write at its beginning or end


class Origin(Struct, frozen=True, kw_only=True):
    """The newest commit of the branch's own line that changed a file."""

    commit: CommitId
    subject: str  # the first line of its message
    pull_request: str | None  # `#12`, or `!12` on GitLab; None: the message names none


def pull_request_of(message: str) -> str | None:
    """The pull request that a commit's message says it merges; None if it names none."""
    subject = message.partition("\n")[0][:_LONGEST].rstrip()
    for pattern in _SUBJECTS:
        if found := re.match(pattern, subject):
            return f"#{found['number']}"
    found = re.search(_GITLAB, message[-_LONGEST:].rstrip())
    return f"!{found['number']}" if found else None


def find_origins(root: Path, commit: CommitId, folder: str) -> dict[str, Origin]:
    """The origin of each file at or below the folder, by path, as far as the history tells.

    Only first parents count: the merge is the change, not the commits that led to it. A shallow
    clone says nothing of changes that are older than its history. Raises GitError.
    """
    newest: dict[str, CommitId] = {}
    for found, paths in _list_changes(root, commit, folder):
        for path in paths:
            newest.setdefault(path, found)
    told = _read_origins(root, dict.fromkeys(newest.values()))
    return {path: told[found] for path, found in newest.items() if found in told}


def _list_changes(root: Path, commit: CommitId, folder: str) -> list[tuple[CommitId, list[str]]]:
    """Each commit on the line of first parents that changed something there, newest first."""
    plainly = ("--no-show-signature", "--no-renames", "--no-ext-diff", "--name-only", "-z")
    listing = run_git(
        root,
        *("-c", "log.diffMerges=separate", "--literal-pathspecs"),
        *("log", "--first-parent", "-m", *plainly, "--format=%H %P", commit, "--", folder),
    ).stdout
    is_cut = is_shallow(root)
    changes: list[tuple[CommitId, list[str]]] = []
    for word in listing.decode("utf-8", "surrogateescape").split("\0"):
        path = word.removeprefix("\n")  # git puts it between a commit and its first path
        if path.startswith(f"{folder}/") or path == folder:
            changes[-1][1].append(path)
        elif word:
            found, *parents = word.split()
            changes.append((CommitId(found), []))
            if is_cut and not parents:  # where history is cut off, every file seems to be new
                changes.pop()
                break
    return changes


def _read_origins(root: Path, commits: Iterable[CommitId]) -> dict[CommitId, Origin]:
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
