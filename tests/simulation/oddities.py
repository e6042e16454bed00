"""How a service may differ from the kindest one that its reference allows.

A seed mixes no oddity, one, or several. Each switch changes a few fields and leaves the others.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tests.simulation.clock import DAY_MS, MINUTE_MS

CORRELATION_PARAMETER = "RECONCILER"
USERS = ("u1", "u2")
HOUR_MS = 60 * MINUTE_MS
ZONE_MS = 8 * HOUR_MS  # GMT+8
MOST_BACK_MS = 22_000  # that and what stamps are off by is less than the stamp slack
MOST_FORWARD_MS = 1_800  # less than the margin


class Oddities(Struct, frozen=True, kw_only=True):
    """What a seed's service, and its configuration, do that others need not."""

    names: frozenset[str] = frozenset()  # of the switches that were drawn
    correlation: bool = False  # is configured
    correlation_changes: bool = False  # others switch it on and off
    same_minute: bool = False  # several runs of a flow in one minute, and `sameMinute: allow`
    shared_ids: bool = False  # ids carry a time only, so two starts of a flow can share theirs
    id_unit: int = MINUTE_MS  # milliseconds to which that time is cut
    names_flow: bool = True  # they carry the flow as well
    id_is_number: bool = False  # and the time as hours, minutes, … since 1970
    id_is_hash: bool = False  # of all that they carry
    machines: bool = False  # they carry which of two machines took the request
    newest_only: bool = False  # and only the newest of those that a search finds is listed
    newest_of_all: bool = False  # of all that have the id, whatever the search is for
    created_ahead: int = 0  # milliseconds that the clock of the creation stamps is ahead
    created_unit: int = 1_000  # milliseconds that they are cut to
    created_in_utc: bool = False  # not in the service's zone
    created_cut_in_utc: bool = False  # though they are shown in that zone
    trigger_unit: int = 1_000  # the same, of the listed trigger times
    trigger_rounded: bool = False  # not cut
    trigger_unset: bool = False  # what is listed is when it was really triggered
    filed_when_triggered: bool = False  # and a search finds it by that
    flow_unset: bool = False  # it is listed as 0, which the reader takes for none
    parameters: frozenset[str] = frozenset()  # what a list does to them (`listing`)
    strangers: bool = False  # others start instances of the runs' flows in their minutes
    twins: bool = False  # some of those carry the run's own parameters
    users: bool = False  # others change `userId`
    hides: bool = False  # a user sees nothing but its own instances
    nulls: bool = False  # an instance that exists is once said not to be there
    jumps: tuple[tuple[float, int], ...] = ()  # of the gateway's clock
    misfits: bool = False  # an answer comes once more, as that to the next start
    refuses_page_0: str = ""  # of lists; `unfit`: it says that there is none, `broken`: by a code
    refuses_past_end: str = ""  # the same, of pages after the last
    loses_pages: float = 0.05  # of lists that have pages
    page_base: int = 1  # the number of the first page, where page 0 is not refused
    page_size: int = 100  # at most
    counts: str = "all"  # instances, or those on the `page`, or `none`

    @property
    def hides_older(self) -> bool:
        """Whether nobody sees an instance once another has been given its id."""
        return self.newest_only or self.newest_of_all

    @property
    def has_pages(self) -> bool:
        """Whether its lists are read page by page."""
        return bool(self.refuses_page_0 or self.refuses_past_end or LOST_PAGES in self.names)

    @property
    def first_page(self) -> int:
        """The number of the first page."""
        return 1 if self.refuses_page_0 else self.page_base

    @property
    def plain(self) -> bool:
        """Whether the service is as kind as can be."""
        return not self.names


def _correlation(rng: random.Random) -> dict[str, Any]:
    return {"correlation": rng.random() < 0.7, "correlation_changes": rng.random() < 0.4}


def _created_off(rng: random.Random) -> dict[str, Any]:
    return {"created_ahead": rng.randint(-4_000, 4_000)}


def _jumps(rng: random.Random) -> dict[str, Any]:
    back, forward = -rng.randint(0, MOST_BACK_MS), rng.randint(0, MOST_FORWARD_MS)
    chosen = rng.choice([(back,), (forward,), (back, forward)])
    return {"jumps": tuple(sorted((rng.uniform(1, 40), by) for by in chosen))}


def _paging(which: str, *values: Any) -> Callable[[random.Random], dict[str, Any]]:
    """Lists have pages, whose size and what they count may be anything."""
    return lambda rng: {
        which: rng.choice(values),
        "page_base": rng.choice([0, 1]),
        "page_size": rng.choice([1, 2, 100]),
        "counts": rng.choice(["all", "all", "page", "none"]),
    }


def _always(**changes: Any) -> Callable[[random.Random], dict[str, Any]]:
    return lambda _: changes


