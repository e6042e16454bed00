"""Calls on behalf of one application: token, rate limit, signature, then one request."""

import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote as percent_encode
from urllib.parse import urlencode

import httpx

from reconciler.apply.ports import NotSent
from reconciler.gateway import signing
from reconciler.gateway.classify import Failed, Verdict, unsent
from reconciler.gateway.operations import Operation, encode
from reconciler.gateway.pacing import Pacing
from reconciler.gateway.quoting import Quoting
from reconciler.gateway.settings import Credentials, GatewaySettings
from reconciler.gateway.stamps import Stamps
from reconciler.gateway.token import Token, Tokens
from reconciler.gateway.transport import Outgoing, exchange

_TOKEN_PATH = "/apim-token-service/v2.0/token"  # noqa: S105 - a path
_TOKEN_ANSWER_LIMIT = 1 << 20  # bytes
_JSON = {"content-type": "application/json"}


class Session:
    """What all connections to one gateway share."""

    def __init__(
        self,
        settings: GatewaySettings,
        credentials: Credentials,
        client: httpx.AsyncClient,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`client` carries the token requests, whoever they are for."""
        self._settings = settings
        self._credentials = credentials
        self._client = client
        self._clock = clock
        self._base = settings.url.rstrip("/")
        self._pacing = Pacing(settings.requests_per_second, elapsed=time.monotonic, sleep=sleep)
        self._tokens = Tokens(self._ask_for_token, clock)
        self.stamps = Stamps(clock)

    async def call(
        self,
        client: httpx.AsyncClient,
        operation: Operation,
        allowed: Callable[[], bool] = lambda: True,
    ) -> Verdict:
        """Send the operation once, or say why it was not sent.

        `allowed` is asked twice: here, so that no connection is opened for nothing, and right
        before the request leaves, because opening a connection may take long.
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
        verdict = await self._exchange(client, self._sign(operation, token), allowed)
        if isinstance(verdict, Failed) and verdict.token_refused:
            self._tokens.refuse(token)
            self.stamps.guess(verdict.date)
        return verdict

    async def _ask_for_token(self, refreshing: str | None) -> Verdict:
        await self._pacing.turn()
        stamp = self.stamps.unique()
        keys = self._credentials
        proof = signing.encryption(keys.access_key, stamp, keys.secret_key)
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
        return await self._exchange(self._client, outgoing)

    def _sign(self, operation: Operation, token: Token) -> Outgoing:
        stamp = self.stamps.now()
        signature = signing.signature(
            token.value,
            operation.query,
            operation.body or b"",
            stamp,
            self._credentials.secret_key,
        )
        headers = {
            "apim-accesstoken": token.value,
            "apim-timestamp": str(stamp),
            "apim-signature": signature,
        }
        query = urlencode(operation.query, quote_via=percent_encode)
        return Outgoing(
            method="GET" if operation.body is None else "POST",
            url=f"{self._base}{operation.path}?{query}",
            headers=headers if operation.body is None else headers | _JSON,
            body=operation.body,
            answer_limit=operation.answer_limit,
            quote=self._quoting(signature, token.value),
        )

    async def _exchange(
        self,
        client: httpx.AsyncClient,
        outgoing: Outgoing,
        allowed: Callable[[], bool] = lambda: True,
    ) -> Verdict:
        return await exchange(
            client, outgoing, within=self._settings.timeout, now=self._clock(), allowed=allowed
        )

    def _quoting(self, *secrets: str) -> Quoting:
        keys = self._credentials
        return Quoting((keys.access_key, keys.secret_key, *secrets))
