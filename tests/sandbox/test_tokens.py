"""Tokens and signatures, over a real socket."""

from typing import Any

import pytest

from reconciler.sandbox import SandboxOptions
from tests.sandbox.asking import KEY, NOW, SECRET, USER, served, sha256


def test_a_token_is_given_out_for_the_right_keys_with_its_life_in_seconds() -> None:
    with served() as it:
        answer = it.client.ask_token().json()
        assert answer["status"] == 0
        assert answer["business"] == "apim-token-service"
        assert answer["data"] == {"accessToken": it.client.token, "expire": 7200}


def test_asking_again_before_it_expires_gives_the_same_token_with_what_is_left_of_it() -> None:
    with served(options=SandboxOptions(token_seconds=60)) as it:
        it.clock.pass_seconds(59.5)
        assert it.client.ask_token().json()["data"] == {
            "accessToken": it.client.token,
            "expire": 1,
        }
        it.clock.pass_seconds(0.5)
        assert it.client.ask_token().json()["data"]["accessToken"] != it.client.token


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"appKey": "other"}, 1002),
        ({"encryption": sha256(f"{KEY}1{SECRET}")}, 1003),
        ({"encryption": "é"}, 1003),
        ({"appKey": ""}, 1202),
        ({"encryption": ""}, 1202),
        ({"timestamp": ""}, 1202),
    ],
)
def test_a_token_request_that_is_wrong_gets_the_code_of_its_mistake(
    changes: dict[str, Any], code: int
) -> None:
    with served() as it:
        answer = it.client.ask_token(**changes)
        assert (answer.status_code, answer.json()["status"]) == (200, code)
        assert answer.json()["data"] is None


def test_the_same_encryption_sent_twice_is_refused() -> None:
    with served() as it:
        body: dict[str, Any] = {"timestamp": 5, "encryption": sha256(f"{KEY}5{SECRET}")}
        assert it.client.ask_token(**body).json()["status"] == 0
        assert it.client.ask_token(**body).json()["status"] == 1001


def test_a_timestamp_may_be_written_as_text() -> None:
    with served() as it:
        answer = it.client.ask_token(timestamp="6", encryption=sha256(f"{KEY}6{SECRET}"))
        assert answer.json()["status"] == 0


def test_a_refresh_gives_a_new_token_in_place_of_the_old() -> None:
    with served() as it:
        answer = it.client.ask_token("refresh", accessToken=it.client.token).json()
        assert answer["status"] == 0
        assert it.client.call("time", "getCurrentTime").status_code == 401
        it.client.token = answer["data"]["accessToken"]
        assert it.client.call("time", "getCurrentTime").status_code == 200


def test_what_was_never_given_out_or_has_expired_cannot_be_refreshed() -> None:
    with served() as it:
        assert it.client.ask_token("refresh", accessToken="other").json()["status"] == 1204
        assert it.client.ask_token("refresh").json()["status"] == 1202
        it.clock.pass_seconds(7200)
        expired = it.client.ask_token("refresh", accessToken=it.client.token)
        assert expired.json()["status"] == 1204


def test_an_expired_token_gets_1203_and_starts_nothing() -> None:
    with served() as it:
        it.clock.pass_seconds(7199.999)
        assert it.client.trigger().json()["code"] == 0
        it.clock.pass_seconds(0.001)
        answer = it.client.trigger()
        assert (answer.status_code, answer.json()["code"]) == (200, 1203)
        assert len(it.sandbox.instances) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"apim-accesstoken": "other"},
        {"apim-accesstoken": ""},
        {"apim-timestamp": str(NOW + 1)},
        {"apim-timestamp": "now"},
        {"apim-timestamp": ""},
        {"apim-signature": sha256("other")},
        {"apim-signature": ""},
    ],
)
def test_a_call_with_an_invalid_credential_gets_401_and_starts_nothing(
    headers: dict[str, str],
) -> None:
    with served() as it:
        body = {"flowId": 1, "triggerTime": NOW, "parameters": []}
        answer = it.client.call("flows", "updateAndTrigger", body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, 401)
        assert it.sandbox.instances == []


def test_the_signature_covers_every_byte_of_the_body_as_sent() -> None:
    spaced = (
        '{ "flowId": 1, "triggerTime": 5,\n "parameters": [{"key": "K", "value": "é"}] }'.encode()
    )
    with served() as it:
        answer = it.client.call("flows", "updateAndTrigger", spaced)
        assert answer.json()["code"] == 0
        signature = answer.request.headers["apim-signature"]
        compact = spaced.replace(b"\n", b"")
        answer = it.client.call(
            "flows", "updateAndTrigger", compact, headers={"apim-signature": signature}
        )
        assert answer.status_code == 401


def test_the_signature_is_over_the_decoded_query_in_ascii_order_of_its_names() -> None:
    with served() as it:
        query = {"userId": "ü 1+2&3%", "orgId": "o/1", "Zone": "upper case goes before lower"}
        body = {"flowId": 1, "triggerTime": NOW, "parameters": []}
        assert it.client.call("flows", "updateAndTrigger", body, query=query).json()["code"] == 0
        assert it.sandbox.instances[0].owner == "ü 1+2&3%"


def test_without_authentication_any_token_will_do_and_none_at_all() -> None:
    with served(options=SandboxOptions(require_auth=False)) as it:
        headers = {"apim-accesstoken": "", "apim-timestamp": "", "apim-signature": ""}
        body = {"flowId": 1, "triggerTime": NOW, "parameters": []}
        answer = it.client.call("flows", "updateAndTrigger", body, headers=headers)
        assert answer.json()["code"] == 0
        url = "/batch-processing-service/v2.1/time"
        bare = it.client.http.get(url, params={"action": "getCurrentTime", **USER})
        assert bare.json()["data"] == NOW
        for action in ("get", "refresh"):
            token = it.client.http.post(f"/apim-token-service/v2.0/token/{action}", json={})
            assert token.json()["status"] == 0


def test_the_keys_can_be_chosen() -> None:
    with served(options=SandboxOptions(access_key="a", secret_key="b", require_auth=True)) as it:
        signed = sha256("a7b")
        answer = it.client.ask_token(appKey="a", timestamp=7, encryption=signed)
        assert answer.json()["status"] == 0
        assert it.client.ask_token().json()["status"] == 1002
