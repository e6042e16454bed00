"""How started instances fare: from what the service says to final states, recorded once."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reconciler.apply.evidence import SECOND_MS, search_window
from reconciler.apply.ports import Gateway, Instance, LookedUp, Sought
from reconciler.errors import GatewayError, LedgerError
from reconciler.ledger import Ledger, Record, RunState, events
from reconciler.ledger.statuses import FINAL, NOT_FOUND, status_name
from reconciler.model import EpochMs, InstanceId, RunId
from reconciler.times import format_instant, parse_instant

MOST_REQUESTS = 300  # of one look; what is left is the next apply's
MOST_SHARED = 20  # runs that share an instance id with another; each takes a whole search


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one look at the service brought."""

    ended: Sequence[events.Observed]  # to be recorded
    statuses: Mapping[RunId, str]  # EnOS's names, of every run that was seen, ended or not
    failure: str | None = None  # why not every run was


def unfinished(ledger: Ledger, now: EpochMs) -> list[Record]:
    """The started runs of which no end is recorded and whose time has come, the newest first."""
    found = [record for record in ledger.records.values() if is_unfinished(record)]
    due = [record for record in found if record.trigger_time <= now]
    return sorted(due, key=lambda record: (record.trigger_time, record.run), reverse=True)


def is_unfinished(record: Record) -> bool:
    """Whether the run was started, and no end of its instance is recorded."""
    return record.state(record.until) is RunState.TRIGGERED and bool(record.instances)


async def observe(
    records: Sequence[Record],
    gateway: Gateway,
    ledger: Ledger,
    *,
    settle_seconds: float,
    now: Callable[[], EpochMs],
) -> Observation:
    """Ask the service about the runs, once. `now` is no later than the gateway's time."""
    if not records:
        return Observation(ended=[], statuses={})
    began = now()
    shared = shared_instances(ledger)
    looked_up = await _look_up(records, gateway, shared)
    own, failure = await _look_up_sharing(records, gateway, shared)
    statuses: dict[RunId, int | str] = {}
    for record in records:
        found = own.get(record.run, looked_up.instances.get(record.instances[0]))
        if found:
            status = status_of(record, found, shared=record.instances[0] in shared)
            statuses |= {} if status is None else {record.run: status}
        elif found is not None and _must_show(record, settle_seconds) <= began:
            statuses[record.run] = NOT_FOUND
    at = format_instant(now())
    return Observation(
        ended=[
            events.Observed(
                v=events.VERSION,
                at=at,
                run=record.run,
                status=statuses[record.run],
                claim=record.claim,
            )
            for record in records
            if record.run in statuses and _is_news(record, statuses[record.run])
        ],
        statuses={run: status_name(status) for run, status in statuses.items()},
        failure=looked_up.failure or failure,
    )


async def _look_up(
    records: Sequence[Record], gateway: Gateway, shared: Container[InstanceId]
) -> LookedUp:
    """Look those up together that have an instance id of their own."""
    sought = [
        Sought(id=one.instances[0], trigger_time=one.trigger_time)
        for one in records
        if one.instances[0] not in shared
    ]
    return await gateway.look_up(sought, MOST_REQUESTS)


async def _look_up_sharing(
    records: Sequence[Record], gateway: Gateway, shared: Container[InstanceId]
) -> tuple[dict[RunId, tuple[Instance, ...]], str | None]:
    """Look the others up by a whole search for each, and say what hindered it.

    By id the service shows only one of the instances that share it, and perhaps the wrong one.
    """
    found: dict[RunId, tuple[Instance, ...]] = {}
    sharing = [one for one in records if one.instances[0] in shared]
    for record in sharing[:MOST_SHARED]:
        if record.flow_id is None:
            continue
        try:
            listed = await gateway.search(record.flow_id, *search_window(record.trigger_time))
        except GatewayError as error:
            return found, str(error)
        same = tuple(one for one in listed if one.id == record.instances[0])
        found |= {record.run: same} if same else {}
    return found, None


def _is_news(record: Record, status: int | str) -> bool:
    name = status_name(status)
    if name == NOT_FOUND and record.has_failed:
        return False  # that the service has forgotten it takes nothing from how it ended
    return name in FINAL and name != record.status


def status_of(record: Record, found: Iterable[Instance], *, shared: bool) -> int | None:
    """The status of the run's instance; None where it cannot be told.

    Two starts of a flow in one minute may be given one id. So an instance that was created before
    the run was claimed is another's, though it may be the only one that is listed yet; and
    instances that disagree tell nothing.
    """
    listed = list(found)
    candidates = [
        one
        for one in listed
        if not _is_older(record, one) and one.flow_id in {None, record.flow_id}
    ]
    if shared or len(listed) > 1:
        candidates = [one for one in candidates if _is_placed(record, one)]
    statuses = {one.status for one in candidates}
    return statuses.pop() if len(statuses) == 1 else None


def _is_placed(record: Record, instance: Instance) -> bool:
    """Whether it can be told at all which was first, the claim or the instance."""
    return record.claimed_at is not None and instance.created_latest is not None


def _is_older(record: Record, instance: Instance) -> bool:
    """Whether the instance was certainly there before the run's claim, and nobody named it."""
    if record.claimed_at is None or instance.created_latest is None:
        return False
    if isinstance(record.evidence, dict) and "resolvedBy" in record.evidence:
        return False
    claimed_at = parse_instant(record.claimed_at)
    return instance.created_latest < claimed_at - claimed_at % SECOND_MS


def _must_show(record: Record, settle_seconds: float) -> EpochMs:
    """From when on the service must know the instance, if it still has it.

    Its time must have come, for the reference does not say that an instance that waits is known.
    """
    started = _instant(record.triggered_at) if record.triggered_at else EpochMs(0)
    return EpochMs(max(started, record.trigger_time) + int(settle_seconds * 1000))


def _instant(text: str) -> EpochMs:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise LedgerError(f"the ledger holds a time that {error}: {text!r}") from None


def shared_instances(ledger: Ledger) -> frozenset[InstanceId]:
    """The instance ids that the ledger has for more than one run."""
    counts = Counter(id_ for record in ledger.records.values() for id_ in record.instances)
    return frozenset(id_ for id_, number in counts.items() if number > 1)
