"""From a valid manifest to the runs that it declares."""

from datetime import tzinfo

from reconciler.expansion.bounds import (
    FIRST_YEAR,
    MOST_DECLARED,
    MOST_RUNS,
    YEARS_AHEAD,
    Bounds,
    NoRoomError,
    Window,
)
from reconciler.expansion.common import SENSITIVE, Expanded, Manifest, NotExpandedError
from reconciler.expansion.trigger import trigger_run

__all__ = [
    "FIRST_YEAR",
    "MOST_DECLARED",
    "MOST_RUNS",
    "SENSITIVE",
    "YEARS_AHEAD",
    "Bounds",
    "Expanded",
    "Manifest",
    "NoRoomError",
    "Window",
    "expand",
]

_DEFAULTS = Bounds()


def expand(manifest: Manifest, zone: tzinfo, bounds: Bounds = _DEFAULTS) -> Expanded:
    """The runs that the manifest declares, with trigger times and digests; or the problems with it.

    `zone` is the gateway's, which business dates and times of day are in. A backfill of more runs
    than the bounds allow is refused before it takes memory. Raises NoRoomError if all manifests
    together would make too many runs with this one.
    """
    try:
        if manifest.value["kind"] == "Trigger":
            if bounds.left < 1:
                raise NoRoomError(1)
            return Expanded(runs=(trigger_run(manifest, zone, bounds),), made=1)
        from reconciler.expansion.backfill import backfill_runs  # most manifests are no backfill

        return backfill_runs(manifest, zone, bounds)
    except NotExpandedError as error:
        return Expanded(problems=tuple(map(manifest.problem, error.findings)), made=error.made)
