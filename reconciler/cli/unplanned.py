"""What `plan` prints where it cannot go on: a document or a comment that says so, and why.

A bot replaces its earlier comment with the newest one. If `plan` printed nothing, the earlier one
would stay, and say that all is well.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC
from pathlib import Path

from msgspec import Struct

from reconciler.cli.clock import LocalClock
from reconciler.cli.forge_paths import rooted_review
from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import LinkedLedgerError
from reconciler.cli.refusing import problems_of
from reconciler.configuration import CONFIGURATION
from reconciler.errors import ReconcilerError
from reconciler.git import CommitId, Git
from reconciler.plan import Plan
from reconciler.plan.review import Review
from reconciler.refused import NOT_PLANNED, Refused
from reconciler.render.json_output import json_document
from reconciler.render.plan_json import plans_json
from reconciler.render.plan_markdown import plan_markdown
from reconciler.repository.books import CommittedBooks
from reconciler.repository.committed_files import CommittedFiles
from reconciler.repository.settings import base_branch, base_commit, find_root, read_configuration

_REMOTE = "origin"  # assumed, because the configuration that names the remote cannot be read


class Unplanned(Struct, frozen=True, kw_only=True):
    """Why nothing was planned, for each environment that somebody waits to hear about."""

    plans: Sequence[tuple[Plan, Review]]
    prefix: str  # of the folder that paths are relative to, within the repository

    @classmethod
    def by(
        cls, error: ReconcilerError, options: CommonOptions, revision: str | None, *, offline: bool
    ) -> "Unplanned":
        """Say why the error stopped the plan; `revision`: the base, where the user named one.

        If the configuration cannot be read, its environments are those of the base or the branch.
        """
        git = _find_repository(options)
        base = revision or base_commit()
        names = _names(options, git, base, offline=offline)
        problems = () if isinstance(error, LinkedLedgerError) else problems_of(error)
        refused = [Refused(code=one.code, message=str(one)) for one in problems]
        if not refused:
            words = " ".join(str(error).split()).rstrip(".")
            refused = [Refused(code=NOT_PLANNED, message=words, hint=error.hint)]
        review = Review(refused=tuple(refused), is_stopped=True)
        at = LocalClock().wall()
        plans = [
            Plan(environment=name, commit=None, at=at, runs=(), problems=problems) for name in names
        ]
        prefix = git.prefix if git is not None else ""
        return cls(plans=[(plan, review) for plan in plans], prefix=prefix)

    def comment(self, most: int) -> str:
        """The reasons as a pull request's comment of at most `most` bytes."""
        shown = [rooted_review(plan, review, self.prefix) for plan, review in self.plans]
        plans = [(plan, UTC) for plan, _ in shown]  # no time is shown
        return plan_markdown(plans, most, reviews=[review for _, review in shown]).text

    def document(self) -> str:
        """The reasons as the JSON document of plans."""
        return json_document(
            plans_json([plan for plan, _ in self.plans], [review for _, review in self.plans])
        )


def _find_repository(options: CommonOptions) -> Git | None:
    """The repository of the managed folder, or of the folder where the search for it starts."""
    with suppress(ReconcilerError):
        return Git.at(find_root(options.repo))
    with suppress(ReconcilerError, FileNotFoundError):  # the current folder itself may be gone
        return Git.at(options.repo or Path.cwd())
    return None


def _names(
    options: CommonOptions, git: Git | None, base: str | None, *, offline: bool
) -> list[str]:
    """The environments that the plan would have been about; `[""]` if they are unknown."""
    if options.env is not None:
        return [options.env]
    with suppress(ReconcilerError):
        return list(read_configuration(find_root(options.repo)).environments)
    if git is None:
        return [""]
    with suppress(ReconcilerError):
        for commit in _find_commits(git, base, offline=offline):
            found = _read_names(git, commit)
            if found:
                return found
    return [""]


def _find_commits(git: Git, base: str | None, *, offline: bool) -> Iterator[CommitId]:
    """The commits to read the configuration from instead: the base's, then the branch's."""
    here = git.resolve_commit(base) if base is not None else None
    if here is not None:
        yield here
    if offline:
        return
    there = git.bring_commit(_REMOTE, base) if base is not None and here is None else None
    if there is not None:
        yield there
    tips = git.fetch_shared(_REMOTE, base_branch(), []).tips
    yield from (tip for tip in tips.values() if tip is not None)


def _read_names(git: Git, commit: CommitId) -> list[str]:
    """The environments of the commit's configuration: in the folder, or in one around it."""
    tree = CommittedBooks(git, commit)
    folder = git.prefix
    while folder and not tree.under(folder + CONFIGURATION):
        folder = folder.rstrip("/").rpartition("/")[0]
        folder += "/" if folder else ""
    files = CommittedFiles(Git(root=git.root, prefix=folder))
    with suppress(ReconcilerError):
        return list(files.configuration(tree, commit).environments)
    return []
