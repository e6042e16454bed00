"""The problems of a validation, as reports that a pipeline hands to its forge."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.model import EpochMs, Problem
from reconciler.render.json_output import json_document
from reconciler.render.layout import join_lines
from reconciler.render.problems import count_files_and_runs
from reconciler.render.safe import escape_line
from reconciler.times import format_instant

_NO_XML = re.compile("[\ufffe\uffff]")  # all that `visible` leaves and XML 1.0 does not allow


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
