"""The problems of a validation for programs: scripts, annotations of a pull request, and reports.

A pipeline hands the reports to its forge. `problems` has what people read.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from reconciler.model import EpochMs, Problem
from reconciler.render.json_output import json_document
from reconciler.render.layout import join_lines
from reconciler.render.problems import count_files_and_runs, problem_json, problems_text
from reconciler.render.safe import escape_line, escape_output
from reconciler.render.workflow_commands import annotations
from reconciler.times import format_instant

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_NO_XML = re.compile("[\ufffe\uffff]")  # all that `visible` leaves and XML 1.0 does not allow


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


def problems_gitlab(problems: Sequence[Problem], notes: Sequence[Problem] = ()) -> str:
    """GitLab's Code Quality report: a list of the problems, and of the notes with severity `info`.

    A fingerprint leaves out the line, so that a problem that only moved is not new. GitLab shows
    only one of several equal fingerprints, so a fingerprint counts how often its text came before.
    """
    seen: Counter[str] = Counter()
    found = [(problem, "blocker") for problem in problems] + [(note, "info") for note in notes]
    return json_document([_issue(problem, severity, seen) for problem, severity in found])


def _issue(problem: Problem, severity: str, seen: Counter[str]) -> dict[str, Any]:
    named = f"{problem.place.file}\0{problem.code}\0{problem.pointer}\0{problem.message}"
    seen[named] += 1
    content = f"{named}\0{seen[named]}".encode(errors="surrogatepass")
    return {
        "description": problem.message,
        "check_name": problem.code,
        "fingerprint": hashlib.sha256(content).hexdigest(),
        "severity": severity,
        "location": {"path": problem.place.file, "lines": {"begin": problem.place.line}},
    }


def problems_junit(
    problems: Sequence[Problem],
    files: int,
    runs: int,
    at: EpochMs,
    notes: Sequence[Problem] = (),
) -> str:
    """A JUnit report with one suite: a failure for each problem, or one test that passed.

    The schema of Ant's JUnit task sets the order and the attributes. `at`: the validation's time.
    """
    cases = [line for problem in problems for line in _failure(problem)]
    passed = _case("reconciler", count_files_and_runs(files, runs))
    attributes = {
        "name": "reconciler validate",
        "package": "reconciler",
        "id": "0",
        "hostname": "localhost",
        "timestamp": format_instant(at)[: len("2024-03-02T08:00:00")],
        "tests": str(len(problems) or 1),
        "failures": str(len(problems)),
        "errors": "0",
        "time": "0",
    }
    given = [f'{name}="{value}"' for name, value in attributes.items()]
    return join_lines(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            "<testsuites>",
            f"  <testsuite {' '.join(given)}>",
            "    <properties/>",
            *(cases or [f"    <{passed}/>"]),
            f"    <system-out>{_xml(' '.join(f'note: {note};' for note in notes))}</system-out>",
            "    <system-err/>",
            "  </testsuite>",
            "</testsuites>",
        ]
    )


def _failure(problem: Problem) -> Iterator[str]:
    yield f"    <{_case(problem.place.file, f'{problem.place}: {problem.code}')}>"
    kind, message = _xml(problem.code), _xml(problem.message)
    yield f'      <failure type="{kind}" message="{message}">{_xml(str(problem))}</failure>'
    yield "    </testcase>"


def _case(suite: str, name: str) -> str:
    return f'testcase classname="{_xml(suite)}" name="{_xml(name)}" time="0"'


def _xml(text: str) -> str:
    """The text for an element or attribute, in ASCII, so that every encoding reads it the same."""
    from html import escape  # its table of all named characters is not needed for any other format

    shown = _NO_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", escape_line(text))
    return escape(shown, quote=True).encode("ascii", "xmlcharrefreplace").decode()
