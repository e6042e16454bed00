"""When an instance that was known is gone: the service has it no more, under any name.

Two looks of a service that answers from several machines may miss what a third shows, so an
instance is gone only if it is missing several times by its id, and then in whole searches: of its
minute, of everything that may have its id, and of the time of its start, because a run whose time
had passed may be listed under the moment at which it was triggered.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from reconciler.apply.evidence import may_be_its
from reconciler.apply.immediate import immediate_candidates
from reconciler.apply.instances import Fate
from reconciler.apply.look import Look, start_of
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import Suspect, id_window, search_window
from reconciler.errors import GatewayError
from reconciler.ledger import Record
from reconciler.ledger.records import Start
from reconciler.model import EpochMs, InstanceId, RunId

MOST_SEARCHES = 20  # whole searches in one look, each of one flow and minute
MISSING_LOOKS = 2  # that must miss an instance, after the first look and before a whole search

_Item = TypeVar("_Item")


class Gone(Struct, frozen=True, kw_only=True):
    """Which of the missing instances are gone."""

    records: Sequence[Record]
    told: Mapping[RunId, Fate]  # what the searches say of the others, if they say anything
    failures: Sequence[str]  # why not every missing instance could be judged


async def find_gone(missing: Sequence[Record], look: Look) -> Gone:
    """The runs that stay missing, of those that must be listed by now and were not found by id.

    Takes half the service's settling time for each further look by id.
    """
    return await _Finding(look).find(missing)


async def search_minute_of(records: Sequence[Record], look: Look) -> Sequence[Instance]:
    """Everything that is listed in the minute of those runs of one flow. Raises GatewayError."""
    flow_id = records[0].flow_id
    windows = [search_window(record.trigger_time) for record in records]
    assert flow_id is not None  # noqa: S101 - its callers left those out
    return await look.gateway.search(
        flow_id, windows[0][0], EpochMs(max(end for _, end in windows))
    )


def rotate_items(items: Sequence[_Item], turn: int) -> list[_Item]:
    """The items, beginning elsewhere in each turn, so that none is left out for ever."""
    first = turn * MOST_SEARCHES % len(items) if items else 0
    return [*items[first:], *items[:first]]


class _Finding:
    """One look for instances that are missing."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._told: dict[RunId, Fate] = {}
        self._failures: list[str] = []

    async def find(self, missing: Sequence[Record]) -> Gone:
        look = self._look
        wanted = rotate_items(missing, look.turn)[:MOST_SEARCHES]
        if len(missing) > len(wanted):
            left = len(missing) - len(wanted)
            self._failures.append(f"{left} missing instances are left for later")
        for _ in range(MISSING_LOOKS if wanted else 0):
            await look.pause(look.environment.gateway.settle / MISSING_LOOKS)
            wanted = await self._still_missing(wanted)
        gone = [record for record in wanted if await self._is_unlisted(record)]
        return Gone(records=gone, told=self._told, failures=self._failures)

    async def _still_missing(self, records: Sequence[Record]) -> list[Record]:
        async def is_missing(id_: InstanceId) -> bool:
            try:
                return await self._look.gateway.instance(id_) is None
            except GatewayError as error:
                self._failures.append(str(error))
                return False

        answers = await asyncio.gather(*(is_missing(record.instances[0]) for record in records))
        return [record for record, missing in zip(records, answers, strict=True) if missing]

    async def _is_unlisted(self, record: Record) -> bool:
        """Whether no whole search shows anything that may be the run's; notes what one shows."""
        if record.flow_id is None:
            return False
        start = start_of(record)
        suspect = self._look.suspect(record, start.claim) if start else None
        try:
            listed = await search_minute_of([record], self._look)
            near = await self._look.gateway.search(record.flow_id, *id_window(record.trigger_time))
            at_once = await self._search_time_of_start(suspect, start) if suspect and start else ()
        except GatewayError as error:
            self._failures.append(str(error))
            return False
        id_ = record.instances[0]
        if any(one.id == id_ for one in (*listed, *at_once)):
            return False
        if any(one.id == id_ for one in near):
            reason = f"{id_} is not listed, and may be hidden by another instance of its id"
            self._told[record.run] = Fate(reason=reason, for_good=True)
            return False
        # A person has named the instance by the id that the service lists it under.
        unnamed = () if start is None or start.by_hand else at_once
        others = self._list_candidates(suspect, listed, unnamed) if suspect else []
        if others:  # a service may list an instance under another id than it answered
            ids = ", ".join(dict.fromkeys(one.id for one in others))
            reason = f"instance {id_} is not known, but {ids} may be its own"
            self._told[record.run] = Fate(reason=reason, for_good=True)
        return not others

    async def _search_time_of_start(self, suspect: Suspect, start: Start) -> Sequence[Instance]:
        """Whatever is listed under the time of its start, if the run did not wait for its own time.

        That is the time of its claim. A run that was started by hand may have been triggered at any
        time between its own and its adoption. Raises GatewayError.
        """
        window = self._look.immediate_window(suspect)
        if window is None:
            return ()
        first, end = window
        if start.by_hand:
            first = min(first, suspect.trigger_time)
        return await self._look.gateway.search(suspect.flow_id, first, end)

    def _list_candidates(
        self, suspect: Suspect, listed: Sequence[Instance], at_once: Sequence[Instance]
    ) -> list[Instance]:
        """What may be the run's, of what its own minute and the time of its claim list."""
        known = self._look.known
        making = known.making(self._look.environment.gateway.zone)
        own = [one for one in listed if may_be_its(suspect, one, known)]
        return [*own, *immediate_candidates(suspect, at_once, known, making)]
