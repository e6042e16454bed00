"""How started instances fare, learned in few requests: by searches that show many, else by id.

Unlike `search`, nothing is concluded here from what a page does not show; it only costs a question
by id. So a search stops as soon as it has shown what is sought, and is given up where asking by id
takes fewer requests: a window of trigger times may be full of other people's instances.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import ceil
from typing import TypeVar

from reconciler.apply.ports import Instance, LookedUp, Sought
from reconciler.errors import GatewayError, QuestionRefusedError
from reconciler.gateway.instances import Window
from reconciler.gateway.listing import Group, Listing, Page
from reconciler.gateway.search import KINDS
from reconciler.model import InstanceId

_AT_ONCE = 8
_FEW = 4  # instances that are rather asked for by id: a search looks under three types
_MOST_REFUSALS = 16  # to speak of single instances, before the rest is not asked for any more

_T = TypeVar("_T")


AskPage = Callable[[int, Window, int], Awaitable[Page]]  # type, trigger times, page number
Get = Callable[[InstanceId], Awaitable[Instance | None]]


async def look_up(sought: Sequence[Sought], most_requests: int, ask: AskPage, get: Get) -> LookedUp:
    """What the service says of the instances; the first are the most important.

    At most `most_requests` calls of `ask` and `get` together, a quarter of which is kept for `get`.
    A GatewayError ends the looking up with what was learned so far, unless it is the refusal to
    speak of one instance.
    """
    looking = _LookingUp(sought, most_requests, ask, get)
    failure: str | None = None
    try:
        await looking.search(sorted(sought, key=lambda one: one.trigger_time), list(KINDS))
        failure = await looking.ask_for_the_rest()
    except GatewayError as error:
        failure = str(error)
    return looking.result(failure)


class _LookingUp:
    def __init__(
        self, sought: Sequence[Sought], most_requests: int, ask: AskPage, get: Get
    ) -> None:
        self._rank = {one.id: -number for number, one in enumerate(reversed(sought))}
        self._found: dict[InstanceId, dict[Instance, Instance]] = {one.id: {} for one in sought}
        self._asked: set[InstanceId] = set()  # by id, and answered
        self._shown: Counter[int] = Counter()  # sought instances, by the type that showed them
        self._most_requests = most_requests
        self._left = max(most_requests, 0)
        self._kept = ceil(self._left / 4)  # of those left, for questions by id
        self._ask = ask
        self._get = get

    async def search(self, group: Group, kinds: Sequence[int]) -> None:
        """Look for the group under each type, the likeliest first. Raises GatewayError.

        Where too much else is listed, narrower windows are searched instead.
        """
        left: list[tuple[int, Listing]] = []  # types that were given up
        for kind in sorted(kinds, key=lambda kind: -self._shown[kind]):
            if len(self._missing(group)) <= _FEW:
                return
            listing = Listing(group)
            if not await self._read(kind, listing):
                left.append((kind, listing))
        missing = self._missing(group)
        if not left or len(missing) <= _FEW:
            return
        parts = left[0][1].parted(missing)
        for part in sorted(parts, key=self._importance) if len(parts) > 1 else ():
            await self.search(part, [kind for kind, _ in left])

    async def ask_for_the_rest(self) -> str | None:
        """Ask by id for what no search has shown; gives the first refusal. Raises GatewayError."""
        refusals: list[GatewayError] = []
        unseen = [id_ for id_, found in self._found.items() if not found][: self._left]
        for start in range(0, len(unseen), _AT_ONCE):
            if len(refusals) >= _MOST_REFUSALS:
                break
            ids = unseen[start : start + _AT_ONCE]
            self._left -= len(ids)
            answers = await _all(map(self._get, ids))
            for id_, answer in zip(ids, answers, strict=True):
                if not isinstance(answer, GatewayError):
                    self._asked.add(id_)
                    self._take([] if answer is None else [answer])
            errors = [answer for answer in answers if isinstance(answer, GatewayError)]
            for error in errors:
                if not isinstance(error, QuestionRefusedError):
                    raise error
            refusals += errors
        return str(refusals[0]) if refusals else None

    def result(self, failure: str | None) -> LookedUp:
        """What was learned; `failure`: what ended it before everything was."""
        learned = {
            id_: tuple(found.values())
            for id_, found in self._found.items()
            if found or id_ in self._asked
        }
        missing = len(self._found) - len(learned)
        if failure is None and missing:
            failure = (
                f"{missing} of {len(self._found)} instances were not looked up: it takes more than "
                f"{self._most_requests} requests"
            )
        return LookedUp(instances=learned, failure=failure)

    async def _read(self, kind: int, listing: Listing) -> bool:
        """Read pages until they bring nothing new, or nothing is missing. Raises GatewayError.

        False if it was given up: more pages are left than instances are missing or than may be
        asked for, narrower windows have fewer, or the first page shows nothing that is sought.
        """
        while missing := self._missing(listing.group):
            if listing.read and not self._shown[kind] and listing.left > 1:
                return False
            if listing.left > min(len(missing), self._searches_left) or listing.wastes(missing):
                return False
            first = listing.read + 1
            wave = range(first, first + min(listing.left, listing.read or 1, _AT_ONCE))
            if not listing.take(await self._pages(kind, listing.window, wave)):
                return await self._read_page_0(kind, listing.window)
        return True

    async def _read_page_0(self, kind: int, window: Window) -> bool:
        """Whether pages count from 1 or from 0 differs between versions of the reference."""
        try:
            if self._searches_left:
                await self._pages(kind, window, range(1))
        except QuestionRefusedError:
            return True
        return True

    async def _pages(self, kind: int, window: Window, numbers: range) -> list[Page]:
        self._left -= len(numbers)
        answers = await _all(self._ask(kind, window, number) for number in numbers)
        pages = [answer for answer in answers if isinstance(answer, Page)]
        self._shown[kind] += sum(self._take(page.instances) for page in pages)
        for answer in answers:
            if isinstance(answer, GatewayError):
                raise answer
        return pages

    @property
    def _searches_left(self) -> int:
        return max(self._left - self._kept, 0)

    def _take(self, instances: Iterable[Instance]) -> int:
        """Keep those that are sought; says how many they are."""
        sought = [one for one in instances if one.id in self._found]
        for one in sought:
            # Entries that differ in anything are all kept: what disagrees tells nothing.
            self._found[one.id][one] = one
        return len(sought)

    def _missing(self, group: Group) -> Group:
        return [one for one in group if not self._found[one.id]]

    def _importance(self, group: Group) -> int:
        return min(self._rank[one.id] for one in group)


async def _all(questions: Iterable[Awaitable[_T]]) -> list[_T | GatewayError]:
    """The answers, or the errors in their place."""

    async def one(question: Awaitable[_T]) -> _T | GatewayError:
        try:
            return await question
        except GatewayError as error:
            return error

    return await asyncio.gather(*map(one, questions))
