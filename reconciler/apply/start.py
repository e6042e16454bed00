"""Start a claimed batch: flows side by side, each flow's runs in order, every POST counted.

Each run gets one POST, and another one only if it is certain that the last one started nothing. A
batch holds as many runs as can be started well within the claim's time.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

from msgspec import Struct, field

from reconciler.apply.known import Known
from reconciler.apply.lease import Lease
from reconciler.apply.ports import (
    Connection,
    Gateway,
    Learned,
    NotProcessed,
    NotSent,
    Progress,
    RejectedAnswer,
    TriggeredAnswer,
    UnknownAnswer,
)
from reconciler.apply.suspect import correlation_value
from reconciler.configuration import Limits
from reconciler.ledger import events
from reconciler.model import InstanceId, Nonce, Run, RunId
from reconciler.plan.standing import describe_hold
from reconciler.times import MINUTE_MS, format_instant

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 8.0

StartOutcome = events.Triggered | events.Rejected | events.Unknown | events.Absent


class Capacity(Struct, frozen=True, kw_only=True):
    """How many starts fit into one claim."""

    runs: int
    runs_of_one_flow: int  # they start one after another


def capacity(limits: Limits, timeout: float, request_seconds: float) -> Capacity:
    """How many starts fit into a claim if one takes `request_seconds`; at least one."""
    usable = max(limits.claim_seconds - timeout - limits.margin, 0.0)
    in_a_row = max(int(usable / request_seconds), 1)
    runs = in_a_row * limits.concurrency
    if limits.requests_per_second is not None:
        runs = min(runs, max(int(usable * limits.requests_per_second), 1))
    return Capacity(runs=runs, runs_of_one_flow=in_a_row)


def choose_batch(runs: Iterable[Run], room: Capacity) -> tuple[Run, ...]:
    """The runs to claim next, in their order; a flow's later runs wait for the next batch."""
    chosen: list[Run] = []
    of_flow: dict[int, int] = defaultdict(int)
    for run in sorted(runs, key=lambda run: run.turn):
        if len(chosen) == room.runs:
            break
        if of_flow[run.flow_id] < room.runs_of_one_flow:
            of_flow[run.flow_id] += 1
            chosen.append(run)
    return tuple(chosen)


def group_by_flow(runs: Iterable[Run]) -> list[tuple[Run, ...]]:
    """The runs of each flow in their order; flows in the order of their first run."""
    flows: dict[int, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.turn):
        flows[run.flow_id].append(run)
    return [tuple(flow) for flow in flows.values()]


class Batch(Struct, frozen=True, kw_only=True):
    """The runs that this applier may start under a landed claim, and their outcomes so far."""

    claim: Nonce
    runs: Sequence[Run]
    lease: Lease
    progress: Progress
    stop: asyncio.Event
    jitter: Callable[[], float]  # in [0, 1)
    margin: float  # seconds that the gateway's clock may be off
    correlation: str | None = None  # the parameter that names the run and its claim on the wire
    known: Known = field(default_factory=lambda: Known(()))  # as of when the claim was made
    outcomes: dict[RunId, StartOutcome] = field(default_factory=dict)
    started: dict[InstanceId, RunId] = field(default_factory=dict)  # by the outcomes so far
    posting: set[RunId] = field(default_factory=set)  # a POST has left and not been answered
    # The claim was over when a POST of the run had just left: the process was frozen meanwhile.
    overdue: set[RunId] = field(default_factory=set)
    late: set[RunId] = field(default_factory=set)  # runs that may not start any more
    request_seconds: list[float] = field(default_factory=list)

    def learn(self, run: Run, outcome: StartOutcome) -> None:
        """Note a run's outcome; the caller records it with the batch's other outcomes."""
        self.outcomes[run.id] = outcome
        if isinstance(outcome, events.Triggered):
            self.started[outcome.flow_instance_id] = run.id
        self.progress(Learned(run=run.id, event=outcome))

    def now(self) -> str:
        """The gateway's time, as the ledger writes it."""
        return format_instant(self.lease.clock.earliest_time())

    def complete_outcomes(self) -> list[StartOutcome]:
        """Every run's outcome, now that nothing is being started any more.

        A run whose POST was under way when the batch was broken off is in doubt. A run that was not
        reached was certainly not started.
        """
        for run in self.runs:
            if run.id in self.outcomes:
                continue
            if run.id in self.posting:
                self.learn(run, self.unknown_outcome(run, "broken off before an answer came"))
            else:
                self.learn(run, self.unsent_outcome(run, "not reached"))
        return list(self.outcomes.values())

    def unknown_outcome(self, run: Run, seen: str) -> events.Unknown:
        """The outcome of a start that may or may not have been made."""
        late = run.id in self.overdue
        # What left too late must be looked for until after it has left.
        at = format_instant(self.lease.clock.latest_time()) if late else self.now()
        seen = f"{seen}; it had left after its claim had ended" if late else seen
        return events.Unknown(
            v=events.VERSION, at=at, run=run.id, claim=self.claim, seen=seen, late=late
        )

    def triggered_outcome(self, run: Run, instance: InstanceId) -> events.Triggered:
        """The outcome of a run whose instance the service has just named."""
        # No earlier than the start: from then on the service must know the instance.
        at = format_instant(self.lease.clock.latest_time())
        return events.Triggered(
            v=events.VERSION,
            at=at,
            run=run.id,
            claim=self.claim,
            digest=run.digest,
            flow_id=run.flow_id,
            trigger_time=run.trigger_time,
            flow_instance_id=instance,
        )

    def rejected_outcome(self, run: Run, answer: RejectedAnswer) -> events.Rejected:
        """The outcome of a run that the service certainly refused to start."""
        return events.Rejected(
            v=events.VERSION,
            at=self.now(),
            run=run.id,
            claim=self.claim,
            code=answer.code,
            message=answer.message,
        )

    def unsent_outcome(self, run: Run, reason: str) -> events.Absent:
        """The outcome of a run that this claim certainly did not start."""
        evidence = {"notStarted": reason}
        return events.Absent(
            v=events.VERSION, at=self.now(), run=run.id, claim=self.claim, evidence=evidence
        )


