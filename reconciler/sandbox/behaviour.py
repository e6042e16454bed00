"""What the sandbox pretends to be: its keys, zone and flows, and where the reference is silent.

Its clock may be set while everything runs on.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from reconciler.errors import ConfigurationError
from reconciler.model import EpochMs, Parameters
from reconciler.times import parse_zone


class Status(IntEnum):
    """FlowInstance status (EnOS reference)."""

    FAIL = -1
    INIT = 0
    SUCCESS = 1
    RUNNING = 2
    SUSPEND = 3
    INTERNAL_ERROR = 4
    WAIT = 5
    READY = 6
    TIMEOUT = 7
    CANCEL = 8
    RERUN = 9
    SKIP = 10


ENDINGS = (Status.SUCCESS, Status.FAIL, Status.INTERNAL_ERROR, Status.TIMEOUT, Status.SKIP)

Ids = Literal["unique", "minute", "hour", "day"]
Lists = Literal["all", "newest"]
Sees = Literal["all", "own"]
CreatedCut = Literal["second", "minute", "hour", "day"]
TriggerTimeShown = Literal[
    "second", "minute", "hour", "day", "roundedSecond", "roundedMinute", "created", "epoch"
]
FlowIdShown = Literal["own", "zero", "negative", "null"]
EmptyList = Literal["list", "null"]
StampLayout = Literal[
    "plain", "iso", "letterZ", "offset", "noSeconds", "date", "milliseconds", "millisecondsText"
]
CountShown = Literal["all", "page", "none", "more", "text"]
PastEnd = Literal["empty", "last", "first"]
StatusShown = Literal["number", "text", "word", "undocumented", "blank"]


class FlowOptions(Struct, frozen=True, kw_only=True):
    """One flow. A flow that nobody declares exists, and can be triggered by everybody."""

    name: str = ""  # empty: `flow-{flowId}`
    owner: str = ""  # user ids, `;` between them; empty: whoever asks
    exists: bool = True
    privilege: bool = True  # False: every user gets 62103
    locked: bool = False
    user_locked: bool = False
    tasks: int = 1  # 0: a trigger gets 62104
    parameters: tuple[str, ...] | None = None  # names that it declares; None: it does not say
    defaults: Mapping[str, str] = field(default_factory=dict)  # values of parameters not sent
    run_seconds: float | None = None  # None: as the sandbox's
    ends: Status | tuple[Status, ...] = Status.SUCCESS  # of ENDINGS; one by one, the last repeats
    forgets_after: float | None = (
        None  # seconds after its end that an instance is known; None: ever
    )

    def ending(self, number: int) -> Status:
        """How the flow's instance of that number ends, in the order of creation, from 0."""
        if isinstance(self.ends, Status):
            return self.ends
        return self.ends[min(number, len(self.ends) - 1)]


class ParametersShown(Struct, frozen=True, kw_only=True):
    """What becomes of an instance's parameters before they are shown, in this order."""

    merged: bool = False  # the flow's defaults are put in front, unless a value was sent
    filled: bool = False  # every `${…}` is the business date
    case: Literal["upper", "lower"] | None = None  # of the values
    cut: int | None = None  # each value to so many characters
    reordered: bool = False  # the last one first
    retyped: bool = False  # a value that reads as a JSON number is one
    as_map: bool = False  # an object instead of the list of pairs; still as text
    hidden: Literal["absent", "null"] | None = None  # the whole field


class Stranger(Struct, frozen=True, kw_only=True):
    """An instance that somebody else starts. It runs in its flow's turn, as every other.

    Raises ValueError, in words for a person, if it contradicts itself.
    """

    flow_id: int
    trigger_time: EpochMs | None = None  # None: its creation's, or the one of the awaited trigger
    parameters: Parameters = ()
    created_seconds_ago: float = 0.0  # as seen from when it is added
    after_trigger: float | None = None  # seconds after the flow's first trigger; None: at once
    owner: str = "stranger"
    type: int | None = None  # 0, 1 or 2; None: as a triggered instance
    ends: Status = Status.SUCCESS
    run_seconds: float | None = None  # None: as the flow's

    def __post_init__(self) -> None:
        if self.created_seconds_ago and self.after_trigger is not None:
            raise ValueError("createdSecondsAgo and afterTrigger: it is created only once")


