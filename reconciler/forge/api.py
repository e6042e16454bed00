"""A forge's REST interface: JSON both ways, lists page by page, the token in one header."""

import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from reconciler import __version__
from reconciler.enos.proxies import proxy_for
from reconciler.enos.transport import build_httpx_proxy, build_trusting_context
from reconciler.errors import ConfigurationError
from reconciler.forge.posts import ForgeError, NotAllowedError
from reconciler.schema.formats import is_loopback

_SECONDS = 30.0  # until the next piece of an answer comes
_WHOLE_SECONDS = 60.0  # from the beginning of an answer to its end
_MOST_BYTES = 32 << 20  # of an answer: a page of a hundred long comments has some 7 MB
_PAUSES = (1.0, 3.0)  # seconds between tries
_LONGEST_PAUSE = 60.0  # seconds that a forge may ask for; GitHub's limit on writing asks for these
_MOST_PAGES = 100
_MOST_WORDS = 300  # characters of a forge's message
_NO_JSON = (ValueError, RecursionError)  # what reading can raise for text that is not JSON
_OF_THE_WAY = ("content-encoding", "content-length", "transfer-encoding")  # of the transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One forge, with a token to ask it."""

    root: str  # of the interface, without a slash at its end
    headers: Mapping[str, str] = field(repr=False)  # with the token
    token: str = field(repr=False)  # removed from every message
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.root)
            _ = parts.port, httpx.URL(self.root)
        except (ValueError, httpx.InvalidURL):
            raise ConfigurationError("the address of the forge's interface is no URL") from None
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ConfigurationError(
                f"the forge at {parts.hostname} has no https URL: a token is not sent there"
            )

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer to one request; `path` is below the root, or a whole URL on its host.

        A request is repeated where no answer came or the forge is busy. But a POST is repeated only
        where it was never sent, or was turned away by a limit on requests. Raises ForgeError, and
        NotAllowedError where the token may not do this.
        """
        return self._send(method, self._own_url(path), body, harmless=method != "POST").json()

    def query(self, path: str, text: str) -> Any:
        """The answer to a query in GraphQL: a POST that changes nothing, so it may be repeated.

        Raises as `ask` does.
        """
        return self._send("POST", self._own_url(path), {"query": text}, harmless=True).json()

    def pages(self, path: str) -> Iterator[Any]:
        """Each entry of a list, however many pages it has. Raises ForgeError."""
        url: str | None = urljoin(f"{self.root}/", path)
        for _ in range(_MOST_PAGES):
            if url is None:
                return
            reply = self._send("GET", url, None, harmless=True)
            found = reply.json()
            if not isinstance(found, list):
                raise ForgeError(f"GET {_path(url)} was answered with no list")
            yield from found
            url = self._next_page(url, reply)
        raise ForgeError(f"{_path(path)} has more than {_MOST_PAGES} pages")

    def _own_url(self, path: str) -> str:
        """The whole URL. Raises ForgeError where it is on another host than the forge's."""
        url = self._join_url(f"{self.root}/", path)
        if _origin(url) != _origin(self.root):
            ours = urlsplit(self.root).hostname
            raise ForgeError(f"{urlsplit(url).hostname} is another host than {ours}, the forge's")
        return url

    def _next_page(self, url: str, reply: httpx.Response) -> str | None:
        """The address of the next page. Raises ForgeError where the token would go elsewhere."""
        found = reply.links.get("next", {}).get("url")
        if found is None:
            return None
        address = self._join_url(url, found)
        if _origin(address) != _origin(self.root):
            raise ForgeError(f"{_path(url)} goes on at another host, {urlsplit(address).hostname}")
        return address

    def _join_url(self, base: str, path: str) -> str:
        """The address of that path. Raises ForgeError where the forge names an invalid one."""
        try:
            address = urljoin(base, path)
            _ = urlsplit(address).port, httpx.URL(address)
        except (ValueError, httpx.InvalidURL):
            host = urlsplit(self.root).hostname
            raise ForgeError(f"{host} names an address that is none") from None
        return address

    def _send(
        self, method: str, url: str, body: Mapping[str, Any] | None, *, harmless: bool
    ) -> httpx.Response:
        """The answer. `harmless`: it does no harm if the forge gets the request twice."""
        for pause in (*_PAUSES, None):
            asked = 0.0
            try:
                reply = self._read_answer(method, url, body)
            except httpx.HTTPError as error:
                left = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if pause is None or (left and not harmless):
                    raise self._request_error(
                        method, url, f"{type(error).__name__}: {error}"
                    ) from None
            else:
                asked = _seconds_asked(reply)
                again = _is_limited(reply) or (harmless and reply.is_server_error)
                if not again or pause is None or asked > _LONGEST_PAUSE:
                    return self._check_answer(method, url, reply)
            self.sleep(max(pause, asked))
        raise AssertionError("the last try returns or raises")

    def _read_answer(self, method: str, url: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """The answer with its body. Raises httpx.HTTPError, and ForgeError for an endless body."""
        content = bytearray()
        with _client(self.root).stream(method, url, json=body, headers=self.headers) as reply:
            ends = self.clock() + _WHOLE_SECONDS
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > _MOST_BYTES or self.clock() > ends:
                    raise self._request_error(method, url, "its answer does not end")
        headers = [one for one in reply.headers.multi_items() if one[0] not in _OF_THE_WAY]
        return httpx.Response(reply.status_code, headers=headers, content=bytes(content))

    def _check_answer(self, method: str, url: str, reply: httpx.Response) -> httpx.Response:
        """The answer, if it is a success with JSON. Raises NotAllowedError and ForgeError."""
        if not reply.is_success:
            words = f"{reply.status_code} {_words(reply)}".replace(self.token, "…")
            if reply.status_code == HTTPStatus.FORBIDDEN and not _is_limited(reply):
                raise NotAllowedError(
                    f"{method} {_path(url)} is not allowed to this token: {words}"
                )
            raise self._request_error(method, url, words)
        try:
            reply.json()
        except _NO_JSON:
            raise self._request_error(method, url, "its answer is not JSON") from None
        return reply

    def _request_error(self, method: str, url: str, words: str) -> ForgeError:
        host = urlsplit(url).hostname
        return ForgeError(
            f"{method} {_path(url)} at {host} failed: {words.replace(self.token, '…')}",
            hint="What was applied or planned stands; only the forge was not told.",
        )


@cache
def _client(root: str) -> httpx.Client:
    """The client for that forge. Raises ConfigurationError for a proxy that cannot be used."""
    on_loopback = urlsplit(root).scheme == "http"
    proxy = None if on_loopback else proxy_for(root, os.environ)
    context = _tls(on_loopback=on_loopback)
    try:
        return httpx.Client(
            verify=context,
            trust_env=False,  # a .netrc may hold another user for this host
            proxy=build_httpx_proxy(proxy, context),
            follow_redirects=False,  # the token goes to no other address
            timeout=_SECONDS,
            limits=httpx.Limits(
                max_keepalive_connections=0
            ),  # a connection may be closed meanwhile
            headers={"user-agent": f"reconciler/{__version__}"},
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        # The error's words repeat the proxy's URL, which may hold a password.
        raise ConfigurationError(
            f"the proxy cannot be used: {proxy.shown if proxy else ''}",
            hint='A SOCKS proxy needs another package: pip install "httpx[socks]"',
        ) from None


def _tls(*, on_loopback: bool) -> ssl.SSLContext:
    try:
        return build_trusting_context(needed=not on_loopback)
    except OSError as error:  # ssl.SSLError is one, too
        raise ConfigurationError(
            f"the certificates to trust cannot be read: {error}",
            hint="check SSL_CERT_FILE and SSL_CERT_DIR",
        ) from None


@contextmanager
def guard_answer(forge: str) -> Iterator[None]:
    """Guards code that reads a forge's answer; also a decorator.

    Raises ForgeError where the answer is JSON, but not what the forge's reference promises.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ForgeError(
            f"{forge} answers with something else than documented: {type(error).__name__}",
            hint="What was applied or planned stands; only the forge was not told.",
        ) from None


def _is_limited(reply: httpx.Response) -> bool:
    """Whether a limit on requests turned this one away: GitHub answers 403 for it as well as 429.

    GitHub's REST reference, Rate limits.
    """
    if reply.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    has_limit = "retry-after" in reply.headers or reply.headers.get("x-ratelimit-remaining") == "0"
    return reply.status_code == HTTPStatus.FORBIDDEN and has_limit


def _seconds_asked(reply: httpx.Response) -> float:
    """How many seconds the forge asks to wait; 0 where it does not say."""
    value = reply.headers.get("retry-after", "").strip()
    return float(value[:9]) if value.isascii() and value.isdecimal() else 0.0


def _words(reply: httpx.Response) -> str:
    """What the forge says is wrong."""
    try:
        found = reply.json()
    except _NO_JSON:
        return reply.reason_phrase
    told = found.get("message") or found.get("error") if isinstance(found, dict) else None
    return str(told or reply.reason_phrase)[:_MOST_WORDS]


def _path(url: str) -> str:
    return urlsplit(url).path


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
