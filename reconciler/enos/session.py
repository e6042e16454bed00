"""Calls on behalf of one application: token, rate limit, signature, then one request.

All workers share one token, one rate limit and one idea of the service's clock. The token is
renewed before it expires and after the service refused it. Token requests and signatures carry
stamps by the service's clock.
"""

import asyncio
import hashlib
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode

import httpx

from reconciler.apply.ports import NotSent, UnknownAnswer
from reconciler.enos.access import Credentials, GatewaySettings
from reconciler.enos.answers import Accepted, Failed, Quoting, Verdict, unsent
from reconciler.enos.envelope import LAST_INSTANT, read_integer
from reconciler.enos.http import Outgoing, exchange
from reconciler.enos.operations import EnosOperation, encode
from reconciler.model import EpochMs

_CLOCK_SET_BACK_MS = 1_000  # more than `unique` stamps can be ahead of the clock

_PRINTABLE = re.compile(r"[!-~]{1,8192}")  # text that a header can hold
_UNSTATED_LIFE = 600  # seconds; too long or too short costs one renewal
_MARGIN_SECONDS = 60  # before its expiry, when a token is renewed
_MARGIN_SHARE = 0.1  # the margin's share of a life that is too short for the full margin

_TOKEN_PATH = "/apim-token-service/v2.0/token"  # noqa: S105 - a path
_TOKEN_ANSWER_LIMIT = 1 << 20  # bytes
_JSON = {"content-type": "application/json"}


def encryption(access_key: str, timestamp: int, secret_key: str) -> str:
    """The `encryption` of a token request; `timestamp` is Unix epoch, milliseconds."""
    return _hex_digest(f"{access_key}{timestamp}{secret_key}".encode())


def signature(
    token: str, query: Mapping[str, str], body: bytes, timestamp: int, secret_key: str
) -> str:
    """The `apim-signature` of a call.

    `query` holds names and values that are not percent-encoded; `body` is exactly the bytes that
    are sent; `timestamp` is Unix epoch, milliseconds, as in the call's `apim-timestamp`.
    """
    pairs = "".join(f"{name}{query[name]}" for name in sorted(query))  # ASCII order of the names
    return _hex_digest(f"{token}{pairs}".encode() + body + f"{timestamp}{secret_key}".encode())


def _hex_digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


