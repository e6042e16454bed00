"""Sending messages to webhooks: all at once, each with a few tries, in a bounded time.

The time is short because a pipeline waits for it, and because nothing depends on it: everything is
recorded by now. The body of a webhook's answer is not read. Redirects are not followed: the message
is meant only for the address that the configuration gives.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from reconciler import __version__
from reconciler.enos.answers import Quoting
from reconciler.enos.proxies import proxy_for
from reconciler.enos.transport import build_httpx_proxy, build_trusting_context
from reconciler.errors import ConfigurationError
from reconciler.notify.addresses import Address
from reconciler.notify.message import Postmark, sign_body
from reconciler.webhooks import WebhookFormat

ATTEMPTS = 3
ATTEMPT_SECONDS = 5.0
TOTAL_SECONDS = 15.0  # for all webhooks together, which are sent to at the same time
FIRST_PAUSE_SECONDS = 0.5
_OF_THE_SERVER = 500
_TOO_MANY, _REQUEST_TIMEOUT = 429, 408

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one webhook."""

    address: Address
    postmark: Postmark
    content: bytes = field(repr=False)


class Delivered(Struct, frozen=True, kw_only=True):
    """The result of one delivery."""

    label: str
    failure: str | None  # why the webhook did not get the message; None: it did


class _Failed(Struct, frozen=True, kw_only=True):
    """One try that, as far as is known, did not deliver the message."""

    reason: str
    again: bool  # another try may help, and cannot show people the message twice
    after: float = 0.0  # seconds that the webhook asks to wait


async def deliver(
    deliveries: Sequence[Delivery], *, sleep: Sleep = asyncio.sleep, total: float = TOTAL_SECONDS
) -> list[Delivered]:
    """Send all messages, and give the results in the same order. Nothing is raised."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_deliver(one, sleep, total)) for one in deliveries]
    return [task.result() for task in tasks]


async def _deliver(delivery: Delivery, sleep: Sleep, total: float) -> Delivered:
    address = delivery.address
    quote = Quoting(_secrets(address))
    reason = f"no answer within {total:g} s"
    with suppress(TimeoutError):
        async with asyncio.timeout(total):
            try:
                found = await _send(delivery, sleep, total)
            except ConfigurationError as error:  # about the proxy
                found = str(error)
            except Exception as error:  # noqa: BLE001 - no fault of a webhook may end an apply
                found = f"{type(error).__name__}: {error}"
            return Delivered(label=address.label, failure=None if found is None else quote(found))
    return Delivered(label=address.label, failure=quote(reason))


def _secrets(address: Address) -> list[str]:
    """What no message may show: a library's error can contain the URL, or a part of it."""
    parts = urlsplit(address.url)
    secrets = [address.url, parts.path.strip("/"), parts.query, address.secret or ""]
    return secrets if address.webhook.url is None else [address.secret or ""]


async def _send(delivery: Delivery, sleep: Sleep, total: float) -> str | None:
    """Try until the message is delivered or another try is no use; give the failure, or None."""
    context = build_trusting_context(needed=_is_encrypted(delivery.address.url))
    failed: _Failed | None = None
    for attempt in range(ATTEMPTS):
        if failed is not None:
            pause = max(failed.after, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            if pause >= total:
                break
            await sleep(pause)
        failed = await _try(delivery, context)
        if failed is None:
            return None
        if not failed.again:
            break
    return failed.reason if failed else None


def _client(url: str, context: ssl.SSLContext) -> httpx.AsyncClient:
    """A client for the URL. Raises ConfigurationError for a proxy that cannot be used."""
    proxy = proxy_for(url, os.environ) if _is_encrypted(url) else None
    return httpx.AsyncClient(
        verify=context,
        follow_redirects=False,
        trust_env=False,
        proxy=build_httpx_proxy(proxy, context),
        timeout=ATTEMPT_SECONDS,
        headers={"user-agent": f"reconciler/{__version__}"},
    )


def _is_encrypted(url: str) -> bool:
    """Whether the URL is https; any other was checked to be on this machine."""
    return urlsplit(url).scheme == "https"


async def _try(delivery: Delivery, context: ssl.SSLContext) -> _Failed | None:
    # A program that reads JSON knows a message by its id. A chat would show it a second time.
    is_known_again = delivery.address.webhook.format is WebhookFormat.JSON
    url = delivery.address.url
    try:
        async with (
            asyncio.timeout(ATTEMPT_SECONDS),
            _client(url, context) as client,
            client.stream("POST", url, content=delivery.content, headers=_headers(delivery)) as got,
        ):
            return _judge_response(got)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
        return _Failed(reason=f"it cannot be reached: {error or type(error).__name__}", again=True)
    except (TimeoutError, httpx.TimeoutException):
        reason = f"no answer within {ATTEMPT_SECONDS:g} s"
        return _Failed(reason=reason, again=is_known_again)
    except httpx.HTTPError as error:
        reason = f"no answer can be read: {error or type(error).__name__}"
        return _Failed(reason=reason, again=is_known_again)


def _headers(delivery: Delivery) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "x-reconciler-delivery": delivery.postmark.id,
        "x-reconciler-timestamp": delivery.postmark.time,
    }
    if delivery.address.secret is not None:
        signed = sign_body(delivery.address.secret, delivery.content)
        headers["x-reconciler-signature"] = signed
    return headers


def _judge_response(response: httpx.Response) -> _Failed | None:
    status = response.status_code
    if response.is_success:
        return None
    if response.has_redirect_location:
        return _Failed(reason=f"it answers {status}, a redirect: none is followed", again=False)
    busy = status in {_TOO_MANY, _REQUEST_TIMEOUT} or status >= _OF_THE_SERVER
    wait = response.headers.get("retry-after", "").strip()
    after = float(wait) if wait.isascii() and wait.isdecimal() else 0.0
    return _Failed(reason=f"it answers {status}", again=busy, after=after)