def _listed(*what: str) -> Callable[[random.Random], dict[str, Any]]:
    return lambda _: {"parameters": frozenset(what)}


# Each is drawn by a chance of its own, which leaves all else that a seed draws as it was.
FILED, HASHED = "filed when triggered", "ids as a hash"
CUT_IN_UTC = "created cut to the day in UTC"
PAGES = NO_PAGE_0, NO_PAGE_AFTER, LOST_PAGES = (
    "page 0 refused",
    "page after the last refused",
    "pages lost",
)
APART = {FILED, HASHED, CUT_IN_UTC, *PAGES}

SWITCHES: Mapping[str, Callable[[random.Random], dict[str, Any]]] = {
    "correlation": _correlation,
    "same minute": _always(same_minute=True),
    "shared ids": lambda rng: {"shared_ids": True, "newest_only": rng.random() < 0.4},
    "ids of the hour": _always(shared_ids=True, id_unit=HOUR_MS),
    "ids of the day": _always(shared_ids=True, id_unit=DAY_MS),
    "ids of five minutes": _always(shared_ids=True, id_unit=5 * MINUTE_MS),
    "ids of half a day": _always(shared_ids=True, id_unit=DAY_MS // 2),
    "ids as a number": lambda rng: {
        "shared_ids": True,
        "id_is_number": True,
        "id_unit": rng.choice([MINUTE_MS, HOUR_MS]),
    },
    "ids with a machine": _always(shared_ids=True, machines=True),
    "ids without the flow": _always(shared_ids=True, names_flow=False),
    "newest of an id": _always(shared_ids=True, newest_of_all=True),
    "created by another clock": _created_off,
    "created cut to the minute": _always(created_unit=60_000),
    "created cut to half a minute": _always(created_unit=30_000),
    "created cut to the day": _always(created_unit=DAY_MS),
    CUT_IN_UTC: _always(created_unit=DAY_MS, created_cut_in_utc=True),
    "created in UTC": _always(created_in_utc=True),
    "created to the millisecond": _always(created_unit=1),
    "trigger time exact": _always(trigger_unit=1),
    "trigger time cut to the minute": _always(trigger_unit=60_000),
    "trigger time cut to the hour": _always(trigger_unit=HOUR_MS),
    "trigger time cut to the day": _always(trigger_unit=DAY_MS),
    "trigger time rounded to the second": _always(trigger_rounded=True),
    "trigger time rounded to the minute": _always(trigger_unit=60_000, trigger_rounded=True),
    "trigger time unset": _always(trigger_unset=True),
    FILED: _always(trigger_unset=True, filed_when_triggered=True),
    HASHED: lambda rng: {
        "id_is_hash": True,
        "shared_ids": rng.random() < 0.7,
        "names_flow": rng.random() < 0.6,
        "newest_of_all": rng.random() < 0.7,
    },
    "flow unset": _always(flow_unset=True),
    "parameters merged": _listed("merged"),
    "parameters reordered": _listed("reordered"),
    "parameters retyped": _listed("retyped"),
    "parameters in another case": _listed("case"),
    "parameters cut to 20": _listed("cut 20"),
    "parameters cut to 40": _listed("cut 40"),
    "parameters filled in": _listed("filled"),
    "parameters undeclared": _listed("declared only"),
    "parameters hidden": _listed("hidden"),
    "strangers": _always(strangers=True),
    "twins": _always(strangers=True, twins=True),
    "users": _always(users=True),
    "hiding": _always(users=True, hides=True),
    "nulls": _always(nulls=True),
    "jumps": _jumps,
    "misfits": _always(misfits=True),
    NO_PAGE_0: _paging("refuses_page_0", "unfit", "broken"),
    NO_PAGE_AFTER: _paging("refuses_past_end", "unfit", "broken"),
    LOST_PAGES: _paging("loses_pages", 0.3),
}


def oddities_of(rng: random.Random, names: frozenset[str]) -> Oddities:
    """A service with these oddities."""
    oddities = Oddities(names=names)
    for name in sorted(names):
        changes = SWITCHES[name](rng)
        if "parameters" in changes:
            changes["parameters"] |= oddities.parameters
        oddities = replace(oddities, **changes)
    return oddities


_HOW_OFTEN_APART = 0.1


def perhaps(name: str, rng: random.Random, oddities: Oddities) -> Oddities:
    """The same, for one seed in ten with that oddity as well."""
    if rng.random() >= _HOW_OFTEN_APART:
        return oddities
    return replace(oddities, names=oddities.names | {name}, **SWITCHES[name](rng))


def drawn_oddities(rng: random.Random) -> Oddities:
    """None for two seeds in five; one for as many as have several."""
    count = rng.choice([0, 0, 0, 0, 1, 1, 1, rng.randint(2, 4), rng.randint(3, 7), 10])
    return oddities_of(rng, frozenset(rng.sample(sorted(SWITCHES.keys() - APART), count)))
