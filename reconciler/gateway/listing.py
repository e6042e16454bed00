"""Pages of List Flow Instances: what one shows, and how many are left. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from typing import Any

from reconciler.apply.ports import Instance, Sought
from reconciler.gateway.instances import Window
from reconciler.gateway.search import read_page
from reconciler.model import EpochMs

Group = Sequence[Sought]  # sorted by trigger time
_WORTH = 4  # instances sought for each page, or reading on where nobody says how far is no use
_MINUTE_MS = 60_000  # what the service may have cut a trigger time to


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of List Flow Instances, as far as it can be read."""

    instances: tuple[Instance, ...]
    entries: int  # on the page, readable or not
    count: int | None  # in all, by the service's word; some services count what is on the page


def read_page_of(data: Any, read: Callable[[Any], Instance]) -> Page:
    """The page in an answer's data. `read` raises ValueError for an entry that it cannot read.

    Raises ValueError if there is no page. An entry without a readable id cannot be anything that is
    looked for.
    """
    entries, count = read_page(data)
    instances = []
    for entry in entries:
        try:
            instances.append(read(entry))
        except ValueError:
            continue
    return Page(instances=tuple(instances), entries=len(entries), count=count)


class Listing:
    """What List Flow Instances has in the window of a group, as far as it was read."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.window = _window(group)
        self.read = 0  # pages, from 1 on
        self._seen: set[Instance] = set()
        self._size = 1  # of the largest page
        self._count: int | None = None  # of all; None: the service has not said it

    @property
    def left(self) -> int:
        """How many pages are left: by the service's count, and one to see that there are no more.

        Where it does not count, or counts wrong: as many again as were read, unless that is few.
        """
        pages = None if self._count is None else ceil(self._count / self._size)
        if pages is not None and self.read <= pages:
            return max(pages - self.read, 1)
        return 1 if _WORTH * self.read <= len(self.group) else self.read

    def take(self, pages: Iterable[Page]) -> bool:
        """Take in the next pages; whether they brought anything new."""
        before = len(self._seen)
        for page in pages:
            self.read += 1
            self._seen |= {replace(one, status=None) for one in page.instances}
            self._size = max(self._size, page.entries)
            if page.count is not None and page.count > page.entries:
                self._count = page.count
        return len(self._seen) > before

    def wastes(self, missing: Group) -> bool:
        """Whether windows for parts of what is missing have fewer pages than are left here."""
        parts = self.parted(missing)
        return len(parts) > 1 and sum(map(self._pages, parts)) < self.left

    def parted(self, missing: Group) -> list[Group]:
        """What is missing, parted wherever a page of other instances or more lies between.

        Others are taken to be spread evenly; where there are none, at the widest gap.
        """
        if self._count is None:
            return [missing]
        gaps = [after.trigger_time - one.trigger_time for one, after in pairwise(missing)]
        wide: float = max(gaps, default=0)
        if others := self._others(missing):
            wide = min(wide, self._size * self._width / others)
        cuts = [at for at, gap in enumerate(gaps, 1) if gap >= max(wide, 2 * _MINUTE_MS)]
        return [missing[start:end] for start, end in pairwise([0, *cuts, len(missing)])]

    def _pages(self, part: Group) -> int:
        window = _window(part)
        others = self._others(part) * (window.to_time - window.from_time) / self._width
        return ceil((len(part) + others) / self._size)

    def _others(self, ours: Group) -> int:
        return max((self._count or 0) - len(ours), 0)

    @property
    def _width(self) -> int:
        return self.window.to_time - self.window.from_time


def _window(group: Group) -> Window:
    start, end = group[0].trigger_time, group[-1].trigger_time
    return Window(from_time=EpochMs(start - start % _MINUTE_MS), to_time=EpochMs(end + _MINUTE_MS))
