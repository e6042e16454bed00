"""A service that lists instances, as a function: every reading of the reference, and its limits."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from reconciler.apply.ports import Instance, ObservedInstances, StartedInstance
from reconciler.enos.listed import ListedWindow
from reconciler.enos.observing import observe_instances
from reconciler.enos.paged import Page
from reconciler.errors import GatewayError, QuestionRefusedError, UnfitQuestionError
from reconciler.model import EpochMs, InstanceId

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
MIDNIGHT = EpochMs(1_709_337_600_000)  # 2024-03-02T00:00:00Z


class Asked(Struct, frozen=True, kw_only=True):
    kind: int
    window: ListedWindow
    page: int


def instance(id_: str, at: int, created: int = MIDNIGHT) -> Instance:
    return Instance(
        id=InstanceId(id_),
        flow_id=None,
        trigger_time=EpochMs(at),
        created=EpochMs(created),
        created_latest=EpochMs(created),
        parameters=None,
        status=1,
    )


def sought(instances: Iterable[Instance]) -> list[StartedInstance]:
    return [
        StartedInstance(id=one.id, trigger_time=one.trigger_time or MIDNIGHT) for one in instances
    ]


def of_days(flows: int, days: int) -> list[Instance]:
    """An instance of each flow at each midnight, the latest day first."""
    return [
        instance(f"{flow}-{day}", MIDNIGHT - day * DAY)
        for day in range(days)
        for flow in range(flows)
    ]


def others(number: int, days: int, *, prefix: str = "other") -> list[Instance]:
    """Instances of nobody's interest, evenly spread over as many days, none at midnight."""
    step = days * DAY // number
    first = MIDNIGHT - (days - 1) * DAY + step // 2
    return [instance(f"{prefix}-{n}", first + n * step) for n in range(number)]


Count = Callable[[int, int], int | None]  # of all, of the page's -> what the service says


def counts_all(every: int, _: int) -> int | None:
    return every


def counts_the_page(_: int, shown: int) -> int | None:
    return shown


def counts_nothing(*_: int) -> int | None:
    return None


Paging = Callable[[Sequence[Instance], int, int], Sequence[Instance]]  # all, page number, size


def from_0(every: Sequence[Instance], page: int, size: int) -> Sequence[Instance]:
    return every[page * size : (page + 1) * size]


def from_1(every: Sequence[Instance], page: int, size: int) -> Sequence[Instance]:
    return from_0(every, page - 1, size) if page else []


def from_1_or_0(every: Sequence[Instance], page: int, size: int) -> Sequence[Instance]:
    """As in the sandbox: page 0 is page 1."""
    return from_0(every, max(page - 1, 0), size)


def refusing_0(every: Sequence[Instance], page: int, size: int) -> Sequence[Instance]:
    if page == 0:
        raise UnfitQuestionError("there is no page 0")
    return from_0(every, page - 1, size)


def ignored(every: Sequence[Instance], _: int, __: int) -> Sequence[Instance]:
    return every


def endless(_: Sequence[Instance], page: int, size: int) -> Sequence[Instance]:
    return [instance(f"endless-{page}-{n}", MIDNIGHT) for n in range(size)]


PAGINGS = [from_0, from_1, from_1_or_0, refusing_0]


@dataclass(slots=True)
class Service:
    """Lists `by_kind`, in that order. `fails`: by the number of the request, what it raises."""

    by_kind: Mapping[int, Sequence[Instance]]
    paging: Paging = from_1
    largest: int = 100  # page
    count: Count = counts_all
    fails: Mapping[int, GatewayError] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()  # to speak of these instances
    delays: Callable[[], int] = lambda: 0  # turns of the event loop before an answer
    searches: list[Asked] = field(default_factory=list)
    asked_for: list[InstanceId] = field(default_factory=list)
    waiting: int = 0
    most_waiting: int = 0
    _by_id: dict[InstanceId, Instance] = field(init=False)
    _within: dict[tuple[ListedWindow, int], list[Instance]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_id = {one.id: one for every in self.by_kind.values() for one in every}

    @property
    def requests(self) -> int:
        return len(self.searches) + len(self.asked_for)

    async def ask(self, window: ListedWindow, kind: int, page: int) -> Page:
        self.searches.append(Asked(kind=kind, window=window, page=page))
        await self._answer()
        every = self._those(window, kind)
        shown = self.paging(every, page, self.largest)
        count = self.count(len(every), len(shown))
        return Page(instances=tuple(shown), count=count)

    def _those(self, window: ListedWindow, kind: int) -> list[Instance]:
        """What has its trigger time in the window, looked for once however many pages it has."""
        if (window, kind) not in self._within:
            self._within[window, kind] = [
                one
                for one in self.by_kind.get(kind, ())
                if window.from_time <= (one.trigger_time or 0) < window.to_time
            ]
        return self._within[window, kind]

    async def get(self, id_: InstanceId) -> Instance | None:
        self.asked_for.append(id_)
        await self._answer()
        if id_ in self.refuses:
            raise QuestionRefusedError(f"nothing is said of {id_}")
        return self._by_id.get(id_)

    async def _answer(self) -> None:
        failure = self.fails.get(self.requests)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        for _ in range(1 + self.delays()):
            await asyncio.sleep(0)
        self.waiting -= 1
        if failure is not None:
            raise failure


def observed_instances(
    service: Service, wanted: Sequence[StartedInstance], most: int = 10**6, turn: int = 0
) -> ObservedInstances:
    return asyncio.run(observe_instances(wanted, most, service.ask, service.get, turn=turn))
