"""What each answer and each failure says, without a network."""

import inspect
import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.apply.ports import (
    Answer,
    NotProcessed,
    NotSent,
    RejectedAnswer,
    TriggeredAnswer,
    UnknownAnswer,
)
from reconciler.enos.answers import (
    Accepted,
    Failed,
    HttpReply,
    Quoting,
    judge_error,
    judge_reply,
    start_answer,
    unsent_failure,
)
from reconciler.model import InstanceId

QUOTE = Quoting(())
NOW = 1_709_337_600.0  # 2024-03-02T00:00:00Z
DATA = {"flowInstanceId": "3377-1"}


def outcome(status: int, content: Any, **headers: Any) -> Answer:
    body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    return start_answer(
        judge_reply(HttpReply(status=status, body=body, **headers), QUOTE, NOW), 3377
    )


REFUSED: list[Any] = [62101, 62103, 62104, 400, 413, "62104", 404]
TOKEN_OR_RATE: list[Any] = [401, 1001, 1002, 1003, 1004, 1202, 1203, 1204, "1203", 429]
NO_CODE: list[Any] = [None, "", "OK", False, 0.5, [], {}]
NO_DATA: list[Any] = [None, "", [], {}, "3377-1", [DATA]]
NO_ID: list[Any] = [None, "", " ", [], True, "a\nb", "\ud800", "3377-\u202e1", "x" * 201]
NO_ID += ["null", "None", "undefined", "3377-null", 0, "-1"]
NO_ENVELOPE: list[Any] = [None, b"", b"<html>", b"0", b"[]", b"null", b"\xff\xfe", b'"']

TABLE: list[tuple[int, Any, type]] = [
    (200, {"code": 0, "data": DATA}, TriggeredAnswer),
    (201, {"code": 0, "data": DATA}, TriggeredAnswer),
    (200, {"code": "0", "data": DATA}, TriggeredAnswer),
    (200, {"status": 0, "data": DATA}, TriggeredAnswer),
    (200, {"stauts": 0, "data": DATA}, TriggeredAnswer),
    (200, {"code": None, "status": 0, "data": DATA}, TriggeredAnswer),
    *[(200, {"code": code}, RejectedAnswer) for code in REFUSED],
    *[(status, b"", RejectedAnswer) for status in (400, 403, 404, 405, 409, 413, 415, 422, 451)],
    *[(400, {"code": code}, RejectedAnswer) for code in (62101, 62102, 62999, 7)],
    (403, None, RejectedAnswer),
    (404, {"status": 404, "error": "Not Found"}, RejectedAnswer),
    *[(200, {"code": code}, NotProcessed) for code in TOKEN_OR_RATE],
    *[(status, b"<html>", NotProcessed) for status in (401, 429)],
    (403, {"code": 1203}, NotProcessed),
    (401, {"code": 40101}, NotProcessed),
    *[
        (status, {"code": 0, "data": DATA}, UnknownAnswer)
        for status in (301, 302, 400, 401, 408, 500)
    ],
    *[(status, {"code": 62101}, UnknownAnswer) for status in (302, 408, 500, 502, 503, 504, 599)],
    *[(status, {"code": 1203}, UnknownAnswer) for status in (307, 408, 500, 503)],
    *[(status, {"code": 62109}, UnknownAnswer) for status in (200, 400, 401, 429)],
    *[
        (status, {"code": code}, UnknownAnswer)
        for status in (200, 401, 500)
        for code in (1005, "1005")
    ],
    *[
        (status, {"code": code}, UnknownAnswer)
        for status in (200, 400)
        for code in (408, 500, 503, 599)
    ],
    *[(200, {"code": code}, UnknownAnswer) for code in (62102, 62999, 1, -1, 10**17)],
    *[(200, {"code": code, "data": DATA}, UnknownAnswer) for code in NO_CODE],
    *[(200, {"code": 0, "data": data}, UnknownAnswer) for data in NO_DATA],
    *[(200, {"code": 0, "data": {"flowInstanceId": i}}, UnknownAnswer) for i in NO_ID],
    *[(200, body, UnknownAnswer) for body in NO_ENVELOPE],
    (200, DATA, UnknownAnswer),
]


