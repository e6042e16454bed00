"""docs/tutorial.md as a script: commands, what they print, and what happens meanwhile."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.repositories import PROJECT

TUTORIAL = PROJECT / "docs" / "tutorial.md"

_STEP = re.compile(
    r"^```console\n(?P<console>.*?)^```$|^<!-- meanwhile: (?P<word>.+?) -->$",
    re.DOTALL | re.MULTILINE,
)
_PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Typed:
    """A command line that the reader types, and what it prints on standard output."""

    words: tuple[str, ...]
    printed: str


@dataclass(frozen=True, slots=True)
class Happens:
    """What happens elsewhere: a comment names it."""

    word: str


def tutorial() -> list[Typed | Happens]:
    """What the page says, in its order."""
    text = TUTORIAL.read_text(encoding="utf-8")
    return [step for found in _STEP.finditer(text) for step in _steps(found)]


def _steps(found: re.Match[str]) -> Iterator[Typed | Happens]:
    if found["word"]:
        yield Happens(found["word"])
        return
    for line, printed in _commands(found["console"]):
        yield Typed(tuple(shlex.split(line)), printed)


def _commands(console: str) -> Iterator[tuple[str, str]]:
    for one in re.split(rf"^{re.escape(_PROMPT)}", console, flags=re.MULTILINE)[1:]:
        line, _, printed = one.partition("\n")
        yield line, printed


def rewritten(printed: Sequence[str]) -> str:
    """The page with these outputs in place of those of its commands."""
    outputs = iter(printed)

    def console(found: re.Match[str]) -> str:
        if found["word"]:
            return found[0]
        lines = [line for line, _ in _commands(found["console"])]
        return (
            "```console\n" + "".join(f"{_PROMPT}{line}\n{next(outputs)}" for line in lines) + "```"
        )

    return _STEP.sub(console, TUTORIAL.read_text(encoding="utf-8"))
