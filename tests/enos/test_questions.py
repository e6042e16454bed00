"""Questions over a real socket: repeated where that may help, and never answered by a guess."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from reconciler.enos.client import EnosGateway
from reconciler.errors import GatewayError
from reconciler.model import EpochMs, InstanceId
from tests.enos.scripted import (
    SERVICE_TIME,
    Act,
    Naps,
    Peer,
    Scripted,
    always,
    answer,
    http,
    opened,
    raw,
    reset,
    run,
    scripted,
    token_answer,
)

T = TypeVar("T")
EMPTY = answer({"flowInsts": [], "count": 0})


def ask(
    script: dict[str, Act | list[Act]],
    question: Callable[[EnosGateway], Awaitable[T]],
    naps: Naps | None = None,
) -> tuple[T, Scripted]:
    async def play() -> tuple[T, Scripted]:
        async with scripted(script) as gateway, opened(gateway, naps=naps) as enos:
            return await question(enos), gateway

    return asyncio.run(play())


def failure(script: dict[str, Act | list[Act]]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        ask(script, EnosGateway.current_time)
    return caught.value


@pytest.mark.parametrize(
    "data", [SERVICE_TIME, str(SERVICE_TIME), float(SERVICE_TIME), SERVICE_TIME + 0.5]
)
def test_the_time_may_be_a_number_or_text(data: object) -> None:
    now, _ = ask({"getCurrentTime": answer(data)}, EnosGateway.current_time)
    assert now == SERVICE_TIME


@pytest.mark.parametrize(
    "data", [None, "", "now", True, 0, -1, 10**17, [], {}, float("nan"), float("inf")]
)
def test_a_time_that_is_none_is_an_error(data: object) -> None:
    error = failure({"getCurrentTime": answer(data)})
    assert "Get Current Time at 127.0.0.1:" in str(error)
    assert "answered with no time" in str(error)


def test_a_clock_in_seconds_is_an_error() -> None:
    """By it a claim of two minutes would last more than a day."""
    error = failure({"getCurrentTime": answer(SERVICE_TIME // 1000)})
    assert f"answered with {SERVICE_TIME // 1000}, a time in seconds" in str(error)


@pytest.mark.parametrize("data", [{"timezone": "GMT+8"}, "GMT+8", {"timezone": " GMT+8 "}])
def test_the_zone_may_be_an_object_or_text(data: object) -> None:
    zone, _ = ask({"getTimeZone": answer(data)}, EnosGateway.timezone)
    assert zone == "GMT+8"


@pytest.mark.parametrize("data", [None, "", {}, [], {"timezone": None}, {"timezone": True}])
def test_a_zone_that_is_none_is_an_error(data: object) -> None:
    with pytest.raises(GatewayError, match="no time zone"):
        ask({"getTimeZone": answer(data)}, EnosGateway.timezone)


HICCUPS: list[Act] = [
    reset,
    raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    http(503),
    http(200, "<html>"),
    http(429),
    http(401),
    answer(code=62109),
    http(200, gzip.compress(b" " * (2 << 20)), {"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("hiccup", HICCUPS)
def test_a_question_is_repeated_after_a_hiccup_with_growing_pauses(hiccup: Act) -> None:
    naps = Naps()
    script: dict[str, Act | list[Act]] = {
        "token/get": [token_answer("token-1"), token_answer("token-2"), token_answer("token-3")],
        "getCurrentTime": [hiccup, hiccup, answer(SERVICE_TIME)],
    }
    now, gateway = ask(script, EnosGateway.current_time, naps)
    assert now == SERVICE_TIME
    assert len(gateway.of("getCurrentTime")) == 3
    assert len(naps.taken) == 2
    assert naps.taken[0] < naps.taken[1]


def test_a_question_is_repeated_after_a_hiccup_of_the_token_service() -> None:
    script: dict[str, Act | list[Act]] = {"token/get": [http(503), token_answer()]}
    now, _ = ask(script, EnosGateway.current_time)
    assert now == SERVICE_TIME


def test_a_rate_limit_is_waited_for_as_long_as_the_gateway_asks() -> None:
    naps = Naps()
    limit = http(429, "", {"Retry-After": "7"})
    ask({"getCurrentTime": [limit, answer(SERVICE_TIME)]}, EnosGateway.current_time, naps)
    assert naps.taken == [7]


def test_nobody_waits_for_a_rate_limit_that_lasts_for_ever() -> None:
    naps = Naps()
    with pytest.raises(GatewayError, match="rate limit exceeded"):
        ask(
            {"getCurrentTime": http(429, "", {"Retry-After": "86400"})},
            EnosGateway.current_time,
            naps,
        )
    assert naps.taken == []


@pytest.mark.parametrize(
    ("act", "words", "hint"),
    [
        (answer(code=62101, msg="x"), "the user does not exist", "gateway.userId"),
        (answer(code=62103), "no privilege", "gateway.userId"),
        (answer(code=62102), "invalid sorter field", "try again later"),
        (http(403), "HTTP 403 (the caller's address or key is not allowed)", "allowed"),
        (http(404), "HTTP 404, empty body", "gateway.url"),
        (http(503, "<html>"), "HTTP 503 (the service is not available)", "try again later"),
        (http(200, "<html>"), "HTTP 200, unreadable body", "gateway.url"),
        (answer(code=1203), "the access token has expired", "secret key"),
        (reset, "ReadError", "gateway.url"),
    ],
)
def test_a_failure_says_what_where_why_and_what_to_check(act: Act, words: str, hint: str) -> None:
    error = failure({"getCurrentTime": act, "token/refresh": token_answer("token-2")})
    assert str(error).startswith("Get Current Time at 127.0.0.1:")
    assert words in str(error)
    assert error.hint is not None
    assert hint in error.hint
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_a_refusal_is_not_repeated() -> None:
    with pytest.raises(GatewayError):
        ask({"getCurrentTime": answer(code=62101)}, EnosGateway.current_time, naps := Naps())
    assert naps.taken == []


def test_bad_credentials_name_the_keys_to_check() -> None:
    error = failure({"token/get": answer(code=1002)})
    assert "unknown access key" in str(error)
    assert error.hint is not None
    assert "access key" in error.hint


def test_a_search_asks_for_everything_from_the_second_that_the_window_starts_in() -> None:
    async def search(enos: EnosGateway) -> Any:
        return await enos.search(3377, EpochMs(1_574_385_824_750), EpochMs(1_574_385_884_000))

    found, gateway = ask({"instance/search": EMPTY}, search)
    assert found == ()
    bodies = [one.content for one in gateway.of("instance/search")]
    asked = sorted((body["type"], body["pagination"]["pageNo"]) for body in bodies)
    assert asked == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    (body,) = [one for one in bodies if asked[1] == (one["type"], one["pagination"]["pageNo"])]
    assert body == {
        "type": 0,
        "expression": "",
        "owner": "",
        "fromTriggerTime": 1_574_385_824_000,
        "toTriggerTime": 1_574_385_884_000,
        "status": "",
        "pagination": {"pageNo": 1, "pageSize": 100, "sorters": []},
    }
    assert gateway.of("instance/search")[0].query == {
        "action": "search",
        "userId": "u1",
        "orgId": "o1",
    }


FOUND = {
    "instanceId": "3377-20240302",
    "flowId": "3377",
    "triggerTime": "2024-03-02 08:00:00",
    "timestamp": "2024-03-02 08:00:05.0",
    "parameters": '[{"key": "A", "value": "1"}]',
    "status": 2,
}


def test_a_search_finds_the_flows_instances_only() -> None:
    other = FOUND | {"instanceId": "4-1", "flowId": 4}

    async def search(enos: EnosGateway) -> Any:
        await enos.current_time()
        return await enos.search(3377, EpochMs(SERVICE_TIME), EpochMs(SERVICE_TIME + 60_000))

    (one,), _ = ask({"instance/search": answer({"flowInsts": [other, FOUND], "count": 2})}, search)
    assert one.id == "3377-20240302"
    assert one.created_latest == SERVICE_TIME + 5_000
    assert one.parameters == (("A", "1"),)


async def search_the_minute(enos: EnosGateway) -> Any:
    return await enos.search(3377, EpochMs(SERVICE_TIME), EpochMs(SERVICE_TIME + 60_000))


NO_DATA = http(200, '{"code": 0}')


@pytest.mark.parametrize("hiccup", [answer(None), NO_DATA])
@pytest.mark.parametrize(
    ("action", "question", "then", "expected"),
    [
        ("getCurrentTime", EnosGateway.current_time, answer(SERVICE_TIME), SERVICE_TIME),
        ("getTimeZone", EnosGateway.timezone, answer({"timezone": "GMT+8"}), "GMT+8"),
        ("instance/search", search_the_minute, EMPTY, ()),
    ],
)
def test_an_answer_without_data_is_a_hiccup_and_asked_again(
    action: str, question: Any, then: Act, expected: Any, hiccup: Act
) -> None:
    found, _ = ask({action: [hiccup, hiccup, hiccup, then]}, question)
    assert found == expected


@pytest.mark.parametrize(
    ("action", "question", "words"),
    [
        ("getCurrentTime", EnosGateway.current_time, "answered with no time"),
        ("getTimeZone", EnosGateway.timezone, "answered with no time zone"),
        ("instance/search", search_the_minute, "answered with no object"),
    ],
)
def test_answers_that_never_have_data_are_an_error(action: str, question: Any, words: str) -> None:
    with pytest.raises(GatewayError, match=words):
        ask({action: answer(None)}, question)


def test_an_instance_without_data_is_one_that_the_service_has_not_at_once() -> None:
    found, gateway = ask({"instance/get": answer(None)}, get)
    assert found is None
    assert len(gateway.of("instance/get")) == 1


@pytest.mark.parametrize("name", [None, "", " ", "a\nb", [], {"id": 1}])
def test_an_instance_of_another_flow_may_have_any_id(name: object) -> None:
    entries = [FOUND | {"instanceId": name, "flowId": 4}, FOUND]
    listed = answer({"flowInsts": entries, "count": 2})
    (one,), _ = ask({"instance/search": listed}, search_the_minute)
    assert one.id == "3377-20240302"


@pytest.mark.parametrize(
    "entry",
    [
        FOUND | {"instanceId": None},
        FOUND | {"instanceId": "a\nb", "flowId": None},
        {"instanceId": None},
        None,
        "3377-1",
    ],
)
def test_a_search_that_shows_what_may_be_the_flows_without_an_id_is_not_whole(entry: Any) -> None:
    listed = answer({"flowInsts": [entry], "count": 1})
    with pytest.raises(GatewayError, match="not whole"):
        ask({"instance/search": listed}, search_the_minute)


@pytest.mark.parametrize("data", [{"flowInsts": None, "count": 0}, {"count": 0}, {}])
def test_a_list_that_is_null_at_first_is_asked_for_again(data: Any) -> None:
    """Null may be what a service says that could not read them at that moment."""
    listed = answer({"flowInsts": [FOUND], "count": 1})
    found, _ = ask({"instance/search": [answer(data), listed]}, search_the_minute)
    assert [one.id for one in found] == ["3377-20240302"]
    if data:  # where none are counted each time, it is how the service writes an empty list
        assert ask({"instance/search": answer(data)}, search_the_minute)[0] == ()
        return
    with pytest.raises(GatewayError, match="no list of instances: the search was not whole"):
        ask({"instance/search": answer(data)}, search_the_minute)


@pytest.mark.parametrize("now", [253_402_300_799_999, 253_402_300_799_000, 10**17])
def test_a_time_that_no_claim_could_be_counted_from_is_unreadable(now: int) -> None:
    with pytest.raises(GatewayError, match="answered with no time"):
        ask({"getCurrentTime": answer(now)}, EnosGateway.current_time)


@pytest.mark.parametrize("broken", [http(503), reset, http(200, "<html>"), answer(code=62109)])
def test_a_search_of_which_one_page_stays_unreadable_is_an_error(broken: Act) -> None:
    async def search(enos: EnosGateway) -> Any:
        return await enos.search(3377, EpochMs(SERVICE_TIME), EpochMs(SERVICE_TIME + 60_000))

    with pytest.raises(GatewayError, match="List Flow Instances"):
        ask({"instance/search": [EMPTY] * 5 + [broken]}, search)


@pytest.mark.parametrize("refusal", [answer(code=62102), answer(code=400), http(400)])
def test_a_page_of_which_the_service_says_that_it_cannot_be_asked_for_is_asked_for_once(
    refusal: Act,
) -> None:
    """Page 0, of a service that counts from 1. It has no pages, so that all there are were read."""

    async def search(enos: EnosGateway) -> Any:
        return await enos.search(3377, EpochMs(SERVICE_TIME), EpochMs(SERVICE_TIME + 60_000))

    found, gateway = ask({"instance/search": [*[EMPTY] * 3, refusal]}, search)
    assert found == ()
    assert len(gateway.of("instance/search")) == 6


@pytest.mark.parametrize("refusal", [http(403), http(404), answer(code=62103, status=400)])
def test_a_refusal_that_is_not_of_the_page_is_no_sign_that_there_is_none(refusal: Act) -> None:
    async def search(enos: EnosGateway) -> Any:
        return await enos.search(3377, EpochMs(SERVICE_TIME), EpochMs(SERVICE_TIME + 60_000))

    with pytest.raises(GatewayError, match="List Flow Instances"):
        ask({"instance/search": [*[EMPTY] * 3, refusal, EMPTY]}, search)


async def get(enos: EnosGateway) -> Any:
    return await enos.instance(InstanceId("3377-20240302"))


def test_an_instance_is_asked_for_by_its_id() -> None:
    found, gateway = ask({"instance/get": answer(FOUND)}, get)
    assert found.status == 2
    (request,) = gateway.of("instance/get")
    assert request.method == "GET"
    assert request.body == b""
    assert request.query["flowInstId"] == "3377-20240302"


@pytest.mark.parametrize(
    "act", [answer(None), answer({}), answer(""), answer(code=404), answer(code=404, status=404)]
)
def test_an_instance_that_the_service_says_it_has_not_is_none(act: Act) -> None:
    found, _ = ask({"instance/get": act}, get)
    assert found is None


@pytest.mark.parametrize(
    "act",
    [
        http(404, "<html>"),
        http(404, '{"status": 404, "error": "Not Found"}'),
        answer(code=62104),
        answer([]),
        answer({"flowId": 3377}),
        answer(FOUND | {"instanceId": "3377-other"}),
        http(503),
    ],
)
def test_an_instance_of_which_nobody_can_tell_is_an_error(act: Act) -> None:
    with pytest.raises(GatewayError):
        ask({"instance/get": act}, get)


def test_an_answer_of_many_pieces_is_read_whole() -> None:
    body = json.dumps({"code": 0, "data": FOUND | {"graph": "x" * 3_000_000}}).encode()

    async def act(peer: Peer) -> None:
        await http(200, body)(peer)

    found, _ = ask({"instance/get": act}, get)
    assert found.id == "3377-20240302"


def test_no_cache_may_answer_whatever_is_asked() -> None:
    """The time is asked for with one URL each time, and an old time would end a claim late."""

    async def question(enos: EnosGateway) -> None:
        await enos.current_time()
        await enos.search(None, EpochMs(0), EpochMs(1))
        async with enos.connection() as connection:
            await connection.start(run(), always)

    _, gateway = ask({"instance/search": EMPTY, "updateAndTrigger": answer()}, question)
    assert {one.action for one in gateway.received} >= {"token/get", "getCurrentTime"}
    for one in gateway.received:
        assert (one.headers["cache-control"], one.headers["pragma"]) == ("no-cache", "no-cache")
