"""Searching for instances: everything that List Flow Instances has in a window, or an error."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from math import ceil
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.ports import Instance
from reconciler.apply.suspect import trigger_spans
from reconciler.counting import format_count
from reconciler.enos.envelope import read_integer
from reconciler.enos.listed import NAMELESS, ListedWindow
from reconciler.enos.operations import PAGE_SIZE
from reconciler.errors import GatewayError, QuestionRefusedError
from reconciler.model import EpochMs
from reconciler.times import SECOND_MS

KINDS = (0, 1, 2)  # manual, periodic, temporary: which of them a start makes is not documented
AT_ONCE = 8  # requests
_MOST_PAGES = 200  # 20,000 instances in one window
_ATTEMPTS = 3
# A second in 1973. Nothing was started then, and no manifest declares a run for it.
_NOWHERE = ListedWindow(from_time=EpochMs(100_000_017_000), to_time=EpochMs(100_000_018_000))


class Page(Struct, frozen=True, kw_only=True):
    """One page of List Flow Instances."""

    instances: tuple[Instance, ...]
    count: int | None  # of all instances, as the service says; some count only those on the page

    @property
    def pages(self) -> int:
        """How many pages there are at least, if `count` is of all instances."""
        return ceil((self.count or 0) / PAGE_SIZE)


AskPage = Callable[[int, int], Awaitable[Page]]  # type, page number; raises GatewayError


class TooManyPagesError(GatewayError):
    """The window has more pages than may be read, so that nothing is known for certain."""


class Rows:
    """The instances that pages showed, each once.

    Runs of one minute may share an id, so a row is not a repeat because of its id alone. The status
    may change between two pages, so rows that differ only in it are one instance. But two rows on
    one page are two instances, however alike they are.
    """

    def __init__(self) -> None:
        self._alike: dict[Instance, list[Instance]] = {}  # by all but the status

    def __iter__(self) -> Iterator[Instance]:
        return (one for alike in self._alike.values() for one in alike)

    def __len__(self) -> int:
        return sum(map(len, self._alike.values()))

    def add(self, page: Iterable[Instance]) -> bool:
        """Add the instances of a page. Return whether any of them is new."""
        on_page: dict[Instance, list[Instance]] = {}
        for one in page:
            on_page.setdefault(_without_status(one), []).append(one)
        new = False
        for key, alike in on_page.items():
            known = self._alike.setdefault(key, [])
            new |= len(alike) > len(known)
            known += alike[len(known) :]
        return new

    def numbers(self) -> dict[Instance, int]:
        """How many instances are alike but for the status, by the instance without its status."""
        return {one: len(alike) for one, alike in self._alike.items()}


async def search_all(
    ask: AskPage, most_pages: int = _MOST_PAGES, *, count_tells: bool = False
) -> tuple[Instance, ...]:
    """Every instance under every type, each once.

    `count_tells`: a list of several pages counts as whole if it shows as many instances as the
    service counts. Otherwise it is read until two readings agree, because one instance may go and
    another come while it is read.

    Raises GatewayError if anything is unreadable or may be missing. If one type has more than
    `most_pages`, or all types together by the service's count, that is a TooManyPagesError.
    """
    firsts = await gather_pages(ask(kind, 1) for kind in KINDS)
    if sum(first.pages for first in firsts) > most_pages:
        raise _too_many_pages_error(most_pages)
    rows = Rows()
    for kind, first in zip(KINDS, firsts, strict=True):
        rows.add(await _search_kind(ask, kind, first, most_pages, count_tells=count_tells))
    return tuple(rows)


async def gather_pages(questions: Iterable[Awaitable[Page]]) -> list[Page]:
    """The pages, once all questions are answered. Raises the first error among the answers."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    pages = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        pages.append(answer)
    return pages


AskWindow = Callable[[ListedWindow, int, int], Awaitable[Page]]  # `AskPage`, with trigger times


async def search_flow(
    ask: AskWindow, flow_id: int | None, window: ListedWindow
) -> tuple[Instance, ...]:
    """Every instance that may be the flow's and that the service lists for the window, each once.

    Without a flow, the instances of all flows.

    An instance counts whatever trigger time it shows, because the service has selected it by the
    trigger time that it knows, and may show another one. The exception is a service that ignores
    the window. To find out, a second question asks about a window in which no instance can be. If
    the service lists the same instance there, it ignores the window for it, and the instance counts
    only if the trigger time that it shows lies in the window.

    Raises GatewayError if anything is unreadable or may be missing.
    """
    # The service's stamps are cut to the second.
    start = EpochMs(window.from_time - window.from_time % SECOND_MS)
    asked = ListedWindow(from_time=start, to_time=window.to_time)
    found = filter_by_flow(await search_all(lambda kind, page: ask(asked, kind, page)), flow_id)
    outside = [one for one in found if not _shows_itself_in(window, one)]
    if not outside:
        return found
    anywhere = {
        _without_status(one)
        for one in await search_all(lambda kind, page: ask(_NOWHERE, kind, page))
    }
    unchosen = {_without_status(one) for one in outside} & anywhere
    for one in outside:
        shown = one.trigger_time
        if (
            _without_status(one) not in unchosen
            and shown is not None
            and window.holds_shifted(shown)
        ):
            raise GatewayError(
                f"instance {one.id} was found by a trigger time that its stamp does not show in "
                "the configured zone",
                hint="check gateway.timezone",
            )
    return tuple(one for one in found if _without_status(one) not in unchosen)


