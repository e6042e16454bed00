"""Access tokens and signatures (EnOS reference, How to Invoke an EnOS API)."""

import hashlib
from hmac import compare_digest

from reconciler.model import EpochMs
from reconciler.sandbox.answers import RefusalError, unauthorized
from reconciler.sandbox.bodies import TokenBody, read_body
from reconciler.sandbox.calls import Call
from reconciler.sandbox.options import SandboxOptions


class Tokens:
    """Gives out tokens to one application, and verifies the calls that carry them."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._until: dict[str, EpochMs] = {}  # those that were refreshed are gone
        self._current: str | None = None
        self._given_out = 0
        self._encryptions: set[str] = set()

    def get(self, call: Call, now: EpochMs) -> dict[str, object]:
        """Token get: the token that is still valid, or a new one. Raises RefusalError."""
        if self._options.require_auth:
            self._check_encryption(read_body(call, TokenBody))
        if self._current is None or now >= self._until[self._current]:
            self._current = self._new(now)
        return self._described(self._current, now)

    def refresh(self, call: Call, now: EpochMs) -> dict[str, object]:
        """Token refresh: a new token in place of the one given. Raises RefusalError."""
        if self._options.require_auth:
            body = read_body(call, TokenBody)
            self._check_encryption(body)
            if not body.access_token:
                raise RefusalError("accessToken is empty", code=1202)
            if now >= self._until.get(body.access_token, now):
                raise RefusalError("refresh failed: no such token", code=1204)
            del self._until[body.access_token]
        self._current = self._new(now)
        return self._described(self._current, now)

    def verify(self, call: Call, now: EpochMs) -> None:
        """Raises RefusalError unless the call carries a valid token and its signature."""
        token = call.headers.get("apim-accesstoken", "")
        timestamp = call.headers.get("apim-timestamp", "")
        if token not in self._until:
            raise unauthorized("invalid credentials: no such access token")
        if not (timestamp.isascii() and timestamp.isdecimal()):
            raise unauthorized("invalid credentials: apim-timestamp is no time")
        pairs = "".join(name + value for name, value in sorted(call.query))
        signed = b"".join(
            (
                f"{token}{pairs}".encode(),
                call.body or b"",
                f"{timestamp}{self._options.secret_key}".encode(),
            )
        )
        if not _same(call.headers.get("apim-signature", ""), signed):
            raise unauthorized("invalid credentials: the signature does not match")
        if now >= self._until[token]:
            raise RefusalError("the access token has expired", code=1203)

    def expire_all(self, now: EpochMs) -> None:
        """Every token given out so far has expired."""
        self._until = dict.fromkeys(self._until, now)

    def _check_encryption(self, body: TokenBody) -> None:
        for name, value in (
            ("appKey", body.app_key),
            ("encryption", body.encryption),
            ("timestamp", body.timestamp),
        ):
            if value == "":
                raise RefusalError(f"{name} is empty", code=1202)
        if body.app_key != self._options.access_key:
            raise RefusalError("unknown appKey", code=1002)
        signed = f"{body.app_key}{body.timestamp}{self._options.secret_key}".encode()
        if not _same(body.encryption, signed):
            raise RefusalError("invalid encryption", code=1003)
        if body.encryption in self._encryptions:
            raise RefusalError("the same encryption was sent twice", code=1001)
        self._encryptions.add(body.encryption)

    def _new(self, now: EpochMs) -> str:
        self._given_out += 1
        token = f"sandbox-token-{self._given_out}"
        self._until[token] = EpochMs(now + self._options.token_seconds * 1000)
        return token

    def _described(self, token: str, now: EpochMs) -> dict[str, object]:
        left = -((now - self._until[token]) // 1000)  # whole seconds, the last one counts
        return {"accessToken": token, "expire": left}


def _same(given: str, signed: bytes) -> bool:
    return compare_digest(given.encode(), hashlib.sha256(signed).hexdigest().encode())
