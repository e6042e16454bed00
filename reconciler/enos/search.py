"""Searching for instances: everything that List Flow Instances has in a window, or an error."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from reconciler.apply.ports import Instance
from reconciler.apply.suspect import trigger_spans
from reconciler.counting import format_count
from reconciler.enos.listed import NAMELESS, ListedWindow
from reconciler.enos.operations import PAGE_SIZE
from reconciler.enos.paged import Listing, Page, PageAnswer, Rows, without_status
from reconciler.errors import GatewayError, UnfitQuestionError
from reconciler.model import EpochMs
from reconciler.times import DAY_MS, SECOND_MS

KINDS = (0, 1, 2)  # manual, periodic, temporary: which of them a start makes is not documented
AT_ONCE = 8  # requests
_MOST_PAGES = 200  # 20,000 instances in one window
_ATTEMPTS = 3
# A second in 1973. Nothing was started then, and no manifest declares a run for it.
_NOWHERE = ListedWindow(from_time=EpochMs(100_000_017_000), to_time=EpochMs(100_000_018_000))
_AROUND_MS = 31 * DAY_MS  # a window that is wider by that has instances, where there are any

AskPage = Callable[[int, int], Awaitable[Page]]  # type, page number; raises GatewayError


class TooManyPagesError(GatewayError):
    """The window has more pages than may be read, so that nothing is known for certain."""


async def search_all(
    ask: AskPage,
    most_pages: int = _MOST_PAGES,
    *,
    count_tells: bool = False,
    counts_all: Callable[[], Awaitable[bool]] | None = None,
) -> tuple[Instance, ...]:
    """Every instance under every type, each once.

    `count_tells`: a list of several pages counts as whole if it shows as many instances as the
    service counts. Otherwise it is read until two readings agree, because one instance may go and
    another come while it is read.

    Not each page that is asked for need exist. One that fails is made up for where the service
    counts just what the other pages show, and counts all instances. `counts_all` finds out whether
    it does, if the pages do not show that.

    Raises GatewayError if anything is unreadable or may be missing. If one type has more than
    `most_pages`, or all types together by the service's count, that is a TooManyPagesError.
    """
    firsts = await _gather_answers(_answer(ask, kind, 1) for kind in KINDS)
    for first in firsts:
        if isinstance(first, GatewayError) and not isinstance(first, UnfitQuestionError):
            raise first
    if sum(first.pages for first in firsts if isinstance(first, Page)) > most_pages:
        raise _too_many_pages_error(most_pages)
    rows, failures, counted = Rows(), list[GatewayError](), False
    for kind, first in zip(KINDS, firsts, strict=True):
        listing = await _search_kind(
            ask, kind, first, most_pages, count_tells=count_tells, may_skip=bool(failures)
        )
        rows.add(listing.rows)
        counted |= listing.counts_all
        failure = listing.remaining_failure()
        failures += [] if failure is None else [failure]
    if failures and not counted and not (counts_all and await counts_all()):
        raise failures[0]
    return tuple(rows)


async def _answer(ask: AskPage, kind: int, number: int) -> PageAnswer:
    """The page, or the error in its place."""
    try:
        return await ask(kind, number)
    except TooManyPagesError:
        raise
    except GatewayError as error:
        return error


async def _gather_answers(questions: Iterable[Awaitable[PageAnswer]]) -> list[PageAnswer]:
    """The answers, once all are there. Raises the first error that is raised."""
    answers = []
    for answer in await asyncio.gather(*questions, return_exceptions=True):
        if isinstance(answer, BaseException) and not isinstance(answer, GatewayError):
            raise answer
        if isinstance(answer, TooManyPagesError):
            raise answer
        answers.append(answer)
    return answers


# Trigger times, type, page number, most instances on a page; raises GatewayError.
AskWindow = Callable[[ListedWindow, int, int, int], Awaitable[Page]]


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

    async def counts_all() -> bool:
        return await _counts_all_around(ask, asked)

    async def search(where: ListedWindow) -> tuple[Instance, ...]:
        return await search_all(
            lambda kind, page: ask(where, kind, page, PAGE_SIZE), counts_all=counts_all
        )

    found = filter_by_flow(await search(asked), flow_id)
    outside = [one for one in found if not _shows_itself_in(window, one)]
    if not outside:
        return found
    anywhere = set(map(without_status, await search(_NOWHERE)))
    unchosen = {without_status(one) for one in outside} & anywhere
    for one in outside:
        shown = one.trigger_time
        if (
            without_status(one) not in unchosen
            and shown is not None
            and window.holds_shifted(shown)
        ):
            raise GatewayError(
                f"instance {one.id} was found by a trigger time that its stamp does not show in "
                "the configured zone",
                hint="check gateway.timezone",
            )
    return tuple(one for one in found if without_status(one) not in unchosen)


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


async def _counts_all_around(ask: AskWindow, window: ListedWindow) -> bool:
    """Whether small pages of a window that is far wider show that the service counts all instances.

    A page that counts more instances than it shows does not count its own.
    """
    wide = ListedWindow(
        from_time=EpochMs(max(window.from_time - _AROUND_MS, 0)),
        to_time=EpochMs(window.to_time + _AROUND_MS),
    )
    listings = [Listing() for _ in KINDS]
    for number in (1, 2):
        for kind, listing in zip(KINDS, listings, strict=True):
            if number == 1 or len(listing.rows) > 0:
                page = await _answer(lambda of, page: ask(wide, of, page, 1), kind, number)
                listing.take(number, page)
            if listing.counts_all:
                return True
    return False


async def _search_kind(
    ask: AskPage,
    kind: int,
    first: PageAnswer,
    most_pages: int,
    *,
    count_tells: bool,
    may_skip: bool,
) -> Listing:
    """Read all pages of one type, and again while instances seem to come or go meanwhile.

    `may_skip`: page 0 need not be asked for where the other pages show all that is counted, since
    the search is whole only if the service counts all instances.
    """
    earlier = Rows()
    for attempt in range(_ATTEMPTS):
        listing = Listing()
        if listing.take(1, await _answer(ask, kind, 1) if attempt else first):
            await _read_on(ask, kind, listing, most_pages)
        if not (may_skip and listing.is_counted):  # pages count from 1, or from 0
            listing.take(0, await _answer(ask, kind, 0))
        listing.remaining_failure()  # raises it, if no count can make up for it
        if listing.is_whole(earlier, count_tells=count_tells):
            return listing
        earlier = listing.rows
    shown = len(listing.rows)
    words = f"counts {format_count(listing.count, 'instance')} of type {kind} and shows {shown}"
    if shown >= listing.count:
        words = f"shows other instances of type {kind} each time that it is read"
    raise GatewayError(
        f"List Flow Instances {words}: the search was not whole", hint="try again later"
    )


async def _read_on(ask: AskPage, kind: int, listing: Listing, most_pages: int) -> None:
    """Read pages 2, 3, … while they show anything new.

    Neither a short page nor the count ends the reading: a service may cap the size of a page, and
    its count may be of the instances on that page.
    """
    number, new = 2, True
    while new and not listing.failures:
        if number > most_pages + 1:
            raise _too_many_pages_error(most_pages)
        last = max(number, min(listing.pages, number + AT_ONCE - 1))
        numbers = range(number, last + 1)
        answers = await _gather_answers(_answer(ask, kind, one) for one in numbers)
        new = [listing.take(*one) for one in zip(numbers, answers, strict=True)][-1]
        number = last + 1


def _too_many_pages_error(most_pages: int) -> TooManyPagesError:
    return TooManyPagesError(
        f"List Flow Instances shows no end after {most_pages} pages: the search was not whole",
        hint="try again later",
    )
