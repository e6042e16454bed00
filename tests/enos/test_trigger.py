"""Starting a run over a real socket: one POST, whatever comes back."""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Callable

import pytest

from reconciler.apply.ports import (
    Answer,
    Connection,
    Gateway,
    NotProcessed,
    NotSent,
    RejectedAnswer,
    TriggeredAnswer,
    UnknownAnswer,
)
from reconciler.enos.client import EnosConnection, EnosGateway
from reconciler.enos.http import _Stage
from reconciler.model import InstanceId
from tests.enos.scripted import (
    SECRET_KEY,
    SERVICE_TIME,
    TOKEN,
    Act,
    Naps,
    Peer,
    Received,
    Scripted,
    always,
    answer,
    drip,
    hang,
    http,
    opened,
    raw,
    reset,
    run,
    scripted,
    settings,
    token_answer,
)
from tests.sampling import sampled

STARTED = answer({"flowInstanceId": "3377-20191122"})


def trigger(
    act: Act | list[Act], *, timeout: float = 30, allowed: Callable[[], bool] = always
) -> tuple[Answer, Scripted]:
    async def start() -> tuple[Answer, Scripted]:
        async with (
            scripted({"updateAndTrigger": act}) as gateway,
            opened(gateway, timeout=timeout) as enos,
            enos.connection() as connection,
        ):
            return await connection.start(run(), allowed), gateway

    return asyncio.run(start())


def test_the_client_is_what_the_protocol_asks_for() -> None:
    def gateway(it: EnosGateway) -> Gateway:
        return it

    def connection(it: EnosConnection) -> Connection:
        return it

    assert [gateway, connection]  # mypy is what this test is for


def test_a_started_run_has_the_instance_that_the_answer_names() -> None:
    outcome, gateway = trigger(STARTED)
    assert outcome == TriggeredAnswer(instance=InstanceId("3377-20191122"))
    (post,) = gateway.of("updateAndTrigger")
    assert post.method == "POST"
    assert post.path == "/batch-processing-service/v2.1/flows"
    assert post.query == {"action": "updateAndTrigger", "userId": "u1", "orgId": "o1"}
    assert post.content == {
        "flowId": 3377,
        "triggerTime": 1574385824000,
        "parameters": [{"key": "REPLACE", "value": "ddee"}],
    }


@pytest.mark.parametrize("code", ["0", 0, 0.0])
def test_success_and_the_instance_may_come_as_text_or_number(code: object) -> None:
    outcome, _ = trigger(answer({"flowInstanceId": 337720191122}, code=code))
    assert outcome == TriggeredAnswer(instance=InstanceId("337720191122"))


def test_v2_0_says_status_in_place_of_code() -> None:
    outcome, _ = trigger(http(200, '{"status": 0, "data": {"flowInstanceId": "3377-1"}}'))
    assert outcome == TriggeredAnswer(instance=InstanceId("3377-1"))


def expected_signature(post: Received) -> str:
    pairs = "".join(name + post.query[name] for name in sorted(post.query))
    stamp = post.headers["apim-timestamp"]
    text = (TOKEN + pairs).encode() + post.body + (stamp + SECRET_KEY).encode()
    return hashlib.sha256(text).hexdigest()


def test_the_signature_holds_for_what_the_wire_carries_whatever_characters_are_in_it() -> None:
    parameters = (("Ключ ü", "a+b c&d=e%20/“quoted” ${cal_dt} \n \U0001f300"), ("", ""))

    async def start() -> Received:
        async with (
            scripted({"updateAndTrigger": STARTED}) as gateway,
            opened(gateway, user_id="ü ser+1&a=b%41", org_id="o/1?#") as enos,
            enos.connection() as connection,
        ):
            await connection.start(run(parameters), always)
            return gateway.of("updateAndTrigger")[0]

    post = asyncio.run(start())
    assert "%20" in post.raw_query  # a plus sign is a space to some servers and itself to others
    assert "+" not in post.raw_query
    assert post.query["userId"] == "ü ser+1&a=b%41"
    assert post.query["orgId"] == "o/1?#"
    assert [(one["key"], one["value"]) for one in post.content["parameters"]] == [*parameters]
    assert post.headers["apim-accesstoken"] == TOKEN
    assert post.headers["apim-signature"] == expected_signature(post)


