"""The one way out: every text that leaves the program passes one of these streams.

They stand in for stdout and stderr while a command runs, so text that click, a library or a
traceback prints passes them as well. Whatever the text holds, a terminal and a pipeline's log only
show it and never obey it, and it can be written in any encoding.
"""

import codecs
import io
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO, cast

from reconciler.cli.journal import Journal, JournalStream, Level
from reconciler.render.safe import escape_line, escape_message, escape_output, json_escape

_ESCAPED = "reconciler-json-escape"  # for characters that the encoding does not have
_MEANT = ("::error ", "::warning ")  # the commands that `--format github` prints
_INDENT = "  "  # of lines that belong to the line above


class ReaderGoneError(Exception):
    """The reader of the output has gone, as `head` does once it has its lines.

    This is no OSError, because click turns one into an exit code of its own.
    """


class _Encoding(io.TextIOBase):
    """Escapes the characters that the encoding of the stream beneath does not have.

    It has no `buffer`: where the encoding is ASCII, click would write to that instead.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override] # typeshed has it as a variable
        """The encoding of the stream beneath."""
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        """Write the text and return its length. Raises ReaderGoneError if nobody reads it."""
        try:
            if not text.isascii():  # which each encoding has
                text.encode(self.encoding)
        except UnicodeEncodeError:
            text = text.encode(self.encoding, _ESCAPED).decode(self.encoding)
        try:
            self._stream.write(text)
        except BrokenPipeError:
            raise ReaderGoneError from None
        return len(text)

    def flush(self) -> None:
        """Flush the stream beneath. Raises ReaderGoneError if nobody reads it any more."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise ReaderGoneError from None

    def isatty(self) -> bool:
        """Whether the stream beneath is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The file descriptor of the stream beneath."""
        return self._stream.fileno()

    def close(self) -> None:
        """Leave the stream beneath open. Its owner closes it."""


class _Unfailing(_Encoding):
    """A stream for messages, whose failures are ignored so that the result is still printed.

    The result itself goes only to stdout.
    """

    def write(self, text: str) -> int:
        """Write the text where that is possible, and return its length."""
        with suppress(OSError, ValueError, ReaderGoneError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream beneath where that is possible."""
        with suppress(OSError, ValueError, ReaderGoneError):
            super().flush()


class Outlet(_Encoding):
    """Writes lines that are inert. A line is held until it is whole, or until a flush."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held = ""
        self._begins = True  # only blanks were written of the present line so far

    @property
    def controllable(self) -> TextIO:
        """A stream for code that must control the terminal, and makes foreign text inert itself."""
        return cast("TextIO", _Encoding(self._stream))

    def write(self, text: str) -> int:
        """Write the text and return its length."""
        self.put(text)
        return len(text)

    def put(self, text: str, *, painted: bool = False, commands: bool = False) -> None:
        """Write the text; `painted`: keep its colours; `commands`: keep its GitHub commands."""
        whole, feed, self._held = (self._held + text).rpartition("\n")
        if not feed:
            return
        # All lines at once, as a plan may have a million, but one by one if any may be a command.
        for lines in whole.split("\n") if commands else [whole]:
            is_meant = commands and self._begins and lines.startswith(_MEANT)
            begins = self._begins and not is_meant
            super().write(escape_output(lines, begins=begins, painted=painted) + "\n")
            self._begins = True

    def flush(self) -> None:
        """Write what is held, even if the line is not whole, and flush the stream beneath."""
        held, self._held = self._held, ""
        if held:
            super().write(escape_output(held, begins=self._begins))
            self._begins = self._begins and held.isspace()
        super().flush()


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(json_escape, error.object[error.start : error.end])), error.end


codecs.register_error(_ESCAPED, _escape_unencodable)


@contextmanager
def wrap_streams(*, as_json: bool = False) -> Iterator[None]:
    """Make all that is printed in the block pass an Outlet. A nested block wraps nothing twice.

    `as_json`: stderr becomes lines of JSON. A stream that Python could not open stays None.
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
    """Print lines as they are, but inert (see `Outlet.put`); `level`: theirs in a log of JSON.

    `document`: the text is JSON, which its readers take for UTF-8 whatever the stream's encoding.
    So in any other encoding it is printed as ASCII.
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

    The message is one line. With `lines`, its line feeds are kept and all lines but the first are
    indented, so that none can pass for a message of its own.
    """
    log = journal()
    if err and log is not None:
        log.say(text if lines else escape_line(text))
        return
    first, *more = (
        escape_message(text).split("\n") if lines else [escape_line(escape_message(text))]
    )
    more = [line if line.startswith(_INDENT) else _INDENT + line for line in more]
    show("".join(f"{line}\n" for line in (first, *more)), err=err)


def format_lines(lines: Iterable[str]) -> str:
    """The lines as `say` prints them; each stays one line, whatever is in it."""
    return "".join(f"{escape_line(escape_message(line))}\n" for line in lines)


def journal() -> Journal | None:
    """The log, where stderr is a log of JSON; else None."""
    return sys.stderr.journal if isinstance(sys.stderr, JournalStream) else None


def say_left_out(told: Mapping[str, str], *, quiet: bool) -> None:
    """Print the note on each folder that a sparse checkout leaves files out of."""
    for folder in () if quiet else sorted(told):
        say(f"note: {told[folder]}")


def announce(text: str, style: str = "") -> None:
    """Print a line in a style of rich's, such as `bold`, if stdout has colours."""
    from reconciler.render.layout import Screen

    show(Screen.of(None, None).paint(escape_line(text), style) + "\n", painted=True)
