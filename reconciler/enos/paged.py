"""The pages of List Flow Instances: what each shows, and whether those that were read are all."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import ceil
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.ports import Instance
from reconciler.enos.envelope import read_integer
from reconciler.enos.operations import PAGE_SIZE
from reconciler.errors import GatewayError, UnfitQuestionError


class Page(Struct, frozen=True, kw_only=True):
    """One page of List Flow Instances."""

    instances: tuple[Instance, ...]
    count: int | None  # of all instances, as the service says; some count only those on the page

    @property
    def pages(self) -> int:
        """How many pages there are at least, if `count` is of all instances."""
        return ceil((self.count or 0) / PAGE_SIZE)


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
            on_page.setdefault(without_status(one), []).append(one)
        new = False
        for key, alike in on_page.items():
            known = self._alike.setdefault(key, [])
            new |= len(alike) > len(known)
            known += alike[len(known) :]
        return new

    def numbers(self) -> dict[Instance, int]:
        """How many instances are alike but for the status, by the instance without its status."""
        return {one: len(alike) for one, alike in self._alike.items()}


def without_status(one: Instance) -> Instance:
    """The instance without its status, which may change between two rows of one instance."""
    return replace(one, status=None)


PageAnswer = Page | GatewayError  # the error of a question that was not answered


class Listing:
    """The pages of one type that were asked for so far."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.count = 0  # of all instances, as the service says
        self.pages = 0  # at least, by that count
        self.failures: dict[int, GatewayError] = {}  # by the number of the page
        self._useful = 0  # how many pages showed anything new
        self._pages: list[Counter[Instance]] = []  # pages that are not empty, each once
        self._overlaps = False  # whether two different pages have an instance in common
        self._counts: set[int | None] = set()  # what the pages count
        self._counts_more = False  # whether a page counts more instances than it shows

    def take(self, number: int, answer: PageAnswer) -> bool:
        """Add a page, or that it was not answered. Return whether it showed anything new."""
        if isinstance(answer, GatewayError):
            self.failures[number] = answer
            return False
        shown = Counter(map(without_status, answer.instances))
        if shown and shown not in self._pages:
            self._overlaps |= any(not shown.keys().isdisjoint(other) for other in self._pages)
            self._pages.append(shown)
        new = self.rows.add(answer.instances)
        self.count = max(self.count, answer.count or 0)
        self.pages = max(self.pages, answer.pages)
        self._counts.add(answer.count)
        self._counts_more |= len(answer.instances) < (answer.count or 0)
        self._useful += new
        return new

    @property
    def is_counted(self) -> bool:
        """Whether each page that was answered counts just the instances that all of them show."""
        return self._counts == {len(self.rows)}

    @property
    def counts_all(self) -> bool:
        """Whether the service is seen to count all instances, and not those on a page."""
        return self._counts_more and len(self._counts) == 1 and len(self.rows) > 0

    def remaining_failure(self) -> GatewayError | None:
        """A failure that matters unless the service counts all instances; None if there is none.

        A service that says of a page that the question is at fault has no such page: it counts
        pages from 1, or has shown the last one, unless that is full. Any other failure may be
        passing, and the page may have instances that no other page counts. Raises the failure if it
        means that instances may be missing whatever is counted.
        """
        if not self.failures:
            return None
        first = next(iter(self.failures.values()))
        unfit = all(isinstance(one, UnfitQuestionError) for one in self.failures.values())
        if unfit and self.failures.keys() == {0} and len(self.rows) >= self.count:
            return None
        if not self.is_counted:
            raise first
        may_be_more = len(self.rows) >= PAGE_SIZE or 1 in self.failures
        return None if unfit and not may_be_more else first

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