async def start_batch(batch: Batch, gateway: Gateway, concurrency: int) -> None:
    """Start every run of the batch, or say why not; both go into `batch.outcomes`.

    Returns once no POST is under way. Setting `batch.stop` lets the POSTs under way end and starts
    no more; cancelling this call breaks them off.
    """
    flows = deque(group_by_flow(batch.runs))
    watch = asyncio.create_task(batch.lease.watch(gateway, margin=batch.margin))
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(concurrency, len(flows))):
                workers.create_task(_work(batch, flows, gateway))
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _work(batch: Batch, flows: deque[tuple[Run, ...]], gateway: Gateway) -> None:
    async with gateway.connection() as connection:
        while flows:
            for run in flows.popleft():
                batch.learn(run, await _start(batch, run, connection))


async def _start(batch: Batch, run: Run, connection: Connection) -> StartOutcome:
    reason, attempts = "", 0
    while True:
        forbidden = _refusal_reason(batch, run)
        if forbidden is not None:
            return batch.unsent_outcome(run, f"{forbidden}{reason and '; last: '}{reason}")
        answer = await _post(batch, run, connection)
        match answer:
            case TriggeredAnswer() if (
                other := _find_owner(batch, run, answer.instance)
            ) is not None:
                seen = f"the answer names instance {answer.instance}, which is that of {other}"
                return batch.unknown_outcome(run, seen)
            case TriggeredAnswer():
                return batch.triggered_outcome(run, answer.instance)
            case RejectedAnswer():
                return batch.rejected_outcome(run, answer)
            case UnknownAnswer():
                return batch.unknown_outcome(run, answer.seen)
            case NotSent():
                reason, pause = answer.reason, None
            case NotProcessed():
                reason, pause = answer.reason, answer.retry_after
            case _:
                assert_never(answer)
        if pause is None:
            pause = min(FIRST_PAUSE_SECONDS * 2**attempts, LONGEST_PAUSE_SECONDS)
            pause *= 0.5 + batch.jitter()
        attempts += 1
        await _pause(batch, pause)


def _refusal_reason(batch: Batch, run: Run) -> str | None:
    """Why no POST may be sent now; None if it may. Asked again right before the POST leaves."""
    if batch.stop.is_set():
        return "interrupted"
    if batch.lease.jumped:
        return f"the gateway's clock was set {_jump(batch.lease.jumped)} meanwhile"
    if not batch.lease.allows_start():
        return "the claim's time was used up"
    held = run.hold_at(batch.lease.clock.latest_time())
    if held is not None:
        batch.late.add(run.id)
        return describe_hold(run, held)
    return None


async def _post(
    batch: Batch, run: Run, connection: Connection
) -> TriggeredAnswer | RejectedAnswer | UnknownAnswer | NotSent | NotProcessed:
    clock = batch.lease.clock.clock
    began = clock.elapsed()
    batch.posting.add(run.id)
    sent = (
        run if batch.correlation is None else with_correlation(run, batch.correlation, batch.claim)
    )

    def may_post() -> bool:
        if batch.lease.has_expired:
            batch.overdue.add(run.id)
        return _refusal_reason(batch, run) is None

    answer = await connection.start(sent, may_post)
    batch.posting.remove(run.id)
    batch.request_seconds.append(clock.elapsed() - began)
    return answer


def _jump(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'forward' if seconds > 0 else 'back'}"


def _find_owner(batch: Batch, run: Run, instance: InstanceId) -> RunId | None:
    """The run that has the named instance already; None if the answer can be to this start.

    An answer may name another run's instance because it came twice on one connection. Runs of one
    flow and minute may share an id; if they are of one claim, a search must tell them apart.
    """
    if instance in batch.started:
        return batch.started[instance]
    for record, start in batch.known.owners(instance):
        shares = record.flow_id == run.flow_id and (
            record.trigger_time // MINUTE_MS == run.trigger_time // MINUTE_MS
        )
        if not shares and (record.run, start.claim) != (run.id, batch.claim):
            return record.run
    return None


def with_correlation(run: Run, correlation: str, claim: Nonce) -> Run:
    """The run as it is sent if a correlation parameter is configured; its digest stays the same."""
    pair = correlation, correlation_value(run.id, claim)
    return run.but(parameters=(*run.parameters, pair))


async def _pause(batch: Batch, seconds: float) -> None:
    """Wait, but no longer than the claim allows, and only until the apply is told to stop."""
    limit = min(seconds, max(batch.lease.seconds_left(), 0.0) + 0.001)
    try:
        async with asyncio.timeout(limit):
            await batch.stop.wait()
    except TimeoutError:
        return
