"""What each code means that the program gives: of problems, reasons, refusals, and of its exit."""

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from importlib.resources import files

from msgspec import Struct

from reconciler import DISTRIBUTION, PLACEHOLDER


class CodeKind(StrEnum):
    """Where a code is met."""

    PROBLEM = "problem"
    NOTE = "note"
    REFUSAL = "refusal"
    REASON = "reason"
    EXIT = "exit"
    TOPIC = "topic"  # no code: what a message points to


class Explanation(Struct, frozen=True, kw_only=True):
    """What a code means."""

    code: str
    kinds: tuple[CodeKind, ...]
    means: str
    example: str  # words that come with it, or what leads to it
    remedy: str  # what to do
    page: str | None = None  # where it is told at length, below the folder of the documents


def explanations() -> Mapping[str, Explanation]:
    """All of them by code: words in their order, then the exit codes."""
    import tomllib

    text = (files("reconciler.explained") / "codes.toml").read_text(encoding="utf-8")
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


def documents() -> str | None:
    """The address of the folder of the documents, by the metadata of what is installed.

    None where there is none yet: a fork's owner writes it in, and a placeholder leads nowhere.
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
    """The address of a page below that folder; `..` in it is gone up."""
    while page.startswith("../"):
        page, folder = page.removeprefix("../"), folder.rpartition("/")[0]
    return f"{folder}/{page}"


def nearest(code: str, known: Mapping[str, Explanation]) -> list[str]:
    """The codes that were perhaps meant."""
    written = code.strip().casefold().replace("_", "-").replace(" ", "-")
    return get_close_matches(written[:100], list(known), n=3)
