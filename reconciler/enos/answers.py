"""What an answer, or the lack of one, means, and whether the request was carried out.

Pure. The rule for all verdicts: a request counts as refused or unsent only if that is certain,
because a start that was carried out must never be sent again.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, assert_never

import httpx
from msgspec import Struct

from reconciler.apply.ports import (
    Answer,
    NotProcessed,
    NotSent,
    RejectedAnswer,
    TriggeredAnswer,
    UnknownAnswer,
)
from reconciler.enos.envelope import Envelope, read_envelope, read_instance_id
from reconciler.model import InstanceId

_LONGEST_QUOTE = 200  # characters; enough for every documented message, too few for a page of HTML

TOKEN_CODES = frozenset({401, 1001, 1002, 1003, 1004, 1005, 1202, 1203, 1204})

_MEANINGS = {
    400: "the gateway cannot process the body",
    401: "invalid credentials",
    403: "the caller's address or key is not allowed",
    413: "the request is too large",
    429: "rate limit exceeded",
    500: "internal error",
    503: "the service is not available",
    1001: "the same encryption was sent twice",
    1002: "unknown access key",
    1003: "invalid encryption: the keys do not fit",
    1004: "invalid parameter",
    1005: "internal exception of the token service",
    1202: "empty parameter",
    1203: "the access token has expired",
    1204: "the access token could not be refreshed",
    62101: "the user does not exist or does not belong to the organization",
    62102: "invalid sorter field",
    62103: "the user has no privilege",
    62104: "on a start: the workflow has no task",
    62109: "internal exception of the service",
}

_HINTS = {
    403: "have this machine's address and the application's key allowed on the gateway",
    404: "check gateway.url",
    429: "lower limits.requestsPerSecond, or try again later",
    62101: "check gateway.orgId and gateway.userId",
    62103: "check gateway.userId, or have the user given the privilege",
}

ANOTHER_CAME = "another answer came with it"

_REFUSALS = frozenset({62101, 62103, 62104})
_MAYBE_CARRIED_OUT = frozenset({408, 62109})
_BAD_REQUEST = 400
_INVALID_SORTER = 62102  # no question has a sorter, so it is said of the page that was asked for
_INTERNAL_EXCEPTION = 1005  # listed beside token codes, but nothing says at which step it happens
_RATE_LIMIT = 429

_DOCUMENTED_ID = re.compile(r"(\d+)-\d+", re.ASCII)  # of an instance: {flow}-{time}

# Errors raised before the first byte of a request is written. ProxyError is one: httpcore raises it
# only when the proxy declines to open a tunnel, and every https request needs that tunnel.
_BEFORE_SENDING: tuple[type[Exception], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Quoting:
    """Makes foreign text safe for messages, logs and the ledger: a gateway may echo secrets."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str]) -> None:
        # Longest first: replacing a secret inside a longer one would leave the rest of the longer.
        self._secrets = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text on one line, cut to 200 characters, each secret replaced by `***`."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        printable = "".join(one if one.isprintable() else " " for one in text)
        words = " ".join(printable.split())
        return words if len(words) <= _LONGEST_QUOTE else words[: _LONGEST_QUOTE - 1] + "…"


def code_meaning(code: int) -> str | None:
    """What a body code or HTTP status means; None if the reference does not say."""
    return _MEANINGS.get(code)


def hint(code: int | None) -> str:
    """What to check after a failure; None: no answer came."""
    if code is None:
        return (
            "check gateway.url, the network and its proxy settings, and gateway.caFile if the "
            "certificate is not trusted"
        )
    if code in TOKEN_CODES:
        return "check the access key and the secret key, and this machine's clock"
    return _HINTS.get(code, "try again later; if it stays so, check gateway.url")


