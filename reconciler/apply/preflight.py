"""What must be true of the gateway before the first claim."""

from collections.abc import Iterable

from reconciler.apply.lease import ServiceClock
from reconciler.apply.ports import Clock
from reconciler.apply.steps import Noted, Progress
from reconciler.configuration import Environment
from reconciler.errors import RefusedError
from reconciler.model import EpochMs
from reconciler.times import format_instant, in_zone, parse_zone

TOLERATED_MS = 60_000  # of the local clock, which decides nothing; a person still wants to know


def check_zone(
    server: str, environment: Environment, now: EpochMs, trigger_times: Iterable[EpochMs]
) -> None:
    """Refuse where the service's clock shows another time than the configured zone.

    Compared at every instant that counts, so that names may differ: GMT+8 is Asia/Shanghai.
    """
    try:
        zone = parse_zone(server)
    except ValueError:
        raise _disagreement_error(server, environment, "which is not a zone known here") from None
    for instant in (now, *trigger_times):
        there, here = in_zone(instant, zone), in_zone(instant, environment.gateway.zone)
        if there.utcoffset() != here.utcoffset():
            shown = f"at {format_instant(instant)} it shows {there:%H:%M}, not {here:%H:%M}"
            raise _disagreement_error(server, environment, shown)


def _disagreement_error(server: str, environment: Environment, why: str) -> RefusedError:
    return RefusedError(
        f"the service's zone is {server!r} and environment {environment.name} is configured with "
        f"{environment.gateway.timezone!r}: {why}",
        hint="Nothing was started. Correct gateway.timezone, for business dates depend on it.",
    )


def check_clock(service: ServiceClock, clock: Clock, progress: Progress) -> None:
    """Say so if the local clock is off; claims are made and judged by the gateway's."""
    off = clock.wall() - service.earliest()
    if abs(off) > TOLERATED_MS:
        direction = "ahead of" if off > 0 else "behind"
        progress(
            Noted(message=f"this machine's clock is {abs(off) // 1000} s {direction} the gateway's")
        )
