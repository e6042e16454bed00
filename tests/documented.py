"""Pages of docs/ as scripts: their blocks, the commands in them, and what those print."""

import re
import shlex
from collections.abc import Iterator, Sequence

from msgspec import Struct

_BLOCK = re.compile(
    r"^```(?P<kind>\w*)\n(?P<content>.*?)^```$|^<!-- meanwhile: (?P<word>.+?) -->$",
    re.DOTALL | re.MULTILINE,
)
_PROMPT = re.compile(r"^\$ ", re.MULTILINE)


class Typed(Struct, frozen=True):
    """A command line that the reader types, and what the page says that it prints."""

    words: tuple[str, ...]
    printed: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """Those of `reconciler`, on a page that has no other command."""
        command, *arguments = self.words
        assert command == "reconciler", self.words
        return tuple(arguments)


class Meanwhile(Struct, frozen=True):
    """What happens elsewhere, which no reader of the page sees: a comment names it."""

    word: str


class Fenced(Struct, frozen=True):
    """A block of another kind than a console's, such as `yaml`."""

    kind: str
    content: str


def script(text: str) -> list[Typed | Meanwhile | Fenced]:
    """What the text says, in its order."""
    return [step for block in _BLOCK.finditer(text) for step in _steps(block)]


def _steps(block: re.Match[str]) -> Iterator[Typed | Meanwhile | Fenced]:
    if block["word"]:
        yield Meanwhile(block["word"])
    elif block["kind"] == "console":
        for line, printed in _commands(block["content"]):
            yield Typed(tuple(shlex.split(line)), printed)
    else:
        yield Fenced(block["kind"], block["content"])


def _commands(console: str) -> Iterator[tuple[str, str]]:
    for one in _PROMPT.split(console)[1:]:
        line, _, printed = one.partition("\n")
        yield line, printed


def rewritten(text: str, printed: Sequence[str]) -> str:
    """The text with these outputs in place of those of its commands."""
    outputs = iter(printed)

    def written(block: re.Match[str]) -> str:
        if block["kind"] != "console":
            return block[0]
        lines = [line for line, _ in _commands(block["content"])]
        blocks = "".join(f"$ {line}\n{next(outputs)}" for line in lines)
        return f"```console\n{blocks}```"

    return _BLOCK.sub(written, text)
