"""How a service makes its instance ids, as far as ids show it.

In the documented samples an id holds the flow and the trigger time, cut to the minute. A service
may cut it to the hour or the day, or leave the flow out; then runs of several minutes or flows
share it. An id that holds no date at all is taken to be its instance's own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from reconciler.model import EpochMs, InstanceId
from reconciler.times import in_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An id, and what it was given for."""

    instance: InstanceId
    flow_id: int | None
    times: tuple[EpochMs, ...]  # the trigger time as it was sent; if not known, what it may be

    def is_cut(self, zone: tzinfo) -> bool:
        """Whether the id is made of no more than the hour, or the day, of the trigger time.

        A full hour says nothing of its minute, nor midnight of its hour.
        """
        shown = self._shown(zone)
        lacks_minute = not self._holds("%Y%m%d%H%M", zone) and all(one.minute for one in shown)
        lacks_hour = not self._holds("%Y%m%d%H", zone) and all(one.hour for one in shown)
        return self._holds("%Y%m%d", zone) and (lacks_minute or lacks_hour)

    def shows_making(self, zone: tzinfo) -> bool:
        """Whether one could see it in the id if the id were made of the hour or the day only."""
        full_hour = any(one.minute == 0 for one in self._shown(zone))
        return not full_hour or not self._holds("%Y%m%d", zone)

    def is_flowless(self, zone: tzinfo) -> bool:
        """Whether the id is made of the trigger time, and not of the flow."""
        names_flow = re.search(rf"(?<!\d){self.flow_id}(?!\d)", self.instance)
        return self._holds("%Y%m%d", zone) and not names_flow

    def _holds(self, form: str, zone: tzinfo) -> bool:
        """Whether the id holds that much of the trigger time, in the zone or UTC."""
        return any(one.strftime(form) in self.instance for one in self._shown(zone))

    def _shown(self, zone: tzinfo) -> list[datetime]:
        return [in_zone(time, clock) for time in self.times for clock in (zone, UTC)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What ids show of how the service makes them."""

    cut: bool = False  # of the hour or the day
    flowless: bool = False
    is_known: bool = False  # some id would have shown it
    of_each: bool = False  # each start has its own: two starts of one flow and time have two

    def having_seen(self, sightings: Iterable[Sighting], zone: tzinfo) -> "Making":
        """The same, with what these ids show besides."""
        seen = list(sightings)
        return Making(
            cut=self.cut or any(one.is_cut(zone) for one in seen),
            flowless=self.flowless or any(one.is_flowless(zone) for one in seen),
            is_known=self.is_known or any(one.shows_making(zone) for one in seen),
            of_each=self.of_each,
        )


ANYHOW = Making(cut=True, flowless=True)  # what must be expected where nothing shows it
