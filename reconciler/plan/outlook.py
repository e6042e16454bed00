"""What to expect of a run, and whether it needs a person: the only rule for that.

`status --detailed-exitcode`, the report, the issue on a forge and the webhooks all follow it.
"""

from collections.abc import Iterable
from enum import Enum, auto
from typing import assert_never

from reconciler.ledger import RunState
from reconciler.model import RunId, run_attempt
from reconciler.plan.values import PlannedRun, Reason


class Outlook(Enum):
    """What to expect of a run, and whether it needs a person."""

    WELL = auto()  # the run is over, as it was meant to be
    COMING = auto()  # it goes on by itself, or with the next apply
    AMISS = auto()  # it failed, was refused, or does not go on until a person acts
    IN_DOUBT = auto()  # it may have been started, or was started twice

    @property
    def needs_person(self) -> bool:
        """Whether nothing goes on until a person acts."""
        return self in {Outlook.AMISS, Outlook.IN_DOUBT}


class HarmlessEnd(Enum):
    """Why nobody needs to do anything about the bad end of a run."""

    CALLED_OFF = auto()  # its manifest cancels it
    UNDECLARED = auto()  # no manifest declares it any more
    FOLLOWED = auto()  # another attempt was made, or will be


def find_over(run: RunId, attempts: Iterable[PlannedRun]) -> HarmlessEnd | None:
    """Why nobody needs to do anything about a bad end of the run; None where somebody does.

    `attempts`: what a plan says about the run and about any other attempt at it. A blocked attempt
    does not count as one that follows.
    """
    declared = [one for one in attempts if one.run is not None]
    if not declared:
        return HarmlessEnd.UNDECLARED
    if any(one.run is not None and one.run.cancel for one in declared):
        return HarmlessEnd.CALLED_OFF
    later = (one for one in declared if run_attempt(one.id) > run_attempt(run))
    return HarmlessEnd.FOLLOWED if any(not one.blocked for one in later) else None


def outlook_of(
    state: RunState, reason: Reason | None, *, started_twice: bool, is_over: bool
) -> Outlook:
    """What to expect of a run in that state, which is not done for that reason.

    `reason`: None for a run that is done, or that no manifest declares any more. `is_over`: nobody
    needs to do anything about a bad end, for a reason that `HarmlessEnd` lists.
    """
    if state is RunState.IN_DOUBT or started_twice:
        return Outlook.IN_DOUBT
    if _blocks_starts(reason):
        return Outlook.AMISS
    match state:
        case RunState.CLAIMED | RunState.TRIGGERED:
            return Outlook.COMING
        case RunState.SUCCEEDED:
            return Outlook.WELL
        case RunState.FAILED:
            return Outlook.WELL if is_over else Outlook.AMISS
        case RunState.PENDING | RunState.REJECTED:
            return _unstarted_outlook(state, reason)
        case _:
            assert_never(state)


def _blocks_starts(reason: Reason | None) -> bool:
    """Whether the reason keeps an apply from starting anything, even where the run is over."""
    return reason in {Reason.CHANGED, Reason.DUPLICATE, Reason.COLLISION, Reason.PROBLEM}


def _unstarted_outlook(state: RunState, reason: Reason | None) -> Outlook:
    match reason:
        case None | Reason.CANCELLED | Reason.UNDECLARED:
            return Outlook.WELL
        case (
            Reason.READY
            | Reason.SUSPENDED
            | Reason.WAITS_FOR
            | Reason.NO_ROOM
            | Reason.CLAIMED
            | Reason.IN_DOUBT
            | Reason.NOT_DUE
            | Reason.RUNNING
        ):
            return Outlook.AMISS if state is RunState.REJECTED else Outlook.COMING
        case (
            Reason.MISSED
            | Reason.BLOCKED
            | Reason.STOPPED
            | Reason.OVER_LIMIT
            | Reason.REJECTED
            | Reason.FAILED
            | Reason.CHANGED
            | Reason.DUPLICATE
            | Reason.COLLISION
            | Reason.PROBLEM
        ):
            return Outlook.AMISS
        case _:
            assert_never(reason)