class HttpReply(Struct, frozen=True, kw_only=True):
    """One HTTP answer, read to its end or to the limit."""

    status: int
    body: bytes | None  # content-decoded; None: too large, or in an encoding nobody asked for
    retry_after: str | None = None  # the header as it came; so is `date`
    date: str | None = None
    alone: bool = True  # False: another answer came with this one


class Accepted(Struct, frozen=True, kw_only=True):
    """The service did what it was asked to do. `data` is the answer's, as it came."""

    data: Any
    alone: bool = True  # False: another answer came with it, so a question is asked again


class Failed(Struct, frozen=True, kw_only=True):
    """Any other result of a request, with what is certain about it."""

    answer: RejectedAnswer | NotSent | NotProcessed | UnknownAnswer
    code: int | None = None  # the body's, or the HTTP status if the body has none
    date: str | None = None  # the answer's Date header
    own: bool = False  # the code is from the service itself, not a proxy or a web framework
    said: str = ""  # the message beside the code, made safe by `Quoting`
    called: bool = True  # False: no token could be had for the call, so it was not sent
    unfit: bool = False  # a question is said to be at fault itself, and not who asks it, or where

    @property
    def token_refused(self) -> bool:
        """Whether a new access token may help."""
        return isinstance(self.answer, NotProcessed) and self.code in TOKEN_CODES

    @property
    def words(self) -> str:
        """What happened, for a message."""
        match self.answer:
            case RejectedAnswer(message=words) | UnknownAnswer(seen=words):
                return words
            case NotSent(reason=words) | NotProcessed(reason=words):
                return words
            case _:
                assert_never(self.answer)


Verdict = Accepted | Failed


def judge_reply(reply: HttpReply, quote: Quoting, now: float) -> Verdict:
    """What an HTTP answer means. `now`: Unix epoch, seconds, for a Retry-After without a Date."""
    envelope = read_envelope(reply.body)
    status, code = reply.status, envelope.code if envelope else None
    if code == 0 and _is_success(status) and envelope is not None:
        return Accepted(data=envelope.data, alone=reply.alone)
    words = _words(reply, envelope, quote)
    decisive = code if code is not None else status
    answer: RejectedAnswer | NotProcessed | UnknownAnswer
    if not reply.alone:  # the other answer may say that the request was carried out
        answer = UnknownAnswer(seen=f"{words}, and {ANOTHER_CAME}")
    elif _may_have_been_carried_out(status) or (code is not None and _says_maybe(code)):
        answer = UnknownAnswer(seen=words)
    elif not TOKEN_CODES.isdisjoint({status, code}):
        decisive = decisive if decisive in TOKEN_CODES else status
        answer = NotProcessed(reason=words)
    elif _RATE_LIMIT in {status, code}:
        decisive = _RATE_LIMIT
        answer = NotProcessed(reason=words, retry_after=_retry_after(reply, now))
    elif code in _REFUSALS or _is_refusal(status) or (code is not None and _is_refusal(code)):
        answer = RejectedAnswer(code=decisive, message=words)
    else:
        answer = UnknownAnswer(seen=words)
    own = envelope is not None and envelope.own
    said = quote(envelope.message) if envelope is not None else ""
    unfit = reply.alone and _says_unfit(status, code)
    return Failed(answer=answer, code=decisive, date=reply.date, own=own, said=said, unfit=unfit)


def judge_error(error: Exception, quote: Quoting, *, connecting: bool) -> Failed:
    """What an exception means. `connecting`: the connection was certainly not open yet."""
    told = error
    while isinstance(told, ExceptionGroup):  # the first of them is enough for the message
        told = told.exceptions[0]
    words = quote(f"{type(told).__name__}: {told}" if str(told) else type(told).__name__)
    if isinstance(error, httpx.ReadError | httpx.WriteError):
        words = f"the connection broke before an answer came ({words})"
    if isinstance(error, TimeoutError):
        words = "no answer in time"
    if connecting:
        return Failed(answer=NotSent(reason=f"could not connect: {words}"))
    if isinstance(error, _BEFORE_SENDING):
        return Failed(answer=NotSent(reason=words))
    return Failed(answer=UnknownAnswer(seen=words))


