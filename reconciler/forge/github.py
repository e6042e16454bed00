"""GitHub's REST interface, as far as comments and issues need it."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from msgspec import Struct

from reconciler.forge.api import Api, guard_answer
from reconciler.forge.posts import ForgeError, Post

_CLOSED = 100  # at most so many closed issues are looked at, the newest first


class GitHub(Struct, frozen=True, kw_only=True):
    """A repository on GitHub, and one of its pull requests (GitHub's REST reference, Issues).

    The comments on a pull request are those of the issue with the same number.
    """

    api: Api
    graphql: str  # the address for GraphQL, which says for any token who is asking
    repository: str  # OWNER/NAME
    pull_request: int | None

    def me(self) -> str:
        """The login of the token's user; `github-actions[bot]` for a job's own token.

        It is asked by GraphQL: REST's GET /user answers people's tokens, not a job's.
        """
        found = self.api.query(self.graphql, "query { viewer { login } }")
        try:
            return str(found["data"]["viewer"]["login"])
        except (KeyError, TypeError):
            raise ForgeError("GitHub did not say whose token this is") from None

    def comments(self) -> Iterator[Post]:
        """The comments on this pull request, the oldest first."""
        path = f"{self._issue(self._number())}/comments?per_page=100"
        return (_post(one, "id") for one in self.api.pages(path))

    def add_comment(self, text: str) -> None:
        """Write a new comment on this pull request."""
        self.remark(self._number(), text)

    def edit_comment(self, number: int, text: str) -> None:
        """Replace the text of an old comment."""
        self.api.ask("PATCH", f"{self._issues()}/comments/{number}", {"body": text})

    def list_open_issues(self) -> Iterator[Post]:
        """The open issues."""
        return _drop_pull_requests(self.api.pages(f"{self._issues()}?state=open&per_page=100"))

    def list_closed_issues(self) -> Iterator[Post]:
        """Some of the closed issues, those with the latest change first."""
        query = "state=closed&sort=updated&direction=desc&per_page=100"
        return _drop_pull_requests(islice(self.api.pages(f"{self._issues()}?{query}"), _CLOSED))

    def add_issue(self, title: str, text: str) -> None:
        """Open an issue."""
        self.api.ask("POST", self._issues(), {"title": title, "body": text})

    def edit_issue(self, number: int, text: str) -> None:
        """Replace the text of the issue."""
        self.api.ask("PATCH", self._issue(number), {"body": text})

    def close_issue(self, number: int) -> None:
        """Close the issue."""
        self.api.ask("PATCH", self._issue(number), {"state": "closed"})

    def remark(self, number: int, text: str) -> None:
        """Write a comment on the issue."""
        self.api.ask("POST", f"{self._issue(number)}/comments", {"body": text})

    def _issues(self) -> str:
        return f"repos/{self.repository}/issues"

    def _issue(self, number: int) -> str:
        return f"{self._issues()}/{number}"

    def _number(self) -> int:
        if self.pull_request is None:
            raise ForgeError("this job belongs to no pull request")
        return self.pull_request


def _drop_pull_requests(found: Iterable[Any]) -> Iterator[Post]:
    """The issues without pull requests, which GitHub lists among them."""
    posts = ((one, _post(one, "number")) for one in found)
    return (post for one, post in posts if "pull_request" not in one)


@guard_answer("GitHub")
def _post(found: Any, number: str) -> Post:
    return Post(
        number=int(found[number]),
        author=str((found.get("user") or {}).get("login", "")),
        text=(found.get("body") or "").replace("\r\n", "\n"),
        is_open=found.get("state", "open") == "open",
    )
