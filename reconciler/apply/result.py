"""What an apply did, and the exit code that follows from it alone."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from reconciler.apply.doubt import Doubt
from reconciler.apply.start import StartOutcome
from reconciler.errors import ExitCode
from reconciler.ledger import Record, events
from reconciler.model import RunId
from reconciler.plan import PlannedRun
from reconciler.plan.outlook import Over


class ApplyResult(Struct, frozen=True, kw_only=True):
    """The end of an apply, as the shared branch has it."""

    commit: str  # the newest that this apply knows
    outcomes: Sequence[StartOutcome]  # the last one of every run that it started or settled
    unstarted: Sequence[PlannedRun]  # should be started and were not: refused, or not reached
    doubts: Sequence[Doubt]  # whoever claimed them
    waiting: Sequence[PlannedRun]  # suspended, missed, not yet allowed
    refused: Sequence[PlannedRun] = ()  # not claimed: the service was asked, and would refuse them
    observed: Sequence[events.Observed] = ()  # ends that this apply has seen and recorded
    over: Mapping[RunId, Over] = field(default_factory=dict)  # of those ended, that ask for nothing
    cancelled: Sequence[events.Cancelled] = ()
    uncancelled: Sequence[PlannedRun] = ()  # asked to be cancelled, and nobody can tell
    failed: Sequence[PlannedRun] = ()  # of those waited for: ended badly, and no attempt is left
    unfinished: Sequence[Record] = ()  # of those waited for: the time was used up before they ended
    untold: Mapping[RunId, str] = field(default_factory=dict)  # waited for, given up, and why
    twice: Sequence[Record] = ()  # of the whole ledger: two starts are known, nobody settled it
    interrupted: bool = False
    # Of what it was called for: what each run waits for that it was not called for.
    left_out: Mapping[RunId, Sequence[str]] = field(default_factory=dict)


def exit_code(result: ApplyResult) -> ExitCode:
    """Interrupted before in doubt before refused: what a pipeline must react to first."""
    if result.interrupted:
        return ExitCode.INTERRUPTED
    if result.doubts or result.twice:
        return ExitCode.IN_DOUBT
    problems = (result.unstarted, result.refused, result.uncancelled, result.failed)
    waited_for = (result.unfinished, result.untold)
    return ExitCode.PROBLEM if any((*problems, *waited_for)) else ExitCode.OK
