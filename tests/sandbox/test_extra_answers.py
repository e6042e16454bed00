"""Answers that nobody asked for, read as bytes from the connection."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from reconciler.sandbox import Fault, Reply, Sandbox, SandboxOptions, run_sandbox
from tests.sandbox.asking import NOW, served

_PATH = "/batch-processing-service/v2.1/flows?action=updateAndTrigger&userId=u&orgId=o"
_BODY = b'{"flowId":1,"triggerTime":0,"parameters":[]}'
_ASKED = (
    f"POST {_PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(_BODY)}\r\n\r\n".encode() + _BODY
)
_OPEN = SandboxOptions(require_auth=False)


def read_answer(connection: socket.socket) -> bytes:
    heard = b""
    while not heard.endswith(b"}"):
        piece = connection.recv(65536)
        assert piece, heard
        heard += piece
    return heard


def conversation(fault: Fault) -> tuple[bytes, bytes]:
    """What one read of a connection gives after a first request, and all that a second one gets."""
    sandbox = Sandbox(_OPEN, [fault], clock=lambda: NOW)
    with run_sandbox(sandbox) as url:
        address = ("127.0.0.1", urlsplit(url).port)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(_ASKED)
            first = connection.recv(65536)
            connection.sendall(_ASKED)
            second = read_answer(connection)
    assert len(sandbox.instances) == 2
    return first, second


def bodies(heard: bytes) -> list[object]:
    _, *answers = heard.split(b"HTTP/1.1 ")
    return [json.loads(one.partition(b"\r\n\r\n")[2]) for one in answers]


def test_an_answer_can_come_twice_in_one_piece_on_a_connection_that_goes_on() -> None:
    twice, next_one = conversation(Fault(on="trigger", extra_answer="same"))
    first, second = bodies(twice)
    assert (
        first == second == {"code": 0, "msg": "OK", "data": {"flowInstanceId": "1-19700101080000"}}
    )
    assert twice == 2 * twice[: len(twice) // 2]
    (other,) = bodies(next_one)
    assert other != first


def test_another_answer_can_follow_the_true_one_or_one_in_its_place() -> None:
    extra = Reply(status=599, code=7, msg="surplus")
    told = {"code": 7, "msg": "surplus", "data": None}
    both, _ = conversation(Fault(on="trigger", extra_answer=extra))
    assert bodies(both)[1] == told
    assert b"HTTP/1.1 599 \r\n" in both
    ending = Reply(status=500, effect=True)
    both, _ = conversation(Fault(on="trigger", extra_answer=extra, ending=ending))
    assert both.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert bodies(both)[1] == told


def test_the_answer_that_nobody_asked_for_can_come_later() -> None:
    fault = Fault(on="trigger", extra_answer="same", extra_after=0.3)
    with run_sandbox(Sandbox(_OPEN, [fault], clock=lambda: NOW)) as url:
        address = ("127.0.0.1", urlsplit(url).port)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(_ASKED)
            heard = read_answer(connection)
            assert len(bodies(heard)) == 1
            assert read_answer(connection) == heard


def test_a_connection_that_is_to_be_closed_is_closed_after_both_answers() -> None:
    with run_sandbox(Sandbox(_OPEN, [Fault(on="trigger", extra_answer="same")])) as url:
        address = ("127.0.0.1", urlsplit(url).port)
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(_ASKED.replace(b"Host: a", b"Host: a\r\nConnection: close"))
            heard = b""
            while piece := connection.recv(65536):
                heard += piece
    assert len(bodies(heard)) == 2


def test_a_client_that_gave_up_is_told_nothing_more() -> None:
    with served(Fault(on="trigger", extra_answer="same", delay_after=0.3)) as it:
        it.client.http.timeout = httpx.Timeout(0.1)
        with pytest.raises(httpx.ReadTimeout):
            it.client.trigger()
        it.client.http.timeout = httpx.Timeout(30)
        held = Fault(on="time", delay_before=0.4)
        it.sandbox.add_fault(held)
        assert it.client.time() == NOW
        assert len(it.sandbox.instances) == 1
