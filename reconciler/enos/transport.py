"""The way to a gateway: whom to trust, through which proxy, and how connections are opened."""

import os
import ssl
from urllib.parse import urlsplit

import httpx

from reconciler import __version__
from reconciler.enos.access import GatewaySettings
from reconciler.enos.direct import DirectTransport
from reconciler.enos.proxies import Proxy, proxy_for
from reconciler.errors import ConfigurationError

_CONNECT_SHARE = 0.5  # of a request's time: after that, an answer would come too late

HEADERS = (
    # The time is asked for with one URL again and again; a cache must not answer.
    ("cache-control", "no-cache"),
    ("pragma", "no-cache"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip"),
    ("connection", "keep-alive"),
    ("user-agent", f"reconciler/{__version__}"),
)


def tls_context(settings: GatewaySettings) -> ssl.SSLContext:
    """The context that all connections share: building one costs as much as many requests.

    Raises ConfigurationError if the URL or the CA file cannot be used.
    """
    scheme = urlsplit(settings.url).scheme  # always in lower case
    if scheme == "http" and settings.on_loopback:
        return build_trusting_context(needed=False)
    if scheme != "https":
        raise ConfigurationError(
            f"the gateway {settings.host} has no https URL; http is for loopback only"
        )
    try:
        context = build_trusting_context(needed=True)
        if settings.ca_file is not None:
            context.load_verify_locations(cafile=settings.ca_file)
        _resume_sessions(context)
    except OSError as error:  # or ssl.SSLError, which is one
        raise ConfigurationError(
            f"the certificates to trust cannot be read: {error}",
            hint=f"check gateway.caFile ({settings.ca_file or 'not set'}) and SSL_CERT_FILE",
        ) from None
    return context


def build_trusting_context(*, needed: bool) -> ssl.SSLContext:
    """A context that trusts the usual authorities, or nobody if not `needed`. Raises OSError."""
    return httpx.create_ssl_context() if needed else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _resume_sessions(context: ssl.SSLContext) -> None:
    """Have each connection resume an earlier TLS session with the same server.

    Every request has a connection of its own. A resumed session saves a round trip in TLS 1.2, and
    in every version it saves exchanging and verifying certificates again.
    """
    wrap = context.wrap_bio
    newest: dict[str | bytes | None, ssl.SSLObject] = {}
    resumable: dict[str | bytes | None, ssl.SSLSession] = {}

    def wrap_bio(
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        before = newest.get(server_hostname)  # in TLS 1.3, tickets come after the handshake
        if before is not None and before.session is not None and before.session.has_ticket:
            resumable[server_hostname] = before.session
        session = resumable.get(server_hostname, session)
        opened = wrap(incoming, outgoing, server_side, server_hostname, session)
        newest[server_hostname] = opened
        return opened

    context.wrap_bio = wrap_bio  # type: ignore[method-assign]  # httpx and httpcore pass no session


def build_transport(
    settings: GatewaySettings, context: ssl.SSLContext, *, connections: int
) -> httpx.AsyncBaseTransport:
    """A transport that opens a connection for each request, keeps none, and repeats nothing.

    Through a proxy, it opens at most that many connections at once; without one, its users must see
    to that. Raises ConfigurationError if environment variables name a proxy that cannot be used.
    """
    proxy = proxy_of(settings)
    if proxy is None:
        return DirectTransport(context)
    try:
        return httpx.AsyncHTTPTransport(
            verify=context,
            http1=True,
            http2=False,
            trust_env=False,
            proxy=build_httpx_proxy(proxy, context),
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=0, keepalive_expiry=0
            ),
        )
    except ImportError:  # httpx needs a package for SOCKS
        raise ConfigurationError(
            f"a proxy of that kind needs another package: {proxy.shown}",
            hint='Install it: pip install "httpx[socks]"',
        ) from None
    except (ValueError, httpx.InvalidURL):
        # Do not quote the error: it repeats the proxy's URL, which may hold a password.
        raise ConfigurationError(
            f"the proxy cannot be used: {proxy.shown}",
            hint="Write it as http://HOST:PORT, or name the gateway in NO_PROXY.",
        ) from None


def build_client(
    settings: GatewaySettings, context: ssl.SSLContext, *, connections: int
) -> httpx.AsyncClient:
    """A client over such a transport, for a single request. Raises ConfigurationError."""
    return httpx.AsyncClient(
        transport=build_transport(settings, context, connections=connections),
        follow_redirects=False,
        trust_env=False,
        timeout=timeouts(settings.timeout),
        headers=list(HEADERS),
    )


def timeouts(within: float) -> httpx.Timeout:
    """How long each step of a request may take, if the request has that many seconds in total."""
    return httpx.Timeout(within, connect=within * _CONNECT_SHARE)


def proxy_of(settings: GatewaySettings) -> Proxy | None:
    """The proxy that leads to the gateway, if any. Raises ConfigurationError if it is unusable."""
    return None if settings.on_loopback else proxy_for(settings.url, os.environ)


def build_httpx_proxy(proxy: Proxy | None, context: ssl.SSLContext) -> httpx.Proxy | None:
    """The proxy as httpx takes it, if there is one. Raises ValueError that quotes its password."""
    if proxy is None:
        return None
    return httpx.Proxy(proxy.url, ssl_context=context if proxy.scheme == "https" else None)
