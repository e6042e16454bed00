"""Paths as a forge knows them: from the repository's top, even if only a folder is managed."""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from reconciler.errors import GitError
from reconciler.git import Git
from reconciler.model import Place, Problem

if TYPE_CHECKING:  # `validate` uses this module and needs neither
    from reconciler.plan import Plan
    from reconciler.plan.review import Review


def path_from_top(root: Path) -> str:
    """The managed folder's path from the repository's top, "" or ending in a slash."""
    try:
        return Git.at(root).prefix
    except GitError:
        return ""


def rooted_problem(problem: Problem, prefix: str) -> Problem:
    """The problem, with its file's path from the repository's top.

    The path of a ledger's folder is so already. `prefix`: the managed folder's path, "" or ending
    in a slash.
    """
    return replace(problem, place=_rooted_place(problem.place, prefix))


def rooted_review(plan: "Plan", review: "Review", prefix: str) -> tuple["Plan", "Review"]:
    """The same for the problems of a plan, and for the manifests that a change touches."""
    problems = tuple(rooted_problem(problem, prefix) for problem in plan.problems)
    compared = review.compared
    if compared is not None:
        manifests = [
            replace(one, place=_rooted_place(one.place, prefix)) if one.place is not None else one
            for one in compared.manifests
        ]
        compared = replace(compared, manifests=manifests)
    return replace(plan, problems=problems), replace(review, compared=compared)


def _rooted_place(place: Place, prefix: str) -> Place:
    return place if place.file.startswith(prefix) else replace(place, file=prefix + place.file)
