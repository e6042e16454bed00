"""The one unsigned request that shows whether, and how, a gateway can be reached."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.cli.examining_gateway import _tls
from reconciler.enos.probe import Reached, Unreached, probe
from reconciler.render.diagnosis import Health
from tests.enos.certified import make_certificate, server_context
from tests.enos.scripted import http, scripted, settings


def _probed(certificate: Path, ca_file: str | None) -> Reached | Unreached:
    async def ask() -> Reached | Unreached:
        async with scripted(tls=server_context(certificate)) as gateway:
            return await probe(settings(gateway.url, ca_file=ca_file))

    return asyncio.run(ask())


def test_it_tells_the_version_of_tls_and_when_the_certificate_expires(certificate: Path) -> None:
    found = _probed(certificate, str(certificate))
    assert isinstance(found, Reached)
    assert (found.tls or "").startswith("TLSv1.")
    assert found.certificate_until is not None
    assert timedelta(0) < found.certificate_until - datetime.now(UTC) <= timedelta(days=2)
    assert _tls(found).health is Health.WARNING  # it lasts no fortnight


def test_a_certificate_that_is_not_trusted_is_told_apart_from_nobody_there(
    certificate: Path, tmp_path: Path
) -> None:
    found = _probed(certificate, None)
    assert isinstance(found, Unreached)
    assert (found.by_tls, "CERTIFICATE_VERIFY_FAILED" in found.words) == (True, True)
    elsewhere = make_certificate(tmp_path, "elsewhere.example.test")
    other = _probed(elsewhere, str(elsewhere))
    assert isinstance(other, Unreached)
    assert other.by_tls


def test_it_carries_no_key_and_tells_what_headers_say_of_a_limit() -> None:
    async def ask() -> None:
        async with scripted() as gateway:
            headers = {"X-RateLimit-Remaining": "17", "Retry-After": "7", "X-Other": "1"}
            gateway.script["getCurrentTime"] = [http(429, "<html>", headers)]
            found = await probe(settings(gateway.url))
            assert isinstance(found, Reached)
            assert found.status == 429
            assert dict(found.rates) == {"x-ratelimit-remaining": "17", "retry-after": "7"}
            (received,) = gateway.received
            assert not [name for name in received.headers if name.startswith("apim")]

    asyncio.run(ask())


def test_a_connection_that_is_refused_is_unreached() -> None:
    async def ask() -> Reached | Unreached:
        async with scripted() as gateway:
            gone = settings(gateway.url)
        return await probe(gone)

    found = asyncio.run(ask())
    assert isinstance(found, Unreached)
    assert not found.by_tls
