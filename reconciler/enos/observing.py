"""How started instances fare, learned in few requests: by searches that show many, or else by id.

If several rows share an id, a search shows all of them, and a question by id only one. So windows
are searched as a whole, and halved where other people's instances fill too many pages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import ceil

from reconciler.apply.ports import Instance, ObservedInstances, StartedInstance
from reconciler.enos.listed import NAMELESS, ListedWindow
from reconciler.enos.operations import PAGE_SIZE
from reconciler.enos.paged import Page, Rows
from reconciler.enos.search import AT_ONCE, KINDS, TooManyPagesError, search_all
from reconciler.errors import GatewayError, QuestionRefusedError
from reconciler.model import EpochMs, InstanceId
from reconciler.times import MINUTE_MS

_FEW = 4  # so few instances are asked for by id instead
_WORTH = 10  # instances sought for each page to read; with fewer, the window is halved
_ENDS = 2 * len(KINDS)  # requests of a search besides its pages: the one after the last, and page 0
_MOST_CROWDED = 16  # windows in a row with too many pages: then even single minutes have them
_MOST_FAILURES = 2  # of windows, or of questions by id, before the rest is dropped: each takes long
_MOST_REFUSALS = 16  # of questions by id, before the rest is dropped
_GOLDEN = 0.6180339887498949  # its multiples modulo 1 soon reach every part of what is sought

Ask = Callable[[ListedWindow, int, int], Awaitable[Page]]  # trigger times, type, page number
Get = Callable[[InstanceId], Awaitable[Instance | None]]
Group = Sequence[StartedInstance]  # sorted by trigger time


async def observe_instances(
    sought: Sequence[StartedInstance], most_requests: int, ask: Ask, get: Get, *, turn: int = 0
) -> ObservedInstances:
    """What the service says about the instances.

    Makes at most `most_requests` calls of `ask` and `get` together, a quarter of them reserved for
    `get`. In turn 0 the first of `sought` are the most important; every other turn begins elsewhere
    in `sought` and wraps around.
    """
    start = int(len(sought) * (turn * _GOLDEN % 1))
    looking = _StatusRequests([*sought[start:], *sought[:start]], most_requests, ask, get)
    await looking.search(sorted(sought, key=lambda one: one.trigger_time))
    await looking.ask_by_id()
    return looking.result()


class _StatusRequests:
    def __init__(
        self, sought: Sequence[StartedInstance], most_requests: int, ask: Ask, get: Get
    ) -> None:
        self._rank = {id_: rank for rank, id_ in enumerate(dict.fromkeys(one.id for one in sought))}
        self._rows = Rows()  # of instances that are sought
        self._whole: set[InstanceId] = set()  # instances in windows that were read wholly
        self._asked: set[InstanceId] = set()  # instances that were asked for by id, with an answer
        self._errors: list[GatewayError] = []
        self._crowded = 0  # windows in a row that had too many pages
        self._most_requests = most_requests
        self._left = max(most_requests, 0)
        self._kept = ceil(self._left / 4)  # of `_left`, for questions by id
        self._ask = ask
        self._get = get

    async def search(self, group: Group) -> None:
        """Search the window of the group; if it cannot be read wholly, those of its two halves."""
        affordable = self._left - self._kept - _ENDS
        hopeless = self._crowded >= _MOST_CROWDED or len(self._errors) >= _MOST_FAILURES
        if len(group) <= _FEW or affordable < 1 or hopeless:
            return
        most_pages = min(max(len(group) // _WORTH, _FEW), affordable)
        if ceil(len(group) / PAGE_SIZE) <= most_pages and await self._read(group, most_pages):
            return
        for half in sorted(_halves(group), key=self._importance):
            await self.search(half)

    async def _read(self, group: Group, most_pages: int) -> bool:
        """Search the window of the group; False if it has too many pages, or one of them fails."""
        try:
            ask = partial(self._ask_for_page, _window(group))
            found = await search_all(ask, most_pages, count_tells=True)
        except TooManyPagesError:
            self._crowded += 1
            return False
        except GatewayError as error:
            self._errors.append(error)
            return False
        self._crowded = 0
        if all(one.id != NAMELESS for one in found):
            self._whole |= {one.id for one in group}
        return True

    async def ask_by_id(self) -> None:
        """Ask by id for the instances that no search has shown."""
        shown = {one.id for one in self._rows}
        unseen = [id_ for id_ in self._rank if id_ not in shown][: self._left]
        before = len(self._errors)
        for start in range(0, len(unseen), AT_ONCE):
            if _is_hopeless(self._errors[before:]):
                return
            await asyncio.gather(*map(self._ask_for, unseen[start : start + AT_ONCE]))

    def result(self) -> ObservedInstances:
        """What was learned."""
        found: dict[InstanceId, list[Instance]] = {id_: [] for id_ in self._rank}
        for one in self._rows:
            found[one.id].append(one)
        learned = {id_: tuple(rows) for id_, rows in found.items() if rows or id_ in self._asked}
        return ObservedInstances(
            instances=learned,
            failure=self._failure(len(found) - len(learned)),
            whole=frozenset(self._whole & learned.keys()),
        )

    def _failure(self, missing: int) -> str | None:
        if self._errors:
            return str(self._errors[0])
        if not missing:
            return None
        return (
            f"{missing} of {len(self._rank)} instances were not looked up: it takes more than "
            f"{self._most_requests} requests"
        )

    async def _ask_for_page(self, window: ListedWindow, kind: int, number: int) -> Page:
        if self._left <= self._kept:
            raise TooManyPagesError("no more requests are left for searches")
        self._left -= 1
        page = await self._ask(window, kind, number)
        self._rows.add(one for one in page.instances if one.id in self._rank)
        return page

    async def _ask_for(self, id_: InstanceId) -> None:
        self._left -= 1
        try:
            answer = await self._get(id_)
        except GatewayError as error:
            self._errors.append(error)
        else:
            self._asked.add(id_)
            self._rows.add([] if answer is None else [answer])

    def _importance(self, group: Group) -> int:
        return min(self._rank[one.id] for one in group)


def _is_hopeless(errors: Sequence[GatewayError]) -> bool:
    """Whether there were so many errors that asking for more instances by id is no use."""
    failures = [one for one in errors if not isinstance(one, QuestionRefusedError)]
    return len(failures) >= _MOST_FAILURES or len(errors) >= _MOST_REFUSALS


def _window(group: Group) -> ListedWindow:
    """Every trigger time under which an instance of the group, or one with its id, may be listed.

    The service may cut or round trigger times to the minute, for the list and for the id.
    """
    start = _minute(group[0]) - MINUTE_MS
    return ListedWindow(
        from_time=EpochMs(max(start, 0)), to_time=EpochMs(_minute(group[-1]) + 2 * MINUTE_MS)
    )


def _halves(group: Group) -> list[Group]:
    """The group, parted at its middle minute; no halves where all of it is in one minute."""
    minutes = sorted({_minute(one) for one in group})
    middle = minutes[len(minutes) // 2]
    halves: list[Group] = [
        [one for one in group if _minute(one) < middle],
        [one for one in group if _minute(one) >= middle],
    ]
    return halves if len(minutes) > 1 else []


def _minute(one: StartedInstance) -> int:
    return one.trigger_time - one.trigger_time % MINUTE_MS
