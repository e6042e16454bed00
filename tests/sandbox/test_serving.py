"""Serving: from a thread, and in the foreground of a process."""

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import httpx
import pytest

from reconciler.errors import ReconcilerError
from reconciler.sandbox import Fault, Sandbox, SandboxOptions, environment, run_sandbox, serve
from reconciler.sandbox.connections import ResettableProtocol
from tests.sampling import sampled

OPEN = SandboxOptions(require_auth=False)
TIME = "/batch-processing-service/v2.1/time?action=getCurrentTime"
FOREGROUND = """
from reconciler.sandbox import Sandbox, SandboxOptions, serve
sandbox = Sandbox(SandboxOptions(require_auth=False))
serve(sandbox, port=0, announce=lambda url: print(url, flush=True))
print("ended")
"""


def test_left_it_stops_listening_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with run_sandbox(Sandbox(OPEN)) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(url + TIME, trust_env=False).status_code == 200
    assert threading.active_count() == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + TIME, trust_env=False)


def test_it_can_be_started_again_on_the_port_that_it_had() -> None:
    with run_sandbox(Sandbox(OPEN)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        client.get(TIME)
    with run_sandbox(Sandbox(OPEN), port=urlsplit(url).port or 0) as again:
        assert again == url


def test_it_stops_at_once_while_requests_are_held_and_connections_are_open() -> None:
    faults = [Fault(on="time", delay_before=3600)]
    with run_sandbox(Sandbox(OPEN, faults)) as url:
        address = ("127.0.0.1", urlsplit(url).port)
        idle = socket.create_connection(address)
        held = socket.create_connection(address)
        held.sendall(f"GET {TIME} HTTP/1.1\r\nHost: sandbox\r\n\r\n".encode())
        httpx.get(url + TIME, trust_env=False)  # the rule takes one request only: it has the other
    for connection in (idle, held):
        with connection:
            assert connection.recv(1) == b""


def test_it_serves_64_connections_at_once() -> None:
    arrived = 0
    everybody = asyncio.Event()

    async def wait_for_all(_: float) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 64:
            everybody.set()
        await everybody.wait()

    async def ask_all(url: str) -> list[int]:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(
            base_url=url, trust_env=False, limits=limits, timeout=60
        ) as client:
            answers = await asyncio.gather(*(client.get(TIME) for _ in range(64)))
            return [answer.status_code for answer in answers]

    options = SandboxOptions(require_auth=False, latency=1)
    with run_sandbox(Sandbox(options, sleep=wait_for_all)) as url:
        assert asyncio.run(ask_all(url)) == [200] * 64


def test_answers_are_not_held_back_by_nagles_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    nodelay: list[int] = []
    connection_made = ResettableProtocol.connection_made

    def look(self: ResettableProtocol, transport: asyncio.Transport) -> None:
        connection = transport.get_extra_info("socket")
        nodelay.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        connection_made(self, transport)

    monkeypatch.setattr(ResettableProtocol, "connection_made", look)
    with run_sandbox(Sandbox(OPEN)) as url:
        httpx.get(url + TIME, trust_env=False)
    assert [bool(one) for one in nodelay] == [True]


@pytest.mark.parametrize("stop", sampled([signal.SIGINT, signal.SIGTERM], every=2))
def test_in_the_foreground_a_signal_ends_it_quietly(stop: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", FOREGROUND],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert client.get(TIME).status_code == 200
            process.send_signal(stop)
            out, err = process.communicate(timeout=250)
    assert (process.returncode, out, err) == (0, "ended\n", "")


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with run_sandbox(Sandbox(OPEN)) as url:
        port = urlsplit(url).port or 0
        with pytest.raises(ReconcilerError, match=f"port {port} .*in use") as raised:
            serve(Sandbox(OPEN), port=port, announce=lambda _: pytest.fail("announced"))
        assert "--port" in (raised.value.hint or "")
        with pytest.raises(ReconcilerError), run_sandbox(Sandbox(OPEN), port=port):
            pytest.fail("served")


def test_the_environment_holds_the_keys_that_the_sandbox_takes() -> None:
    options = SandboxOptions(access_key="a", secret_key="b")
    assert environment(Sandbox(options)) == {"ENOS_ACCESS_KEY": "a", "ENOS_SECRET_KEY": "b"}


def test_importing_the_package_does_not_import_the_sandboxs_server() -> None:
    heavy = "{'starlette', 'uvicorn'} & set(sys.modules)"
    code = f"import sys, reconciler, reconciler.cli.main; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
