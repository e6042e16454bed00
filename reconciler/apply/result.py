"""What an apply did, and the exit code that follows from it alone."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from reconciler.apply.doubt import Doubt
from reconciler.apply.start import StartOutcome
from reconciler.errors import ExitCode
from reconciler.ledger import Record, events
from reconciler.model import RunId
from reconciler.plan import PlannedRun
from reconciler.plan.outlook import HarmlessEnd


class ApplyResult(Struct, frozen=True, kw_only=True):
    """What an apply has done, and how the runs stand on the shared branch at its end."""

    commit: str  # the newest that this apply knows
    outcomes: Sequence[StartOutcome]  # the last one of every run that was started or settled
    unstarted: Sequence[PlannedRun]  # should be started and were not: refused, or not reached
    doubts: Sequence[Doubt]  # runs in doubt, whoever claimed them
    waiting: Sequence[PlannedRun]  # suspended, missed, not yet allowed
    refused: Sequence[PlannedRun] = ()  # not claimed: the service was asked, and would refuse them
    observed: Sequence[events.Observed] = ()  # ends that this apply has seen and recorded
    over: Mapping[RunId, HarmlessEnd] = field(
        default_factory=dict
    )  # why a bad end asks for nothing
    cancelled: Sequence[events.Cancelled] = ()
    uncancelled: Sequence[PlannedRun] = ()  # to be cancelled, and not known to be
    failed: Sequence[PlannedRun] = ()  # of those waited for: ended badly, and no attempt is left
    unfinished: Sequence[Record] = ()  # of those waited for: the time was used up before they ended
    untold: Mapping[RunId, str] = field(default_factory=dict)  # of those waited for: why given up
    twice: Sequence[Record] = ()  # in the whole ledger: two starts are known, nobody settled that
    interrupted: bool = False
    # Of the runs that the apply was called for: what each waits for that it was not called for.
    left_out: Mapping[RunId, Sequence[str]] = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        """The code that a pipeline must react to first: interrupted, in doubt, then a problem."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.doubts or self.twice:
            return ExitCode.IN_DOUBT
        problems = (self.unstarted, self.refused, self.uncancelled, self.failed)
        waited_for = (self.unfinished, self.untold)
        return ExitCode.PROBLEM if any((*problems, *waited_for)) else ExitCode.OK
