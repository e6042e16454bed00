"""A limit of time holds although a name server does not answer."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from reconciler.cli.bounded import run_bounded


@pytest.fixture
def silent_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A lookup that ends only with the test; the event says that it has."""
    over, ended = threading.Event(), threading.Event()

    def look_up(*_: object, **__: object) -> None:
        over.wait(10)
        ended.set()
        raise socket.gaierror("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield ended
    over.set()
    assert ended.wait(60)


def test_nobody_waits_for_a_lookup_that_was_given_up(silent_resolver: threading.Event) -> None:
    async def asked() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.get_running_loop().getaddrinfo("hook.example.test", 443)

    with pytest.raises(TimeoutError):
        run_bounded(asked())
    assert not silent_resolver.is_set()


def test_names_are_looked_up_and_what_is_wrong_with_one_is_raised() -> None:
    async def asked(host: str) -> object:
        return await asyncio.get_running_loop().getaddrinfo(host, 443, type=socket.SOCK_STREAM)

    assert run_bounded(asked("127.0.0.1")) == socket.getaddrinfo(
        "127.0.0.1", 443, type=socket.SOCK_STREAM
    )
    with pytest.raises(socket.gaierror):
        run_bounded(asked("not a name"))
