"""`--log-format json`: stderr as JSON Lines, whoever writes there.

The program's own messages have a level and fields. Anything else that is written, for example by
click or a library, becomes one object a line. `schemas/log.schema.json` has the fields.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from reconciler.render.safe import escape_line, escape_message

Level = Literal["info", "warning", "error"]
_LEVELS: Mapping[str, Level] = {"error: ": "error", "warning: ": "warning", "note: ": "info"}


class Journal:
    """Turns messages into lines of JSON, and hands them on."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._held = ""
        self.fields: dict[str, Any] = {}  # in every line from now on
        self.ending: dict[str, Any] = {}  # in the last line

    def write(self, text: str, level: Level = "info") -> None:
        """Record each line of a text; a line is held until it is whole."""
        *whole, self._held = (self._held + text).split("\n")
        for line in filter(str.strip, whole):
            self.record(level, line)

    def say(self, text: str) -> None:
        """Record a message, whose first word (`error:`, `note:`) may give its level."""
        for prefix, level in _LEVELS.items():
            if text.startswith(prefix):
                self.record(level, text.removeprefix(prefix))
                return
        self.record("info", text)

    def record(self, level: Level, message: str, **fields: Any) -> None:
        """Write one line, as harmless as on a terminal: its reader may show it on one."""
        import json

        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = "\n".join(escape_line(escape_message(line)).strip() for line in message.split("\n"))
        document = {"time": now, "level": level, "message": shown, **self.fields, **fields}
        self._write(json.dumps(document, ensure_ascii=True) + "\n")

    def finish(self, code: int) -> None:
        """Write what is held, and the last line."""
        self.write("\n")
        fields = {"event": "finished", "exitCode": code, **self.ending}
        self.record("info", f"finished with exit code {code}", **fields)


class JournalStream:
    """Stands in for stderr: everything that is written to it becomes lines of the journal.

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
        """Record the text and return its length."""
        self.journal.write(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: each line is handed on as soon as it is whole."""

    def isatty(self) -> bool:
        """Whether it is a terminal: never."""
        return False

    def fileno(self) -> int:
        """The file descriptor beneath."""
        return self._beneath.fileno()
