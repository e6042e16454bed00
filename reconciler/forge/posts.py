"""One comment and one issue that are updated in place: found by a hidden marker and the author.

Anybody may write a text that begins with such a marker, and a token may edit what others wrote. So
a post counts as ours only if this token's own user wrote it.
"""

import re
from collections.abc import Iterable
from enum import Enum, auto
from typing import Protocol

from msgspec import Struct

from reconciler.errors import ReconcilerError

MOST_CHARACTERS = 65_000  # of a text; GitHub refuses more than 65,536
_CUT = "\n\n**Cut here: the job's log and summary have the rest.**\n"
_MARKER = re.compile(r"^<!-- reconciler-plan(?: \S+)? -->$", re.MULTILINE)


class ForgeError(ReconcilerError):
    """The forge could not be asked, or refused."""


class NotAllowedError(ForgeError):
    """The token may not do this; a token of a fork's pull request, for example, may not write."""


class Post(Struct, frozen=True, kw_only=True):
    """A comment, or an issue."""

    number: int  # for editing it
    author: str
    text: str  # its lines end in line feeds only
    is_open: bool = True  # of an issue


class Forge(Protocol):
    """What a forge is asked. All methods raise ForgeError; NotAllowedError if the token may not."""

    def me(self) -> str:
        """The name of this token's user, in the form of a post's `author`."""

    def comments(self) -> Iterable[Post]:
        """The comments on this pull request, the oldest first."""

    def add_comment(self, text: str) -> None:
        """Write a new comment on this pull request."""

    def edit_comment(self, number: int, text: str) -> None:
        """Replace the text of an old comment."""

    def list_open_issues(self) -> Iterable[Post]:
        """The open issues."""

    def list_closed_issues(self) -> Iterable[Post]:
        """Some of the closed issues, those with the latest change first."""

    def add_issue(self, title: str, text: str) -> None:
        """Open an issue."""

    def edit_issue(self, number: int, text: str) -> None:
        """Replace the text of the issue."""

    def close_issue(self, number: int) -> None:
        """Close the issue."""

    def remark(self, number: int, text: str) -> None:
        """Write a comment on the issue: the forge notifies those who watch it."""


class Done(Enum):
    """What became of a comment or an issue."""

    WRITTEN = auto()
    WRITTEN_OVER = auto()
    UNCHANGED = auto()
    CLOSED = auto()
    LEFT_CLOSED = auto()  # a person closed it, and nothing has changed since
    NOT_NEEDED = auto()


def put_comment(forge: Forge, text: str, instead: str) -> Done:
    """Write the text as the one comment that shares a marker with it; raises ForgeError.

    An empty text means that there is nothing new to show. The comment then says `instead`, so that
    nobody believes what an old one said before; an old comment keeps its marker.
    """
    me, wanted = forge.me(), set(_MARKER.findall(text))
    own = (one for one in forge.comments() if one.author == me and _MARKER.match(one.text))
    before = next((one for one in own if _are_one(wanted, one)), None)
    if not text:
        marker = NO_PLAN if before is None else _first_marker(before)
        text = f"{marker}\n\n{instead}\n"
    text = cut_to_fit(text)
    if before is None:
        forge.add_comment(text)
        return Done.WRITTEN
    if before.text.strip() == text.strip():  # a forge may trim a text
        return Done.UNCHANGED
    forge.edit_comment(before.number, text)
    return Done.WRITTEN_OVER


NO_PLAN = "<!-- reconciler-plan -->"  # where the comment's environments are not known
_PLAN = "<!-- reconciler-plan "


def _are_one(wanted: set[str], old: Post) -> bool:
    """Whether the old comment shares a marker; where one names no environment, any plan's does."""
    markers = set(_MARKER.findall(old.text))
    if not wanted or NO_PLAN in wanted | markers:
        return old.text.startswith(_PLAN)
    return bool(wanted & markers)


def _first_marker(post: Post) -> str:
    return post.text.partition("\n")[0].strip()


class Needed(Struct, frozen=True, kw_only=True):
    """What needs a person, in the form of an issue.

    `digest`: of the facts that need a person. While it stays the same, nobody is notified again.
    """

    title: str
    gist: str  # one line
    text: str
    digest: str


def keep_issue(forge: Forge, marker: str, needed: Needed | None) -> Done:
    """Keep one open issue with that marker while something needs a person; raises ForgeError.

    A change replaces the issue's text and adds a comment, so that the forge notifies people. An
    issue that a person closed stays closed until something else needs a person.
    """
    me = forge.me()
    ours = [one for one in forge.list_open_issues() if _is_ours(one, me, marker)]
    if needed is None:
        for one in ours:
            forge.remark(one.number, "Nothing needs a person any more.")
            forge.close_issue(one.number)
        return Done.CLOSED if ours else Done.NOT_NEEDED
    seen = f"<!-- reconciler-seen {needed.digest} -->"
    text = cut_to_fit(f"{marker}\n{seen}\n\n{needed.text}")
    if ours:
        first = ours[0]
        if seen in first.text:
            return Done.UNCHANGED
        forge.edit_issue(first.number, text)
        forge.remark(first.number, needed.gist)
        return Done.WRITTEN_OVER
    last = next((one for one in forge.list_closed_issues() if _is_ours(one, me, marker)), None)
    if last is not None and seen in last.text:
        return Done.LEFT_CLOSED
    forge.add_issue(needed.title, text)
    return Done.WRITTEN


def _is_ours(post: Post, me: str, marker: str) -> bool:
    return post.author == me and post.text.startswith(marker)


def cut_to_fit(text: str) -> str:
    """The text; if it is too long for the forge, cut after a line, with a note at the end."""
    if len(text) <= MOST_CHARACTERS:
        return text
    kept = text[: MOST_CHARACTERS - len(_CUT)]
    return kept[: kept.rfind("\n")] + _CUT
