"""The proxy that the environment names, as curl understands it."""

import asyncio
import socket

import pytest

from reconciler.enos.access import Credentials
from reconciler.enos.client import open_gateway
from reconciler.enos.direct import DirectTransport
from reconciler.enos.proxies import is_excepted, proxy_for
from reconciler.enos.transport import build_transport, tls_context
from reconciler.errors import ConfigurationError, GatewayError
from tests.enos.scripted import ACCESS_KEY, SECRET_KEY, Naps, settings

_URL = "https://gateway.example.test"


@pytest.mark.parametrize(
    ("no_proxy", "url", "expected"),
    [
        ("", _URL, False),
        ("*", _URL, True),
        ("a.test, *", _URL, True),
        ("gateway.example.test", _URL, True),
        ("example.test", _URL, True),
        (".example.test", _URL, True),
        ("*.example.test", _URL, True),
        ("EXAMPLE.test.", "https://Gateway.Example.Test./x", True),
        ("ample.test", _URL, False),
        ("way.example.test", _URL, False),
        ("other.test example.test", _URL, True),
        ("other.test,,  ,", _URL, False),
        ("https://example.test", _URL, True),
        ("example.test:443", _URL, True),
        ("example.test:8443", _URL, False),
        ("example.test:8443", "https://gateway.example.test:8443/apim", True),
        ("10.0.0.5", "https://10.0.0.5", True),
        ("10.0.0.5:443", "https://10.0.0.5", True),
        ("10.0.0.5:1", "https://10.0.0.5", False),
        ("0.0.5", "https://10.0.0.5", False),
        ("10.0.0.0/8", "https://10.9.8.7", True),
        ("10.0.0.1/8", "https://10.9.8.7", True),
        ("10.0.0.0/8", "https://11.0.0.1", False),
        ("10.0.0.0/99", "https://10.0.0.1", False),
        ("10.0.0.0/8", "https://gateway.10.0.0.0", False),
        ("fd00::1", "https://[fd00::1]", True),
        ("[fd00::1]", "https://[FD00:0::1]", True),
        ("[fd00::1]:443", "https://[fd00::1]", True),
        ("[fd00::1]:8443", "https://[fd00::1]", False),
        ("fd00::/8", "https://[fd00::1]", True),
        ("[fd00::]/8", "https://[fd00::1]", True),
        ("fd00::/8", "https://[fe80::1]", False),
        ("fd00::/8", "https://10.0.0.1", False),
        ("fd00::/8,[::1],localhost,127.0.0.1", _URL, False),
        ("[", _URL, False),
        ("[::1", _URL, False),
        (":", _URL, False),
        (".", _URL, False),
        ("/8", _URL, False),
        ("xn--bcher-kva.test", "https://api.xn--bcher-kva.test", True),
    ],
)
def test_what_no_proxy_leads_to(no_proxy: str, url: str, *, expected: bool) -> None:
    assert is_excepted(url, no_proxy) is expected
    proxy = proxy_for(url, {"NO_PROXY": no_proxy, "HTTPS_PROXY": "http://p.test:3128"})
    assert (proxy is None) is expected


@pytest.mark.parametrize(
    ("variables", "variable"),
    [
        ({}, None),
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "https_proxy"),
        ({"HTTPS_PROXY": "http://b:1", "all_proxy": "http://c:1"}, "HTTPS_PROXY"),
        ({"https_proxy": "", "ALL_PROXY": "c:1"}, "ALL_PROXY"),
        ({"HTTP_PROXY": "http://d:1", "http_proxy": "http://d:1"}, None),  # the URL is https
        ({"no_proxy": "other.test", "NO_PROXY": "*", "ALL_PROXY": "c:1"}, "ALL_PROXY"),
    ],
)
def test_which_variable_counts(variables: dict[str, str], variable: str | None) -> None:
    found = proxy_for(_URL, variables)
    assert (None if found is None else found.variable) == variable


def test_a_proxy_without_a_scheme_is_one_for_http() -> None:
    found = proxy_for(_URL, {"HTTPS_PROXY": "me:hunter2@p.test:3128"})
    assert found is not None
    assert found.shown == "http://p.test:3128, which HTTPS_PROXY names"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("http://me:hunter2@127.0.0.1:99999", "its port is no number from 1 to 65535"),
        ("http://127.0.0.1:0", "its port is no number"),
        ("http://me:hunter2@127.0.0.1:port", "its port is no number"),
        ("me:hunter2@[::1", "its host no host"),
        ("nonsense://me:hunter2@x", "its scheme is none of http, https, socks5"),
        ("http://", "it names no host"),
        ("http://:3128", "it names no host"),
        ("http://a b", "it names no host"),
    ],
)
def test_a_bad_proxy_is_named_with_what_is_wrong_and_without_its_password(
    proxy: str, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        proxy_for(_URL, {"HTTPS_PROXY": proxy})
    assert str(caught.value).startswith("the proxy that HTTPS_PROXY names cannot be used: ")
    assert words in str(caught.value)
    assert "hunter2" not in f"{caught.value}{caught.value.hint}"


def test_a_bad_proxy_that_does_not_lead_there_hinders_nobody() -> None:
    assert proxy_for(_URL, {"HTTPS_PROXY": "nonsense://x", "NO_PROXY": "example.test"}) is None


def test_a_proxy_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(port: int) -> None:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hunter2@127.0.0.1:{port}")
        keys = Credentials(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        async with open_gateway(settings(_URL), keys, sleep=Naps()) as enos:
            await enos.current_time()

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(GatewayError) as caught:
            asyncio.run(ask(port))
    said = str(caught.value)
    assert f"by the proxy http://127.0.0.1:{port}, which HTTPS_PROXY names" in said
    assert "ExceptionGroup" not in said
    assert "hunter2" not in said


@pytest.mark.parametrize("url", [_URL, "http://127.0.0.1:8080"])
def test_only_a_gateway_elsewhere_is_reached_by_a_proxy(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "https://p.test:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://p.test:3128")
    its = settings(url)
    used = build_transport(its, tls_context(its), connections=1)
    assert isinstance(used, DirectTransport) is (url != _URL)
