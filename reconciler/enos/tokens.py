"""The token that all calls carry: asked for once, renewed before it expires or once refused."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reconciler.apply.ports import UnknownAnswer
from reconciler.enos.answers import Accepted, Failed, Verdict
from reconciler.enos.envelope import read_integer

_PRINTABLE = re.compile(r"[!-~]{1,8192}")  # text that a header can hold
_UNSTATED_LIFE = 600  # seconds; too long or too short costs one renewal
_MARGIN_SECONDS = 60  # before its expiry, when a token is renewed
_MARGIN_SHARE = 0.1  # the margin's share of a life that is too short for the full margin


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

    async def obtain_token(self) -> Token | Failed:
        """The token, or why there is none."""
        token = self._fresh_token()
        if token is not None:
            return token
        tries = self._tries
        async with self._turn:
            token = self._fresh_token()
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

    def _fresh_token(self) -> Token | None:
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
