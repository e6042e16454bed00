"""What goes wrong, when, and for which requests: rules as values, and the script that runs them."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.model import EpochMs
from reconciler.sandbox.wire import (
    OF_A_FLOW,
    OF_TOKENS,
    Operation,
    SandboxAnswer,
    service_answer,
    token_answer,
)

ALWAYS: Literal["always"] = "always"  # a value of `times`
NEVER = math.inf  # a value of `list_after`: no search ever shows the instance
_SECOND_MS = 1_000
_SUCCESS = 2  # the first digit of a 2xx
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})  # by HTTP's own rules

HTML = "<html><body><h1>Bad Gateway</h1><p>The upstream did not answer.</p></body></html>"


class Drop(Struct, frozen=True, kw_only=True):
    """The TCP connection is reset without one byte of an answer."""

    effect: bool = False  # whether the request is carried out first


class Reply(Struct, frozen=True, kw_only=True):
    """An answer other than the true one."""

    effect: bool = False  # whether the request is carried out first
    status: int = 200  # HTTP
    code: int | None = None  # of the body; None: 0 with a 2xx, otherwise the HTTP status
    msg: str = "the fault script says so"
    body: str | None = None  # sent as it is instead of the envelope; "" is an empty answer
    headers: Mapping[str, str] = field(default_factory=dict)


Ending = Drop | Reply


class Fault(Struct, frozen=True, kw_only=True):
    """One rule. Its effects happen in the order of its fields.

    Raises ValueError, with a message for a person, if the fields contradict each other.
    """

    on: Operation | Literal["any"]
    flow_id: int | None = None  # only requests about this flow
    after: int = 0  # how many matching requests to leave alone first
    times: int | Literal["always"] | None = None  # None: once, or always for a rate limit
    rate_limit: int | None = None  # requests a second; those above it get 429 with Retry-After
    call_before: Callable[[], object] | None = None  # called in the server's thread
    delay_before: float = 0.0  # seconds, before the request is looked at
    expire_token: bool = False  # every token given out so far expires
    list_after: float = 0.0  # seconds until searches show the instance that a trigger creates
    call_after: Callable[[], object] | None = None  # called once the effect is there
    delay_after: float = 0.0  # seconds, between the effect and the answer
    ending: Ending | None = None  # None: the true answer
    extra_answer: Literal["same"] | Reply | None = None  # a second answer, which nobody asked for
    extra_after: float = 0.0  # seconds after the first answer; 0: in one piece with it

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise ValueError(problem)


def _problems(fault: Fault) -> Iterable[str]:
    spans = (fault.delay_before, fault.delay_after, fault.list_after, fault.extra_after)
    if any(not number >= 0 for number in (fault.after, *spans)):
        yield "numbers cannot be negative"
    if isinstance(fault.times, int) and fault.times < 1:
        yield "times is at least 1"
    if fault.rate_limit is not None and fault.rate_limit < 1:
        yield "a rate limit is at least 1 request a second"
    if fault.rate_limit is not None and fault.ending is not None:
        yield "a rate limit has its own answer: put the other into a rule of its own"
    if fault.list_after and fault.on != "trigger":
        yield "only what is triggered can be listed late: the rule must be on trigger"
    if fault.extra_answer is not None and isinstance(fault.ending, Drop):
        yield "no answer follows another on a connection that is dropped"
    if fault.extra_after and fault.extra_answer is None:
        yield "extraAfter says when an extraAnswer follows, and there is none"
    if fault.flow_id is not None and fault.on != "any" and fault.on not in OF_A_FLOW:
        yield f"a request for {fault.on} names no flow, so that the rule would never match"


NO_FAULT = Fault(on="any")


class FaultScript:
    """The rules in their order, and how many requests each has seen and taken.

    A request goes to the first rule that is due. The rules behind that one do not see the request;
    the rules before it have counted the request if it matches them.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._rules = [_FaultRule(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        """Add a rule behind the others."""
        self._rules.append(_FaultRule(fault))

    def take(self, operation: Operation, flow_id: int | None, now: EpochMs) -> Fault:
        """What happens to this request; NO_FAULT if no rule is due."""
        for rule in self._rules:
            if rule.matches(operation, flow_id) and rule.is_due(now):
                return rule.due
        return NO_FAULT


class _FaultRule:
    def __init__(self, fault: Fault) -> None:
        self.due = fault
        if fault.rate_limit is not None:
            limited = Reply(status=429, msg="rate limit exceeded", headers={"Retry-After": "1"})
            self.due = replace(fault, rate_limit=None, ending=limited)
        self._fault = fault
        self._limit = _limit(fault)
        self._seen = 0
        self._taken = 0
        self._recent: deque[EpochMs] = deque(maxlen=fault.rate_limit)  # of requests let through

    def matches(self, operation: Operation, flow_id: int | None) -> bool:
        if self._fault.on not in ("any", operation):
            return False
        return self._fault.flow_id is None or self._fault.flow_id == flow_id

    def is_due(self, now: EpochMs) -> bool:
        self._seen += 1
        if self._seen <= self._fault.after or self._taken >= self._limit:
            return False
        if self._fault.rate_limit is not None and not self._is_too_many(now):
            return False
        self._taken += 1
        return True

    def _is_too_many(self, now: EpochMs) -> bool:
        recent = self._recent
        if len(recent) == recent.maxlen and now - recent[0] < _SECOND_MS:
            return True
        recent.append(now)
        return False


def false_answer(reply: Reply, operation: Operation) -> SandboxAnswer:
    """The answer that a rule gives in place of the true one."""
    if reply.status in _WITHOUT_BODY:
        return SandboxAnswer(status=reply.status, body=b"", headers=reply.headers)
    if reply.body is not None:
        kind = "text/html" if reply.body.startswith("<") else "text/plain"
        return SandboxAnswer(
            status=reply.status,
            body=reply.body.encode(),
            content_type=kind,
            headers=reply.headers,
        )
    code = reply.code
    if code is None:
        code = 0 if reply.status // 100 == _SUCCESS else reply.status
    wrapped = token_answer if operation in OF_TOKENS else service_answer
    answer = wrapped(None, code=code, msg=reply.msg, status=reply.status)
    return replace(answer, headers=reply.headers)


def _limit(fault: Fault) -> float:
    if fault.times == ALWAYS or (fault.times is None and fault.rate_limit is not None):
        return math.inf
    return fault.times or 1