async def bomb(peer: Peer) -> None:
    """Made when it is sent: it takes a quarter of a second, and every worker imports this."""
    await http(200, gzip.compress(b" " * (40 << 20)), {"Content-Encoding": "gzip"})(peer)


NO_HEADER_END = b"HTTP/1.1 200 OK\r\nContent-Le"
HALF_BODY = b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"code":0,"data":{"flowIns'
HALF_CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"cod\r\n'
BAD_GZIP = http(200, b"not gzip at all", {"Content-Encoding": "gzip"})
SUCCESS = b'{"code": 0, "data": {"flowInstanceId": "3377-1"}}'
LIMIT = 1 << 20
HUGE = http(200, SUCCESS.ljust(LIMIT + 1))
BROTLI = http(200, SUCCESS, {"Content-Encoding": "br"})
SWALLOWED = [
    pytest.param(reset, id="reset"),
    pytest.param(raw(b""), id="closed without a word"),
    pytest.param(raw(NO_HEADER_END), id="half a header"),
    pytest.param(raw(HALF_BODY), id="half a body"),
    pytest.param(raw(HALF_CHUNKED), id="half of the chunks"),
    pytest.param(raw(b"SSH-2.0-OpenSSH_9\r\n\r\n"), id="no HTTP"),
    pytest.param(BAD_GZIP, id="bad gzip"),
    pytest.param(bomb, id="gzip bomb"),
    pytest.param(BROTLI, id="an encoding that nobody asked for"),
    pytest.param(HUGE, id="too large"),
    pytest.param(http(200, b""), id="empty"),
    pytest.param(http(204), id="no content"),
    pytest.param(http(200, "<html>Bad Gateway</html>"), id="HTML"),
    pytest.param(http(200, "[" * 200_000), id="nothing but brackets"),
    pytest.param(http(200, '{"code": 0'), id="half of the JSON"),
    pytest.param(http(302, "", {"Location": "/elsewhere"}), id="redirect"),
    pytest.param(http(307, "", {"Location": "/elsewhere"}), id="redirect that repeats a POST"),
    pytest.param(http(502, "<html>"), id="502"),
    pytest.param(http(503, "", {"Retry-After": "1"}), id="503"),
    pytest.param(answer(code=62109), id="62109"),
    pytest.param(answer(code=62109, status=400), id="62109 under 400"),
    pytest.param(answer({}), id="no instance"),
    pytest.param(answer(None), id="no data"),
    pytest.param(answer({"flowInstanceId": "\ud800"}), id="an id that cannot be written down"),
]


@pytest.mark.parametrize("act", SWALLOWED)
def test_after_the_post_has_left_anything_unclear_is_unknown_and_nothing_is_sent_again(
    act: Act,
) -> None:
    outcome, gateway = trigger(act)
    assert isinstance(outcome, UnknownAnswer)
    assert outcome.seen.isprintable()
    assert len(outcome.seen) < 300
    assert len(gateway.of("updateAndTrigger")) == 1


def test_an_answer_just_within_the_limit_is_read() -> None:
    outcome, _ = trigger(http(200, SUCCESS.ljust(LIMIT)))
    assert outcome == TriggeredAnswer(instance=InstanceId("3377-1"))


class Opened:
    """What httpcore says that it has opened: a stream with a socket."""

    def get_extra_info(self, _: str) -> "Opened":
        return self

    def setsockopt(self, *_: object) -> None:
        """Take any option."""


def test_without_a_word_from_the_transport_nothing_is_certain() -> None:
    phase = _Stage(always, has_body=True)
    assert not phase.connecting
    seen = []
    for event in (
        "connection.connect_tcp.started",
        "connection.connect_tcp.complete",
        "connection.start_tls.started",
        "http11.send_request_headers.started",
        "connection.connect_tcp.started",
    ):
        asyncio.run(phase.note(event, {"return_value": Opened()}))
        seen.append(phase.connecting)
    assert seen == [True, True, True, False, False]


@pytest.mark.parametrize("act", sampled([drip, hang], every=2))
def test_the_time_for_a_request_is_its_total_time(act: Act) -> None:
    outcome, gateway = trigger(act, timeout=2)
    assert outcome == UnknownAnswer(seen="no answer in time")
    assert len(gateway.of("updateAndTrigger")) == 1


def test_a_compressed_answer_is_read() -> None:
    body = gzip.compress(json.dumps({"code": 0, "data": {"flowInstanceId": "3377-1"}}).encode())
    outcome, _ = trigger(http(200, body, {"Content-Encoding": "gzip"}))
    assert outcome == TriggeredAnswer(instance=InstanceId("3377-1"))


def test_a_refusal_has_the_code_and_its_meaning() -> None:
    outcome, _ = trigger(answer(code=62103, msg="no privilege"))
    assert isinstance(outcome, RejectedAnswer)
    assert outcome.code == 62103
    assert outcome.message == "HTTP 200, code 62103 (the user has no privilege): no privilege"


def test_nothing_is_sent_once_it_is_no_longer_allowed() -> None:
    outcome, gateway = trigger(STARTED, allowed=lambda: False)
    assert isinstance(outcome, NotSent)
    assert gateway.of("updateAndTrigger") == []


def test_permission_is_asked_after_everything_that_has_to_be_waited_for() -> None:
    asked: list[tuple[int, int]] = []

    async def start() -> None:
        naps = Naps()
        async with (
            scripted({"updateAndTrigger": STARTED}) as gateway,
            opened(gateway, naps=naps, requests_per_second=0.001) as enos,
            enos.connection() as connection,
        ):

            def allowed() -> bool:
                asked.append((len(gateway.of("token/get")), len(naps.taken)))
                return True

            await connection.start(run(), allowed)

    asyncio.run(start())
    # The token was there, and the rate limit had been waited for: before connecting, before the
    # head leaves, before the body leaves, and once it has left.
    assert asked == [(1, 1)] * 4


def test_a_refused_connection_is_not_sent() -> None:
    async def start() -> Answer:
        async with scripted({"updateAndTrigger": STARTED}) as gateway, opened(gateway) as enos:
            await enos.current_time()  # so that there is a token
            async with enos.connection() as connection:
                enos._session._base = "http://127.0.0.1:1"
                return await connection.start(run(), always)

    assert isinstance(asyncio.run(start()), NotSent)


def test_a_time_limit_reached_while_connecting_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def start() -> Answer:
        async with (
            scripted({"updateAndTrigger": STARTED}) as gateway,
            opened(gateway, timeout=2) as enos,
        ):
            await enos.current_time()
            async with enos.connection() as connection:
                monkeypatch.setattr("httpcore._backends.anyio.anyio.connect_tcp", _never)
                return await connection.start(run(), always)

    outcome = asyncio.run(start())
    assert isinstance(outcome, NotSent)


async def _never(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "act",
    [
        reset,
        http(503),
        http(403, "forbidden"),
        http(200, "<html>"),
        answer(code=1002, msg="unknown appKey"),
        answer({"accessToken": ""}),
        answer({"accessToken": "two\r\nlines"}),
        answer([]),
    ],
)
def test_without_a_token_the_start_was_not_processed(act: Act) -> None:
    async def start() -> tuple[Answer, Scripted]:
        async with (
            scripted({"token/get": act, "updateAndTrigger": STARTED}) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            return await connection.start(run(), always), gateway

    outcome, gateway = asyncio.run(start())
    assert isinstance(outcome, NotProcessed)
    assert outcome.reason.startswith("no access token: ")
    assert gateway.of("updateAndTrigger") == []


@pytest.mark.parametrize("refusal", [http(401), answer(code=1203), answer(code="1202", status=400)])
def test_a_refused_token_is_not_processed_and_the_next_start_has_another(refusal: Act) -> None:
    async def start() -> tuple[Answer, Answer, Scripted]:
        async with (
            scripted(
                {
                    "token/get": [token_answer(), token_answer("token-new")],
                    "updateAndTrigger": [refusal, STARTED],
                }
            ) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            first = await connection.start(run(), always)
            return first, await connection.start(run(), always), gateway

    first, second, gateway = asyncio.run(start())
    assert isinstance(first, NotProcessed)
    assert isinstance(second, TriggeredAnswer)
    tokens = [post.headers["apim-accesstoken"] for post in gateway.of("updateAndTrigger")]
    assert tokens == [TOKEN, "token-new"]


def test_a_refused_token_that_is_given_out_again_is_refreshed() -> None:
    async def start() -> Scripted:
        async with (
            scripted(
                {
                    "token/refresh": token_answer("token-fresh"),
                    "updateAndTrigger": [http(401), STARTED],
                }
            ) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            await connection.start(run(), always)
            await connection.start(run(), always)
            return gateway

    gateway = asyncio.run(start())
    assert gateway.of("token/refresh")[0].content["accessToken"] == TOKEN
    assert gateway.of("updateAndTrigger")[1].headers["apim-accesstoken"] == "token-fresh"
    stamps = [one.content["timestamp"] for one in gateway.received if "/token/" in one.path]
    assert len(set(stamps)) == len(stamps)  # else 1001: the same encryption was sent twice


def test_a_rate_limit_is_not_processed_and_says_how_long_to_wait() -> None:
    outcome, _ = trigger(http(429, "", {"Retry-After": "7"}))
    assert isinstance(outcome, NotProcessed)
    assert outcome.retry_after == 7


def test_each_start_of_many_workers_has_a_connection_of_its_own() -> None:
    workers, starts = 24, 6

    async def start() -> Scripted:
        async with scripted({"updateAndTrigger": STARTED}) as gateway, opened(gateway) as enos:

            async def work() -> None:
                async with enos.connection() as connection:
                    for _ in range(starts):
                        assert isinstance(await connection.start(run(), always), TriggeredAnswer)

            await asyncio.gather(*(work() for _ in range(workers)))
            return gateway

    gateway = asyncio.run(start())
    assert len(gateway.of("updateAndTrigger")) == workers * starts
    assert len({post.connection for post in gateway.of("updateAndTrigger")}) == workers * starts
    assert len(gateway.of("token/get")) == 1
    assert gateway.connections == workers * starts + 1


def test_starts_on_one_connection_queue_and_permission_is_asked_when_their_turn_comes() -> None:
    asked: list[int] = []

    async def start() -> Scripted:
        async with (
            scripted({"updateAndTrigger": STARTED}) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):

            def allowed() -> bool:
                asked.append(len(gateway.of("updateAndTrigger")))
                return True

            await asyncio.gather(*(connection.start(run(), allowed) for _ in range(4)))
            return gateway

    gateway = asyncio.run(start())
    before_connecting, before_the_head, before_the_body = asked[::4], asked[1::4], asked[2::4]
    assert before_connecting == before_the_head == before_the_body == asked[3::4] == [0, 1, 2, 3]
    assert len({post.connection for post in gateway.of("updateAndTrigger")}) == 4


def test_a_connection_that_the_server_closed_while_idle_does_not_make_the_next_start_unclear() -> (
    None
):
    async def start() -> tuple[Answer, Scripted]:
        closed = asyncio.Event()

        async def once(peer: Peer) -> None:
            await STARTED(peer)
            peer.writer.close()
            await peer.writer.wait_closed()
            closed.set()

        async with (
            scripted({"updateAndTrigger": [once, STARTED]}) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            await connection.start(run(), always)
            await closed.wait()
            return await connection.start(run(), always), gateway

    outcome, gateway = asyncio.run(start())
    assert isinstance(outcome, TriggeredAnswer)
    first, second = gateway.of("updateAndTrigger")
    assert first.connection != second.connection


def test_a_connection_works_on_after_a_broken_answer() -> None:
    async def start() -> list[Answer]:
        async with (
            scripted({"updateAndTrigger": [reset, HUGE, raw(HALF_BODY), STARTED]}) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            return [await connection.start(run(), always) for _ in range(4)]

    *broken, last = asyncio.run(start())
    assert all(isinstance(one, UnknownAnswer) for one in broken)
    assert isinstance(last, TriggeredAnswer)


def test_a_cancelled_start_is_cancelled_and_its_connection_is_closed() -> None:
    async def start() -> None:
        arrived, gone = asyncio.Event(), asyncio.Event()

        async def stall(peer: Peer) -> None:
            arrived.set()
            with pytest.raises(ConnectionResetError):
                await peer.reader.read()
            gone.set()

        async with (
            scripted({"updateAndTrigger": stall}) as gateway,
            opened(gateway) as enos,
            enos.connection() as connection,
        ):
            task = asyncio.create_task(connection.start(run(), always))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await gone.wait()

    asyncio.run(start())


def test_a_path_in_the_url_is_kept_and_a_slash_at_its_end_does_not_matter() -> None:
    async def start() -> list[str]:
        async with scripted({"updateAndTrigger": STARTED}) as gateway:
            gateway.url += "/enos/"
            async with opened(gateway) as enos, enos.connection() as connection:
                await connection.start(run(), always)
            return [one.path for one in gateway.received]

    token, post = asyncio.run(start())
    assert token == "/enos/apim-token-service/v2.0/token/get"
    assert post == "/enos/batch-processing-service/v2.1/flows"


def test_stamps_follow_the_services_clock_once_it_is_known() -> None:
    async def start() -> list[int]:
        local = SERVICE_TIME / 1000 - 5 * 3600  # five hours behind
        async with (
            scripted({"updateAndTrigger": STARTED}) as gateway,
            opened(gateway, clock=lambda: local) as enos,
            enos.connection() as connection,
        ):
            await connection.start(run(), always)
            await enos.current_time()
            await connection.start(run(), always)
            return [int(one.headers["apim-timestamp"]) for one in gateway.of("updateAndTrigger")]

    assert asyncio.run(start()) == [SERVICE_TIME - 5 * 3_600_000, SERVICE_TIME]


def test_a_machine_whose_clock_is_wrong_learns_the_time_from_the_refusal() -> None:
    async def start() -> int:
        local = SERVICE_TIME / 1000 - 5 * 3600
        refusal = http(401, "", {"Date": "Sat, 02 Mar 2024 00:00:00 GMT"})
        async with (
            scripted(
                {
                    "token/get": [token_answer(), token_answer("token-new")],
                    "getCurrentTime": [refusal, answer(SERVICE_TIME)],
                }
            ) as gateway,
            opened(gateway, clock=lambda: local) as enos,
        ):
            await enos.current_time()
            return int(gateway.of("getCurrentTime")[1].headers["apim-timestamp"])

    assert asyncio.run(start()) == SERVICE_TIME


def test_all_workers_share_one_rate_limit() -> None:
    async def start() -> list[float]:
        naps = Naps()
        async with (
            scripted({"updateAndTrigger": STARTED}) as gateway,
            opened(gateway, naps=naps, requests_per_second=0.001) as enos,
        ):

            async def work() -> None:
                async with enos.connection() as connection:
                    await connection.start(run(), always)

            await asyncio.gather(*(work() for _ in range(4)))
        return naps.taken

    taken = asyncio.run(start())
    assert [round(seconds, -3) for seconds in taken] == [1000, 2000, 3000, 4000]


def test_settings_name_the_host_without_what_stands_before_it() -> None:
    assert settings("https://me:pw@apim.example.test:8443/enos").host == "apim.example.test:8443"
