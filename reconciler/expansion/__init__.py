"""From a valid manifest to the runs that it declares."""

from datetime import tzinfo

from reconciler.expansion.backfill import backfill_runs
from reconciler.expansion.common import Expanded, Manifest, RefusedError
from reconciler.expansion.trigger import trigger_run

__all__ = ["MOST_RUNS", "Expanded", "Manifest", "expand"]

MOST_RUNS = 10_000  # of one backfill, unless limits.maxRunsPerBackfill says otherwise


def expand(manifest: Manifest, zone: tzinfo, *, max_runs: int = MOST_RUNS) -> Expanded:
    """The runs, with their trigger times and digests worked out; or why they cannot be.

    `zone` is the gateway's, in which business dates and times of day are meant. A backfill of more
    than `max_runs` is refused before memory is spent on it.
    """
    try:
        if manifest.value["kind"] == "Trigger":
            return Expanded(runs=(trigger_run(manifest, zone),))
        return Expanded(runs=backfill_runs(manifest, zone, max_runs))
    except RefusedError as error:
        return Expanded(problems=tuple(map(manifest.problem, error.findings)))
