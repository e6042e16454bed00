"""What becomes of the instances that the simulated gateway has made."""

from dataclasses import dataclass

from msgspec import Struct

from reconciler.enos.statuses import NOT_FOUND, status_name
from reconciler.model import InstanceId, Nonce, Run

WAIT, RUNNING, RERUN, CANCEL = 5, 2, 9, 8  # EnOS FlowInstance status


@dataclass(slots=True, kw_only=True, eq=False)
class Started:
    """An instance, and its life. All times are the loop's."""

    run: Run  # as it was sent
    instance: InstanceId
    claim: Nonce | None  # None: others started it
    user: str
    at: float
    begins: float  # when its trigger time has come
    listed: float  # from when on the service shows it
    ends: float
    status: int  # with which it ends
    forgotten: bool = False  # from its end on the service does not know it any more
    rerun: "Rerun | None" = None
    null_until: float | None = None  # once, until then, the service says that it has none
    by: str = ""  # the process whose start it was, where that was frozen while the start left

    def status_at(self, now: float) -> int:
        """What the service says while it knows the instance."""
        if now < self.ends:
            return RUNNING if now >= self.begins else WAIT
        if self.forgotten:
            return RUNNING
        if self.rerun is None or now < self.rerun.begins:
            return self.status
        return RERUN if now < self.rerun.ends else self.rerun.status

    def finals(self, now: float) -> list[str]:
        """The ends that it has come to by then, the last one last."""
        if now < self.ends:
            return []
        if self.forgotten:
            return [NOT_FOUND]
        ends = [self.status]
        if self.rerun is not None and now >= self.rerun.ends:
            ends.append(self.rerun.status)
        return [status_name(status) for status in ends]

    def is_running(self, now: float) -> bool:
        """Whether there is anything to cancel."""
        return now < self.ends

    def cancelled(self, now: float) -> None:
        """It ends here."""
        self.ends, self.status, self.forgotten, self.rerun = now, CANCEL, False, None


class Rerun(Struct, frozen=True, kw_only=True):
    """Somebody has the service run a failed instance again, under its id."""

    begins: float
    ends: float
    status: int