class ClockJump(Struct, frozen=True, kw_only=True):
    """The service's clock is set, once."""

    after: float  # seconds after the sandbox was made
    by: float  # seconds; negative: back


class SandboxOptions(Struct, frozen=True, kw_only=True):
    """Everything that can be set beside the faults.

    Raises ConfigurationError if there is no such zone.
    """

    require_auth: bool = True  # False: any token and signature will do, and none at all
    access_key: str = "sandbox-key"
    secret_key: str = "sandbox-secret"  # noqa: S105 - it is printed for whoever uses it
    token_seconds: int = 7200
    timezone: str = "GMT+8"
    latency: float = 0.0  # seconds from a request's arrival to its answer, without faults' delays
    journal: Path | None = None  # gets a JSON line for each request
    max_body_bytes: int = 1 << 20
    run_seconds: float = 2.0  # how long an instance runs
    page_base: int = 1  # the number of a search's first page; samples have 0 and 1
    instance_type: int = 0  # which `type` a triggered instance gets; not documented
    flow_id_as_string: bool = False  # in a FlowInstance; samples have both
    flow_id_shown: FlowIdShown = "own"  # otherwise what an unset number may be written as
    ids: Ids = "unique"  # otherwise: all of a flow and a minute, an hour or a day share one
    id_names_flow: bool = True  # False: an id is a time alone, and flows share it as well
    lists: Lists = "all"  # newest: of those with one id
    sees: Sees = "all"  # own: a user knows only the instances that it started
    list_after_seconds: float = 0.0  # until searches show an instance; infinite: never
    windows_ignored: bool = False  # searches show every trigger time
    empty_list: EmptyList = "list"  # what a page without instances has in its place
    count_shown: CountShown = "all"  # by searches
    past_end: PastEnd = "empty"  # the page that a search for a later one than the last one gets
    created_lag_seconds: float = 0.0  # by which creation stamps are behind; negative: ahead
    created_cut: CreatedCut = "second"
    created_zone: str | None = None  # of creation stamps; None: the service's
    trigger_time_shown: TriggerTimeShown = "second"  # searches compare the true one all the same
    trigger_time_zone: str | None = None  # of the trigger times that are shown; None: the service's
    stamp_layout: StampLayout = "plain"  # of every stamp
    status_shown: StatusShown = "number"
    parameters_shown: ParametersShown = field(default_factory=ParametersShown)
    clock_jumps: tuple[ClockJump, ...] = ()
    users: Mapping[str, frozenset[str]] | None = None  # by organisation; None: any user of any
    flows: Mapping[int, FlowOptions] = field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()

    def __post_init__(self) -> None:
        try:
            for name in (self.timezone, self.created_zone, self.trigger_time_zone):
                parse_zone(name or "GMT")
        except ValueError as error:
            raise ConfigurationError(f"the sandbox's zone: {error}") from None

    def flow(self, flow_id: int) -> FlowOptions:
        """What is declared of the flow, or what holds for every other."""
        return self.flows.get(flow_id, _UNDECLARED)


_UNDECLARED = FlowOptions()


class SettableClock:
    """Two readings of one clock: what passes, and what the service says that it is.

    Runs, tokens, rate limits and the journal go by the time that passes. Only what the service
    says jumps: Get Current Time, the stamps, the Date header, and which trigger times are past.
    """

    def __init__(self, passing: Callable[[], int], jumps: Iterable[ClockJump]) -> None:
        """`passing`: Unix epoch, milliseconds. The jumps count from now."""
        self._passing = passing
        start = passing()
        self._jumps = [(start + _ms(one.after), _ms(one.by)) for one in jumps]

    def now(self) -> EpochMs:
        """The time that passes."""
        return EpochMs(self._passing())

    def said(self, instant: EpochMs) -> EpochMs:
        """What the service's clock said at that instant of the time that passes."""
        return EpochMs(instant + sum(by for at, by in self._jumps if at <= instant))

    def jump(self, seconds: float) -> None:
        """Set the service's clock now; negative: back."""
        self._jumps.append((self._passing(), _ms(seconds)))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
