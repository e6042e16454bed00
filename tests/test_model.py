"""Run ids and digests."""

import hashlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.model import (
    EpochMs,
    Parameters,
    Place,
    Problem,
    Terms,
    run_digest,
    run_id,
    run_name,
    run_revision,
    wire_parameters,
)
from tests.building import a_run
from tests.simulation.declaring import Dates

names = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
parameter_lists = st.lists(st.tuples(texts, texts), max_size=4).map(tuple)


@given(names, st.integers(1, 2**31 - 1))
def test_a_run_id_gives_back_its_name_and_revision(name: str, revision: int) -> None:
    run = run_id(name, revision)
    assert (run_name(run), run_revision(run)) == (name, revision)


def test_two_runs_are_equal_whatever_other_dates_their_backfill_has() -> None:
    run = a_run()
    assert run == run.but(times=Dates(times={"2024-03-01": EpochMs(1)}, counted_from=None))
    assert run != run.but(flow_id=1)


def test_only_later_revisions_are_numbered_in_the_id() -> None:
    assert (run_id("wind", 1), run_id("wind", 2)) == ("wind", "wind@2")


def test_the_digest_is_that_of_the_canonical_json() -> None:
    content = (
        '{"flowId":3377,"parameters":[{"key":"ORT","value":"Köln"}],"triggerTime":1574385824000}'
    )
    digest = run_digest(3377, EpochMs(1574385824000), (("ORT", "Köln"),))
    assert digest == hashlib.sha256(content.encode()).hexdigest()


_EVERY_CHARACTER = "".join(chr(one) for one in range(0x110000) if not 0xD800 <= one < 0xE000)


@given(st.lists(st.tuples(st.text(), st.text())))
@example([(_EVERY_CHARACTER, "")])
def test_the_canonical_json_is_what_json_makes_of_any_text(pairs: list[tuple[str, str]]) -> None:
    content = {
        "flowId": 1,
        "parameters": [{"key": key, "value": value} for key, value in pairs],
        "triggerTime": 2,
    }
    canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    assert run_digest(1, EpochMs(2), tuple(pairs)) == expected


@given(st.tuples(st.integers(1, 9), st.integers(0, 9), parameter_lists), st.data())
def test_runs_have_one_digest_only_if_the_wire_carries_the_same(
    one: tuple[int, int, Parameters], data: st.DataObject
) -> None:
    other = data.draw(
        st.one_of(
            st.just(one),
            st.tuples(st.just(one[0]), st.just(one[1]), parameter_lists),
            st.tuples(st.just(one[0]), st.just(one[1]), st.permutations(one[2]).map(tuple)),
            st.tuples(st.integers(1, 9), st.integers(0, 9), st.just(one[2])),
        )
    )
    first = run_digest(one[0], EpochMs(one[1]), one[2])
    second = run_digest(other[0], EpochMs(other[1]), other[2])
    assert (first == second) is (one == other)


def test_the_wire_has_parameters_as_pairs_in_the_authors_order() -> None:
    assert wire_parameters((("Z", "1"), ("A", "${cal_dt}"))) == [
        {"key": "Z", "value": "1"},
        {"key": "A", "value": "${cal_dt}"},
    ]


def test_a_field_that_was_left_to_its_default_stands_where_its_document_does() -> None:
    run = a_run("wind", marks={"": (1, 1), "/spec/flowId": (7, 1)})
    assert run.place_of("/spec/flowId").line == 7
    assert run.place_of("/spec/revision") == run.place


def test_a_run_has_every_field_of_its_terms_and_shares_them_until_one_is_another() -> None:
    run = a_run()
    for name in Terms.__struct_fields__:
        assert getattr(run, name) is getattr(run.terms, name), name
    assert run.but(suspend=False, name="sun").terms is run.terms
    assert run.but(suspend=True).suspend
    assert not run.suspend


@pytest.mark.parametrize("revision", [1, 3])
def test_a_run_knows_its_id(revision: int) -> None:
    assert a_run("wind", revision=revision).id == run_id("wind", revision)


def test_problems_sort_by_file_then_line_then_column() -> None:
    places = [("b", 1, 1), ("a", 10, 1), ("a", 9, 5), ("a", 9, 1)]
    problems = [
        Problem(place=Place(file=file, line=line, column=column), code="schema", message="m")
        for file, line, column in places
    ]
    assert [str(problem.place) for problem in sorted(problems)] == [
        "a:9:1",
        "a:9:5",
        "a:10:1",
        "b:1:1",
    ]
    assert str(problems[0]) == "b:1:1: schema: m"
