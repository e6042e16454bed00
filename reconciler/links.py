"""What stands in the way of reading a file: one rule for the working tree and for a commit's tree.

No symbolic link is followed, wherever it leads: nobody who reviews a link sees what it brings, and
what is never followed leads nowhere (docs/decisions/0015).
"""

from reconciler.model import Place, Problem


def is_reported(path: str, *, is_wanted: bool) -> bool:
    """Whether a link in a folder of manifests is a problem.

    A link whose name is not a manifest's may stand for a folder of manifests, so it is one too; but
    not a hidden one, for editors mark the files that they hold open by broken links.
    """
    return is_wanted or not path.rpartition("/")[2].startswith(".")


def link_problem(path: str) -> Problem:
    """The problem that a link is."""
    return Problem(
        place=Place(file=printable(path)),
        code="link",
        message="is a symbolic link, and none is followed: put the file or the folder itself here",
    )


def name_problem(path: str) -> Problem | None:
    """The problem of a path that is not UTF-8 (its other bytes are lone surrogates)."""
    if path.isascii():  # as nearly all
        return None
    shown = printable(path)
    if shown == path:
        return None
    return Problem(
        place=Place(file=shown),
        code="file-name",
        message="the file's name is not UTF-8: rename it",
    )


def no_folder_problem(path: str) -> Problem:
    """The problem of a folder of manifests, or of one on the way to it, that is something else."""
    return Problem(
        place=Place(file=printable(path)),
        code="unreadable",
        message="cannot be read: it is not a folder",
    )


def submodule_problem(path: str) -> Problem:
    """The problem of a repository that lies inside a folder of manifests."""
    return Problem(
        place=Place(file=printable(path)),
        code="submodule",
        message="is a repository of its own: what it holds is not reviewed here and is not read",
    )


def printable(path: str) -> str:
    r"""The path with bytes that are not UTF-8 written as `\xNN`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
