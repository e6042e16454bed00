"""Transport security: always verified, whatever is configured."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

import reconciler
from reconciler.apply.ports import Answer, NotSent
from reconciler.enos.direct import DirectTransport
from reconciler.enos.transport import build_client, build_transport, tls_context
from reconciler.errors import ConfigurationError, GatewayError
from reconciler.schema.formats import check_gateway_url
from tests.enos.certified import make_certificate, server_context
from tests.enos.scripted import SERVICE_TIME, always, opened, raw, run, scripted, settings


def current_time(certificate: Path, ca_file: str | None) -> int:
    async def ask() -> int:
        tls = server_context(certificate)
        async with scripted(tls=tls) as gateway, opened(gateway, ca_file=ca_file) as enos:
            return await enos.current_time()

    return asyncio.run(ask())


def test_a_private_ca_is_trusted_if_it_is_configured(certificate: Path) -> None:
    assert current_time(certificate, str(certificate)) == SERVICE_TIME


def test_a_certificate_that_nobody_vouches_for_is_refused_with_a_hint(certificate: Path) -> None:
    with pytest.raises(GatewayError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        current_time(certificate, None)
    assert "gateway.caFile" in (caught.value.hint or "")


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "elsewhere.example.test")
    with pytest.raises(GatewayError, match="CERTIFICATE_VERIFY_FAILED"):
        current_time(other, str(other))


def test_a_start_that_fails_in_the_handshake_was_not_sent(certificate: Path) -> None:
    async def start() -> Answer:
        tls = server_context(certificate)
        async with (
            scripted(tls=tls) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            return await connection.start(run(), always)

    assert isinstance(asyncio.run(start()), NotSent)


def test_no_secret_leaves_before_the_certificate_is_verified(certificate: Path) -> None:
    async def ask() -> int:
        tls = server_context(certificate)
        async with scripted(tls=tls) as gateway:
            with pytest.raises(GatewayError):
                async with opened(gateway) as enos:
                    await enos.current_time()
            return len(gateway.received)

    assert asyncio.run(ask()) == 0


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_file_that_cannot_be_read_is_a_configuration_error(
    tmp_path: Path, content: str | None
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        tls_context(settings("https://gateway.example.test", ca_file=str(ca_file)))
    assert str(ca_file) in (caught.value.hint or "")


@pytest.mark.parametrize(
    "url", ["http://gateway.example.test", "http://10.0.0.1:80", "ftp://127.0.0.1", "127.0.0.1"]
)
def test_anything_but_https_is_refused_unless_it_stays_on_this_machine(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        tls_context(settings(url))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8080", True),
        ("http://gateway.localhost", False),  # a resolver may ask the network for it
        ("http://127.8.9.1", True),
        ("http://[::1]:8080", True),
        ("https://localhost.example.test", False),
        ("https://10.0.0.1", False),
        ("https://gateway.example.test", False),
    ],
)
def test_loopback_is_known_by_name_and_by_address(url: str, *, expected: bool) -> None:
    assert settings(url).on_loopback is expected


@pytest.mark.parametrize("url", ["https://gateway.example.test", "http://127.0.0.1:8080"])
def test_every_context_verifies_certificates_and_names(url: str) -> None:
    context = tls_context(settings(url))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("url", ["HTTPS://gateway.example.test", "Http://127.0.0.1:8080"])
def test_a_scheme_may_be_written_in_capitals_here_as_in_the_configuration(url: str) -> None:
    check_gateway_url(url)
    its = settings(url)
    assert build_client(its, tls_context(its), connections=1)


def test_verification_is_nowhere_turned_off() -> None:
    sources = Path(reconciler.__file__).parent.rglob("*.py")
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert "verify=False" not in text.replace(" ", "")
    assert "CERT_NONE" not in text
    assert "check_hostname" not in text


def test_a_client_repeats_nothing_follows_nothing_and_keeps_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    its = settings("https://gateway.example.test")
    assert not build_client(its, tls_context(its), connections=1).follow_redirects
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://p.test:3128")
    transport = build_transport(its, tls_context(its), connections=1)
    assert isinstance(transport, httpx.AsyncHTTPTransport)
    assert transport._pool._retries == 0
    assert transport._pool._max_keepalive_connections == 0
    assert not transport._pool._http2


@pytest.mark.parametrize("url", ["https://gateway.example.test", "http://127.0.0.1:8080"])
def test_no_client_builds_a_context_of_its_own(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    its = settings(url)
    context = tls_context(its)

    def build(*_: object, **__: object) -> None:
        pytest.fail("a certificate store was read for one client")

    monkeypatch.setattr(ssl, "create_default_context", build)
    transport = build_transport(its, context, connections=1)
    assert isinstance(transport, DirectTransport)
    assert transport._context is context


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_no_proxy_stands_before_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> int:
        async with scripted() as gateway:
            monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
            monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
            async with opened(gateway) as enos:
                return await enos.current_time()

    assert asyncio.run(ask()) == SERVICE_TIME


def test_a_proxy_of_the_environment_is_used_and_its_refusal_means_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    async def start() -> tuple[Answer, list[str]]:
        async with scripted({"CONNECT": refusal}) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            proxy.url = "https://gateway.example.test"
            async with opened(proxy) as enos, enos.connection() as connection:
                answer = await connection.start(run(), always)
            return answer, [one.method for one in proxy.received]

    answer, methods = asyncio.run(start())
    assert answer == NotSent(reason="ProxyError: 403 Forbidden")
    assert methods == ["CONNECT"]


@pytest.mark.parametrize(
    "proxy", ["socks9://me:pass-word@proxy.test", "http://me:pass-word@proxy.test:no"]
)
def test_a_proxy_that_cannot_be_used_is_a_configuration_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    its = settings("https://gateway.example.test")
    with pytest.raises(ConfigurationError) as caught:
        build_client(its, tls_context(its), connections=1)
    assert "pass-word" not in f"{caught.value!r}{caught.value.hint}"
    assert caught.value.__context__ is None  # whose words could hold the password


def test_a_server_that_never_answers_the_handshake_is_not_sent_to() -> None:
    async def start() -> Answer:
        async with scripted() as gateway:
            gateway.url = gateway.url.replace("http:", "https:")
            async with opened(gateway, timeout=1) as enos, enos.connection() as connection:
                return await connection.start(run(), always)

    assert isinstance(asyncio.run(start()), NotSent)
