"""The problems of a validation: for people, for scripts, as annotations of a pull request."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from reconciler.model import Place, Problem
from reconciler.render.document import json_document
from reconciler.render.layout import as_text
from reconciler.render.safe import inert, visible

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SHOWN_ANNOTATIONS = 10  # of one kind, of one step (GitHub's documentation of workflow commands)
_MOST_FOLDED = 50  # told by the last of them; a message has at most 64 KiB


def problems_text(problems: Sequence[Problem], files: int, runs: int) -> str:
    """One `file:line:column: code: message` a line, then one line that counts.

    Where nothing could be counted (0 files, 0 runs) only the problems are.
    """
    if not problems:
        return as_text([f"{looked_at(files, runs)}: no problems"])
    summary = _counted(len(problems), "problem")
    if files or runs:
        summary += f" in {looked_at(files, runs)}"
    return as_text([*(visible(str(problem)) for problem in problems), summary])


def looked_at(files: int, runs: int) -> str:
    """`12 files, 14 runs`."""
    return f"{_counted(files, 'file')}, {_counted(runs, 'run')}"


def _counted(number: int, noun: str) -> str:
    """The number in bare digits: scripts read this line as well."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def problem_json(problem: Problem) -> dict[str, Any]:
    """One problem, as every JSON output has it."""
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "code": problem.code,
        "pointer": problem.pointer,
        "message": problem.message,
    }


def problems_json(
    problems: Sequence[Problem], files: int, runs: int, notes: Sequence[Problem] = ()
) -> str:
    """The JSON document of `validate --format json`."""
    found, noted = (list(map(problem_json, these)) for these in (problems, notes))
    counts = {"version": 1, "files": files, "runs": runs}
    return json_document({**counts, "problems": found, "notes": noted})


def problems_github(
    problems: Sequence[Problem], files: int, runs: int, notes: Sequence[Problem] = ()
) -> str:
    """The list and the count for the log, and an `::error` command a problem, `::warning` a note.

    The log shows of a command its message only, so the list is what says where. GitHub shows ten
    annotations of each kind a step: the tenth tells of all that are left.
    """
    told = problems_text(problems, files, runs).splitlines()
    lines = [inert(line) for line in (*told, *(visible(f"note: {note}") for note in notes))]
    return as_text([*lines, *_annotations(problems, "error"), *_annotations(notes, "warning")])


def _annotations(found: Sequence[Problem], name: str) -> Iterator[str]:
    alone = found if len(found) <= _SHOWN_ANNOTATIONS else found[: _SHOWN_ANNOTATIONS - 1]
    for one in alone:
        yield _workflow_command(one.place, name, one.code, _data(one.message))
    rest = found[len(alone) :]
    if rest:
        told = [str(one) for one in rest[:_MOST_FOLDED]]
        if len(told) < len(rest):
            told.append(f"… and {len(rest) - len(told)} more; the log lists all")
        message = "%0A".join(map(_data, told))
        yield _workflow_command(rest[0].place, name, f"{len(rest)} more", message)


def _workflow_command(place: Place, name: str, title: str, message: str) -> str:
    """A command of GitHub's; the message is escaped already.

    Escaping: GitHub's actions/toolkit, `escapeData` and `escapeProperty`.
    """
    properties = {
        "file": place.file,
        "line": str(place.line),
        "col": str(place.column),
        "title": title,
    }
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{name} {given}::{message}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(escaped)  # the log's viewer obeys ANSI escapes


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def problems_sarif(problems: Sequence[Problem], version: str, notes: Sequence[Problem] = ()) -> str:
    """A SARIF 2.1.0 log with one run; `version` is the reconciler's."""
    rules = sorted({problem.code for problem in (*problems, *notes)})
    index = {code: number for number, code in enumerate(rules)}
    driver = {"name": "reconciler", "version": version, "rules": [{"id": code} for code in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            *(_result(problem, index[problem.code], "error") for problem in problems),
            *(_result(note, index[note.code], "note") for note in notes),
        ],
    }
    return json_document({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(problem: Problem, rule: int, level: str) -> dict[str, Any]:
    place = problem.place
    physical = {
        "artifactLocation": {"uri": _relative_uri(place.file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": place.line, "startColumn": place.column},
    }
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": level,
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": physical}],
        "properties": {"pointer": problem.pointer},
    }


def _relative_uri(file: str) -> str:
    """RFC 3986: `:` is encoded as well, or the first part would pass for a scheme."""
    return quote(
        file, safe="/", errors="surrogateescape"
    )  # a name that is not UTF-8 keeps its bytes
