"""The problems of a validation as GitLab's Code Quality and as a JUnit report."""

import json
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator
from xmlschema import XMLSchema, XMLSchemaValidationError

from reconciler.model import Place, Problem
from reconciler.render.reports import problems_gitlab, problems_junit
from tests.render.values import EIGHT, a_problem, assert_safe, texts
from tests.repositories import PROJECT

# What GitLab's documentation of Code Quality asks of each entry.
_ENTRY = {
    "type": "object",
    "required": ["description", "check_name", "fingerprint", "severity", "location"],
    "additionalProperties": False,
    "properties": {
        "description": {"type": "string", "minLength": 1},
        "check_name": {"type": "string", "minLength": 1},
        "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
        "location": {
            "type": "object",
            "required": ["path", "lines"],
            "properties": {
                "path": {"type": "string", "pattern": "^[^/.]"},
                "lines": {
                    "type": "object",
                    "required": ["begin"],
                    "properties": {"begin": {"type": "integer", "minimum": 1}},
                },
            },
        },
    },
}
_CODE_QUALITY = Draft202012Validator({"type": "array", "items": _ENTRY})

# The JSON Schema by which GitLab takes or leaves an entry, in words of our own: gitlabhq/gitlabhq,
# app/validators/json_schemas/codeclimate.json. It leaves all that follow the first bad one as well.
_TAKEN_BY_GITLAB = Draft202012Validator(
    {
        "type": "object",
        "required": ["description", "fingerprint", "severity", "location"],
        "properties": {
            **{name: {"type": "string"} for name in ("description", "fingerprint", "severity")},
            "location": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "lines": {"type": "object", "properties": {"begin": {"type": "integer"}}},
                },
            },
        },
    }
)


@cache
def ant_schema() -> XMLSchema:
    """The schema of the reports of Ant's JUnit task, which most readers of JUnit reports go by."""
    return XMLSchema(PROJECT / "tests" / "suites" / "JUnit.xsd")


def gitlab(*problems: Problem, notes: tuple[Problem, ...] = ()) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(problems_gitlab(problems, notes))
    _CODE_QUALITY.validate(found)
    for entry in found:
        _TAKEN_BY_GITLAB.validate(entry)
    return found


def junit(*problems: Problem, notes: tuple[Problem, ...] = ()) -> ET.Element:
    text = problems_junit(problems, 12, 14, EIGHT, notes)
    assert_safe(text)
    assert text.isascii()  # so it is UTF-8, as its first line says, in whatever encoding it leaves
    root = ET.fromstring(text.encode())  # noqa: S314 - this program wrote it
    ant_schema().validate(text)
    (suite,) = root
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    return root


def test_gitlab_gets_an_entry_for_each_problem_and_note() -> None:
    first, second = gitlab(a_problem(), notes=(a_problem("is odd"),))
    assert first["location"] == {"path": "triggers/wind.yaml", "lines": {"begin": 7}}
    assert (first["description"], first["check_name"]) == ("must be a whole number", "schema")
    assert (first["severity"], second["severity"]) == ("blocker", "info")
    assert gitlab() == []


def test_a_problem_that_moved_keeps_its_fingerprint_and_no_two_share_one() -> None:
    moved = a_problem(place=Place(file="triggers/wind.yaml", line=8))
    found = [one["fingerprint"] for one in gitlab(a_problem(), moved, a_problem("other"))]
    assert len(set(found)) == 3
    assert gitlab(moved)[0]["fingerprint"] == found[0]


def test_junit_has_a_failure_for_each_problem() -> None:
    root = junit(a_problem("<&\"'>"), a_problem("is empty"), notes=(a_problem("is odd"),))
    (failure, _) = root.iter("failure")
    assert failure.attrib == {"type": "schema", "message": "<&\"'>"}
    assert failure.text == "triggers/wind.yaml:7:11: schema: <&\"'>"
    assert [case.attrib["classname"] for case in root.iter("testcase")] == 2 * [
        "triggers/wind.yaml"
    ]
    assert root.findtext(".//system-out") == "note: triggers/wind.yaml:7:11: schema: is odd;"


def test_junit_of_no_problems_is_one_test_that_passed() -> None:
    (case,) = junit().iter("testcase")
    assert case.attrib["name"] == "12 files, 14 runs"
    assert junit()[0].attrib["timestamp"] == "2024-03-02T00:00:00"


@given(texts, texts, texts)
def test_reports_are_sound_whatever_a_problem_says(message: str, file: str, code: str) -> None:
    problem = a_problem(message, place=Place(file=f"triggers/{file}"), code=code)
    assert len(list(junit(problem, notes=(problem,)).iter("failure"))) == 1
    text = problems_gitlab([problem])
    assert_safe(text)
    assert len(json.loads(text)) == 1


def test_what_xml_cannot_hold_is_an_escape() -> None:
    (failure,) = junit(a_problem("a\ufffeb\uffffc")).iter("failure")
    assert failure.attrib["message"] == "a\\ufffeb\\uffffc"


def test_the_schema_of_junit_reports_refuses_what_is_none() -> None:
    text = problems_junit([a_problem()], 1, 1, EIGHT)
    assert ant_schema().is_valid(text)
    for right, wrong in [('failures="1"', ""), ("failure", "problem"), ("<properties/>", "")]:
        with pytest.raises(XMLSchemaValidationError):
            ant_schema().validate(text.replace(right, wrong))
