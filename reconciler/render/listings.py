"""What the service lists for runs, for a person who is about to speak about them."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from reconciler.apply.fitting import Fitting
from reconciler.apply.ports import Instance
from reconciler.enos.statuses import status_name
from reconciler.model import EpochMs
from reconciler.render.moments import clock_time, zone_name
from reconciler.render.safe import said

_SHOWN = 20  # runs, and instances of one


def shown_text(shown: Sequence[Fitting], zone: tzinfo) -> str:
    """A line for each run, and one for each instance in its minute, as the service shows it."""
    lines = [line for one in shown[:_SHOWN] for line in _lines(one, zone)]
    if len(shown) > _SHOWN:
        lines.append(f"… and {len(shown) - _SHOWN:,} more runs")
    return "\n".join(map(said, lines))


def _lines(shown: Fitting, zone: tzinfo) -> Iterator[str]:
    if shown.failure is not None:
        yield f"{shown.run}: the service could not be searched: {shown.failure}"
        return
    if not shown.listed:
        yield f"{shown.run}: the service lists nothing in its minute"
        return
    yield f"{shown.run}: the service has"
    for one in shown.listed[:_SHOWN]:
        fits = "fits" if one in shown.fitting else "does not fit"
        yield f"  {one.id}, flow {one.flow_id or '?'}, {_times(one, zone)}{_status(one)}: {fits}"
    if len(shown.listed) > _SHOWN:
        yield f"  … and {len(shown.listed) - _SHOWN:,} more"


def _times(one: Instance, zone: tzinfo) -> str:
    def told(time: EpochMs | None) -> str:
        return "?" if time is None else clock_time(time, zone)

    return f"for {told(one.trigger_time)}, created {told(one.created)} ({zone_name(zone)})"


def _status(one: Instance) -> str:
    return "" if one.status is None else f", {status_name(one.status)}"
