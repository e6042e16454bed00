"""What keeps a file from being read, by one rule for the working tree and for a commit's tree.

No symbolic link is followed, wherever it leads. Whoever reviews a link does not see what it brings
in, and a link that is never followed cannot lead anywhere unexpected (docs/decisions/0015).
"""

from reconciler.model import Place, Problem


def is_reported(path: str, *, is_wanted: bool) -> bool:
    """Whether a link in a folder of manifests is a problem.

    A link whose name is not a manifest's may stand for a folder of manifests, so it is a problem
    too, unless it is hidden: editors mark the files that they hold open with broken links.
    """
    return is_wanted or not path.rpartition("/")[2].startswith(".")


def link_problem(path: str) -> Problem:
    """The problem of a symbolic link."""
    return Problem(
        place=Place(file=readable_path(path)),
        code="link",
        message="is a symbolic link, and none is followed: put the file or the folder itself here",
    )


def name_problem(path: str) -> Problem | None:
    """The problem of a path that is not UTF-8 (its other bytes are lone surrogates)."""
    if path.isascii():  # true of nearly all paths
        return None
    shown = readable_path(path)
    if shown == path:
        return None
    return Problem(
        place=Place(file=shown),
        code="file-name",
        message="the file's name is not UTF-8: rename it",
    )


def no_folder_problem(path: str) -> Problem:
    """The problem where a folder of manifests, or a folder above it, is not a folder."""
    return Problem(
        place=Place(file=readable_path(path)),
        code="unreadable",
        message="cannot be read: it is not a folder",
    )


def submodule_problem(path: str) -> Problem:
    """The problem of a repository that lies inside a folder of manifests."""
    return Problem(
        place=Place(file=readable_path(path)),
        code="submodule",
        message="is a repository of its own: what it holds is not reviewed here and is not read",
    )


def readable_path(path: str) -> str:
    r"""The path with bytes that are not UTF-8 written as `\xNN`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
