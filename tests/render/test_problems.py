"""The problems of a validation, in each format."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from jsonschema import Draft4Validator

from reconciler.model import Place, Problem
from reconciler.render.problems import problems_text
from reconciler.render.reports import problems_github, problems_json, problems_sarif
from tests.render.values import OBEYED, a_problem, assert_safe, texts
from tests.repositories import PROJECT

_SARIF = Draft4Validator(
    json.loads((PROJECT / "tests" / "suites" / "sarif-schema-2.1.0.json").read_text())
)


def sarif(*problems: Problem, notes: Sequence[Problem] = ()) -> dict[str, Any]:
    """The log, which is as its published schema says."""
    log: dict[str, Any] = json.loads(problems_sarif(problems, "1.2.3", notes))
    _SARIF.validate(log)
    return log


def test_text_has_a_line_for_each_problem_and_one_that_counts() -> None:
    other = a_problem(
        "is empty", place=Place(file="triggers/solar.yaml"), code="syntax", pointer=""
    )
    assert problems_text([other, a_problem()], 12, 14) == (
        "triggers/solar.yaml:1:1: syntax: is empty\n"
        "triggers/wind.yaml:7:11: schema: must be a whole number\n"
        "2 problems in 12 files, 14 runs\n"
    )


def test_text_says_how_much_was_looked_at_when_all_is_well() -> None:
    assert problems_text([], 12, 1) == "12 files, 1 run: no problems\n"


def test_text_counts_in_bare_digits_that_scripts_can_read() -> None:
    assert problems_text([], 1_200, 10_000) == "1200 files, 10000 runs: no problems\n"


def test_text_counts_only_problems_where_nothing_else_was_counted() -> None:
    assert problems_text([a_problem()], 0, 0).endswith("\n1 problem\n")


@given(texts, texts)
def test_text_has_one_safe_line_for_a_problem_whatever_it_says(message: str, file: str) -> None:
    text = problems_text([a_problem(message, place=Place(file=file))], 1, 1)
    assert_safe(text)
    assert text.count("\n") == 2


def test_json_has_the_fields_of_the_contract() -> None:
    assert json.loads(problems_json([a_problem()], 2, 3)) == {
        "version": 1,
        "files": 2,
        "runs": 3,
        "problems": [
            {
                "file": "triggers/wind.yaml",
                "line": 7,
                "column": 11,
                "code": "schema",
                "pointer": "/spec/flowId",
                "message": "must be a whole number",
            }
        ],
        "notes": [],
    }


def commands(problems: Sequence[Problem], notes: Sequence[Problem] = ()) -> str:
    """What GitHub obeys of its report."""
    lines = problems_github(problems, 1, 1, notes).splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("::"))


def numbered(number: int) -> list[Problem]:
    return [
        a_problem(f"{one} is wrong", place=Place(file="a.yaml", line=one + 1))
        for one in range(number)
    ]


def test_github_shows_the_list_and_the_count_in_its_log() -> None:
    text = problems_github([a_problem()], 12, 14, [a_problem("is odd")])
    assert text.splitlines()[:3] == [
        "triggers/wind.yaml:7:11: schema: must be a whole number",
        "1 problem in 12 files, 14 runs",
        "note: triggers/wind.yaml:7:11: schema: is odd",
    ]


def test_a_line_of_githubs_list_is_no_command_whatever_a_file_is_called() -> None:
    assert commands([a_problem(place=Place(file="::error file=x::y"))]).count("\n") == 1


@pytest.mark.parametrize(("number", "shown"), [(9, 9), (10, 10), (11, 10), (15, 10), (200, 10)])
def test_the_tenth_annotation_tells_of_all_that_github_would_not_show(
    number: int, shown: int
) -> None:
    for text in (commands(numbered(number)), commands([], numbered(number))):
        lines = text.splitlines()
        assert len(lines) == shown
        assert all(f"{one} is wrong" in text for one in range(min(number, 59)))
        if number > shown:
            assert f"line=10,col=1,title={number - 9} more::a.yaml:10:1: schema: 9 is" in lines[-1]
            assert ("… and 141 more" in lines[-1]) is (number == 200)


def test_errors_and_warnings_have_ten_annotations_each() -> None:
    text = commands(numbered(12), numbered(12))
    assert (text.count("::error "), text.count("::warning ")) == (10, 10)


def test_github_gets_a_workflow_command_for_each_problem() -> None:
    assert commands([a_problem(), a_problem("is empty", place=Place(file="b.yaml"))]) == (
        "::error file=triggers/wind.yaml,line=7,col=11,title=schema::must be a whole number\n"
        "::error file=b.yaml,line=1,col=1,title=schema::is empty\n"
    )


def test_github_gets_a_line_that_counts_and_no_command_when_all_is_well() -> None:
    assert problems_github([], 12, 14) == "12 files, 14 runs: no problems\n"


def test_github_escapes_what_would_end_a_property_or_a_command() -> None:
    place = Place(file="a,line=1::b%,c.yaml", line=2, column=3)
    text = commands([a_problem("50% a:b,c\r\n::error::d", place=place)])
    assert text == (
        "::error file=a%2Cline=1%3A%3Ab%25%2Cc.yaml,line=2,col=3,title=schema"
        "::50%25 a:b,c%0D%0A::error::d\n"
    )


def test_github_shows_other_control_characters_as_escapes() -> None:
    assert commands([a_problem("\x1b[31mred")]).endswith("::\\x1b[31mred\n")


@given(texts, texts, texts)
def test_github_gets_one_line_with_four_properties_whatever_a_problem_says(
    message: str, file: str, code: str
) -> None:
    text = commands([a_problem(message, place=Place(file=file), code=code)])
    assert_safe(text)
    assert text.count("\n") == 1
    _, properties, _ = text.split("::", 2)
    assert [one.partition("=")[0] for one in properties.split(",")] == [
        "error file",
        "line",
        "col",
        "title",
    ]


def test_sarif_has_rules_and_results_that_point_to_them() -> None:
    other = a_problem("is empty", code="syntax", place=Place(file="b.yaml"))
    log = sarif(other, a_problem(), a_problem("again"), notes=[a_problem("odd", code="note")])
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("reconciler", "1.2.3")
    assert driver["rules"] == [{"id": "note"}, {"id": "schema"}, {"id": "syntax"}]
    found = [(result["ruleId"], result["level"]) for result in run["results"]]
    assert found == [
        *[(code, "error") for code in ("syntax", "schema", "schema")],
        ("note", "note"),
    ]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert run["results"][1]["message"] == {"text": "must be a whole number"}
    (location,) = run["results"][1]["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "triggers/wind.yaml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7, "startColumn": 11},
    }


def test_sarif_of_no_problems_is_a_run_without_results() -> None:
    (run,) = sarif()["runs"]
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"] == []


@pytest.mark.parametrize("file", ["a b/100%.yaml", "c:d.yaml", "风电/#1?.yaml", "back\\slash.yaml"])
def test_sarif_names_files_by_relative_uris(file: str) -> None:
    (run,) = sarif(a_problem(place=Place(file=file)))["runs"]
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote(uri) == file
    assert uri.isascii()
    assert not set(uri) & set(" :#?\\")


def test_sarif_keeps_the_bytes_of_a_file_name_that_is_not_utf_8() -> None:
    problem = a_problem(place=Place(file="a\udcff.yaml"))
    assert '"uri": "a%FF.yaml"' in problems_sarif([problem], "1")
    sarif(problem)


@given(texts, texts, texts)
def test_sarif_is_as_its_schema_says_whatever_is_wrong_and_where(
    message: str, file: str, code: str
) -> None:
    problem = a_problem(message, place=Place(file=file), code=code)
    sarif(problem, notes=[problem])


@given(texts)
def test_json_and_sarif_are_free_of_what_a_terminal_obeys(message: str) -> None:
    for text in (
        problems_json([a_problem(message)], 1, 1),
        problems_sarif([a_problem(message)], "1"),
    ):
        assert OBEYED.search(text) is None
        assert text.endswith("}\n")
