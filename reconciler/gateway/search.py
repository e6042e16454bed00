"""Searching instances: a whole answer, or an error."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from reconciler.apply.ports import Instance
from reconciler.errors import GatewayError, QuestionRefusedError
from reconciler.gateway.instances import Window
from reconciler.gateway.reply import read_integer

KINDS = (0, 1, 2)  # manual, periodic, temporary: which one a started run gets is not documented
_MOST_PAGES = 200  # 20,000 instances of one type in one window
_ATTEMPTS = 3

AskPage = Callable[[int, int], Awaitable[Any]]  # type, page number -> the answer's data
ReadInstance = Callable[[Any], Instance]  # raises ValueError


async def search_all(ask: AskPage, read: ReadInstance) -> tuple[Instance, ...]:
    """Every instance under every type, each once. Raises GatewayError if anything is unreadable."""
    found: dict[Instance, Instance] = {}
    for kind in KINDS:
        found |= await _search_kind(ask, read, kind)
    return tuple(found.values())


def of_flow(found: tuple[Instance, ...], flow_id: int, window: Window) -> tuple[Instance, ...]:
    """Those that may be the flow's and in the window; what is unreadable about one speaks for it.

    Raises GatewayError if a stamp and the service's choice of it can only be squared by another
    zone than the configured one or UTC: nothing could then be concluded from stamps.
    """
    kept = []
    for one in found:
        if one.flow_id is not None and one.flow_id != flow_id:
            continue
        if one.trigger_time is None or window.holds(one.trigger_time):
            kept.append(one)
        elif window.holds_shifted(one.trigger_time):
            raise GatewayError(
                f"instance {one.id} was found by a trigger time that its stamp does not show in "
                "the configured zone",
                hint="check gateway.timezone",
            )
    return tuple(kept)


async def _search_kind(ask: AskPage, read: ReadInstance, kind: int) -> dict[Instance, Instance]:
    """Read all pages, again if instances came or went meanwhile."""
    for _ in range(_ATTEMPTS):
        found: dict[Instance, Instance] = {}
        count = await _read_pages(ask, read, kind, found)
        if len(found) >= count:
            return found
    raise GatewayError(
        f"List Flow Instances counts {count} instances of type {kind} and shows {len(found)}",
        hint="try again later",
    )


async def _read_pages(
    ask: AskPage, read: ReadInstance, kind: int, found: dict[Instance, Instance]
) -> int:
    """Pages 1, 2, … while they bring anything new, then 0. Returns how many there should be.

    Whether pages are counted from 1 or from 0 differs between versions of the reference. Neither
    a short page nor the count ends the reading: a service may cap the size of a page, and count
    what is on it.
    """
    total = 0
    for page in range(1, _MOST_PAGES + 1):
        new, count = _take(await ask(kind, page), read, found)
        total = max(total, count or 0)
        if not new:
            break
    else:
        raise GatewayError(f"List Flow Instances shows no end after {_MOST_PAGES} pages")
    try:
        _, count = _take(await ask(kind, 0), read, found)
    except QuestionRefusedError:
        if len(found) < total:
            raise  # what is missing may stand on it
        count = total  # the service counts its pages from 1, and everything has been seen
    return max(total, count or 0)


def _take(
    data: Any, read: ReadInstance, found: dict[Instance, Instance]
) -> tuple[bool, int | None]:
    """Add a page's instances; says whether any was new, and how many there are in all."""
    try:
        entries, count = read_page(data)
        instances = [read(entry) for entry in entries]
    except ValueError as error:
        raise GatewayError(f"List Flow Instances answered unreadably: {error}") from None
    before = len(found)
    for one in instances:
        # An id is shared by runs of one minute, so the id alone does not make it a repeat; the
        # status may move on between two pages.
        found.setdefault(replace(one, status=None), one)
    return len(found) > before, count


def read_page(data: Any) -> tuple[list[Any], int | None]:
    """A page's entries, and how many there are by the service's word. Raises ValueError."""
    if not isinstance(data, dict):
        raise ValueError("no object")  # noqa: TRY004 - a value of the wire, not of a caller
    entries, count = data.get("flowInsts"), read_integer(data.get("count"))
    if entries is None and count == 0:
        entries = []
    if not isinstance(entries, list):
        raise ValueError("no list")  # noqa: TRY004 - the same
    return entries, count