def filter_by_flow(found: Iterable[Instance], flow_id: int | None) -> tuple[Instance, ...]:
    """The instances that may be the flow's; one with an unreadable flow may be.

    Raises GatewayError if one of these has no readable id.
    """
    kept = tuple(one for one in found if flow_id is None or one.flow_id in {None, flow_id})
    if any(one.id == NAMELESS for one in kept):
        raise GatewayError(
            "List Flow Instances shows an instance without a readable instanceId, perhaps of "
            f"flow {flow_id}: the search was not whole",
            hint="try again later",
        )
    return kept


def _shows_itself_in(window: ListedWindow, one: Instance) -> bool:
    return one.trigger_time is None or any(map(window.touches, trigger_spans(one)))


def _without_status(one: Instance) -> Instance:
    """The instance without its status, which may change between two rows of one instance."""
    return replace(one, status=None)


class _Listing:
    """The pages of one type that were read so far."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.count = 0  # of all instances, as the service says
        self.pages = 0  # at least, by that count
        self._useful = 0  # how many pages showed anything new
        self._pages: list[Counter[Instance]] = []  # pages that are not empty, each once
        self._overlaps = False  # whether two different pages have an instance in common

    def take(self, page: Page) -> bool:
        """Add a page. Return whether it showed anything new."""
        shown = Counter(map(_without_status, page.instances))
        if shown and shown not in self._pages:
            self._overlaps |= any(not shown.keys().isdisjoint(other) for other in self._pages)
            self._pages.append(shown)
        new = self.rows.add(page.instances)
        self.count = max(self.count, page.count or 0)
        self.pages = max(self.pages, page.pages)
        self._useful += new
        return new

    def is_whole(self, earlier: Rows, *, count_tells: bool) -> bool:
        """Whether nothing is missing, given what the earlier reading found.

        Pages shift when an instance comes or goes while they are read, or when the service orders
        equal instances anew for each page. Then two different pages have an instance in common, and
        another instance may have slipped between them.
        """
        if len(self.rows) < self.count:
            return False
        if count_tells and len(self.rows) == self.count:
            return True
        if self._overlaps:
            return False
        return self._useful <= 1 or self.rows.numbers() == earlier.numbers()


async def _search_kind(
    ask: AskPage, kind: int, first: Page, most_pages: int, *, count_tells: bool
) -> Rows:
    """Read all pages of one type, and again while instances seem to come or go meanwhile."""
    earlier = Rows()
    for attempt in range(_ATTEMPTS):
        listing = _Listing()
        if listing.take(await ask(kind, 1) if attempt else first):
            await _read_on(ask, kind, listing, most_pages)
        await _read_page_0(ask, kind, listing)
        if listing.is_whole(earlier, count_tells=count_tells):
            return listing.rows
        earlier = listing.rows
    shown = len(listing.rows)
    words = f"counts {format_count(listing.count, 'instance')} of type {kind} and shows {shown}"
    if shown >= listing.count:
        words = f"shows other instances of type {kind} each time that it is read"
    raise GatewayError(
        f"List Flow Instances {words}: the search was not whole", hint="try again later"
    )


async def _read_on(ask: AskPage, kind: int, listing: _Listing, most_pages: int) -> None:
    """Read pages 2, 3, … while they show anything new.

    Neither a short page nor the count ends the reading: a service may cap the size of a page, and
    its count may be of the instances on that page.
    """
    number, new = 2, True
    while new:
        if number > most_pages + 1:
            raise _too_many_pages_error(most_pages)
        last = max(number, min(listing.pages, number + AT_ONCE - 1))
        pages = await gather_pages(ask(kind, one) for one in range(number, last + 1))
        new = [listing.take(page) for page in pages][-1]
        number = last + 1


async def _read_page_0(ask: AskPage, kind: int, listing: _Listing) -> None:
    """Read page 0, too: versions of the reference count pages from 1, or from 0."""
    try:
        listing.take(await ask(kind, 0))
    except QuestionRefusedError:
        # The service counts pages from 1. But if instances are missing, they may be on page 0.
        if len(listing.rows) < listing.count:
            raise


def _too_many_pages_error(most_pages: int) -> TooManyPagesError:
    return TooManyPagesError(
        f"List Flow Instances shows no end after {most_pages} pages: the search was not whole",
        hint="try again later",
    )


def read_page(data: Any, read: Callable[[Any], Instance]) -> Page:
    """The page in an answer's data. Raises ValueError if there is none.

    A null list, or none, with a count is an empty page: the question was repeated (`has_list`), and
    the service said the same. The count may be of all instances, so it is kept: a listing that does
    not show as many on its other pages is not whole.
    """
    if not isinstance(data, dict):
        raise ValueError("no object")  # noqa: TRY004 - a value of the wire, not of a caller
    entries, count = data.get("flowInsts"), read_integer(data.get("count"))
    if entries is None and count is not None:
        return Page(instances=(), count=count)
    if not isinstance(entries, list):
        raise ValueError("no list of instances: the search was not whole")  # noqa: TRY004 - the same
    return Page(instances=tuple(map(read, entries)), count=count)


def has_list(data: Any) -> bool:
    """Whether an answer's data have a list. Where it is null, a repeat may have one."""
    return isinstance(data, dict) and isinstance(data.get("flowInsts"), list)
