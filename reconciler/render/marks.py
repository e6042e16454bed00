"""One letter for how a run stands, a capital where a person must look: it needs no colour."""

from collections.abc import Collection, Iterator
from enum import Enum
from typing import assert_never

from reconciler.ledger import RunState
from reconciler.plan import Reason
from reconciler.render.status_row import StatusRow

NO_RUN = "."


class Mark(Enum):
    """How a run stands: its letter, in words, and in which colour."""

    IN_DOUBT = ("D", "in doubt", "bold red")
    TWICE = ("T", "started twice", "bold red")
    FAILED = ("F", "failed", "red")
    REJECTED = ("R", "refused by the service", "red")
    BLOCKED = ("B", "blocked, or stopped", "red")
    MISSED = ("M", "missed", "red")
    OVER_LIMIT = ("L", "over the limit of an apply", "red")
    PROBLEM = ("P", "problem of a manifest", "red")
    FOLLOWED = ("f", "failed, and another attempt follows", "dim")
    CLAIMED = ("c", "claimed by an apply", "cyan")
    TRIGGERED = ("t", "triggered, not ended", "cyan")
    NOT_DUE = ("n", "triggered, not due yet", "cyan")
    READY = ("r", "ready for the next apply", "yellow")
    WAITING = ("w", "waits for another run, or for room", "yellow")
    SUSPENDED = ("h", "held back: suspended", "yellow")
    SUCCEEDED = ("s", "succeeded", "green")
    UNWANTED = ("x", "cancelled, or no longer declared", "dim")

    @property
    def key(self) -> str:
        """What style sheets call it: `in-doubt`."""
        return self.name.lower().replace("_", "-")

    @property
    def letter(self) -> str:
        """What stands in a grid."""
        return self.value[0]

    @property
    def words(self) -> str:
        """What a legend says."""
        return self.value[1]

    @property
    def style(self) -> str:
        """A rich style."""
        return self.value[2]


def mark(row: StatusRow) -> Mark:
    """The mark of the run."""
    if row.started_twice:
        return Mark.TWICE
    match row.state:
        case RunState.IN_DOUBT:
            return Mark.IN_DOUBT
        case RunState.CLAIMED:
            return Mark.CLAIMED
        case RunState.TRIGGERED:
            return Mark.NOT_DUE if row.reason is Reason.NOT_DUE else Mark.TRIGGERED
        case RunState.SUCCEEDED:
            return Mark.SUCCEEDED
        case RunState.FAILED:
            return _of_failed(row)
        case RunState.REJECTED:
            is_over = row.reason in {None, Reason.CANCELLED}
            return Mark.UNWANTED if is_over else Mark.REJECTED
        case RunState.PENDING:
            return _of_pending(row.reason)
        case _:
            assert_never(row.state)


def _of_failed(row: StatusRow) -> Mark:
    if row.is_unwanted or not row.is_declared:
        return Mark.UNWANTED
    return Mark.FAILED if row.followed_by is None else Mark.FOLLOWED


def _of_pending(reason: Reason | None) -> Mark:
    match reason:
        case None | Reason.CANCELLED:
            return Mark.UNWANTED
        case Reason.READY | Reason.CLAIMED | Reason.IN_DOUBT | Reason.NOT_DUE | Reason.RUNNING:
            return Mark.READY
        case Reason.SUSPENDED:
            return Mark.SUSPENDED
        case Reason.WAITS_FOR | Reason.NO_ROOM:
            return Mark.WAITING
        case Reason.MISSED:
            return Mark.MISSED
        case Reason.BLOCKED | Reason.STOPPED:
            return Mark.BLOCKED
        case Reason.OVER_LIMIT:
            return Mark.OVER_LIMIT
        case Reason.REJECTED | Reason.FAILED:
            return Mark.REJECTED
        case Reason.CHANGED | Reason.DUPLICATE | Reason.COLLISION | Reason.PROBLEM:
            return Mark.PROBLEM
        case _:
            assert_never(reason)


def legend(marks: Collection[Mark], *, has_gaps: bool) -> Iterator[str]:
    """`F failed`, for each mark that occurs, and for a place that no run has."""
    yield from (f"{one.letter} {one.words}" for one in Mark if one in marks)
    if has_gaps:
        yield f"{NO_RUN} no such run"
