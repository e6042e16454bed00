"""What the apply protocol needs from the outside world, and the answers that it tells apart.

Steps are what an apply reports while it works, as values: the caller decides how and where to show
them.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from reconciler.configuration import Environment
from reconciler.identity import NOTHING_ELSE, Surroundings
from reconciler.ledger import Event, Ledger
from reconciler.model import (
    Declared,
    Digest,
    EpochMs,
    InstanceId,
    Nonce,
    Parameters,
    Run,
    RunId,
)


class Claimed(Struct, frozen=True, kw_only=True):
    """A claim has landed: these runs are this apply's to start."""

    claim: Nonce
    runs: int
    until: EpochMs


class Learned(Struct, frozen=True, kw_only=True):
    """One run has an outcome; or its instance has ended, or was cancelled."""

    run: RunId
    event: Event


class Recorded(Struct, frozen=True, kw_only=True):
    """Outcomes are on the shared branch."""

    events: int


class Waiting(Struct, frozen=True, kw_only=True):
    """Nothing can be done before that time, or before somebody else has done something."""

    reason: str
    until: EpochMs


class Watching(Struct, frozen=True, kw_only=True):
    """The apply waits for started instances: how many of them have ended."""

    ended: int
    total: int


class Noted(Struct, frozen=True, kw_only=True):
    """Something that a person should know and that stops nothing."""

    message: str


Step = Claimed | Learned | Recorded | Waiting | Watching | Noted
Progress = Callable[[Step], None]


class TriggeredAnswer(Struct, frozen=True, kw_only=True):
    """The service started the run and named the instance."""

    instance: InstanceId


class RejectedAnswer(Struct, frozen=True, kw_only=True):
    """The service refused the run for certain: nothing was started."""

    code: int  # of the answer's body, or the HTTP status where the body has none
    message: str


class NotSent(Struct, frozen=True, kw_only=True):
    """The request never left, or nothing of its body: DNS, refused connection, TLS failure."""

    reason: str


class NotProcessed(Struct, frozen=True, kw_only=True):
    """The gateway turned the request away before the service saw it: token answers, rate limit."""

    reason: str
    retry_after: float | None = None  # seconds, from Retry-After


class UnknownAnswer(Struct, frozen=True, kw_only=True):
    """The request left and nothing certain came back: the run may have been started."""

    seen: str  # what came back, in words


Answer = TriggeredAnswer | RejectedAnswer | NotSent | NotProcessed | UnknownAnswer


class Instance(Struct, frozen=True, kw_only=True):
    """A flow instance as the service lists it; None where the service said nothing readable."""

    id: InstanceId
    flow_id: int | None  # None also where the service shows an unset number, 0 or less
    trigger_time: EpochMs | None  # the service's stamps are cut to the second
    created: EpochMs | None  # cut likewise; read in the service's zone
    created_latest: EpochMs | None  # the latest that the stamp can mean, if it is in UTC
    parameters: Parameters | None
    status: int | None  # EnOS FlowInstance status, -1 to 10
    carried: str = (
        ""  # its parameters as the service wrote them, readable or not: a nonce in them tells
    )
    created_times: tuple[EpochMs, ...] = ()  # `created` and what else its stamp can mean
    created_unit: int = 1  # milliseconds to which this stamp may have been cut
    trigger_times: tuple[EpochMs, ...] = ()  # `trigger_time` and what else its stamp can mean
    trigger_unit: int = 1  # milliseconds to which this stamp may have been cut or rounded

    @property
    def created_spans(self) -> tuple[tuple[EpochMs, EpochMs], ...]:
        """From when to when it may have been created, both inclusive: one span for each reading.

        Empty if the stamp is unreadable.
        """
        if self.created is None or self.created_latest is None:
            return ()
        if not self.created_times:
            return ((self.created, self.created_latest),)
        return tuple((one, EpochMs(one + self.created_unit - 1)) for one in self.created_times)

    @property
    def may_be_triggered_at(self) -> tuple[EpochMs, ...]:
        """All times that its trigger time can mean; none if it is unreadable."""
        if self.trigger_time is None:
            return ()
        return self.trigger_times or (self.trigger_time,)


class StartedInstance(Struct, frozen=True, kw_only=True):
    """A started instance whose status is asked for."""

    id: InstanceId
    trigger_time: EpochMs  # that it was started with


class ObservedInstances(Struct, frozen=True, kw_only=True):
    """What the service said of instances.

    `instances` holds, by id, what was seen under this id, which other instances may have as well;
    empty if the service says that it has none. An id is missing if nothing could be learned of it,
    and `failure` says why.
    """

    instances: Mapping[InstanceId, tuple[Instance, ...]]
    failure: str | None = None
    whole: frozenset[InstanceId] = frozenset()  # everything under that id was certainly seen


class Flow(Struct, frozen=True, kw_only=True):
    """A workflow as the service describes it; None where the service said nothing readable."""

    locked: bool | None
    user_locked: bool | None
    editable: bool | None  # the user has the privilege to edit it
    owners: frozenset[str] | None  # user ids
    tasks: int | None  # how many it has
    parameters: frozenset[str] | None  # the names of those that it declares
    name: str | None = None  # what people call it


class CancelAnswer(Struct, frozen=True, kw_only=True):
    """The service answered a cancellation for certain."""

    code: int  # 0: it was done
    message: str


