"""The shared branch as an apply last saw it, and what the apply has yet to record there."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Self, assert_never

from msgspec.structs import replace

from reconciler.apply.pending import select_pending
from reconciler.apply.ports import (
    Declined,
    Landed,
    Noted,
    Ports,
    Progress,
    Raced,
    Recorded,
    Snapshot,
    Store,
    Unclear,
)
from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.errors import GitError, ReconcilerError
from reconciler.ledger import Event, Ledger, events
from reconciler.ledger.files import commit_message
from reconciler.model import Run

CLAIM_ATTEMPTS = 6  # in a row that come to nothing though nobody else was faster
RECORD_ATTEMPTS = 8  # outcomes must not be lost; a claim that cannot be pushed just fails
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
_FALSE_CACHE = (
    "what was kept of manifests is not what the branch says, so it was deleted, and all are read"
)
_FIRST_TOLD = 2  # pushes lost in a row, when a person is first told
_MOST_NAMED = 20  # runs, in a message


class Claiming(Enum):
    """What became of a claim's push."""

    OURS = auto()
    NOT_OURS = auto()  # the branch moved: derive everything again
    UNCLEAR = auto()  # it may still land


@dataclass(slots=True, kw_only=True)
class Branch:
    """Snapshot and pending events; every push is a compare-and-swap against the snapshot."""

    store: Store
    snapshot: Snapshot
    progress: Progress
    jitter: Callable[[], float]  # in [0, 1)
    rescue: Callable[[Sequence[Event]], str]  # keeps events that cannot be pushed; says where
    pending: list[Event]
    _folded: tuple[Ledger, list[Event], Ledger] | None = None  # base, pending, both together
    moved: int = 0  # pushes in a row that came too late: the branch had moved
    unanswered: int = 0  # claims in a row that came to nothing though nobody else was faster
    _gateway: GatewayConfiguration = field(init=False)  # as configured when the branch was opened

    def __post_init__(self) -> None:
        self._gateway = self.snapshot.environment.gateway

    @classmethod
    async def open(cls, ports: Ports) -> Self:
        """Read the branch for the first time. Raises GitError, LedgerError, ConfigurationError."""
        return cls(
            store=ports.store,
            snapshot=await ports.store.fetch(),
            progress=ports.progress,
            jitter=ports.jitter,
            rescue=ports.rescue,
            pending=[],
        )

    @property
    def environment(self) -> Environment:
        """The environment as the branch configures it, but with the gateway that this apply uses.

        A gateway that is configured meanwhile is not asked: what one gateway has answered would be
        taken for the other's answer.
        """
        its = self.snapshot.environment
        return replace(its, gateway=self._gateway) if self.is_reconfigured else its

    @property
    def is_reconfigured(self) -> bool:
        """Whether the branch now names another gateway than the one that this apply uses."""
        return self.snapshot.environment.gateway != self._gateway

    @property
    def ledger(self) -> Ledger:
        """The branch's ledger, followed by the pending events.

        The value is kept until one of the two changes: folding copies all that is recorded.
        """
        base, pending = self.snapshot.ledger, self.pending
        if not pending:
            return base
        if self._folded is None or self._folded[0] is not base or self._folded[1] != pending:
            self._folded = base, list(pending), base.with_events(pending)
        return self._folded[2]

    @property
    def ledgers(self) -> Sequence[Ledger]:
        """Every ledger that counts for the service: this one, with the pending events, first."""
        return self.ledger, *self.snapshot.ledgers[1:]

    async def claim(self, claim: events.Claim) -> Claiming:
        """Push what is pending and then the claim, once; unless it lands, read the branch again.

        Raises GitError if the remote declines the push (nothing was claimed then), or if
        `CLAIM_ATTEMPTS` claims in a row came to nothing though nobody else was faster.
        """
        appended = await self._append([*self.pending, claim])
        match appended:
            case Landed():
                self.unanswered = 0
                self._note_landing(appended.snapshot)
                return Claiming.OURS
            case Raced():
                self._tell_moved()
                result = Claiming.NOT_OURS
            case Unclear():
                self.progress(Noted(message=f"the push was not answered: {appended.message}"))
                self.unanswered += 1
                if self.unanswered >= CLAIM_ATTEMPTS:
                    raise GitError(
                        f"{CLAIM_ATTEMPTS} claims in a row could not be pushed for certain, and "
                        f"nothing was started under them: {appended.message}",
                        hint="Check that the remote takes pushes. Should one of them have landed, "
                        "it expires by itself.",
                    )
                result = Claiming.UNCLEAR
            case Declined():
                raise GitError(
                    f"the remote declined the claim, so nothing was started under it: "
                    f"{appended.message}",
                    hint=appended.hint,
                )
            case _:
                assert_never(appended)
        await self._back_off(self.unanswered)
        before = self.snapshot
        await self.refetch()
        if result is Claiming.NOT_OURS:
            self._check_moved(before)
        return result

    def _check_moved(self, before: Snapshot) -> None:
        """Raise GitError if push after push is rejected though the branch stays where it was.

        On a ledger branch another environment may have moved it, and only the commit shows that.
        """
        now = self.snapshot
        if (now.commit, now.parent, now.ledger.length) != (
            before.commit,
            before.parent,
            before.ledger.length,
        ):
            self.unanswered = 0
            return
        self.unanswered += 1
        if self.unanswered >= CLAIM_ATTEMPTS:
            raise GitError(
                f"{CLAIM_ATTEMPTS} claims lost a race though the remote still shows the branch "
                "where it was; nothing was started under them",
                hint="What is read there may lag behind what is pushed: let git fetch from the "
                "server itself, not from a copy of it.",
            )

    async def confirm(self, runs: Sequence[Run]) -> bool:
        """Whether the branch itself declares these runs as the snapshot has them.

        If it does not, the branch was read again, and everything must be derived from that.
        """
        if await self.store.confirm(self.snapshot, runs):
            return True
        self.progress(Noted(message=_FALSE_CACHE))
        await self.refetch()
        return False

    async def record(self) -> None:
        """Push what is pending: up to `RECORD_ATTEMPTS` times, if pushes fail or the branch moves.

        Raises GitError if that fails for good. The events are then in a rescue file, except ends of
        instances, and all of them still stand in this apply's own view of the ledger.
        """
        failure = ReconcilerError("the branch kept moving")
        for attempt in range(RECORD_ATTEMPTS):
            if not self.pending:
                return
            try:
                failure = await self._record_once() or failure
                if self.pending:
                    await self._back_off(attempt)
                    await self.refetch()
            except ReconcilerError as error:
                failure = error
                await self._back_off(attempt)
        if self.pending:
            raise self._rescue_pending(failure)

    async def refetch(self) -> None:
        """Read the branch again; drop what it holds by now, and what must be looked for anew."""
        before = self.snapshot.ledger
        self.snapshot = await self.store.fetch()
        self.pending = select_pending(self.pending, before, self.snapshot.ledger)

    async def _record_once(self) -> GitError | None:
        appended = await self._append(self.pending)
        match appended:
            case Landed():
                self._note_landing(appended.snapshot)
                return None
            case Raced():
                self._tell_moved()
                return None
            case Unclear():
                return GitError(appended.message)
            case Declined():
                return GitError(appended.message, hint=appended.hint)
            case _:
                assert_never(appended)

    async def _append(self, wanted: Sequence[Event]) -> Landed | Raced | Unclear | Declined:
        message = commit_message(self.snapshot.environment.name, wanted)
        return await self.store.append(self.snapshot, wanted, message)

    def _note_landing(self, snapshot: Snapshot) -> None:
        if self.pending:
            self.progress(Recorded(events=len(self.pending)))
        self.snapshot = snapshot
        self.pending = []
        self.moved = 0

    def _tell_moved(self) -> None:
        """Report a busy branch: after two pushes that came too late, then less and less often."""
        self.moved += 1
        if self.moved >= _FIRST_TOLD and self.moved.bit_count() == 1:
            times = f"the branch is busy: others were faster {self.moved} times in a row"
            self.progress(Noted(message=f"{times}; it is read again and the push repeated"))

    def _rescue_pending(self, failure: ReconcilerError) -> "UnrecordedError":
        """Save what is pending, except ends of instances: the next apply observes them again."""
        kept = [event for event in self.pending if not isinstance(event, events.Observed)]
        place = self.rescue(kept) if kept else None
        self.snapshot = replace(self.snapshot, ledger=self.ledger)
        self.pending = []
        if place is None:
            return UnrecordedError(
                "the ends of instances that were observed are not on the branch",
                failure,
                hint="Nothing is lost: the next apply observes them again.",
            )
        return UnrecordedError(
            f"the outcomes of this apply are not on the branch{_describe_started(kept)}",
            failure,
            hint=f"They are kept in {place}: feed them back with `reconciler recover {place}`. "
            f"Until then the claim keeps every run from being started again{_except_late(kept)}.",
        )

    async def _back_off(self, attempt: int) -> None:
        """Let others go first: wait, longer each time, and never in step with them."""
        longest = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
        await asyncio.sleep(longest * self.jitter())


class UnrecordedError(GitError):
    """Something could not be put on the branch: what it is, and the failure that prevented it."""

    def __init__(self, what: str, failure: ReconcilerError, *, hint: str) -> None:
        hints = [failure.hint, hint] if failure.hint else [hint]
        super().__init__(f"{what}: {failure}", hint="\n".join(hints))
        self.what = what
        self.failure = failure


def _except_late(kept: Iterable[Event]) -> str:
    late = [one.run for one in kept if isinstance(one, events.Unknown) and one.late]
    return f", but not what left too late ({', '.join(late[:_MOST_NAMED])})" if late else ""


def _describe_started(kept: Iterable[Event]) -> str:
    """In words, which instances were started: a person must look after them now."""
    started = [
        f"{one.run} as {one.flow_instance_id}" for one in kept if isinstance(one, events.Triggered)
    ]
    more = f" and {len(started) - _MOST_NAMED} more" if len(started) > _MOST_NAMED else ""
    return f" (started: {', '.join(started[:_MOST_NAMED])}{more})" if started else ""
