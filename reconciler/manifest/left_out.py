"""Files that are passed over when manifests are read, though perhaps somebody meant them."""

import re
from collections.abc import Iterable, Iterator

from reconciler.links import printable
from reconciler.manifest.reading import is_manifest_path
from reconciler.model import Place, Problem
from reconciler.schema.paths import Path, message, pointer

_LIKE_AN_ENDING = re.compile(r"\.(?:ya?ml|yalm|ymal|yam|jsonc?|json5)(?![a-z])", re.IGNORECASE)

# What is meant to declare something and does not. It hinders no apply, which does what is declared;
# so `plan` notes it, and `validate`, which judges what was written, has it as a problem. A folder
# that is not there stays a note: git keeps no empty ones, and all manifests may have had their day.
SKIPPED = frozenset({"ignored-file"})


def looks_like_manifest(path: str, folder: str) -> bool:
    """Whether a file below the folder that is no manifest was perhaps meant to be one.

    By its name alone: `.YAML`, `.yaml.txt`, `.yml~`, `.json`, or no ending at all. Names without an
    ending that begin with a capital, such as README and OWNERS, are other tools'.
    """
    parts = path.removeprefix(f"{folder}/").split("/")
    if any(part.startswith(".") for part in parts) or is_manifest_path(path, folder):
        return False
    name = parts[-1]
    return bool(_LIKE_AN_ENDING.search(name)) or ("." not in name and not name[:1].isupper())


def notes_of(passed_over: Iterable[str], folder: str) -> Iterator[Problem]:
    """A note about each file that looks like a manifest and is not read."""
    for path in passed_over:
        if looks_like_manifest(path, folder):
            yield Problem(
                place=Place(file=printable(path)),
                code="ignored-file",
                message="is not read, although it looks like a manifest, for those end in .yaml or "
                ".yml in small letters: rename it, or move it out of this folder",
            )


def no_folder(environment: str, folder: str, configuration: str) -> Problem:
    """The note about a folder of manifests that is not there; git keeps no empty ones."""
    path: Path = ("environments", environment, "manifests")
    words = (
        f"there is no folder {folder}, so the environment declares nothing: correct the name, or "
        "put a manifest into it"
    )
    return Problem(
        place=Place(file=configuration),
        code="no-folder",
        pointer=pointer(path),
        message=message(path, words),
    )
