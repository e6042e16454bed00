"""Commands that GitHub reads from a job's log: annotations, each at a place in a file."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from reconciler.model import Place, Problem
from reconciler.render.layout import join_lines
from reconciler.render.safe import escape_line

_SHOWN_ANNOTATIONS = 10  # of one kind in one step (GitHub's documentation of workflow commands)
_MOST_FOLDED = 50  # listed in the last of them; a message has at most 64 KiB


class Annotation(Struct, frozen=True, kw_only=True):
    """A message that GitHub shows beside a line of a file, or without a place."""

    title: str
    message: str
    place: Place | None = None
    line: str = ""  # its line in the last annotation's list; empty: title and message


def annotations(found: Sequence[Problem], name: str) -> Iterator[str]:
    """A command for each problem; see `annotation_commands`."""
    return annotation_commands(
        [
            Annotation(title=one.code, message=one.message, place=one.place, line=str(one))
            for one in found
        ],
        name,
    )


def problem_annotations(problems: Sequence[Problem]) -> str:
    """The problems as errors."""
    return join_lines(list(annotations(problems, "error")))


def error_annotation(message: str, hint: str | None) -> str:
    """An error that ended a command, with what to do about it."""
    told = message if hint is None else f"{message}\n{hint}"
    return join_lines(
        list(annotation_commands([Annotation(title="reconciler", message=told)], "error"))
    )


def annotation_commands(found: Sequence[Annotation], name: str) -> Iterator[str]:
    """A command for each annotation; `name` is `error` or `warning`.

    GitHub shows ten annotations of each kind for a step: the tenth one lists those that are left.
    """
    alone = found if len(found) <= _SHOWN_ANNOTATIONS else found[: _SHOWN_ANNOTATIONS - 1]
    for one in alone:
        yield _workflow_command(one.place, name, one.title, _data(one.message))
    rest = found[len(alone) :]
    if rest:
        told = [one.line or f"{one.title}: {one.message}" for one in rest[:_MOST_FOLDED]]
        if len(told) < len(rest):
            told.append(f"… and {len(rest) - len(told)} more; the log lists all")
        message = "%0A".join(map(_data, told))
        yield _workflow_command(rest[0].place, name, f"{len(rest)} more", message)


def _workflow_command(place: Place | None, name: str, title: str, message: str) -> str:
    """A workflow command of GitHub; the message must be escaped already.

    Escaping: GitHub's actions/toolkit, `escapeData` and `escapeProperty`.
    """
    properties = {"title": title}
    if place is not None:
        at = {"file": place.file, "line": str(place.line), "col": str(place.column)}
        properties = at | properties
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{name} {given}::{message}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escape_line(escaped)  # the log's viewer obeys ANSI escapes


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
