"""The walk-through of docs/operating.md as a script: files, edits, commands, and what happens."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.repositories import PROJECT

DOCUMENT = PROJECT / "docs" / "operating.md"

_SECTION = re.compile(r"^## A month of forty sites\n.*?(?=^## )", re.DOTALL | re.MULTILINE)
_STEP = re.compile(
    r"^```(yaml|diff|console)\n(.*?)^```$|^<!-- meanwhile: (.+?) -->$", re.DOTALL | re.MULTILINE
)
_PROMPT = "$ reconciler "


@dataclass(frozen=True, slots=True)
class Manifest:
    """The file is written with this content."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Edit:
    """In the file, these lines take the place of those."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What happens elsewhere, which no reader of the page sees: a comment names it."""

    word: str


@dataclass(frozen=True, slots=True)
class Call:
    """A command line, and all that it prints; an exit code other than 0 stands in its last line."""

    arguments: tuple[str, ...]
    printed: str


PageStep = Manifest | Edit | Meanwhile | Call


def walk() -> list[PageStep]:
    """What the page says, in its order."""
    return [step for found in _STEP.finditer(_section()) for step in _steps(found)]


def _section() -> str:
    found = _SECTION.search(DOCUMENT.read_text(encoding="utf-8"))
    assert found, "docs/operating.md has no walk-through"
    return found[0]


def _steps(found: re.Match[str]) -> Iterator[PageStep]:
    kind, content, word = found.groups()
    path, _, text = (content or "").removeprefix("# ").partition("\n")
    match kind:
        case "yaml":
            yield Manifest(path, text)
        case "diff":
            lines = text.splitlines(keepends=True)
            before, after = (
                "".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +")
            )
            yield Edit(path, before, after)
        case "console":
            for one in content.split(_PROMPT)[1:]:
                line, _, printed = one.partition("\n")
                yield Call(tuple(shlex.split(line)), printed)
        case _:
            yield Meanwhile(word)


def rewritten(printed: Sequence[str]) -> str:
    """The whole document with these outputs in place of those of the walk-through's commands."""
    outputs = iter(printed)

    def console(found: re.Match[str]) -> str:
        if found[1] != "console":
            return found[0]
        lines = [line for line in found[2].splitlines() if line.startswith(_PROMPT)]
        blocks = "".join(f"{line}\n{next(outputs)}" for line in lines)
        return f"```console\n{blocks}```"

    section = _section()
    text = DOCUMENT.read_text(encoding="utf-8")
    return text.replace(section, _STEP.sub(console, section))
