"""The one error root, and the exit code that each kind of failure owns."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the command answers to the shell (docs/operating.md lists them for users)."""

    OK = 0
    PROBLEM = 1  # a person can cause it and fix it
    USAGE = 2  # click's own
    BUG = 3  # a defect of this program
    IN_DOUBT = 4  # at least one run may or may not have been started
    CHANGES = 5  # `plan --detailed-exitcode`: there is work
    INTERRUPTED = 130
    UNREAD = 141  # whoever read the output has left, as `head` does: 128 plus SIGPIPE's number


class ReconcilerError(Exception):
    """A command cannot go on, for a reason that a person can cause and fix.

    `str(error)` says what happened and where; `hint`, if any, says what to do next. `record`, if
    any, holds lines that are kept nowhere else and must be shown whole. None of the three ever
    holds a secret.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.PROBLEM
    has_lines: ClassVar[bool] = False  # a line feed in the message is meant to break the line

    def __init__(self, message: str, *, hint: str | None = None, record: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.record = record


class ConfigurationError(ReconcilerError):
    """`reconciler.yaml` is missing, cannot be used, or lacks what was asked for."""


class GitError(ReconcilerError):
    """Git refused, failed or took too long; the message carries what git said."""

    has_lines = True


class LedgerError(ReconcilerError):
    """The ledger cannot be read; nothing may be started until it can.

    `file` and `line` say where, if one place is at fault: line 0 is the file as a whole. `what` is
    the message without them.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        record: str = "",
        file: str = "",
        line: int = 0,
    ) -> None:
        where = f"{file}:{line}: " if line else f"{file}: " if file else ""
        super().__init__(where + message, hint=hint, record=record)
        self.file, self.line, self.what = file, line, message


class GatewayError(ReconcilerError):
    """The gateway could not be asked, or refused, outside the start of a run."""


class QuestionRefusedError(GatewayError):
    """The gateway refused a question for good: if asked again, it would refuse again."""


class UnfitQuestionError(QuestionRefusedError):
    """The gateway says that the question itself is at fault: what it asks for cannot be given."""


class RefusedError(ReconcilerError):
    """The reconciler itself declines: a stale plan, a limit, manifests with problems."""