@pytest.mark.parametrize(("status", "content", "expected"), TABLE)
def test_an_answer_is_taken_for_what_it_certainly_says(
    status: int, content: Any, expected: type
) -> None:
    assert isinstance(outcome(status, content), expected)


CODES = st.one_of(
    st.none(),
    st.text("0-.x é", max_size=3),
    st.integers(),
    st.floats(),
    st.sampled_from([0, 400, 401, 408, 429, 500, 1203, 62101, 62109]),
)
CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "code": CODES,
        "msg": st.sampled_from(["", "no", 5]),
        "data": st.sampled_from([None, DATA, 5, "x"]),
    },
)


# A busy machine is no bug.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(status=st.integers(100, 999), content=st.one_of(st.binary(max_size=40), CONTENT))
def test_whatever_comes_a_start_counts_as_not_done_only_under_a_refusal(
    status: int, content: Any
) -> None:
    answer = outcome(status, content)
    assert not isinstance(answer, NotSent)
    if not 200 <= status < 300 and not 400 <= status < 500:
        assert isinstance(answer, UnknownAnswer)
    if isinstance(answer, TriggeredAnswer):
        assert 200 <= status < 300
    if isinstance(answer, RejectedAnswer | NotProcessed) and status < 400:
        assert isinstance(content, dict)
        assert content["code"] not in {0, 62109}


def test_a_refusal_says_the_code_of_the_body_or_else_of_http() -> None:
    assert outcome(400, {"code": 62101, "msg": "no such user"}) == RejectedAnswer(
        code=62101,
        message="HTTP 400, code 62101 (the user does not exist or does not belong to the "
        "organization): no such user",
    )
    assert outcome(413, b"<html>") == RejectedAnswer(
        code=413, message="HTTP 413 (the request is too large), unreadable body"
    )


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("0", None, 0),
        (" 120 ", None, 120),
        ("9" * 5000, None, 999_999_999),
        ("Sat, 02 Mar 2024 00:00:30 GMT", None, 30),
        ("Sat, 02 Mar 2024 00:00:30 -0000", None, 30),
        ("Sat, 02 Mar 2024 00:00:30 GMT", "Sat, 02 Mar 2024 00:00:10 GMT", 20),
        ("Sat, 02 Mar 2024 00:00:30 GMT", "no date", 30),
        ("Fri, 01 Mar 2024 00:00:30 GMT", None, 0),
        ("soon", None, None),
        ("-5", None, None),
        ("²", None, None),
        ("Sat, 99 Mar 99999 00:00:30 GMT", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    answer = outcome(429, b"", retry_after=value, date=date)
    assert isinstance(answer, NotProcessed)
    assert answer.retry_after == seconds


BEFORE_SENDING = {
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "UnsupportedProtocol",
}
AFTER_SENDING = {
    "CloseError",
    "CookieConflict",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "LocalProtocolError",
    "NetworkError",
    "ProtocolError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "RequestError",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "WriteError",
    "WriteTimeout",
}
RAISED = {
    name: kind
    for name, kind in vars(httpx).items()
    if inspect.isclass(kind) and issubclass(kind, Exception)
}


def test_every_exception_of_httpx_has_been_thought_about() -> None:
    assert set(RAISED) == BEFORE_SENDING | AFTER_SENDING


@pytest.mark.parametrize("name", sorted(RAISED))
def test_only_what_httpx_raises_before_sending_is_not_sent(name: str) -> None:
    kind = RAISED[name]
    error = kind.__new__(kind)
    error.args = ("something",)
    failed = judge_error(error, QUOTE, connecting=False)
    assert isinstance(failed.answer, NotSent if name in BEFORE_SENDING else UnknownAnswer)
    assert failed.code is None


@pytest.mark.parametrize(
    "error", [OSError("reset"), TimeoutError(), RuntimeError("odd"), KeyError()]
)
def test_any_other_exception_is_not_sent_only_while_the_connection_was_not_up(
    error: Exception,
) -> None:
    assert isinstance(judge_error(error, QUOTE, connecting=True).answer, NotSent)
    assert isinstance(judge_error(error, QUOTE, connecting=False).answer, UnknownAnswer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (NotSent(reason="r"), NotSent(reason="r")),
        (UnknownAnswer(seen="s"), NotProcessed(reason="no access token: s")),
        (RejectedAnswer(code=403, message="m"), NotProcessed(reason="no access token: m")),
        (
            NotProcessed(reason="r", retry_after=3),
            NotProcessed(reason="no access token: r", retry_after=3),
        ),
    ],
)
def test_whatever_became_of_the_token_request_the_start_was_not_made(
    answer: Any, expected: Answer
) -> None:
    assert unsent_failure(Failed(answer=answer)).answer == expected


