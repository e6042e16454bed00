"""Calls on behalf of one application: token, rate limit, signature, then one request.

All workers share one token, one rate limit and one idea of the service's clock. The token is
renewed before it expires and after the service refused it. Token requests and signatures carry
stamps by the service's clock.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode

import httpx

from reconciler.apply.ports import NotSent
from reconciler.enos.access import Credentials, GatewaySettings
from reconciler.enos.answers import Failed, Quoting, Verdict, unsent_failure
from reconciler.enos.envelope import LAST_INSTANT
from reconciler.enos.http import Outgoing, exchange
from reconciler.enos.operations import EnosOperation, encode
from reconciler.enos.tokens import Token, Tokens
from reconciler.model import EpochMs

_CLOCK_SET_BACK_MS = 1_000  # more than `unique` stamps can be ahead of the clock

_TOKEN_PATH = "/apim-token-service/v2.0/token"  # noqa: S105 - a path
_TOKEN_ANSWER_LIMIT = 1 << 20  # bytes
_JSON = {"content-type": "application/json"}


def encryption(access_key: str, timestamp: int, secret_key: str) -> str:
    """The `encryption` of a token request; `timestamp` is Unix epoch, milliseconds."""
    return _hex_digest(f"{access_key}{timestamp}{secret_key}".encode())


def sign_call(
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

    def known_time(self) -> EpochMs | None:
        """The service's time; None if the service has not given it."""
        return EpochMs(self.now()) if self._known else None

    def unique_stamp(self) -> int:
        """A stamp unlike all before: the token service refuses the same hash twice (1001)."""
        now = self.now()
        set_back = now < self._last - _CLOCK_SET_BACK_MS
        self._last = now if now > self._last or set_back else self._last + 1
        return self._last


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
        token = await self._tokens.obtain_token()
        if isinstance(token, Failed):
            self.stamps.guess(token.date)
            return unsent_failure(token)
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
        stamp = self.stamps.unique_stamp()
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
        signed = sign_call(
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
