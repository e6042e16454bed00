"""Each code that the program gives is explained, and nothing else is."""

import re
from pathlib import Path

import pytest

from reconciler.explained import CodeKind, explanations
from reconciler.plan import Reason
from reconciler.render.explanation import explanation_text
from tests.acceptance.conftest import OpenScene
from tests.acceptance.conftest import clock as clock  # noqa: PLC0414 - a fixture of that one's
from tests.acceptance.conftest import open_scene as open_scene  # noqa: PLC0414 - the same
from tests.reference.given_codes import every_code, given_codes
from tests.reference.update import CODES, codes_page
from tests.repositories import PROJECT


def test_every_code_of_the_program_is_explained_and_no_other() -> None:
    codes = {code for code, one in explanations().items() if one.kinds != (CodeKind.TOPIC,)}
    assert codes == every_code()


def test_a_code_is_found_however_it_is_passed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        'C = "constant"\nD = "other"\ndef f(at, code="default"): ...\n'
        'f(1, "placed")\nf(1, code=C)\nf(1, D if x else "either")\nself.f(1, "of-a-method")\n'
        'g(1, "another")\nf("first")\n'
    )
    assert set(given_codes(tmp_path)) == {
        *("constant", "other", "default", "placed", "either", "of-a-method"),
    }


def test_every_code_of_the_examples_that_are_invalid_is_explained() -> None:
    known = explanations()
    given = set()
    for expected in (PROJECT / "tests/corpus").rglob("*.expected"):
        given |= set(re.findall(r"^\S+?:\d+:\d+: ([a-z-]+): ", expected.read_text(), re.MULTILINE))
    assert len(given) > 20
    assert [code for code in sorted(given) if CodeKind.PROBLEM not in known[code].kinds] == []


def test_reasons_are_explained_as_reasons() -> None:
    named = {one.code for one in explanations().values() if CodeKind.REASON in one.kinds}
    assert named == {reason.value for reason in Reason}


def test_the_page_of_codes_is_up_to_date() -> None:
    assert CODES.read_text(encoding="utf-8") == codes_page(), "python -m tests.reference.update"


def test_each_code_is_explained_whole_within_80_columns() -> None:
    for code, one in explanations().items():
        text = explanation_text(one, color=False)
        for part in (one.means, one.example, one.remedy):
            assert " ".join(part.split()) in " ".join(text.split()), code
        assert max(map(len, text.splitlines())) <= 80, code


def test_a_code_is_explained_by_the_command(open_scene: OpenScene) -> None:
    said = open_scene({}).run("explain", "in-doubt")
    assert said.out == explanation_text(explanations()["in-doubt"], color=False)


def test_without_a_code_all_are_listed(open_scene: OpenScene) -> None:
    said = open_scene({}).run("explain")
    listed = set(re.findall(r"^  (\S+) ", said.out, re.MULTILINE))
    assert listed == set(explanations())


@pytest.mark.parametrize(
    ("asked", "near"),
    [("duplicated", "duplicate"), ("IN_DOUBT", "in-doubt"), ("xyzzy", "reconciler explain")],
)
def test_an_unknown_code_is_answered_with_the_nearest(
    open_scene: OpenScene, asked: str, near: str
) -> None:
    said = open_scene({}).run("explain", asked, exits=1)
    assert near in said.err
    assert said.out == ""
