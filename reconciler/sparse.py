"""What a sparse checkout leaves out: it is read as git has it, and never taken for deleted.

Such a file is in the index, with a mark, and not on the disk. So what it holds is known, also where
a partial clone must fetch it first.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from reconciler.committed import wanted_files
from reconciler.git import Git, TreeEntry
from reconciler.model import Problem, Source
from reconciler.worktree import too_large


def read_left_out(
    git: Git | None, folder: str, is_wanted: Callable[[str], bool], most: int
) -> tuple[list[Source], list[Problem]]:
    """Every wanted file at or below the folder that is left out here, and what hinders reading.

    Paths are relative to the folder in which the repository was looked for. A file of more than
    `most` bytes is a problem, and so is a link. Raises GitError if git cannot read one.
    """
    if git is None:
        return [], []
    listed = git.left_out(f":(top,literal){git.prefix}{folder}")
    shown = [replace(one, path=_shown(git, one)) for one in listed]
    files, problems = wanted_files(shown, folder, is_wanted)
    blobs, large = git.read_bounded_blobs((one.oid for one in files), most)
    problems.extend(too_large(one.path, most) for one in files if one.oid in large)
    kept = [one for one in files if one.oid not in large]
    return [Source(path=one.path, content=blobs[one.oid]) for one in kept], problems


def told(count: int, folder: str) -> str:
    """What to say of so many files."""
    files = "1 file is" if count == 1 else f"{count} files are"
    return (
        f"{files} left out of {folder} by a sparse checkout, and read as git has "
        f"{'it' if count == 1 else 'them'}"
    )


def _shown(git: Git, entry: TreeEntry) -> str:
    return str(PurePosixPath(entry.path).relative_to(git.prefix or "."))
