"""`kind: Trigger`: one run."""

from collections.abc import Mapping
from datetime import date, time, timedelta, tzinfo
from typing import Any

from reconciler.expansion.alike import alike_key_findings
from reconciler.expansion.bounds import Bounds, check_text
from reconciler.expansion.common import (
    Manifest,
    NotExpandedError,
    check_instant,
    instant_finding,
    parameters,
    read_instant,
    read_shared,
    sensitive_findings,
)
from reconciler.model import EpochMs, Run, run_digest
from reconciler.schema import Finding
from reconciler.schema.paths import Path
from reconciler.times import business_date_instant, following_date

_TRIGGER_TIME: Path = ("spec", "triggerTime")
_BUSINESS_DATE: Path = ("spec", "businessDate")


def trigger_run(manifest: Manifest, zone: tzinfo, bounds: Bounds) -> Run:
    """The run of a Trigger.

    Raises NotExpandedError for a time that no run can have, for one outside the window, for too
    much text, for names that look alike, and for wrong names in `sensitive`.
    """
    spec = manifest.value["spec"]
    check_text(spec)
    unmeant = [
        *(bounds.window.findings(spec) if bounds.window else ()),
        *alike_key_findings(spec),
        *sensitive_findings(spec),
    ]
    if unmeant:
        raise NotExpandedError(unmeant)
    trigger_time, own = _trigger_time(spec, zone), parameters(spec)
    common = read_shared(manifest, bounds.sensitive)
    return Run(
        **common,
        name=manifest.value["metadata"]["name"],
        trigger_time=trigger_time,
        parameters=own,
        digest=run_digest(common["flow_id"], trigger_time, own),
    )


def _trigger_time(spec: Mapping[str, Any], zone: tzinfo) -> EpochMs:
    if "triggerTime" in spec:
        return check_instant(read_instant(spec["triggerTime"]), _TRIGGER_TIME)
    day, at = date.fromisoformat(spec["businessDate"]), time.fromisoformat(spec.get("at", "00:00"))
    try:
        found = business_date_instant(day, at, zone)
    except (OverflowError, ValueError):  # the next day, or its time in UTC, has no date
        raise NotExpandedError([instant_finding(_BUSINESS_DATE)]) from None
    if found is None:
        raise NotExpandedError([_impossible_date_finding(day, zone)])
    return check_instant(found, _BUSINESS_DATE)


def _impossible_date_finding(day: date, zone: tzinfo) -> Finding:
    """The finding for a business date that no trigger time can process."""
    skipped = day + timedelta(days=1)
    words = (
        f"nothing can process {day}: that takes a trigger time on {skipped}, and clocks in {zone} "
        f"never showed this date; they went from {day} to {following_date(skipped, zone)}"
    )
    return Finding(path=_BUSINESS_DATE, code="range", words=words)
