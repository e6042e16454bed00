"""What a person must see to after an apply, on the page of its job."""

import pytest

from reconciler.apply.result import ApplyResult
from reconciler.render.apply_markdown import apply_annotations
from tests.render.outcomes import a_result, observed, rejected, triggered
from tests.render.test_apply import MIXED, a_doubt
from tests.render.values import a_record, a_start, planned

AT = "file=triggers/wind.yaml,line=3,col=1,"


def told(result: ApplyResult) -> list[str]:
    return apply_annotations(result, "prod").splitlines()


def test_what_is_in_doubt_or_refused_is_an_error_at_its_manifest() -> None:
    doubt, *_ = lines = told(MIXED)
    assert doubt == (
        f"::error {AT}title=in doubt%3A lost::lost: nothing found yet"
        "%0Areconciler status lost --env prod says what is known."
    )
    assert len(lines) == 5
    assert "title=refused%3A solar-3::solar-3: 62103: the workflow has no task%0A" in lines[-1]


def test_runs_of_a_backfill_with_one_reason_share_an_annotation() -> None:
    names = [f"march/2024-03-0{day}" for day in range(1, 6)]
    result = a_result(outcomes=[rejected(name) for name in names])
    (line,) = told(result)
    assert "title=refused%3A 5 runs of march::5 runs of march: 62103: user has no" in line
    assert "reconciler status march --env prod" in line


def test_a_failure_says_what_starts_it_again_and_one_that_was_started_again_is_left_out() -> None:
    result = a_result(
        observed=[observed("march/1", 7), observed("solar", -1), observed("again", 7)],
        outcomes=[triggered("again#2")],
    )
    march, solar = told(result)
    assert "TIMEOUT: it ran longer than the flow allows%0A`retry` starts again what fail" in march
    assert "FAIL: a task of the flow failed%0ATo start a failed run again, raise its" in solar


def test_what_was_started_twice_is_an_error_without_a_place() -> None:
    twice = a_record("wind", starts=(a_start("1"), a_start("2")), error="two starts")
    (line,) = told(a_result(twice=[twice]))
    assert line.startswith("::error title=started twice%3A wind::wind: two starts%0A")


@pytest.mark.parametrize("result", [a_result(), a_result(outcomes=[triggered("a")])])
def test_an_apply_that_went_well_is_annotated_with_nothing(result: ApplyResult) -> None:
    assert apply_annotations(result, "prod") == ""


def test_the_tenth_tells_of_all_that_are_left_for_github_shows_ten() -> None:
    lines = told(a_result(doubts=[a_doubt(f"run-{number}") for number in range(30)]))
    assert len(lines) == 10
    assert "title=21 more::in doubt: run-9: run-9: nothing found yet" in lines[-1]
    assert "run-29" in lines[-1]


def test_what_the_preflight_refuses_is_annotated() -> None:
    (line,) = told(a_result(refused=[planned("locked", reason="flow 12 is locked")]))
    assert "title=refused%3A locked::locked: flow 12 is locked%0A" in line
