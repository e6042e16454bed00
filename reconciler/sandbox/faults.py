"""What goes wrong, when, and for which requests: rules as values, and the script that runs them."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from reconciler.model import EpochMs
from reconciler.sandbox.calls import OF_A_FLOW, Operation

ALWAYS: Literal["always"] = "always"
NEVER = math.inf  # as `list_after`: no search ever shows the instance

HTML = "<html><body><h1>Bad Gateway</h1><p>The upstream did not answer.</p></body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """The TCP connection is reset without one byte of an answer."""

    effect: bool = False  # whether the request is carried out first


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer other than the true one."""

    effect: bool = False  # whether the request is carried out first
    status: int = 200  # HTTP
    code: int | None = None  # of the body; None: 0 under a 2xx, otherwise the HTTP status
    msg: str = "the fault script says so"
    body: str | None = None  # in place of the envelope, as it is; "" is an empty answer
    headers: Mapping[str, str] = field(default_factory=dict)


Ending = Drop | Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule. Its parts happen in the order in which they stand here.

    Raises ValueError, in words for a person, if it could never do anything.
    """

    on: Operation | Literal["any"]
    flow_id: int | None = None  # only requests about this flow
    after: int = 0  # how many matching requests to leave alone first
    times: int | Literal["always"] | None = None  # None: once; always, for a rate limit
    rate_limit: int | None = None  # requests a second; those above it get 429 with Retry-After
    call_before: Callable[[], object] | None = None  # called in the server's thread
    delay_before: float = 0.0  # seconds, before the request is looked at
    expire_token: bool = False  # every token given out so far
    list_after: float = 0.0  # seconds until searches show the instance that a trigger creates
    call_after: Callable[[], object] | None = None  # called once the effect is there
    delay_after: float = 0.0  # seconds, between the effect and the answer
    ending: Ending | None = None  # None: the true answer

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(problem)


def _problems(fault: Fault) -> Iterable[str]:
    numbers = (fault.after, fault.delay_before, fault.delay_after, fault.list_after)
    if any(not number >= 0 for number in numbers):
        yield "numbers cannot be negative"
    if isinstance(fault.times, int) and fault.times < 1:
        yield "times is at least 1"
    if fault.rate_limit is not None and fault.rate_limit < 1:
        yield "a rate limit is at least 1 request a second"
    if fault.rate_limit is not None and fault.ending is not None:
        yield "a rate limit has its own answer: put the other into a rule of its own"
    if fault.list_after and fault.on != Operation.TRIGGER:
        yield "only what is triggered can be listed late: the rule must be on trigger"
    if fault.flow_id is not None and fault.on != "any" and fault.on not in OF_A_FLOW:
        yield f"a request for {fault.on} names no flow, so that the rule would never match"
    untouched = Fault.__dataclass_fields__
    if fault.rate_limit is None and not any(
        getattr(fault, name) != untouched[name].default
        for name in ("call_before", "delay_before", "expire_token", "list_after")
        + ("call_after", "delay_after", "ending")
    ):
        yield "the rule has no fault"


NO_FAULT = replace(Fault(on="any", delay_after=1), delay_after=0) if False else None
