"""The way to a webhook: the gateway's proxies and certificates, and no word too much."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from reconciler.notify import posting
from reconciler.notify.addresses import Address, NoAddress, address_of
from reconciler.notify.message import Postmark
from reconciler.notify.posting import Delivered, Delivery, deliver
from reconciler.webhooks import Webhook, WebhookFormat
from tests.notify.receiver import Answer, receiving

SECRET_URL = "https://hooks.example.test/services/T0/B0/hunter2?sig=hunter2"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "FIRST_PAUSE_SECONDS", 0.001)
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that takes down what it is asked for, and opens no tunnel."""
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(4096).split(b"\r\n")[0])
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://me:hunter2@127.0.0.1:{listener.getsockname()[1]}", asked
        # A thread that went on to wait would accept for whatever gets the closed listener's number.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def delivery(url: str, form: WebhookFormat = WebhookFormat.SLACK) -> Delivery:
    webhook = Webhook(format=form, url_env="NOTIFY_URL")
    address = address_of(webhook, 0, {"NOTIFY_URL": url})
    assert isinstance(address, Address)
    postmark = Postmark(id="1", time="2024-03-02T00:00:00Z", apply=None, job=None)
    return Delivery(address=address, postmark=postmark, content=b"{}")


def sent(*deliveries: Delivery) -> list[Delivered]:
    return asyncio.run(deliver(deliveries))


def test_a_webhook_is_reached_by_the_gateways_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: tuple[str, list[bytes]]
) -> None:
    url, asked = proxy
    monkeypatch.setenv("HTTPS_PROXY", url)
    (outcome,) = sent(delivery(SECRET_URL))
    assert asked[0] == b"CONNECT hooks.example.test:443 HTTP/1.1"
    assert outcome.failure is not None
    assert "hunter2" not in outcome.failure


def test_no_proxy_is_heeded_as_for_the_gateway(
    monkeypatch: pytest.MonkeyPatch, proxy: tuple[str, list[bytes]]
) -> None:
    url, asked = proxy
    monkeypatch.setenv("HTTPS_PROXY", url)
    monkeypatch.setenv("NO_PROXY", "[::1],127.0.0.0/8")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    (outcome,) = sent(delivery(f"https://127.0.0.1:{port}/x"))
    assert "it cannot be reached" in str(outcome.failure)
    assert asked == []


def test_a_bad_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@127.0.0.1:99999")
    (outcome,) = sent(delivery(SECRET_URL))
    assert "the proxy that HTTPS_PROXY names cannot be used" in str(outcome.failure)
    assert "hunter2" not in str(outcome.failure)


def test_no_word_of_a_library_gives_a_url_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError(f"cannot do {SECRET_URL} (/services/T0/B0/hunter2, sig=hunter2)")

    monkeypatch.setattr(posting, "_try", fail)
    (outcome,) = sent(delivery(SECRET_URL))
    assert outcome.failure == "RuntimeError: cannot do *** (/***, ***)"
    assert "hunter2" not in repr(delivery(SECRET_URL))


def test_one_webhook_that_fails_keeps_no_other_from_being_told() -> None:
    with receiving(Answer(status=500)) as bad, receiving() as good:
        outcomes = sent(delivery(bad.url), delivery(good.url))
        assert [one.failure for one in outcomes] == ["it answers 500", None]
        assert len(good.received) == 1


def test_as_long_a_pause_as_a_webhook_asks_for_is_made_where_there_is_time_for_it() -> None:
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    answers = [Answer(status=429, headers={"retry-after": "7"}), Answer(status=503), Answer()]
    with receiving(*answers) as receiver:
        assert asyncio.run(deliver([delivery(receiver.url)], sleep=nap))[0].failure is None
    assert naps == [7, 0.002]


@pytest.mark.parametrize("after", ["9" * 5_000, "-1", "Wed, 21 Oct 2065 07:28:00 GMT", "nan"])
def test_nonsense_for_a_pause_is_no_traceback(after: str) -> None:
    with receiving(Answer(status=503)) as receiver:
        receiver.answers = [Answer(status=503, headers={"retry-after": after[:900]})]
        (outcome,) = sent(delivery(receiver.url))
    assert outcome.failure is not None


@pytest.mark.parametrize(
    ("webhook", "variables", "usable"),
    [
        (Webhook(url_env="NOTIFY_URL"), {"NOTIFY_URL": " https://a.test/x?y=z \n"}, True),
        (Webhook(url_env="NOTIFY_URL"), {"NOTIFY_URL": "http://localhost:1/x"}, True),
        (Webhook(url_env="NOTIFY_URL"), {"NOTIFY_URL": "http://a.test"}, False),
        (Webhook(url_env="NOTIFY_URL"), {"NOTIFY_URL": "file:///etc/passwd"}, False),
        (Webhook(url_env="NOTIFY_URL"), {"NOTIFY_URL": "  "}, False),
        (Webhook(url_env="GITHUB_TOKEN"), {"GITHUB_TOKEN": "https://a.test"}, False),
        (Webhook(url_env="ENOS_SECRET_KEY"), {"ENOS_SECRET_KEY": "https://a.test"}, False),
        (
            Webhook(url_env="SLACK"),
            {"SLACK": "https://a.test", "RECONCILER_NOTIFY_VARIABLES": "X SLACK"},
            True,
        ),
        (Webhook(url="https://a.test", secret_env="NOTIFY_SECRET"), {}, False),
    ],
)
def test_which_variables_may_say_where_a_message_goes(
    webhook: Webhook, variables: dict[str, str], *, usable: bool
) -> None:
    found = address_of(webhook, 3, variables)
    assert isinstance(found, Address if usable else NoAddress)
    assert found.label.startswith("notify[3] (")
