"""The problems of a validation: for people, for scripts, as annotations of a pull request."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from reconciler.model import Problem
from reconciler.render.json_output import json_document
from reconciler.render.layout import as_text
from reconciler.render.safe import inert, visible
from reconciler.render.workflow_commands import annotations

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


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
    return as_text([*lines, *annotations(problems, "error"), *annotations(notes, "warning")])


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