class Connection(Protocol):
    """One worker's own connection to the gateway."""

    async def start(self, run: Run, allowed: Callable[[], bool]) -> Answer:
        """Update And Trigger Flow: one POST, never repeated by anything below this call.

        `allowed` is asked before connecting and again right before the POST leaves, after whatever
        had to be waited for (a token, the rate limit, the connection), and once more before its
        body leaves; if it says no, nothing that starts the run is sent and the answer is NotSent.
        It is asked again when the POST has left: the caller can tell whether that was in time.
        """


class Gateway(Protocol):
    """The EnOS gateway of one environment."""

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection of its own for one worker."""

    async def current_time(self) -> EpochMs:
        """The service's clock. Raises GatewayError."""

    async def timezone(self) -> str:
        """The name of the service's zone, as it says it. Raises GatewayError."""

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        """Every instance of the flow with a trigger time in [from_time, to_time), each once.

        Without a flow, the instances of all flows. What counts is that the service lists an
        instance for this window, not the time that it shows: that may be cut, rounded or another
        field. An instance that shows no flow may be the flow's.
        Looks under all three instance types and both page bases. Raises GatewayError if any part
        could not be read, so that an empty answer is a whole answer.
        """

    async def instance(self, instance: InstanceId) -> Instance | None:
        """One instance by id; None if the service says that it has none. Raises GatewayError."""

    async def observe_instances(
        self, sought: Sequence[StartedInstance], most_requests: int, turn: int = 0
    ) -> ObservedInstances:
        """How the instances fare, in few requests: searches that cover many, ids for the rest.

        If `most_requests` is not enough for all, `turn` says where to begin. A caller that raises
        it each time leaves none out for ever.
        """

    async def flow(self, flow_id: int) -> Flow | None:
        """Get Flow; None if the service says that it has none. Raises GatewayError."""

    async def cancel(self, instance: InstanceId) -> CancelAnswer:
        """Cancel Flow Instance. Raises GatewayError if nothing certain is answered."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """What the shared branch said at one commit: everything that a decision is derived from."""

    commit: str  # whose tree the manifests were read from
    environment: Environment
    declared: Declared
    ledger: Ledger
    surroundings: Surroundings = NOTHING_ELSE  # what the rest of the repository says
    parent: str | None = None  # the commit that the ledger was read from, if there is one

    @property
    def ledgers(self) -> Sequence[Ledger]:
        """Every ledger that counts for the service: the environment's own first."""
        return self.ledger, *self.surroundings.elsewhere.values()


class Landed(Struct, frozen=True, kw_only=True):
    """The shared branch, read back, holds the events; so does the snapshot."""

    snapshot: Snapshot


class Raced(Struct, frozen=True, kw_only=True):
    """The branch has moved since the snapshot, and does not hold the commit: read it again.

    A claim may be on the branch all the same, if another ledger has moved meanwhile.
    """


class Unclear(Struct, frozen=True, kw_only=True):
    """The push left and no certain answer came back: the events may still land."""

    message: str


class Declined(Struct, frozen=True, kw_only=True):
    """The branch, read back, does not hold the events, or is not the default one any more."""

    message: str
    hint: str | None = None  # what to do about it, if that can be told


Appended = Landed | Raced | Unclear | Declined


class Store(Protocol):
    """The shared branch: manifests to read, the ledger to append to by compare-and-swap."""

    async def fetch(self) -> Snapshot:
        """The branch as the remote has it now. Raises GitError, LedgerError, ConfigurationError."""

    async def append(self, base: Snapshot, events: Sequence[Event], message: str) -> Appended:
        """Commit the events on top of the snapshot and push, if the branch still is where it was.

        Raises GitError if no commit could be made: then nothing has left this machine.
        """

    async def confirm(self, base: Snapshot, runs: Sequence[Run]) -> bool:
        """Whether the branch itself declares the runs, and what they wait for, as the snapshot has.

        Manifests that the snapshot only remembered are read again. If one of them was remembered
        wrongly, all that is remembered is dropped, and the snapshot must not be used. Raises
        GitError.
        """


class Clock(Protocol):
    """This machine's own clocks."""

    def elapsed(self) -> float:
        """Seconds since some moment; never goes back, and goes on while the machine is asleep."""

    def wall(self) -> EpochMs:
        """The time by this machine. It may be wrong: no claim or start is decided by it."""


class Ports(Struct, frozen=True, kw_only=True):
    """The outside world, as an apply sees it."""

    store: Store
    open_gateway: Callable[[Environment], AbstractAsyncContextManager[Gateway]]
    clock: Clock
    progress: Progress
    stop: asyncio.Event  # set: start nothing more, record, end
    new_claim: Callable[[], Nonce]
    jitter: Callable[[], float]  # in [0, 1)
    rescue: Callable[[Sequence[Event]], str]  # keeps events that cannot be pushed; says where


class SavedRun(Struct, frozen=True, kw_only=True):
    """A start as a saved plan lists it."""

    digest: Digest
    flow_id: int
    trigger_time: EpochMs  # its stagger included, which the digest leaves out
    parameters: Parameters


class Options(Struct, frozen=True, kw_only=True):
    """What the caller asked for."""

    by: str  # who applies, for the claim
    max_runs: int | None = None  # None: the environment's limit
    only: Mapping[RunId, SavedRun] | None = None  # a saved plan's runs; None: whatever is planned
    cancels: Collection[RunId] | None = None  # a saved plan's; None: whatever is planned
    runs: Sequence[str] = ()  # what is applied: names, parts of names, beginnings; empty: all
    preflight: bool = False  # ask about every flow before the first claim
    wait: bool = False  # until everything that was started has ended
    wait_seconds: float | None = None  # at most; None: as long as it takes
