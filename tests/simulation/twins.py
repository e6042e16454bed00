"""Two runs of one minute of which even a kind service does not let anybody tell whose is whose."""

from reconciler.ledger import Record
from reconciler.ledger.records import UNSETTLED
from reconciler.model import EpochMs, RunId, first_attempt
from reconciler.times import SECOND_MS, parse_instant
from tests.simulation.clock import MINUTE_MS
from tests.simulation.instances import Started
from tests.simulation.world import World

LOOK_TAKES_MS = 2_000  # a search, and what its answer may be late


def has_a_twin(world: World, record: Record) -> bool:
    """Whether another run of the minute was claimed by somebody who saw too little of it.

    The instance of the first one waited, or was new, and was not listed yet. Or it was, and was
    created on the very minute: such a stamp may be cut, and does not tell it from what comes after.
    If the answer to the second start is lost, what shows up later could be either's: the one stays
    in doubt, and the end of the other cannot be told. Or the first was started after the second had
    been claimed, as where a backfill gets one more key meanwhile: a service may list the newer of
    one id only. Or one in doubt is declared no more: only its digest is known, which tells nothing
    of what the service may list of it, so that it could be whatever the other run is. Or a start of
    one left too late, and nobody knows what came of it: that may be whatever the other run is, too.
    """
    twins = [
        one
        for one in world.tip.ledger.records.values()
        if one.run != record.run
        and one.flow_id == record.flow_id
        and not _minutes(one).isdisjoint(_minutes(record))
    ]
    unsettled = [one for one in (record, *twins) if one.phase in UNSETTLED]
    started = [one for twin in (record, *twins) for one in world.truth.of_run(twin.run)]
    return bool(twins) and (
        any(one.overdue for one in twins)
        or any(_looked_at(world, one) < one.trigger_time for one in unsettled)
        or any(_is_stamped_on_a_minute(world, one) for one in started)
        or any(_was_started_since(world, record, twin) for twin in twins)
        or not {first_attempt(one.run) for one in unsettled} <= _declared(world)
        or any(_was_listed_since(world, one, twin) for one in unsettled for twin in twins)
    )


def _declared(world: World) -> set[RunId]:
    return {run.id for run in world.tip.runs}


def _minutes(record: Record) -> set[int]:
    """The minutes that its time may be shown as: a service may round it to the second."""
    return {
        time // MINUTE_MS for time in (record.trigger_time, record.trigger_time + SECOND_MS // 2)
    }


def _was_started_since(world: World, record: Record, twin: Record) -> bool:
    """Whether the twin was started after the run's claim."""
    claim = world.tip.ledger.claims.get(record.claim) if record.claim is not None else None
    if claim is None:
        return False
    claimed_at = world.truth.clock.reached(parse_instant(claim.at))
    return any(one.at >= claimed_at for one in world.truth.of_run(twin.run))


def _was_listed_since(world: World, record: Record, twin: Record) -> bool:
    """Whether the twin's instance came into the list after the look before the run's claim."""
    looked_at = world.truth.clock.reached(_looked_at(world, record))
    own = world.truth.of_run(twin.run)
    return twin.run != record.run and any(one.listed >= looked_at for one in own)


def _looked_at(world: World, record: Record) -> EpochMs:
    """When at the latest somebody looked at the minute before the claim, or claimed unseeing."""
    claim = world.tip.ledger.claims[record.claim] if record.claim is not None else None
    if claim is None:
        return record.until
    if claim.looked_at is None:
        return parse_instant(claim.at)
    return EpochMs(parse_instant(claim.looked_at) - LOOK_TAKES_MS)


def _is_stamped_on_a_minute(world: World, one: Started) -> bool:
    return world.truth.clock.at(one.at) // 1_000 % 60 == 0
