"""docs/backfills.md as a script: files to push, commands to run, and what they print."""

import re
from collections.abc import Sequence

from msgspec import Struct

from tests import documented
from tests.documented import Fenced, Meanwhile, Typed, script
from tests.repositories import PROJECT

DOCUMENT = PROJECT / "docs" / "backfills.md"

_HEADING = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_FILE = re.compile(r"# (\S+\.yaml)\n")


class Write(Struct, frozen=True):
    """A file with this content is committed and pushed."""

    path: str
    content: str


class Example(Struct, frozen=True):
    """One numbered section."""

    number: int
    title: str
    steps: tuple[Write | Typed, ...]

    @property
    def files(self) -> dict[str, str]:
        """Every file by its last content."""
        return {step.path: step.content for step in self.steps if isinstance(step, Write)}

    @property
    def commands(self) -> list[Typed]:
        """The commands, in their order."""
        return [step for step in self.steps if isinstance(step, Typed)]


def examples(text: str) -> list[Example]:
    """Every numbered section of the page."""
    headings = list(_HEADING.finditer(text))
    found = []
    for heading in headings:
        rest = text[heading.end() :]
        section = rest[: end.start()] if (end := re.search(r"^## ", rest, re.MULTILINE)) else rest
        steps = tuple(map(_step, script(section)))
        found.append(Example(int(heading[1]), heading[2], steps))
    return found


def _step(step: Typed | Meanwhile | Fenced) -> Write | Typed:
    if isinstance(step, Typed):
        return step
    assert isinstance(step, Fenced), f"nobody makes this happen in an example: {step}"
    name = _FILE.match(step.content)
    assert name, f"a file of docs/backfills.md needs its name in its first line: {step.content}"
    return Write(name[1], step.content)


def rewritten(text: str, printed: Sequence[str]) -> str:
    """The page with these outputs in place of its commands'."""
    start = next(_HEADING.finditer(text)).start()
    return text[:start] + documented.rewritten(text[start:], printed)
