"""What agrees, how many are under way, how many have failed: in other words than the product's."""

from collections.abc import Sequence

from reconciler.ledger import Ledger, Record
from reconciler.ledger.records import Phase
from reconciler.model import Match, Run, manifest_of, run_name, run_revision
from tests.simulation.clock import DAY_MS

UNDER_WAY = (Phase.CLAIMED, Phase.UNKNOWN, Phase.TRIGGERED)


def agrees(run: Run, other: Run, match: Match) -> bool:
    """Whether the two have the same values of the match's keys."""
    return other.manifest in match.names and all(
        _value(run, key) == _value(other, key) for key in match.keys
    )


def agrees_by_record(run: Run, record: Record, match: Match) -> bool:
    """The same of a run that is no longer declared: its name and its time tell."""
    name = run_name(record.run)
    values = dict(part.split("=") for part in name.split("/")[2:])
    date = record.trigger_time // DAY_MS
    return manifest_of(name) in match.names and all(
        _value(run, key) == (date if key == "businessDate" else values.get(key))
        for key in match.keys
    )


def _value(run: Run, key: str) -> object:
    return run.trigger_time // DAY_MS if key == "businessDate" else dict(run.parameters)[key]


def under_way(ledger: Ledger, manifest: str) -> int:
    """How many of the manifest's runs may have been started and are not known to have ended."""
    return sum(
        manifest_of(run_name(one.run)) == manifest and one.phase in UNDER_WAY
        for one in ledger.records.values()
    )


def under_way_of_flow(ledger: Ledger, flow_id: int) -> int:
    """The same of a flow."""
    return sum(one.flow_id == flow_id and one.phase in UNDER_WAY for one in ledger.records.values())


def is_crowded(run: Run, ledger: Ledger, most_of_flow: int | None, *, more: int = 1) -> bool:
    """Whether so many more would be too many at once."""
    most = run.max_active
    of_manifest = most is not None and under_way(ledger, run.manifest) + more > most
    of_flow = most_of_flow is not None and (
        under_way_of_flow(ledger, run.flow_id) + more > most_of_flow
    )
    return of_manifest or of_flow


def is_stopped(run: Run, ledger: Ledger) -> bool:
    """Whether as many of the manifest's runs have failed for good as it allows."""
    if run.stop_after is None:
        return False
    newest: dict[str, Record] = {}
    for record in ledger.records.values():
        name = run_name(record.run)
        of_it = manifest_of(name) == run.manifest and run_revision(record.run) == run.revision
        if of_it and record.may_have_started:
            newest[name] = max(newest.get(name, record), record, key=_attempt)
    return sum(_has_failed(one, run) for one in newest.values()) >= run.stop_after


def _attempt(record: Record) -> int:
    return int(record.run.partition("#")[2] or 1)


def _has_failed(record: Record, run: Run) -> bool:
    if record.phase is not Phase.FAILED or record.cancelled is not None:
        return False
    retry: Sequence[str] = sorted(run.retry.on) if run.retry else ()
    return record.status not in retry or _attempt(record) > (run.retry.max if run.retry else 0)
