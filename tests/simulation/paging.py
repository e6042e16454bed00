"""The lists of a service that refuses pages, as the product's own search reads them."""

import random
from collections.abc import Callable, Sequence
from zlib import crc32

from msgspec import Struct

from reconciler.apply.ports import Instance
from reconciler.enos.listed import ListedWindow
from reconciler.enos.paged import Page
from reconciler.enos.search import KINDS, search_flow
from reconciler.errors import GatewayError, UnfitQuestionError
from reconciler.model import EpochMs
from tests.simulation.clock import DAY_MS
from tests.simulation.oddities import Oddities

UNFIT, BROKEN = "unfit", "broken"  # how a page is refused


class Lists(Struct, frozen=True, kw_only=True):
    """What the service lists at one moment, in pages."""

    oddities: Oddities
    random: random.Random  # of its own, which leaves all else that a seed draws as it was
    loses: float  # of the pages
    within: Callable[[ListedWindow], Sequence[Instance]]
    peace: bool

    async def search(self, flow_id: int | None, window: ListedWindow) -> tuple[Instance, ...]:
        """What the product's own search makes of the pages.

        In peace, a page of which nobody could ever know that it is none is answered as an empty
        one, and pages are long: nobody can tell two instances that are alike, on two short pages,
        from pages that shift. Otherwise all would be left in doubt.
        """
        refuses = not self.peace or self._is_explained(window)

        async def ask(asked: ListedWindow, kind: int, number: int, size: int) -> Page:
            return self._page(_of_kind(self.within(asked), kind), number, size, refuses=refuses)

        return await search_flow(ask, flow_id, window)

    def _page(self, every: Sequence[Instance], number: int, size: int, *, refuses: bool) -> Page:
        oddities = self.oddities
        size = size if self.peace else min(size, oddities.page_size)
        first = (number - oddities.first_page) * size
        if self.loses > 0 and self.random.random() < self.loses:
            raise GatewayError("a page was lost")
        if refuses and first < 0 and oddities.refuses_page_0:
            raise _refusal(oddities.refuses_page_0)
        if refuses and first >= max(len(every), 1) and oddities.refuses_past_end:
            raise _refusal(oddities.refuses_past_end)
        shown = every[first : first + size] if first >= 0 else []
        counts = {"all": len(every), "page": len(shown), "none": None}
        return Page(instances=tuple(shown), count=counts[oddities.counts])

    def _is_explained(self, window: ListedWindow) -> bool:
        """Whether a search can tell that the pages that are refused are none."""
        if self.oddities.refuses_page_0 == UNFIT and not self.oddities.refuses_past_end:
            return True
        wide = ListedWindow(
            from_time=EpochMs(window.from_time - 31 * DAY_MS),
            to_time=EpochMs(window.to_time + 31 * DAY_MS),
        )
        there = self.within(wide)
        several = any(len(_of_kind(there, kind)) > 1 for kind in KINDS)
        page_1_is_broken = self.oddities.refuses_past_end == BROKEN and not self.oddities.first_page
        return self.oddities.counts == "all" and several and not page_1_is_broken


def _of_kind(listed: Sequence[Instance], kind: int) -> Sequence[Instance]:
    return [one for one in listed if crc32(one.id.encode()) % len(KINDS) == kind]


def _refusal(how: str) -> GatewayError:
    if how == UNFIT:
        return UnfitQuestionError("there is no such page")
    return GatewayError("an internal exception of the service")
