"""What a person settles: first what the service lists for the runs, then what was recorded."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from reconciler.apply.fitting import Fitting
from reconciler.apply.importing import Matched
from reconciler.apply.ports import Instance
from reconciler.enos.statuses import status_name
from reconciler.ledger import Record
from reconciler.model import EpochMs, InstanceId
from reconciler.render.json_output import json_document
from reconciler.render.safe import escape_message
from reconciler.render.words import clock_time, zone_name


def resolved_json(environment: str, records: Sequence[Record], reason: str) -> str:
    """The JSON document of `resolve --format json`: each run as it is now recorded."""
    runs = [_resolved_run_json(record) for record in records]
    return json_document(
        {"version": 1, "environment": environment, "reason": reason or None, "runs": runs}
    )


def _resolved_run_json(record: Record) -> dict[str, Any]:
    start = record.starts[0] if record.starts else None
    return {
        "run": record.run,
        "state": record.state(record.until).value,
        "flowInstanceId": start.instance if start else None,
        "adopted": start is not None and start.by_hand,
    }


def imported_json(
    environment: str,
    found: Matched,
    rest: Mapping[InstanceId, tuple[str | None, str | None]],
    *,
    recorded: bool,
) -> str:
    """The JSON document of `import --format json`.

    `rest`: for each instance of no declared or recorded run, the file that was written for it, or
    the reason why none was. `recorded`: whether the adopted runs are on the branch now; False for a
    preview.
    """
    return json_document(
        {
            "version": 1,
            "environment": environment,
            "recorded": recorded,
            "adopted": [{"run": run.id, "flowInstanceId": one.id} for run, one in found.adopted],
            "left": [{"run": run, "reason": why} for run, why in found.unclear],
            "rest": [
                {"flowInstanceId": id_, "file": file, "reason": why}
                for id_, (file, why) in rest.items()
            ],
        }
    )


_LISTED = 20  # at most so many runs, and so many instances of each


def shown_text(shown: Sequence[Fitting], zone: tzinfo) -> str:
    """A line for each run, and a line for each instance that the service lists in its minute."""
    lines = [line for one in shown[:_LISTED] for line in _lines(one, zone)]
    if len(shown) > _LISTED:
        lines.append(f"… and {len(shown) - _LISTED:,} more runs")
    return "\n".join(map(escape_message, lines))


def _lines(shown: Fitting, zone: tzinfo) -> Iterator[str]:
    if shown.failure is not None:
        yield f"{shown.run}: the service could not be searched: {shown.failure}"
        return
    if not shown.listed:
        yield f"{shown.run}: the service lists nothing in its minute"
        return
    yield f"{shown.run}: the service has"
    for one in shown.listed[:_LISTED]:
        fits = "fits" if one in shown.fitting else "does not fit"
        yield f"  {one.id}, flow {one.flow_id or '?'}, {_times(one, zone)}{_status(one)}: {fits}"
    if len(shown.listed) > _LISTED:
        yield f"  … and {len(shown.listed) - _LISTED:,} more"


def _times(one: Instance, zone: tzinfo) -> str:
    def format_time(time: EpochMs | None) -> str:
        return "?" if time is None else clock_time(time, zone)

    due, created = format_time(one.trigger_time), format_time(one.created)
    return f"for {due}, created {created} ({zone_name(zone)})"


def _status(one: Instance) -> str:
    return "" if one.status is None else f", {status_name(one.status)}"
