"""Lost outcomes are fed back: those that an apply could not push, from the file that kept them."""

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.apply.branch import Branch
from reconciler.apply.spoken import is_name
from reconciler.errors import RefusedError
from reconciler.ledger import Event, Ledger, Record, events
from reconciler.times import parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What came of feeding lost outcomes back."""

    missing: int  # of them were not on the branch before
    twice: Sequence[Record]  # runs of which two starts are known by now, and nobody settled it


async def recover(lost: Sequence[Event], branch: Branch) -> Recovered:
    """Append those of the lost outcomes that the branch does not hold.

    Raises RefusedError for an outcome whose claim the branch does not have with that run and
    digest, and what `Branch.record` raises.
    """
    ledger = branch.snapshot.ledger
    for event in lost:
        _check_claimed(event, ledger)
    branch.pending = branch.news(lost)
    missing = len(branch.pending)
    await branch.record()
    runs = {event.run for event in lost if not isinstance(event, events.Claim)}
    records = (branch.snapshot.ledger.records.get(run) for run in sorted(runs))
    twice = [record for record in records if record is not None and record.started_twice]
    return Recovered(missing=missing, twice=twice)


def _check_claimed(event: Event, ledger: Ledger) -> None:
    if isinstance(event, events.Claim | events.Observed | events.Resolved | events.Adopted):
        raise RefusedError("the file holds other events than outcomes: it is not a rescue file")
    claim = ledger.claims.get(event.claim) if event.claim else None
    claimed = claim.runs.get(event.run) if claim else None
    if claimed is None:
        raise RefusedError(
            f"the branch has no claim {event.claim} of {event.run}",
            hint="Is this the repository and the environment that the file comes from?",
        )
    try:
        parse_instant(event.at)
    except ValueError as error:
        raise RefusedError(f"{event.run} has a time in the file that {error}: {event.at}") from None
    if isinstance(event, events.Triggered):
        _check_triggered(event, claimed)


def _check_triggered(event: events.Triggered, claimed: events.ClaimedRun) -> None:
    pairs = (
        ("digest", event.digest, claimed.digest),
        ("trigger time", event.trigger_time, claimed.trigger_time),
        ("flow", event.flow_id, event.flow_id if claimed.flow_id is None else claimed.flow_id),
    )
    for what, told, recorded in pairs:
        if told != recorded:
            raise RefusedError(f"{event.run} was claimed with another {what} than the file says")
    if not is_name(event.flow_instance_id):
        raise RefusedError(f"{event.run} has no readable instance id in the file")
