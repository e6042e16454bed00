"""GitLab's REST interface, as far as notes and issues need it."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec import Struct

from reconciler.forge.api import Api, guard_answer
from reconciler.forge.posts import ForgeError, Post

_CLOSED = 100  # at most so many closed issues are looked at, the newest first


class GitLab(Struct, frozen=True, kw_only=True):
    """A project on GitLab and one merge request in it (GitLab's REST reference, Notes, Issues)."""

    api: Api
    project: int
    merge_request: int | None  # by its number in the project

    @guard_answer("GitLab")
    def me(self) -> str:
        """The name of the token's user."""
        return str(self.api.ask("GET", "user")["username"])

    def comments(self) -> Iterator[Post]:
        """All notes on this merge request, the oldest first."""
        query = "sort=asc&order_by=created_at&per_page=100"
        return (_post(one, "id", "body") for one in self.api.pages(f"{self._notes()}?{query}"))

    def add_comment(self, text: str) -> None:
        """Write a new note on this merge request."""
        self.api.ask("POST", self._notes(), {"body": text})

    def edit_comment(self, number: int, text: str) -> None:
        """Replace the text of an old note."""
        self.api.ask("PUT", f"{self._notes()}/{number}", {"body": text})

    def list_open_issues(self) -> Iterator[Post]:
        """The open issues that this token's user has opened."""
        query = "state=opened&scope=created_by_me&per_page=100"
        return (
            _post(one, "iid", "description") for one in self.api.pages(f"{self._issues()}?{query}")
        )

    def list_closed_issues(self) -> Iterator[Post]:
        """Some of the user's closed issues, those with the latest change first."""
        query = "state=closed&scope=created_by_me&order_by=updated_at&per_page=100"
        found = islice(self.api.pages(f"{self._issues()}?{query}"), _CLOSED)
        return (_post(one, "iid", "description") for one in found)

    def add_issue(self, title: str, text: str) -> None:
        """Open an issue."""
        self.api.ask("POST", self._issues(), {"title": title, "description": text})

    def edit_issue(self, number: int, text: str) -> None:
        """Replace the text of the issue."""
        self.api.ask("PUT", f"{self._issues()}/{number}", {"description": text})

    def close_issue(self, number: int) -> None:
        """Close the issue."""
        self.api.ask("PUT", f"{self._issues()}/{number}", {"state_event": "close"})

    def remark(self, number: int, text: str) -> None:
        """Write a note on the issue."""
        self.api.ask("POST", f"{self._issues()}/{number}/notes", {"body": text})

    def _issues(self) -> str:
        return f"projects/{self.project}/issues"

    def _notes(self) -> str:
        if self.merge_request is None:
            raise ForgeError("this job belongs to no merge request")
        return f"projects/{self.project}/merge_requests/{self.merge_request}/notes"


@guard_answer("GitLab")
def _post(found: Any, number: str, text: str) -> Post:
    return Post(
        number=int(found[number]),
        author=str((found.get("author") or {}).get("username", "")),
        text=(found.get(text) or "").replace("\r\n", "\n"),
        is_open=found.get("state", "opened") == "opened",
    )
