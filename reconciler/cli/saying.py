"""The one way out: every text that leaves the program passes one of these streams.

They stand in for stdout and stderr while a command runs, so what click, a library or a traceback
prints passes them as well. Whatever stands in a text, a terminal and the log of a pipeline only
show it, and it can be written whatever the encoding.
"""

import codecs
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO, cast

from reconciler.cli.journal import Journal, JournalStream, Level
from reconciler.render.safe import inert, json_escape, said, visible

_ESCAPED = "reconciler-json-escape"  # of characters that the encoding does not have
_MEANT = ("::error ", "::warning ")  # the commands that `--format github` gives
_INDENT = "  "  # of what belongs to the line above


class ReaderGoneError(Exception):
    """Whoever read the output has left, as `head` does once it has its lines.

    It is no OSError, for click makes an exit code of its own of that.
    """


class _Encoding(io.TextIOBase):
    """Writes what the encoding of the stream beneath does not have as escapes.

    It has no `buffer`, lest click write around it where the encoding is ASCII.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # typeshed has it as a variable
        """The encoding of the stream beneath."""
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write the text; gives its length. Raises ReaderGoneError where nobody takes it."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            text = text.encode(self.encoding, _ESCAPED).decode(self.encoding)
        try:
            self._stream.write(text)
        except BrokenPipeError:
            raise ReaderGoneError from None
        return len(text)

    def flush(self) -> None:
        """Hand on what is held. Raises ReaderGoneError where nobody takes it any more."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise ReaderGoneError from None

    def isatty(self) -> bool:
        """Whether a terminal is beneath."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The file descriptor beneath."""
        return self._stream.fileno()

    def close(self) -> None:
        """Leave the stream beneath open: it belongs to whoever opened it."""


class _Unfailing(_Encoding):
    """Messages beside the result: if nobody can read them, the result is still told.

    The result stands on stdout alone.
    """

    def write(self, text: str) -> int:
        """Write the text where that is possible; gives its length."""
        with suppress(OSError, ValueError, ReaderGoneError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what is held where that is possible."""
        with suppress(OSError, ValueError, ReaderGoneError):
            super().flush()


class Outlet(_Encoding):
    """Writes lines that are inert. A line is held until it is whole, or flushed."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held = ""
        self._begins = True  # nothing but blanks was written of the line that is held

    @property
    def controllable(self) -> TextIO:
        """The stream for what must control the terminal, and makes foreign text inert itself."""
        return cast("TextIO", _Encoding(self._stream))

    def write(self, text: str) -> int:
        """Write the text; gives its length."""
        self.put(text)
        return len(text)

    def put(self, text: str, *, painted: bool = False, commands: bool = False) -> None:
        """Write it; `painted`: its colours are meant, `commands`: GitHub's commands are."""
        whole, feed, self._held = (self._held + text).rpartition("\n")
        if not feed:
            return
        # At once, for a plan may have a million lines; but those that may be commands one by one.
        for lines in whole.split("\n") if commands else [whole]:
            is_meant = commands and self._begins and lines.startswith(_MEANT)
            begins = self._begins and not is_meant
            super().write(inert(lines, begins=begins, painted=painted) + "\n")
            self._begins = True

    def flush(self) -> None:
        """Hand on what is held, also of a line that is not whole yet."""
        held, self._held = self._held, ""
        if held:
            super().write(inert(held, begins=self._begins))
            self._begins = self._begins and held.isspace()
        super().flush()


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(json_escape, error.object[error.start : error.end])), error.end


codecs.register_error(_ESCAPED, _escaped)


@contextmanager
def outlets(*, as_json: bool = False) -> Iterator[None]:
    """Let everything that is printed meanwhile pass an Outlet. Within another such block: nothing.

    `as_json`: stderr is made of lines of JSON. A stream that Python could not open stays None.
    """
    before = sys.stdout, sys.stderr
    if sys.stdout is not None:
        sys.stdout = cast("TextIO", _outlet(sys.stdout))
    if sys.stderr is not None and not isinstance(sys.stderr, Outlet | JournalStream):
        sys.stderr = cast("TextIO", Outlet(cast("TextIO", _Unfailing(sys.stderr))))
    if as_json and sys.stderr is not None and not isinstance(sys.stderr, JournalStream):
        sys.stderr = cast("TextIO", JournalStream(cast("TextIO", sys.stderr)))
    try:
        yield
    finally:
        if isinstance(sys.stderr, JournalStream):
            sys.stderr.journal.write("\n")  # what is held
        for one in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, ReaderGoneError):
                if one is not None:
                    one.flush()
        sys.stdout, sys.stderr = before


def _outlet(stream: TextIO | Outlet) -> Outlet:
    return stream if isinstance(stream, Outlet) else Outlet(stream)


def show(
    text: str,
    *,
    err: bool = False,
    painted: bool = False,
    commands: bool = False,
    document: bool = False,
    level: Level = "info",
) -> None:
    """Print lines as they are, but inert; see `Outlet.put`. `level`: of each, in a log of JSON.

    `document`: it is JSON. Whoever reads that takes it for UTF-8, whatever the stream's encoding,
    so with any other one it is ASCII.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    if isinstance(stream, JournalStream):
        stream.journal.write(text, level)
        return
    outlet = _outlet(stream)
    if document and codecs.lookup(outlet.encoding).name != "utf-8":
        text = "".join(one if one.isascii() else json_escape(one) for one in text)
    outlet.put(text, painted=painted, commands=commands)
    outlet.flush()


def say(text: str, *, err: bool = True, lines: bool = False) -> None:
    """Print a message, made safe: to stderr, or to stdout where it is the result.

    It is one line, unless `lines`: the line feeds in it are meant, and what follows the first is
    indented, so that it cannot pass for a message of its own.
    """
    log = journal()
    if err and log is not None:
        log.say(text if lines else visible(text))
        return
    first, *more = said(text).split("\n") if lines else [visible(said(text))]
    more = [line if line.startswith(_INDENT) else _INDENT + line for line in more]
    show("".join(f"{line}\n" for line in (first, *more)), err=err)


def told(lines: Iterable[str]) -> str:
    """The lines as `say` prints them, each one line whatever is in it."""
    return "".join(f"{visible(said(line))}\n" for line in lines)


def journal() -> Journal | None:
    """The log, where stderr is made of JSON; else None."""
    return sys.stderr.journal if isinstance(sys.stderr, JournalStream) else None


def say_left_out(told: Mapping[str, str], *, quiet: bool) -> None:
    """Say of each folder what a sparse checkout leaves out of it."""
    for folder in () if quiet else sorted(told):
        say(f"note: {told[folder]}")


def announce(text: str, style: str = "") -> None:
    """Print a line in a rich style (`bold`), where stdout has colours."""
    from reconciler.render.layout import Screen

    show(Screen.of(None, None).paint(visible(text), style) + "\n", painted=True)
