"""What each code means that the program gives: of problems, reasons, refusals, and of its exit."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from importlib.resources import files


class CodeKind(StrEnum):
    """Where a code is met."""

    PROBLEM = "problem"
    NOTE = "note"
    REFUSAL = "refusal"
    REASON = "reason"
    EXIT = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a code means."""

    code: str
    kinds: tuple[CodeKind, ...]
    means: str
    example: str  # words that come with it, or what leads to it
    remedy: str  # what to do


def explanations() -> Mapping[str, Explanation]:
    """All of them by code: words in their order, then the exit codes."""
    import tomllib

    text = (files("reconciler.explained") / "codes.toml").read_text(encoding="utf-8")
    return {
        code: Explanation(
            code=code,
            kinds=tuple(map(CodeKind, one["kinds"])),
            means=one["means"],
            example=one["example"],
            remedy=one["remedy"],
        )
        for code, one in tomllib.loads(text).items()
    }


def nearest(code: str, known: Mapping[str, Explanation]) -> list[str]:
    """The codes that were perhaps meant."""
    written = code.strip().casefold().replace("_", "-").replace(" ", "-")
    return get_close_matches(written[:100], list(known), n=3)