def unsent_failure(failed: Failed) -> Failed:
    """The failure of a call that was not sent because the token request before it failed."""
    if isinstance(failed.answer, NotSent):
        return failed
    wait = failed.answer.retry_after if isinstance(failed.answer, NotProcessed) else None
    answer = NotProcessed(reason=f"no access token: {failed.words}", retry_after=wait)
    return Failed(answer=answer, code=failed.code, date=failed.date, called=False)


def start_answer(verdict: Verdict, flow_id: int) -> Answer:
    """The answer to the start of a run of that flow.

    An internal exception may have happened after the instance was created. A question or a token
    request that ends so is repeated, but a start is in doubt.

    Every documented instance id begins with its flow's id. If the id names another flow, the answer
    belongs to another start, whoever mixed the two up, and the outcome of this one is unknown.
    """
    if isinstance(verdict, Failed):
        if verdict.called and verdict.code == _INTERNAL_EXCEPTION:
            return UnknownAnswer(seen=verdict.words)
        return verdict.answer
    data = verdict.data
    instance = read_instance_id(data.get("flowInstanceId")) if isinstance(data, dict) else None
    if instance is None:
        return UnknownAnswer(seen="code 0 without a readable flowInstanceId")
    documented = _DOCUMENTED_ID.fullmatch(instance)
    if documented and int(documented[1]) != flow_id:
        return UnknownAnswer(
            seen=f"code 0, but it names instance {instance}, which is of another flow"
        )
    return TriggeredAnswer(instance=InstanceId(instance))


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - RFC 9110's class of successes


def _is_refusal(code: int) -> bool:
    return 400 <= code < 500  # noqa: PLR2004 - RFC 9110's class of client errors


def _may_have_been_carried_out(status: int) -> bool:
    return status in _MAYBE_CARRIED_OUT or not (_is_success(status) or _is_refusal(status))


def _says_maybe(code: int) -> bool:
    # Code 0, success, gets here only with a status that contradicts it.
    return code in _MAYBE_CARRIED_OUT or code == 0 or 500 <= code < 600  # noqa: PLR2004 - RFC 9110


def _says_unfit(status: int, code: int | None) -> bool:
    """Whether a question was refused for what it asks: by HTTP 400, or by a code that says so.

    A code that names another cause, such as a missing privilege, counts more than the status.
    """
    if code in {_BAD_REQUEST, _INVALID_SORTER}:
        return _is_success(status) or status == _BAD_REQUEST
    if status != _BAD_REQUEST or code is None:
        return status == _BAD_REQUEST
    names_cause = code in _REFUSALS or code in TOKEN_CODES or _is_refusal(code)
    return not names_cause and not _says_maybe(code)


def _words(reply: HttpReply, envelope: Envelope | None, quote: Quoting) -> str:
    if envelope is None:
        body = "too large or oddly encoded" if reply.body is None else "unreadable"
        explained = code_meaning(reply.status)
        status = f"HTTP {reply.status}" + (f" ({explained})" if explained else "")
        return f"{status}, {body if reply.body or reply.body is None else 'empty'} body"
    explained = code_meaning(envelope.code) or code_meaning(reply.status)
    words = f"HTTP {reply.status}, code {envelope.code}" + (f" ({explained})" if explained else "")
    message = quote(envelope.message)
    return f"{words}: {message}" if message else words


def _retry_after(reply: HttpReply, now: float) -> float | None:
    """Seconds to wait, from either form of Retry-After (RFC 9110, 10.2.3)."""
    value = (reply.retry_after or "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    until = _http_date(value)
    if until is None:
        return None
    since = _http_date(reply.date or "") or datetime.fromtimestamp(now, UTC)
    return max((until - since).total_seconds(), 0.0)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