class Pacing:
    """Spaces requests evenly, because a gateway's limit per second punishes bursts."""

    def __init__(
        self,
        requests_per_second: float | None,
        *,
        elapsed: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._interval = 1.0 / requests_per_second if requests_per_second else 0.0  # seconds
        self._elapsed = elapsed
        self._sleep = sleep
        self._next = elapsed()

    async def turn(self) -> None:
        """Wait until the next request may leave. A caller that is cancelled loses its turn."""
        if not self._interval:
            return
        now = self._elapsed()
        mine = max(self._next, now)
        self._next = mine + self._interval
        if mine > now:
            await self._sleep(mine - now)


class Stamps:
    """The local clock, which may be hours off, corrected by what the service has said."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock  # Unix epoch, seconds
        self._offset = 0  # milliseconds by which the service's clock is ahead
        self._known = False
        self._last = 0

    def learn(self, service: EpochMs, at: float) -> None:
        """Adopt the time that the service itself gave. `at`: local time, Unix epoch, seconds."""
        self._offset = service - int(at * 1000)
        self._known = True

    def guess(self, date: str | None) -> None:
        """Adopt the time in an answer's Date header, unless the service itself has given its time.

        Asking the service for its time needs a signature. Without this guess, a machine whose clock
        is wrong could not ask a gateway that refuses stale signatures.
        """
        if self._known or date is None:
            return
        try:
            seconds = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return
        if 0 < seconds * 1000 <= LAST_INSTANT:
            self._offset = int((seconds - self._clock()) * 1000)

    def now(self) -> int:
        """The time for a stamp, Unix epoch, milliseconds."""
        return int(self._clock() * 1000) + self._offset

    def known_now(self) -> EpochMs | None:
        """The service's time; None if the service has not given it."""
        return EpochMs(self.now()) if self._known else None

    def unique(self) -> int:
        """A stamp unlike all before: the token service refuses the same hash twice (1001)."""
        now = self.now()
        set_back = now < self._last - _CLOCK_SET_BACK_MS
        self._last = now if now > self._last or set_back else self._last + 1
        return self._last


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token. Never shown."""

    value: str = field(repr=False)
    since: float  # local, Unix epoch, seconds
    until: float  # when to ask for a new one; local, Unix epoch, seconds


class Tokens:
    """Gives out the token. Only one caller at a time asks the service for it."""

    def __init__(
        self, ask: Callable[[str | None], Awaitable[Verdict]], clock: Callable[[], float]
    ) -> None:
        """`ask(None)` gets a token, `ask(token)` refreshes that token."""
        self._ask = ask
        self._clock = clock
        self._held: Token | None = None
        self._stale: str | None = None  # a token that was refused, or is about to expire
        self._turn = asyncio.Lock()
        self._tries = 0
        self._failure: Failed | None = None  # of the last try

    async def current(self) -> Token | Failed:
        """The token, or why there is none."""
        token = self._fresh()
        if token is not None:
            return token
        tries = self._tries
        async with self._turn:
            token = self._fresh()
            if token is not None:
                return token
            if self._tries != tries and self._failure is not None:
                # Another caller tried while this one waited. If each waiter tried in turn, a
                # gateway that hangs would cost the last one a timeout for each caller before it.
                return self._failure
            return await self._renew()

    def refuse(self, token: Token) -> None:
        """Note that the gateway refused the token, so that later callers get another one."""
        if token is self._held:
            self._held = None
            self._stale = token.value

    def _fresh(self) -> Token | None:
        token = self._held
        if token is None or token.since <= self._clock() < token.until:
            return token
        self._held = None
        self._stale = token.value
        return None

    async def _renew(self) -> Token | Failed:
        outcome = await self._obtain()
        self._tries += 1
        if isinstance(outcome, Failed):
            self._failure = outcome
        else:
            self._failure = None
            self._held = outcome
        return outcome

    async def _obtain(self) -> Token | Failed:
        got = self._read(await self._ask(None))
        if isinstance(got, Token) and got.value == self._stale:
            # Until a token expires, the service gives out the same one. Only a refresh replaces it.
            refreshed = self._read(await self._ask(got.value))
            if isinstance(refreshed, Token):
                return refreshed
        return got

    def _read(self, verdict: Verdict) -> Token | Failed:
        if isinstance(verdict, Failed):
            return verdict
        value, expire = _fields(verdict)
        if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
            return Failed(
                answer=UnknownAnswer(seen="the token service answered without a token"), code=0
            )
        life = expire if expire is not None and expire > 0 else _UNSTATED_LIFE
        now = self._clock()
        margin = min(_MARGIN_SECONDS, life * _MARGIN_SHARE)
        return Token(value=value, since=now, until=now + life - margin)


def _fields(verdict: Accepted) -> tuple[object, int | None]:
    data = verdict.data if isinstance(verdict.data, dict) else {}
    return data.get("accessToken"), read_integer(data.get("expire"))


class Session:
    """What all connections to one gateway share."""

    def __init__(
        self,
        settings: GatewaySettings,
        credentials: Credentials,
        transport: httpx.AsyncBaseTransport,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        requests: Counter[str],
    ) -> None:
        """`transport` carries all token requests; `requests` counts every request."""
        self._settings = settings
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._requests = requests  # by their names in the reference
        self._base = settings.url.rstrip("/")
        self._pacing = Pacing(settings.requests_per_second, elapsed=time.monotonic, sleep=sleep)
        self._tokens = Tokens(self._ask_for_token, clock)
        self.stamps = Stamps(clock)

    async def call(
        self,
        transport: httpx.AsyncBaseTransport,
        operation: EnosOperation,
        allowed: Callable[[], bool] = lambda: True,
    ) -> Verdict:
        """Send the operation once, or return why it was not sent.

        `allowed` is called here, so that no connection is opened in vain, and right before the
        request and its body leave, because opening a connection may take long.
        """
        token = await self._tokens.current()
        if isinstance(token, Failed):
            self.stamps.guess(token.date)
            return unsent(token)
        await self._pacing.turn()
        if not allowed():
            return Failed(
                answer=NotSent(
                    reason="sending it was no longer allowed after the wait for the rate limit"
                )
            )
        self._requests[operation.name] += 1
        verdict = await self._exchange(transport, self._sign(operation, token), allowed)
        if isinstance(verdict, Failed) and verdict.token_refused:
            self._tokens.refuse(token)
            self.stamps.guess(verdict.date)
        return verdict

    async def _ask_for_token(self, refreshing: str | None) -> Verdict:
        await self._pacing.turn()
        stamp = self.stamps.unique()
        keys = self._credentials
        proof = encryption(keys.access_key, stamp, keys.secret_key)
        body = {"appKey": keys.access_key, "encryption": proof, "timestamp": stamp}
        if refreshing is not None:
            body["accessToken"] = refreshing
        action = "get" if refreshing is None else "refresh"
        outgoing = Outgoing(
            method="POST",
            url=f"{self._base}{_TOKEN_PATH}/{action}",
            headers=_JSON,
            body=encode(body),
            answer_limit=_TOKEN_ANSWER_LIMIT,
            quote=self._quoting(proof, refreshing or ""),
        )
        self._requests["Token"] += 1
        return await self._exchange(self._transport, outgoing)

    def _sign(self, operation: EnosOperation, token: Token) -> Outgoing:
        stamp = self.stamps.now()
        signed = signature(
            token.value,
            operation.query,
            operation.body or b"",
            stamp,
            self._credentials.secret_key,
        )
        headers = {
            "apim-accesstoken": token.value,
            "apim-timestamp": str(stamp),
            "apim-signature": signed,
        }
        query = urlencode(operation.query, quote_via=percent_encode)
        return Outgoing(
            method="GET" if operation.body is None else "POST",
            url=f"{self._base}{operation.path}?{query}",
            headers=headers if operation.body is None else headers | _JSON,
            body=operation.body,
            answer_limit=operation.answer_limit,
            quote=self._quoting(signed, token.value),
        )

    async def _exchange(
        self,
        transport: httpx.AsyncBaseTransport,
        outgoing: Outgoing,
        allowed: Callable[[], bool] = lambda: True,
    ) -> Verdict:
        return await exchange(
            transport, outgoing, within=self._settings.timeout, now=self._clock(), allowed=allowed
        )

    def _quoting(self, *secrets: str) -> Quoting:
        keys = self._credentials
        return Quoting((keys.access_key, keys.secret_key, *secrets))
