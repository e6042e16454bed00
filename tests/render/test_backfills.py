"""Runs of one backfill, shown as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import EpochMs, RunId
from reconciler.render.backfills import attempt_of, carried_text, group_items, runs_in_words
from reconciler.render.layout import Screen
from tests.render.values import DAY_MS, EIGHT, SHANGHAI, of_backfill, planned

keys = st.sampled_from([None, "a", "b", "c"])


def test_items_of_one_key_stand_where_its_first_stood_and_others_alone() -> None:
    assert group_items("aXbaXb", lambda item: None if item == "X" else item) == [
        ["a", "a"],
        ["X"],
        ["b", "b"],
        ["X"],
    ]


@given(st.lists(st.tuples(keys, st.integers())))
def test_nothing_is_lost_and_the_order_of_those_together_stays(
    items: list[tuple[str | None, int]],
) -> None:
    found = group_items(items, lambda item: item[0])
    assert sorted(map(repr, (one for group in found for one in group))) == sorted(map(repr, items))
    for group in found:
        (key,) = {key for key, _ in group}
        assert len(group) == 1 or group == [item for item in items if item[0] == key]


def test_a_backfill_is_told_by_number_flow_and_business_dates() -> None:
    runs = of_backfill("wind-march", 1_240)
    assert runs_in_words(runs[:31], SHANGHAI) == (
        "31 runs of flow 3377, business dates 2024-03-01 to 2024-03-31"
    )
    assert runs_in_words(runs, SHANGHAI).startswith("1,240 runs of flow 3377")


def test_the_dates_do_not_depend_on_the_order_of_the_runs() -> None:
    runs = of_backfill("wind-march", 31)
    assert runs_in_words(runs[::-1], SHANGHAI) == runs_in_words(runs, SHANGHAI)


def test_runs_of_one_day_have_one_date() -> None:
    runs = of_backfill("wind-march", 2, trigger_time=EIGHT)
    assert runs_in_words(runs, SHANGHAI) == "2 runs of flow 3377, business date 2024-03-01"


def test_several_flows_are_counted_and_an_unknown_one_is_not_told() -> None:
    one, other, unknown = (planned("a/1", flow_id=flow) for flow in (1, 2, None))
    assert runs_in_words([one, other, unknown], SHANGHAI).startswith("3 runs of 2 flows, ")
    assert runs_in_words([one, unknown], SHANGHAI).startswith("2 runs of flow 1, ")
    assert runs_in_words([unknown, unknown], SHANGHAI).startswith("2 runs, ")


def test_dates_that_no_calendar_has_are_left_out() -> None:
    runs = [planned("a/1"), planned("a/2", trigger_time=EpochMs(DAY_MS * 10**10))]
    assert runs_in_words(runs, SHANGHAI) == "2 runs of flow 3377"


@pytest.mark.parametrize(
    ("run", "attempt"), [("a", 1), ("a@2", 1), ("a#2", 2), ("a/b@3#12", 12), ("a#by hand", 1)]
)
def test_the_attempt_is_read_off_the_id(run: str, attempt: int) -> None:
    assert attempt_of(RunId(run)) == attempt


@pytest.mark.parametrize("folds", [True, False])
def test_of_thousands_of_parameters_only_those_that_a_line_has_room_for_are_tried(
    *, folds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    wrapped = Screen.wrap_text

    def trying(screen: Screen, text: str, indent: int = 0) -> list[str]:
        tried.append(text)
        return wrapped(screen, text, indent)

    monkeypatch.setattr(Screen, "wrap_text", trying)
    run = planned("a/1", parameters=tuple((f"K{n}", "v") for n in range(5_000)))
    (line,) = carried_text([run], Screen(folds=folds), verbose=False)
    assert line.endswith("K7=v, … and 4,992 more parameters")
    assert len(tried) <= 1 + 80 // len("K1=v")
