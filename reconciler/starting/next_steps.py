"""What is left to do for the person who started a repository, as numbered steps."""

import shlex
from collections.abc import Iterator, Sequence
from textwrap import wrap

from msgspec import Struct

from reconciler import PLACEHOLDER
from reconciler.starting.choices import Beginning, CiKind
from reconciler.starting.repository import GITLAB_CI, GITLAB_INCLUDED, HOOKS, WORKFLOW

_WIDTH = 80  # of the steps' text; a command is never broken
BRANCH = "start-reconciler"  # where the first change is made


class Around(Struct, frozen=True, kw_only=True):
    """What exists already where the repository is started."""

    is_repository: bool
    has_remote: bool
    has_commits: bool
    uncommitted: tuple[str, ...]  # files and folders of `init` that a commit must add


def next_steps(beginning: Beginning, around: Around, written: Sequence[str]) -> list[str]:
    """The lines of the steps, one after another; the commands of a step are indented below it.

    `written`: the files that are new, some of which may need an edit.
    """
    lines: list[str] = []
    steps = _steps(beginning, around, written)
    for number, (step, *commands) in enumerate(steps, start=1):
        lines += wrap(
            f"{number}. {step}",
            _WIDTH,
            subsequent_indent="   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [f"     {command}" for command in commands]
    return lines


def _steps(
    beginning: Beginning, around: Around, written: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    home = beginning.home
    pinning = {WORKFLOW, GITLAB_CI, GITLAB_INCLUDED, *({HOOKS} if home.is_known else ())}
    files = ", ".join(path for path in written if path in pinning)
    if files and not home.is_known:
        yield (f"Replace {PLACEHOLDER} in {files} by where your team keeps the reconciler.",)
    elif files and not home.is_pinned:
        step = f"Put a commit in place of {home.revision}, which can be moved, in {files}:"
        yield step, f"git ls-remote {home.url} {home.revision}"
    if beginning.owner is None and any(path.endswith("CODEOWNERS") for path in written):
        yield ("Name your team in CODEOWNERS.",)
    if GITLAB_INCLUDED in written:
        yield (
            f"Include {GITLAB_INCLUDED} in {GITLAB_CI}:",
            f"include: [{{local: {GITLAB_INCLUDED}}}]",
        )
    yield from _secrets(beginning)
    if not around.is_repository:
        yield "Make it a git repository:", f"git init -b {beginning.branch}"
    if not around.has_remote:
        yield "Name its remote, which all who apply share:", "git remote add origin URL"
    yield from _first_commit(beginning, around)
    declare = ("git switch -c first-run", "reconciler new trigger", "reconciler plan")
    yield "On a branch of its own, declare the first run, and see what an apply would do:", *declare


def _first_commit(beginning: Beginning, around: Around) -> Iterator[tuple[str, ...]]:
    """The commit goes through a pull request if the repository has commits, else to the branch."""
    added = " ".join(map(shlex.quote, _top_paths(around.uncommitted)))
    message = 'git commit -m "Start runs with the reconciler"'
    if around.has_commits:
        new = (
            f"git switch -c {BRANCH}",
            f"git add {added}",
            message,
            f"git push -u origin {BRANCH}",
        )
        asked = "merge request" if beginning.ci is CiKind.GITLAB else "pull request"
        yield f"Commit it on a branch, push that, and open a {asked}:", *new
        yield ("Merge it. Nothing starts: the examples are suspended.",)
    else:
        yield (
            "Commit and push it. Nothing starts: the examples are suspended.",
            *(
                *(f"git add {added}", message),
                f"git push -u origin {beginning.branch}",
            ),
        )


def _secrets(beginning: Beginning) -> Iterator[tuple[str, ...]]:
    names = " and ".join(beginning.environments)
    match beginning.ci:
        case CiKind.GITHUB:
            step = (
                f"On GitHub, make the environment {names} (Settings, Environments), with the keys:"
            )
            yield (
                step,
                *(
                    f"gh secret set {key} --env {name}"
                    for name in beginning.environments
                    for key in ("ENOS_ACCESS_KEY", "ENOS_SECRET_KEY")
                ),
            )
        case CiKind.GITLAB:
            step = (
                "On GitLab (Settings, CI/CD, Variables), set ENOS_ACCESS_KEY and ENOS_SECRET_KEY, "
                f"masked, in the scope of {names}, and RECONCILER_TOKEN, an access token that may "
                "push. The pipeline's first lines say more of them, and of the schedule."
            )
            yield (step,)
        case CiKind.NONE:
            step = (
                "Give your pipeline the keys ENOS_ACCESS_KEY and ENOS_SECRET_KEY, and the commands "
                "`validate` and `plan` on pull requests, `apply` after the merge."
            )
            yield (step,)


def _top_paths(paths: Sequence[str]) -> list[str]:
    """The top-level files and folders that hold the paths."""
    return list(dict.fromkeys(path.split("/")[0] for path in sorted(paths)))
