"""The problems of a validation: for people, for scripts, and as a pull request's annotations."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from reconciler.model import Problem
from reconciler.render.json_output import json_document
from reconciler.render.layout import join_lines
from reconciler.render.safe import escape_line, escape_output
from reconciler.render.workflow_commands import annotations

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def problems_text(problems: Sequence[Problem], files: int, runs: int) -> str:
    """A line `file:line:column: code: message` for each problem, then one line that counts.

    Where files and runs were not counted (0 and 0), the last line counts only the problems.
    """
    if not problems:
        return join_lines([f"{count_files_and_runs(files, runs)}: no problems"])
    summary = _plain_count(len(problems), "problem")
    if files or runs:
        summary += f" in {count_files_and_runs(files, runs)}"
    return join_lines([*(escape_line(str(problem)) for problem in problems), summary])


def count_files_and_runs(files: int, runs: int) -> str:
    """`12 files, 14 runs`."""
    return f"{_plain_count(files, 'file')}, {_plain_count(runs, 'run')}"


def _plain_count(number: int, noun: str) -> str:
    """The number in bare digits, without commas: scripts read this line as well."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def problem_json(problem: Problem) -> dict[str, Any]:
    """One problem in the form of every JSON output."""
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
    """The list and count for the log, then a command `::error` per problem, `::warning` per note.

    The log shows only the message of a command, so it is the list that says where a problem is.
    GitHub shows ten annotations of each kind for a step: the tenth one says how many are left.
    """
    told = problems_text(problems, files, runs).splitlines()
    lines = [
        escape_output(line) for line in (*told, *(escape_line(f"note: {note}") for note in notes))
    ]
    return join_lines([*lines, *annotations(problems, "error"), *annotations(notes, "warning")])


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
    """The file as a URI. `:` is encoded, or the part before it would be a scheme (RFC 3986)."""
    return quote(
        file, safe="/", errors="surrogateescape"
    )  # a name that is not UTF-8 keeps its bytes
