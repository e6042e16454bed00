"""docs/backfills.md as a script: files to push, commands to run, and what they print."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.repositories import PROJECT

DOCUMENT = PROJECT / "docs" / "backfills.md"

_FENCE = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^## (\d+)\. (.+)$", re.MULTILINE)
_FILE = re.compile(r"# (\S+\.yaml)\n")


@dataclass(frozen=True, slots=True)
class Write:
    """A file with this content is committed and pushed."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, and what it prints."""

    arguments: tuple[str, ...]
    printed: str


@dataclass(frozen=True, slots=True)
class Example:
    """One numbered section."""

    number: int
    title: str
    steps: tuple[Write | Command, ...]

    @property
    def files(self) -> dict[str, str]:
        """Every file by its last content."""
        return {step.path: step.content for step in self.steps if isinstance(step, Write)}

    @property
    def commands(self) -> list[Command]:
        """The commands, in their order."""
        return [step for step in self.steps if isinstance(step, Command)]


def examples(text: str) -> list[Example]:
    """Every numbered section of the page."""
    headings = list(_HEADING.finditer(text))
    found = []
    for heading in headings:
        rest = text[heading.end() :]
        section = rest[: end.start()] if (end := re.search(r"^## ", rest, re.MULTILINE)) else rest
        steps = tuple(step for fence in _FENCE.finditer(section) for step in _steps(fence))
        found.append(Example(int(heading[1]), heading[2], steps))
    return found


def _steps(fence: re.Match[str]) -> Iterator[Write | Command]:
    kind, content = fence.groups()
    if kind == "yaml":
        name = _FILE.match(content)
        assert name, f"a file of docs/backfills.md needs its name in its first line: {content}"
        yield Write(name[1], content)
        return
    for one in content.split("$ reconciler ")[1:]:
        line, _, printed = one.partition("\n")
        yield Command(tuple(shlex.split(line)), printed)


def rewritten(text: str, printed: Sequence[str]) -> str:
    """The page with these outputs in place of its commands'."""
    outputs = iter(printed)
    start = next(_HEADING.finditer(text)).start()

    def console(fence: re.Match[str]) -> str:
        if fence[1] != "console":
            return fence[0]
        lines = [line for line in fence[2].splitlines() if line.startswith("$ reconciler ")]
        blocks = "".join(f"{line}\n{next(outputs)}" for line in lines)
        return f"```console\n{blocks}```"

    return text[:start] + _FENCE.sub(console, text[start:])
