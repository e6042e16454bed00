"""What an answer, or the lack of one, says about whether the request was carried out.

Pure. The rule: nothing counts as refused or unsent unless that is certain, because a start that
was carried out must never be sent again.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, assert_never

import httpx

from reconciler.apply.ports import Answer, NotProcessed, NotSent, Rejected, Triggered, Unknown
from reconciler.gateway.meanings import TOKEN_CODES, meaning
from reconciler.gateway.quoting import Quoting
from reconciler.gateway.reply import Envelope, Reply, read_envelope, read_name
from reconciler.model import InstanceId

_REFUSALS = frozenset({62101, 62103, 62104})
_MAYBE_CARRIED_OUT = frozenset({408, 62109})
_RATE_LIMIT = 429

_DOCUMENTED_ID = re.compile(r"(\d+)-\d+", re.ASCII)  # of an instance: {flow}-{time}
_LONGEST_ID = 200  # characters; the documented ones have about 20

# Raised before the first byte of a request is written. ProxyError too: httpcore raises it only
# where the proxy declined to open a tunnel, and an https request goes through a tunnel.
_BEFORE_SENDING: tuple[type[Exception], ...] = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The service did what it was asked; `data` is the answer's, unread."""

    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Anything else, with what is certain about it."""

    answer: Rejected | NotSent | NotProcessed | Unknown
    code: int | None = None  # of the body, or the HTTP status where the body has none
    date: str | None = None  # the answer's Date header
    own: bool = False  # the code is the service's own word, not a proxy's or a web framework's
    said: str = ""  # the message beside the code, quoted

    @property
    def token_refused(self) -> bool:
        """Whether a new access token may help."""
        return isinstance(self.answer, NotProcessed) and self.code in TOKEN_CODES

    @property
    def words(self) -> str:
        """What happened, for a message."""
        match self.answer:
            case Rejected(message=words) | Unknown(seen=words):
                return words
            case NotSent(reason=words) | NotProcessed(reason=words):
                return words
            case _:
                assert_never(self.answer)


Verdict = Accepted | Failed


def judge_reply(reply: Reply, quote: Quoting, now: float) -> Verdict:
    """What an HTTP answer says; `now` (Unix epoch, seconds) is for a Retry-After without a Date."""
    envelope = read_envelope(reply.body)
    status, code = reply.status, envelope.code if envelope else None
    if code == 0 and _is_success(status) and envelope is not None:
        return Accepted(data=envelope.data)
    words = _words(reply, envelope, quote)
    decisive = code if code is not None else status
    answer: Rejected | NotProcessed | Unknown
    if _may_have_been_carried_out(status) or (code is not None and _says_maybe(code)):
        answer = Unknown(seen=words)
    elif not TOKEN_CODES.isdisjoint({status, code}):
        decisive = decisive if decisive in TOKEN_CODES else status
        answer = NotProcessed(reason=words)
    elif _RATE_LIMIT in {status, code}:
        decisive = _RATE_LIMIT
        answer = NotProcessed(reason=words, retry_after=_retry_after(reply, now))
    elif code in _REFUSALS or _is_refusal(status) or (code is not None and _is_refusal(code)):
        answer = Rejected(code=decisive, message=words)
    else:
        answer = Unknown(seen=words)
    own = envelope is not None and envelope.own
    said = quote(envelope.message) if envelope is not None else ""
    return Failed(answer=answer, code=decisive, date=reply.date, own=own, said=said)


def judge_error(error: Exception, quote: Quoting, *, connecting: bool) -> Failed:
    """What an exception says. `connecting`: it is certain that the connection was not yet up."""
    told = error
    while isinstance(told, ExceptionGroup):  # one of several at once says enough
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
    return Failed(answer=Unknown(seen=words))


def unsent(failed: Failed) -> Failed:
    """The same failure, of a request that had to come before the one that was meant."""
    if isinstance(failed.answer, NotSent):
        return failed
    wait = failed.answer.retry_after if isinstance(failed.answer, NotProcessed) else None
    answer = NotProcessed(reason=f"no access token: {failed.words}", retry_after=wait)
    return Failed(answer=answer, code=failed.code, date=failed.date)


def start_answer(verdict: Verdict, flow_id: int) -> Answer:
    """The answer to the start of a run of that flow.

    Every documented instance id begins with its flow's: one that names another flow answers
    another start, whoever mixed them up.
    """
    if isinstance(verdict, Failed):
        return verdict.answer
    data = verdict.data
    instance = read_name(data.get("flowInstanceId")) if isinstance(data, dict) else None
    if instance is None or len(instance) > _LONGEST_ID:
        return Unknown(seen="code 0 without a readable flowInstanceId")
    documented = _DOCUMENTED_ID.fullmatch(instance)
    if documented and int(documented[1]) != flow_id:
        return Unknown(seen=f"code 0, but it names instance {instance}, which is of another flow")
    return Triggered(instance=InstanceId(instance))


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - RFC 9110's class of successes


def _is_refusal(code: int) -> bool:
    return 400 <= code < 500  # noqa: PLR2004 - RFC 9110's class of client errors


def _may_have_been_carried_out(status: int) -> bool:
    return status in _MAYBE_CARRIED_OUT or not (_is_success(status) or _is_refusal(status))


def _says_maybe(code: int) -> bool:
    # A success (0) lands here only under a status that contradicts it.
    return code in _MAYBE_CARRIED_OUT or code == 0 or 500 <= code < 600  # noqa: PLR2004 - RFC 9110


def _words(reply: Reply, envelope: Envelope | None, quote: Quoting) -> str:
    if envelope is None:
        body = "too large or oddly encoded" if reply.body is None else "unreadable"
        explained = meaning(reply.status)
        status = f"HTTP {reply.status}" + (f" ({explained})" if explained else "")
        return f"{status}, {body if reply.body or reply.body is None else 'empty'} body"
    explained = meaning(envelope.code) or meaning(reply.status)
    words = f"HTTP {reply.status}, code {envelope.code}" + (f" ({explained})" if explained else "")
    message = quote(envelope.message)
    return f"{words}: {message}" if message else words


def _retry_after(reply: Reply, now: float) -> float | None:
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
