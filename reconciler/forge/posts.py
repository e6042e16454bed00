"""One comment, and one issue, that are written over: found by a hidden marker and their author.

Everybody may write what begins with such a marker, and a token may edit what others wrote. So only
what this token's own user wrote is ever taken for ours.
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
    """The token may not do this, as that of a fork's pull request may not write."""


class Post(Struct, frozen=True, kw_only=True):
    """A comment, or an issue."""

    number: int  # by which it is edited
    author: str
    text: str  # with its lines ended by line feeds alone
    is_open: bool = True  # of an issue


class Forge(Protocol):
    """What is asked of a forge. Each raises ForgeError; NotAllowedError where the token may not."""

    def me(self) -> str:
        """The name of this token's user, as posts have it for their author."""

    def comments(self) -> Iterable[Post]:
        """All on this pull request, the oldest first."""

    def add_comment(self, text: str) -> None:
        """Write a new one on this pull request."""

    def edit_comment(self, number: int, text: str) -> None:
        """Write over an old one."""

    def open_issues(self) -> Iterable[Post]:
        """All that are open."""

    def closed_issues(self) -> Iterable[Post]:
        """Some that were closed last."""

    def add_issue(self, title: str, text: str) -> None:
        """Open one."""

    def edit_issue(self, number: int, text: str) -> None:
        """Write over its text."""

    def close_issue(self, number: int) -> None:
        """Close it."""

    def remark(self, number: int, text: str) -> None:
        """Write a comment on the issue: those who watch it are told."""


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

    An empty text means that there is nothing new to show: the comment that is there keeps its
    marker and says `instead`, lest somebody take what it said for what is so.
    """
    me, wanted = forge.me(), set(_MARKER.findall(text))
    own = (one for one in forge.comments() if one.author == me and _MARKER.match(one.text))
    before = next((one for one in own if _are_one(wanted, one)), None)
    if not text:
        marker = NO_PLAN if before is None else _first_marker(before)
        text = f"{marker}\n\n{instead}\n"
    text = shortened(text)
    if before is None:
        forge.add_comment(text)
        return Done.WRITTEN
    if before.text.strip() == text.strip():  # which a forge may trim
        return Done.UNCHANGED
    forge.edit_comment(before.number, text)
    return Done.WRITTEN_OVER


NO_PLAN = "<!-- reconciler-plan -->"  # where nobody knows which environments it is about
_PLAN = "<!-- reconciler-plan "


def _are_one(wanted: set[str], old: Post) -> bool:
    """Whether the old comment is about the same; where either has no name, any is."""
    markers = set(_MARKER.findall(old.text))
    if not wanted or NO_PLAN in wanted | markers:
        return old.text.startswith(_PLAN)
    return bool(wanted & markers)


def _first_marker(post: Post) -> str:
    return post.text.partition("\n")[0].strip()


class Needed(Struct, frozen=True, kw_only=True):
    """What needs a person, as an issue tells it.

    `digest` is of what is needed: as long as it stays the same, nobody is told again.
    """

    title: str
    gist: str  # one line
    text: str
    digest: str


def keep_issue(forge: Forge, marker: str, needed: Needed | None) -> Done:
    """Have one open issue with that marker as long as something needs a person; raises ForgeError.

    It is written over in place; what changes is told by a comment, so that people hear of it. One
    that a person closed stays closed until something else is needed.
    """
    me = forge.me()
    ours = [one for one in forge.open_issues() if _is_ours(one, me, marker)]
    if needed is None:
        for one in ours:
            forge.remark(one.number, "Nothing needs a person any more.")
            forge.close_issue(one.number)
        return Done.CLOSED if ours else Done.NOT_NEEDED
    seen = f"<!-- reconciler-seen {needed.digest} -->"
    text = shortened(f"{marker}\n{seen}\n\n{needed.text}")
    if ours:
        first = ours[0]
        if seen in first.text:
            return Done.UNCHANGED
        forge.edit_issue(first.number, text)
        forge.remark(first.number, needed.gist)
        return Done.WRITTEN_OVER
    last = next((one for one in forge.closed_issues() if _is_ours(one, me, marker)), None)
    if last is not None and seen in last.text:
        return Done.LEFT_CLOSED
    forge.add_issue(needed.title, text)
    return Done.WRITTEN


def _is_ours(post: Post, me: str, marker: str) -> bool:
    return post.author == me and post.text.startswith(marker)


def shortened(text: str) -> str:
    """The text, cut after a line if the forge would refuse it, which it says at its end."""
    if len(text) <= MOST_CHARACTERS:
        return text
    kept = text[: MOST_CHARACTERS - len(_CUT)]
    return kept[: kept.rfind("\n")] + _CUT
