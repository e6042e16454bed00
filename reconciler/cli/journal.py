"""`--log-format json`: stderr as JSON Lines, whoever writes there.

What the program says itself comes with a level and fields. Whatever else is written, as by click or
a library, becomes a line at a time. `schemas/log.schema.json` has the fields.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from reconciler.render.safe import said, visible

Level = Literal["info", "warning", "error"]
_LEVELS: Mapping[str, Level] = {"error: ": "error", "warning: ": "warning", "note: ": "info"}


class Journal:
    """Makes lines of JSON out of messages, and hands them on."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._held = ""
        self.fields: dict[str, Any] = {}  # of every line from now on
        self.ending: dict[str, Any] = {}  # of the last one

    def write(self, text: str, level: Level = "info") -> None:
        """Take what somebody writes; a line is held until it is whole."""
        *whole, self._held = (self._held + text).split("\n")
        for line in filter(str.strip, whole):
            self.record(level, line)

    def say(self, text: str) -> None:
        """A message, whose first word may say how bad it is."""
        for prefix, level in _LEVELS.items():
            if text.startswith(prefix):
                self.record(level, text.removeprefix(prefix))
                return
        self.record("info", text)

    def record(self, level: Level, message: str, **fields: Any) -> None:
        """Write one line. Made visible as on a terminal, for who decodes it may show it on one."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = "\n".join(visible(said(line)).strip() for line in message.split("\n"))
        document = {"time": now, "level": level, "message": shown, **self.fields, **fields}
        self._write(json.dumps(document, ensure_ascii=True) + "\n")

    def finish(self, code: int) -> None:
        """Write what is held, and the last line."""
        self.write("\n")
        fields = {"event": "finished", "exitCode": code, **self.ending}
        self.record("info", f"finished with exit code {code}", **fields)


class JournalStream:
    """What stands in for stderr: a stream of which everything becomes a line of the journal.

    It is no terminal, so that nobody is asked and no bar is drawn there.
    """

    def __init__(self, beneath: TextIO) -> None:
        self._beneath = beneath
        self.journal = Journal(self._hand_on)

    def _hand_on(self, line: str) -> None:
        self._beneath.write(line)
        self._beneath.flush()

    @property
    def encoding(self) -> str:
        """The encoding of the stream beneath."""
        return self._beneath.encoding

    def write(self, text: str) -> int:
        """Take the text; gives its length."""
        self.journal.write(text)
        return len(text)

    def flush(self) -> None:
        """Nothing: each line is handed on as soon as it is whole."""

    def isatty(self) -> bool:
        """No."""
        return False

    def fileno(self) -> int:
        """The file descriptor beneath."""
        return self._beneath.fileno()
