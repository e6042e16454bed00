"""What the sandbox pretends to be: its keys, zone and flows, and what the reference leaves open.

Its clock can be set to another time while everything else goes on.
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
    """One flow. A flow that the options do not name exists, and everybody may trigger it."""

    name: str = ""  # empty: `flow-{flowId}`
    owner: str = ""  # user ids, separated by `;`; empty: whoever asks
    exists: bool = True
    privilege: bool = True  # False: every user gets 62103
    locked: bool = False
    user_locked: bool = False
    tasks: int = 1  # 0: a trigger gets 62104
    parameters: tuple[str, ...] | None = None  # names that Get Flow lists; None: no such field
    defaults: Mapping[str, str] = field(default_factory=dict)  # values of parameters not sent
    run_seconds: float | None = None  # None: the sandbox's
    ends: Status | tuple[Status, ...] = Status.SUCCESS  # of ENDINGS; in turn, the last repeats
    forgets_after: float | None = None  # seconds an instance is known after its end; None: forever

    def ending(self, number: int) -> Status:
        """How the flow's n-th instance ends; `number` counts from 0, in the order of creation."""
        if isinstance(self.ends, Status):
            return self.ends
        return self.ends[min(number, len(self.ends) - 1)]


class ParametersShown(Struct, frozen=True, kw_only=True):
    """What happens to an instance's parameters before they are shown, in this order."""

    merged: bool = False  # the flow's defaults go in front, except for names that were sent
    filled: bool = False  # every `${…}` becomes the business date
    case: Literal["upper", "lower"] | None = None  # of the values
    cut: int | None = None  # how many characters of each value are left
    reordered: bool = False  # the last one first
    retyped: bool = False  # a value that reads as a JSON number becomes one
    as_map: bool = False  # an object instead of the list of pairs; still as text
    hidden: Literal["absent", "null"] | None = None  # the whole field is missing or null


class Stranger(Struct, frozen=True, kw_only=True):
    """An instance that somebody else starts. It waits for its turn in its flow like every other.

    Raises ValueError, with a message for a person, if the fields contradict each other.
    """

    flow_id: int
    trigger_time: EpochMs | None = None  # None: its creation time, or the awaited trigger's
    parameters: Parameters = ()
    created_seconds_ago: float = 0.0  # its age when it is added
    after_trigger: float | None = None  # seconds after the flow's first trigger; None: at once
    owner: str = "stranger"
    type: int | None = None  # 0, 1 or 2; None: that of triggered instances
    ends: Status = Status.SUCCESS
    run_seconds: float | None = None  # None: the flow's

    def __post_init__(self) -> None:
        if self.created_seconds_ago and self.after_trigger is not None:
            raise ValueError("createdSecondsAgo and afterTrigger: it is created only once")


class ClockJump(Struct, frozen=True, kw_only=True):
    """One change of the service's clock."""

    after: float  # seconds after the sandbox was made
    by: float  # seconds; negative: back


class SandboxOptions(Struct, frozen=True, kw_only=True):
    """Everything that can be set apart from the faults.

    Raises ConfigurationError if a zone does not exist.
    """

    require_auth: bool = True  # False: any token and signature will do, or none
    access_key: str = "sandbox-key"
    secret_key: str = "sandbox-secret"  # noqa: S105 - it is printed for whoever uses it
    token_seconds: int = 7200
    timezone: str = "GMT+8"
    latency: float = 0.0  # seconds from a request's arrival to its answer, without faults' delays
    journal: Path | None = None  # gets a JSON line for each request
    max_body_bytes: int = 1 << 20
    run_seconds: float = 2.0  # how long an instance runs
    page_base: int = 1  # the number of a search's first page; the reference's samples have 0 and 1
    instance_type: int = 0  # which `type` a triggered instance gets; not documented
    flow_id_as_string: bool = False  # in a FlowInstance; the reference's samples have both
    flow_id_shown: FlowIdShown = "own"  # the others: how an unset number may be written
    ids: Ids = "unique"  # the others: a flow's instances of one minute, hour or day share an id
    id_names_flow: bool = True  # False: an id is only a time, so that flows share it as well
    lists: Lists = "all"  # newest: only the newest of the instances that share an id
    sees: Sees = "all"  # own: a user knows only the instances that it started
    list_after_seconds: float = 0.0  # until searches show an instance; infinite: never
    windows_ignored: bool = False  # True: searches show every trigger time
    empty_list: EmptyList = "list"  # what an empty page has for `flowInsts`
    count_shown: CountShown = "all"  # the count that searches state
    past_end: PastEnd = "empty"  # what a search gets for a page behind the last one
    created_lag_seconds: float = 0.0  # how far creation stamps are behind; negative: ahead
    created_cut: CreatedCut = "second"
    created_zone: str | None = None  # of creation stamps; None: the service's
    trigger_time_shown: TriggerTimeShown = "second"  # searches still compare the true one
    trigger_time_zone: str | None = None  # of the trigger times that are shown; None: the service's
    stamp_layout: StampLayout = "plain"  # of every stamp
    status_shown: StatusShown = "number"
    parameters_shown: ParametersShown = field(default_factory=ParametersShown)
    clock_jumps: tuple[ClockJump, ...] = ()
    users: Mapping[str, frozenset[str]] | None = None  # by organisation; None: every user exists
    flows: Mapping[int, FlowOptions] = field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()

    def __post_init__(self) -> None:
        try:
            for name in (self.timezone, self.created_zone, self.trigger_time_zone):
                parse_zone(name or "GMT")
        except ValueError as error:
            raise ConfigurationError(f"the sandbox's zone: {error}") from None

    def flow(self, flow_id: int) -> FlowOptions:
        """The options of the flow, or those of any flow that is not declared."""
        return self.flows.get(flow_id, _UNDECLARED)


_UNDECLARED = FlowOptions()


class SettableClock:
    """One clock with two readings: the time that passes, and the time that the service states.

    Runs, tokens, rate limits and the journal go by the time that passes. A jump changes only what
    the service states: Get Current Time, stamps, the Date header, and which trigger times are past.
    """

    def __init__(self, passing: Callable[[], int], jumps: Iterable[ClockJump]) -> None:
        """`passing`: Unix epoch, milliseconds. The jumps are timed from now."""
        self._passing = passing
        start = passing()
        self._jumps = [(start + _ms(one.after), _ms(one.by)) for one in jumps]

    def now(self) -> EpochMs:
        """The time that passes."""
        return EpochMs(self._passing())

    def shown_time(self, instant: EpochMs) -> EpochMs:
        """What the service's clock showed at that instant of the time that passes."""
        return EpochMs(instant + sum(by for at, by in self._jumps if at <= instant))

    def jump(self, seconds: float) -> None:
        """Set the service's clock forward now, or back where `seconds` is negative."""
        self._jumps.append((self._passing(), _ms(seconds)))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
