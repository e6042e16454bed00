"""Ask how started instances fare, outside an apply (`observe`), and record their ends."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from reconciler.apply.branch import Branch
from reconciler.apply.known import Known
from reconciler.apply.lease import ServiceClock
from reconciler.apply.look import Look, index_runs
from reconciler.apply.observe import observe, unfinished_records
from reconciler.apply.ports import Ports
from reconciler.identity import Surroundings
from reconciler.ledger import Ledger, Record
from reconciler.model import EpochMs, RunId
from reconciler.times import DAY_MS

_TURN_MS = 1_000  # two calls of the command seldom follow each other within that time


class Refreshed(Struct, frozen=True, kw_only=True):
    """The ledger after a look at the service, and what was seen of instances."""

    commit: str
    ledger: Ledger
    surroundings: Surroundings
    statuses: Mapping[RunId, str]  # EnOS's names, also of instances that have not ended
    ended: int = 0  # how many ends were recorded
    failure: str | None = None  # why not every instance was seen


async def refresh(
    ports: Ports, is_wanted: Callable[[Record], bool], *, again: bool = False
) -> Refreshed:
    """Observe the wanted runs whose end is not recorded, and record what has ended.

    `again`: also the runs that are recorded to have ended badly, because somebody may have had the
    service run the instance again. Raises GatewayError, GitError, LedgerError, ConfigurationError.
    """
    branch = await Branch.open(ports)
    environment, ledger = branch.snapshot.environment, branch.ledger
    statuses: Mapping[RunId, str] = {}
    failure, ended = None, 0
    if _wanted_records(ledger, EpochMs(ports.clock.wall() + DAY_MS), is_wanted, again=again):
        async with ports.open_gateway(environment) as gateway:
            clock = await ServiceClock.ask(gateway, ports.clock)
            look = Look(
                gateway=gateway,
                environment=environment,
                ledger=ledger,
                declared=index_runs(branch.snapshot.declared.runs),
                now=clock.earliest_time,
                known=Known(branch.snapshot.ledgers),
                turn=clock.stamp // _TURN_MS,
            )
            wanted = _wanted_records(ledger, clock.earliest_time(), is_wanted, again=again)
            observation = await observe(wanted, look)
        branch.pending += observation.ended
        ended = len(observation.ended)
        await branch.record()
        statuses, failure = observation.statuses, observation.failure
    return Refreshed(
        commit=branch.snapshot.commit,
        ledger=branch.ledger,
        surroundings=branch.snapshot.surroundings,
        statuses=statuses,
        ended=ended,
        failure=failure,
    )


def _wanted_records(
    ledger: Ledger, now: EpochMs, is_wanted: Callable[[Record], bool], *, again: bool
) -> list[Record]:
    found = unfinished_records(ledger, now)
    if again:
        found += [record for record in ledger.records.values() if record.has_failed]
    return [record for record in found if is_wanted(record)]
