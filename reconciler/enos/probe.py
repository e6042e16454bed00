"""One unsigned request, to see whether a gateway can be reached at all, and how.

It carries no key, so it may go to any address that a configuration names.
"""

import asyncio
import ssl
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx
from msgspec import Struct

from reconciler.enos import operations
from reconciler.enos.access import GatewaySettings
from reconciler.enos.answers import Quoting, judge_error
from reconciler.enos.transport import build_client, tls_context

_NO_SECRETS = Quoting(())
_RATES = ("ratelimit", "rate-limit", "retry-after")  # parts of the names of such headers


class Reached(Struct, frozen=True, kw_only=True):
    """The gateway answered."""

    status: int  # of HTTP
    date: datetime | None  # its Date header
    rates: tuple[tuple[str, str], ...] = ()  # headers about a rate limit, as they came
    tls: str | None = None  # the version of TLS; None: no TLS
    certificate_until: datetime | None = None


class Unreached(Struct, frozen=True, kw_only=True):
    """No answer came."""

    words: str
    by_tls: bool  # a server is there, but TLS with it failed


async def probe(settings: GatewaySettings) -> Reached | Unreached:
    """Ask for the time once, unsigned, without reading the answer's body.

    Raises ConfigurationError if the URL, the CA file or the proxy cannot be used.
    """
    operation = operations.current_time()
    url = f"{settings.url.rstrip('/')}{operation.path}"
    async with build_client(settings, tls_context(settings), connections=1) as client:
        try:
            async with (
                asyncio.timeout(settings.timeout),
                client.stream("GET", url, params=dict(operation.query)) as response,
            ):
                return _describe_response(response)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in here is the finding
            words = judge_error(error, _NO_SECRETS, connecting=False).words
            return Unreached(words=words, by_tls=any(map(_is_tls, _chain(error))))


def _describe_response(response: httpx.Response) -> Reached:
    headers = response.headers
    encrypted = response.extensions["network_stream"].get_extra_info("ssl_object")
    return Reached(
        status=response.status_code,
        date=_moment(headers.get("date")),
        rates=tuple(
            (name, _NO_SECRETS(value))
            for name, value in headers.items()
            if any(part in name for part in _RATES)
        ),
        tls=None if encrypted is None else encrypted.version(),
        certificate_until=None if encrypted is None else _certificate_expiry(encrypted),
    )


def _certificate_expiry(encrypted: ssl.SSLObject) -> datetime | None:
    """When the server's certificate expires."""
    try:
        said = (encrypted.getpeercert() or {}).get("notAfter")
        return _moment(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _moment(said: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(said or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) or "[SSL" in str(error)
