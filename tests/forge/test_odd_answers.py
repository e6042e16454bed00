"""A forge, or what stands in its place, that answers as no reference says."""

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from reconciler.errors import ConfigurationError
from reconciler.forge import api
from reconciler.forge.api import Api
from reconciler.forge.github import GitHub
from reconciler.forge.gitlab import GitLab
from reconciler.forge.posts import ForgeError
from tests.forge.fake import TOKEN

_DEEP = b"[" * 200_000
_USER = {"login": "me", "username": "me"}


@contextmanager
def _answering(content: bytes, link: str = "", *, endless: bool = False) -> Iterator[str]:
    """Answer everything with that on loopback meanwhile; gives the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("link", link)
            self.end_headers()
            try:
                self.wfile.write(content)
                while endless:
                    self.wfile.write(content)
            except OSError:
                return  # who asked has left

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _forges(root: str) -> list[Any]:
    asked = Api(root=root, headers={}, token=TOKEN, sleep=lambda _: None)
    return [
        GitHub(api=asked, graphql=root, repository="team/runs", pull_request=7),
        GitLab(api=asked, project=12, merge_request=7),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "text",
        {},
        {"id": "seven", "user": _USER, "author": _USER, "body": ""},
        {"id": 7, "user": "me", "author": "me", "body": ""},
        {"id": 7, "user": _USER, "author": _USER, "body": 7},
    ],
)
def test_a_list_of_something_else_than_comments_is_an_error_of_the_forges(entry: Any) -> None:
    with _answering(json.dumps([entry]).encode()) as url:
        for forge in _forges(url):
            with pytest.raises(ForgeError, match="something else than documented"):
                list(forge.comments())


@pytest.mark.parametrize("answer", [b"null", b"[]", b"{}", b'"me"'])
def test_a_user_without_a_name_is_an_error_of_the_forges(answer: bytes) -> None:
    with _answering(answer) as url, pytest.raises(ForgeError):
        _forges(url)[1].me()


def test_json_that_is_too_deep_to_read_is_an_error_of_the_forges() -> None:
    with _answering(_DEEP) as url, pytest.raises(ForgeError, match="its answer is not JSON"):
        list(_forges(url)[0].comments())


@pytest.mark.parametrize("link", ["http://[bad", "/\x01", "http://127.0.0.1:99999999/"])
def test_a_next_page_at_no_address_is_an_error_of_the_forges(link: str) -> None:
    with _answering(b"[]", f'<{link}>; rel="next"') as url, pytest.raises(ForgeError):
        list(_forges(url)[0].comments())


def test_an_answer_that_grows_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_MOST_BYTES", 1 << 20)
    with (
        _answering(b" " * 100_000, endless=True) as url,
        pytest.raises(ForgeError, match="its answer does not end"),
    ):
        list(_forges(url)[0].comments())


def test_an_answer_that_comes_in_drops_is_given_up_after_a_while() -> None:
    minutes = itertools.count(step=60)
    with _answering(b" ", endless=True) as url:
        slow = Api(root=url, headers={}, token=TOKEN, clock=lambda: float(next(minutes)))
        with pytest.raises(ForgeError, match="its answer does not end"):
            slow.ask("GET", "user")


def test_certificates_that_cannot_be_read_are_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(ConfigurationError, match="the certificates to trust cannot be read"):
        Api(root="https://forge.test", headers={}, token=TOKEN).ask("GET", "user")


@pytest.mark.parametrize("root", ["https://[bad", "https://forge.test:99999999", "https://a\x01b"])
def test_an_address_that_is_none_is_said_without_repeating_it(root: str) -> None:
    with pytest.raises(ConfigurationError, match="is no URL"):
        Api(root=root, headers={}, token=TOKEN)
