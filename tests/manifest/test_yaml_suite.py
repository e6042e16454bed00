"""The YAML test suite: nothing that is not YAML passes, and nothing is read otherwise.

A strict reader may refuse more than the suite does; the number of those is held, so that it does
not grow by accident.
"""

import json
from pathlib import Path
from typing import Any

from reconciler.manifest.document import read_documents
from reconciler.model import Problem, Source

SUITE = Path(__file__).parent.parent / "suites/yaml-test-suite.jsonl"
CASES = [json.loads(line) for line in SUITE.read_text("utf-8").splitlines()]
REFUSED_BEYOND_THE_SUITE = 114  # tags, keys that are no text, empty files, tabs, libyaml's limits


def read(text: str) -> tuple[list[Any], list[Problem]]:
    """The values of the documents, and everything that is wrong with any of them."""
    documents, problems = read_documents(Source(path="a.yaml", content=text.encode()))
    found = [
        *problems,
        *(one for document in documents for one in document.built.problems.values()),
    ]
    return [document.value for document in documents], found


def test_the_suite_is_whole() -> None:
    assert len(CASES) == 402


def test_what_is_not_yaml_is_a_problem() -> None:
    passed = [case["id"] for case in CASES if case["error"] and not read(case["yaml"])[1]]
    assert passed == []


def test_what_is_yaml_has_the_value_that_the_suite_says_or_is_refused_as_is_known() -> None:
    refused = []
    for case in CASES:
        values, problems = read(case["yaml"])
        if case["error"]:
            continue
        if problems:
            refused.append(case["id"])
        elif "documents" in case:
            # `repr` tells 1 from true and from 1.0; the order of a mapping's keys is the author's.
            expected = [document for document in case["documents"] if document is not None]
            found = sorted(map(repr, _flat(values)))
            assert found == sorted(map(repr, _flat(expected))), case["id"]
            assert values == expected, case["id"]
    assert len(refused) == REFUSED_BEYOND_THE_SUITE


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for pair in value.items() for one in (pair[0], *_flat(pair[1]))]
    if isinstance(value, list):
        return [one for item in value for one in _flat(item)]
    return [value]
