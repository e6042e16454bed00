"""A forge on loopback that takes the few requests of ours to the letter, and writes down the rest.

As GitHub's and GitLab's REST references have it: who may not write is answered with 403, a list has
pages with a Link header, and GitHub lists pull requests among issues.
"""

import json
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-of-the-job"
_PAGE = 2  # entries, however many were asked for


@dataclass(slots=True, kw_only=True)
class Answer:
    """What is answered; `rows` are one list, whatever page of it is asked for."""

    status: int = 200
    body: Any = None
    rows: list[Any] | None = None


@dataclass(slots=True, kw_only=True)
class FakeForge(ABC):
    """What both forges have: posts by number, a user, and a list of what was asked wrongly."""

    me: str
    may_write: bool = True
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[tuple[int, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)  # method and path
    wrong: list[str] = field(default_factory=list)
    failing: list[int] = field(default_factory=list)  # statuses of the next answers; 0: none comes
    words: str = "busy"  # of these
    retry_after: str = ""  # seconds, with each of these
    url: str = ""

    headers: ClassVar[Mapping[str, str]] = {}

    @property
    def writes(self) -> list[str]:
        """The requests that change anything."""
        return [one for one in self.requests if not one.startswith("GET ") and "graphql" not in one]

    @abstractmethod
    def answer(self, method: str, target: str, body: Any) -> Answer:
        """What the forge answers to the request."""

    def check_headers(self, given: Mapping[str, str]) -> None:
        """Write down each header that is missing or other than documented."""
        for name, value in self.headers.items():
            if given.get(name) != value:
                self.wrong.append(f"header {name}: {given.get(name)}")
        if not str(given.get("user-agent")).startswith("reconciler/"):
            self.wrong.append("no user agent, which GitHub refuses")

    def number(self) -> int:
        """The next number of a post."""
        return 1 + max((one["id"] for one in (*self.comments, *self.issues)), default=100)


def _exactly(forge: FakeForge, body: Any, *names: str) -> None:
    if not isinstance(body, dict) or sorted(body) != sorted(names):
        forge.wrong.append(f"body {body}, where {names} are taken")


@dataclass(slots=True, kw_only=True)
class FakeGitHub(FakeForge):
    """The repository team/runs and its pull request 7."""

    me: str = "github-actions[bot]"
    headers: ClassVar[Mapping[str, str]] = {
        "authorization": f"Bearer {TOKEN}",
        "accept": "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
    }

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """As GitHub's references have it: REST, Issues; GraphQL, viewer."""
        if (method, target) == ("POST", "/graphql"):
            if body != {"query": "query { viewer { login } }"}:
                self.wrong.append(f"GraphQL {body}")
            return Answer(body={"data": {"viewer": {"login": self.me}}})
        path, _, query = target.partition("?")
        asked = parse_qs(query)
        issues = "/repos/team/runs/issues"
        if method != "GET" and not self.may_write:
            return Answer(status=403, body={"message": "Resource not accessible by integration"})
        if (method, path) == ("GET", f"{issues}/7/comments"):
            return Answer(rows=self.comments)
        if (method, path) == ("GET", issues):
            pull_request = {
                "number": 7,
                "pull_request": {},
                "body": "<!-- reconciler-attention prod -->",
                "user": {"login": self.me},
            }
            found = [one for one in self.issues if [one["state"]] == asked["state"]]
            return Answer(rows=[pull_request, *reversed(found)])
        if (method, path) == ("POST", issues):
            _exactly(self, body, "title", "body")
            made = {"number": self.number(), "state": "open", "user": {"login": self.me}, **body}
            self.issues.append({"id": made["number"], **made})
            return Answer(status=201, body=made)
        return self._edit(method, path.removeprefix(issues), body)

    def _edit(self, method: str, path: str, body: Any) -> Answer:
        if method == "POST" and (found := re.fullmatch(r"/(\d+)/comments", path)):
            _exactly(self, body, "body")
            if found[1] == "7":
                made = {"id": self.number(), "user": {"login": self.me}, **body}
                self.comments.append(made)
            self.remarks.append((int(found[1]), body["body"]))
            return Answer(status=201, body=body)
        if method == "PATCH" and (found := re.fullmatch(r"/comments/(\d+)", path)):
            _exactly(self, body, "body")
            (comment,) = [one for one in self.comments if one["id"] == int(found[1])]
            comment.update(body)
            return Answer(body=comment)
        if method == "PATCH" and (found := re.fullmatch(r"/(\d+)", path)):
            _exactly(self, body, "body" if "body" in body else "state")
            (issue,) = [one for one in self.issues if one["number"] == int(found[1])]
            issue.update(body)
            return Answer(body=issue)
        self.wrong.append(f"{method} {path}")
        return Answer(status=404, body={"message": "Not Found"})

    def said_by(self, login: str, text: str) -> dict[str, Any]:
        """Let somebody comment on the pull request."""
        made = {"id": self.number(), "user": {"login": login}, "body": text}
        self.comments.append(made)
        return made


@dataclass(slots=True, kw_only=True)
class FakeGitLab(FakeForge):
    """The project 12 and its merge request 7."""

    me: str = "project_12_bot"
    headers: ClassVar[Mapping[str, str]] = {"private-token": TOKEN}

    def answer(self, method: str, target: str, body: Any) -> Answer:
        """As GitLab's REST reference has it: Users, Notes, Issues."""
        path, _, query = target.partition("?")
        asked = parse_qs(query)
        notes, issues = "/projects/12/merge_requests/7/notes", "/projects/12/issues"
        author = {"author": {"username": self.me}}
        if (method, path) == ("GET", "/user"):
            return Answer(body={"username": self.me})
        if method != "GET" and not self.may_write:
            return Answer(status=403, body={"message": "403 Forbidden"})
        if (method, path) == ("GET", notes):
            if asked.get("sort") != ["asc"]:
                self.wrong.append("notes come with the newest first unless told")
            return Answer(rows=self.comments)
        if (method, path) == ("POST", notes):
            _exactly(self, body, "body")
            self.comments.append({"id": self.number(), **author, **body})
            return Answer(status=201, body=body)
        if (method, path) == ("GET", issues):
            if asked.get("scope") != ["created_by_me"]:
                self.wrong.append("issues of everybody")
            return Answer(rows=[one for one in self.issues if [one["state"]] == asked["state"]])
        if (method, path) == ("POST", issues):
            _exactly(self, body, "title", "description")
            number = self.number()
            made = {"id": number, "iid": number, "state": "opened", **author, **body}
            self.issues.append(made)
            return Answer(status=201, body=made)
        return self._edit(method, path, body)

    def _edit(self, method: str, path: str, body: Any) -> Answer:
        note = re.fullmatch(r"/projects/12/merge_requests/7/notes/(\d+)", path)
        issue = re.fullmatch(r"/projects/12/issues/(\d+)(/notes)?", path)
        if method == "PUT" and note:
            _exactly(self, body, "body")
            (found,) = [one for one in self.comments if one["id"] == int(note[1])]
            found.update(body)
        elif method == "POST" and issue and issue[2]:
            _exactly(self, body, "body")
            self.remarks.append((int(issue[1]), body["body"]))
        elif method == "PUT" and issue and not issue[2]:
            _exactly(self, body, "description" if "description" in body else "state_event")
            (found,) = [one for one in self.issues if one["iid"] == int(issue[1])]
            found.update(body)
            found["state"] = "closed" if body.get("state_event") == "close" else found["state"]
        else:
            self.wrong.append(f"{method} {path}")
            return Answer(status=404, body={"message": "404 Not Found"})
        return Answer(body=body)


class _Handler(BaseHTTPRequestHandler):
    forge: FakeForge

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        forge = self.forge
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        forge.requests.append(f"{self.command} {self.path}")
        forge.check_headers({name.lower(): value for name, value in self.headers.items()})
        if content and self.headers["content-type"] != "application/json":
            forge.wrong.append(f"content type {self.headers['content-type']}")
        if forge.failing and not forge.failing[0]:
            del forge.failing[0]
            self.close_connection = True
        elif forge.failing:
            self._say(Answer(status=forge.failing.pop(0), body={"message": forge.words}))
        else:
            body = json.loads(content) if content else None
            self._say(forge.answer(self.command, self.path, body))

    do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815 - the names that http.server calls

    def _say(self, answer: Answer) -> None:
        body, link = answer.body, ""
        if answer.rows is not None:
            parts = urlsplit(self.path)
            page = int(parse_qs(parts.query).get("page", ["1"])[0])
            body = answer.rows[(page - 1) * _PAGE : page * _PAGE]
            if len(answer.rows) > page * _PAGE:
                rest = re.sub(r"&page=\d+", "", self.path)
                link = f'<{self.forge.url}{rest}&page={page + 1}>; rel="next"'
        content = json.dumps(body).encode()
        self.send_response(answer.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        if link:
            self.send_header("link", link)
        if self.forge.retry_after and answer.status >= HTTPStatus.BAD_REQUEST:
            self.send_header("retry-after", self.forge.retry_after)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(forge: FakeForge) -> Iterator[FakeForge]:
    """Serve it meanwhile; at the end nothing may have been asked wrongly."""
    handler = type("_Handler", (_Handler,), {"forge": forge})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert forge.wrong == []
