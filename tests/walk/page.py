"""The walk-through of docs/operating.md as a script: files, edits, commands, and what happens."""

import re
from collections.abc import Sequence

from msgspec import Struct

from tests import documented
from tests.documented import Fenced, Meanwhile, Typed, script
from tests.repositories import PROJECT

DOCUMENT = PROJECT / "docs" / "operating.md"

_SECTION = re.compile(r"^## A month of forty sites\n.*?(?=^## )", re.DOTALL | re.MULTILINE)


class Manifest(Struct, frozen=True):
    """The file is written with this content."""

    path: str
    content: str


class Edit(Struct, frozen=True):
    """In the file, these lines take the place of those."""

    path: str
    before: str
    after: str


# What a command prints is all of it; an exit code other than 0 stands in its last line.
PageStep = Manifest | Edit | Meanwhile | Typed


def walk() -> list[PageStep]:
    """What the page says, in its order."""
    return [
        _file(step) if isinstance(step, Fenced) else step
        for step in script(_section(DOCUMENT.read_text(encoding="utf-8")))
    ]


def _section(text: str) -> str:
    found = _SECTION.search(text)
    assert found, "docs/operating.md has no walk-through"
    return found[0]


def _file(block: Fenced) -> Manifest | Edit:
    path, _, text = block.content.removeprefix("# ").partition("\n")
    if block.kind == "yaml":
        return Manifest(path, text)
    assert block.kind == "diff", block
    lines = text.splitlines(keepends=True)
    before, after = (
        "".join(line[1:] for line in lines if line[0] in kept) for kept in (" -", " +")
    )
    return Edit(path, before, after)


def rewritten(printed: Sequence[str]) -> str:
    """The whole document with these outputs in place of those of the walk-through's commands."""
    text = DOCUMENT.read_text(encoding="utf-8")
    section = _section(text)
    return text.replace(section, documented.rewritten(section, printed))