@pytest.mark.parametrize("status", [200, 401])
def test_an_internal_exception_says_of_a_question_that_a_new_token_may_help(status: int) -> None:
    reply = HttpReply(status=status, body=b'{"code": 1005}')
    failed = judge_reply(reply, QUOTE, NOW)
    assert isinstance(failed, Failed)
    assert failed.token_refused


def test_an_internal_exception_in_a_token_request_has_started_nothing() -> None:
    failed = judge_reply(HttpReply(status=200, body=b'{"status": 1005}'), QUOTE, NOW)
    assert isinstance(failed, Failed)
    assert isinstance(start_answer(unsent_failure(failed), 3377), NotProcessed)


def test_data_of_a_success_is_handed_on() -> None:
    reply = HttpReply(status=200, body=b'{"code": 0, "data": [1]}')
    assert judge_reply(reply, QUOTE, NOW) == Accepted(data=[1])


def test_a_quotation_is_one_short_printable_line() -> None:
    words = QUOTE("a\r\nb\x1b[31m\ud800 " + "long " * 100)
    assert words.startswith("a b [31m long")
    assert words.isprintable()
    assert len(words) == 200


def test_a_quotation_hides_secrets_even_inside_one_another() -> None:
    quote = Quoting(["abc", "abcdef", ""])
    assert quote("x abcdef y abc z") == "x *** y *** z"


def test_a_secret_is_hidden_before_the_text_is_cut() -> None:
    quote = Quoting(["secret-key"])
    assert "secret" not in quote("x" * 195 + "secret-key")


def started(instance: object) -> Answer:
    return start_answer(Accepted(data={"flowInstanceId": instance}), 3377)


@pytest.mark.parametrize("instance", ["2791-19700101000000", "33-1", "33770-1", "0-20240302"])
def test_an_instance_of_another_flow_is_no_answer_to_the_start(instance: str) -> None:
    assert started(instance) == UnknownAnswer(
        seen=f"code 0, but it names instance {instance}, which is of another flow"
    )


@pytest.mark.parametrize(
    "instance",
    [
        "3377-19700101000000",
        "03377-1",
        "2791",
        "abc-1",
        "2791-a",
        "2791-1-2",
        "x" * 200,
        "\u0662-\u0661",
    ],
)
def test_an_instance_whose_id_names_no_other_flow_is_the_runs(instance: str) -> None:
    assert started(instance) == TriggeredAnswer(instance=InstanceId(instance))


def test_of_errors_in_a_group_one_is_told_and_none_decides() -> None:
    group = ExceptionGroup("several", [ExceptionGroup("inner", [httpx.ConnectError("no port")])])
    failed = judge_error(group, QUOTE, connecting=False)
    assert isinstance(failed.answer, UnknownAnswer)
    assert failed.words == "ConnectError: no port"
    assert isinstance(judge_error(group, QUOTE, connecting=True).answer, NotSent)
