"""What each code of the program means: of problems, notes, refusals, reasons and exits."""

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum

from msgspec import Struct

from reconciler import DISTRIBUTION, PLACEHOLDER
from reconciler.bundled import read_bundled


class CodeKind(StrEnum):
    """Where a user meets a code."""

    PROBLEM = "problem"
    NOTE = "note"
    REFUSAL = "refusal"
    REASON = "reason"
    EXIT = "exit"
    TOPIC = "topic"  # not a code: a subject that a message points to


class Explanation(Struct, frozen=True, kw_only=True):
    """What a code means."""

    code: str
    kinds: tuple[CodeKind, ...]
    means: str
    example: str  # a message that carries the code, or what leads to it
    remedy: str  # what to do
    page: str | None = None  # the page with the details, below the folder of the documents


def explanations() -> Mapping[str, Explanation]:
    """Every explanation by code, in the order of codes.toml: the exit codes come last."""
    import tomllib

    text = read_bundled("reconciler.explained", "codes.toml").decode()
    return {
        code: Explanation(
            code=code,
            kinds=tuple(map(CodeKind, one["kinds"])),
            means=one["means"],
            example=one["example"].strip("\n"),
            remedy=one["remedy"],
            page=one.get("page"),
        )
        for code, one in tomllib.loads(text).items()
    }


def documents_address() -> str | None:
    """The address of the folder of the documents, from the metadata of the installed package.

    None while the metadata has no address, or still the placeholder that a fork's owner replaces.
    """
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        given = metadata(DISTRIBUTION).get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    named = dict(one.split(", ", 1) for one in given if ", " in one)
    address = named.get("Documentation", "").rstrip("/")
    return address if address.startswith("https://") and PLACEHOLDER not in address else None


def page_address(page: str, folder: str) -> str:
    """The address of a page below that folder; each leading `../` goes one folder up."""
    while page.startswith("../"):
        page, folder = page.removeprefix("../"), folder.rpartition("/")[0]
    return f"{folder}/{page}"


def nearest_codes(code: str, known: Mapping[str, Explanation]) -> list[str]:
    """The known codes that may have been meant, at most three."""
    written = code.strip().casefold().replace("_", "-").replace(" ", "-")
    return get_close_matches(written[:100], list(known), n=3)
