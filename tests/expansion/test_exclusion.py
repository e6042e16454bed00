from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Run
from reconciler.times import business_date, parse_instant, parse_zone
from tests.expansion.building import expanded, refused, runs
from tests.sampling import examples

ZONE = parse_zone("America/New_York")
MATRIX = {"SITE": ["cn-01", "cn-02", "012"], "MODE": ["full", "delta"]}
DATES = {"from": "2024-03-08", "to": "2024-03-11", "every": "12h"}
TIMES = {"from": "2024-03-08T00:00:00-05:00", "to": "2024-03-11T00:00:00-04:00", "every": "12h"}

entries = st.fixed_dictionaries(
    {},
    optional={
        "SITE": st.sampled_from(MATRIX["SITE"]),
        "MODE": st.sampled_from(MATRIX["MODE"]),
        "businessDate": st.sampled_from(["2024-03-07", "2024-03-09", "2024-03-10", "2025-01-01"]),
        "triggerTime": st.sampled_from(
            ["2024-03-09T00:00:00-05:00", "2024-03-10T16:00:00Z", "2024-03-10T12:00:00-04:00"]
        ),
    },
).filter(bool)


def matches(entry: dict[str, str], run: Run) -> bool:
    return all(
        str(business_date(run.trigger_time, ZONE)) == value
        if key == "businessDate"
        else run.trigger_time == parse_instant(value)
        if key == "triggerTime"
        else dict(run.parameters)[key] == value
        for key, value in entry.items()
    )


@given(st.sampled_from([{"businessDates": DATES}, {"triggerTimes": TIMES}]), st.lists(entries))
@examples(300)
def test_a_run_is_left_out_if_it_has_all_the_values_of_one_entry(
    spec: dict[str, Any], exclude: list[dict[str, str]]
) -> None:
    everything = runs({**spec, "matrix": MATRIX}, "America/New_York")
    kept = [run for run in everything if not any(matches(entry, run) for entry in exclude)]
    result = expanded({**spec, "matrix": MATRIX, "exclude": exclude}, "America/New_York")
    assert [run.name for run in result.runs] == [run.name for run in kept]
    assert [problem.code for problem in result.problems] == ([] if kept else ["empty"])


def test_a_backfill_of_trigger_times_can_leave_out_the_date_that_is_processed() -> None:
    spec = {
        "triggerTimes": {"from": "2024-03-02T00:00:00+08:00", "to": "2024-03-03T23:00:00+08:00"}
    }
    spec["triggerTimes"]["every"] = "1h"
    left = runs({**spec, "exclude": [{"businessDate": "2024-03-02"}]})
    assert {run.name[11:21] for run in left} == {"2024-03-02"}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"SITE": "cn-03"}, "enum /spec/exclude/0/SITE"),
        ({"SITE": "cn-01 "}, "enum /spec/exclude/0/SITE"),
        ({"PLANT": "cn-01"}, "unknown-field /spec/exclude/0/PLANT"),
        ({"site": "cn-01"}, "unknown-field /spec/exclude/0/site"),
    ],
)
def test_an_entry_that_can_match_nothing_is_a_problem(entry: dict[str, str], problem: str) -> None:
    spec = {"businessDates": DATES, "matrix": MATRIX, "exclude": [entry]}
    assert refused(spec) == [problem]


def test_a_date_out_of_range_is_none_so_that_ranges_can_be_narrowed() -> None:
    spec = {"businessDates": DATES, "exclude": [{"businessDate": "1999-01-01"}]}
    assert len(runs(spec)) == 8


@pytest.mark.parametrize(
    ("entry", "times"),
    [
        ({"businessDate": "1999-01-01"}, "businessDate 1999-01-01"),
        ({"SITE": "012", "businessDate": "1999-01-01"}, "businessDate 1999-01-01"),
        ({"triggerTime": "2024-03-09T00:00:01-05:00"}, "triggerTime 2024-03-09T00:00:01-05:00"),
        (
            {"businessDate": "2024-03-09", "triggerTime": "2024-03-09T00:00:00-05:00"},
            "businessDate 2024-03-09 and triggerTime 2024-03-09T00:00:00-05:00",
        ),
        ({"businessDate": "2024-03-09"}, None),
        ({"SITE": "012"}, None),
        (
            {"businessDate": "2024-03-08", "triggerTime": "2024-03-09T00:00:00-05:00"},
            None,
        ),
    ],
)
def test_an_entry_that_matches_no_run_is_a_note(entry: dict[str, str], times: str | None) -> None:
    spec = {"businessDates": DATES, "matrix": MATRIX, "exclude": [{"SITE": "cn-01"}, entry]}
    notes = [
        f"{one.code} {one.pointer}: {one.message}"
        for one in expanded(spec, "America/New_York").notes
    ]
    words = "spec.exclude[1]: leaves nothing out: no run of this backfill has"
    assert notes == ([f"excludes-nothing /spec/exclude/1: {words} {times}"] if times else [])


@pytest.mark.parametrize("written", [1709960400000, 1709960400000.0])
def test_a_time_that_is_left_out_may_be_in_milliseconds(written: float) -> None:
    dated = {"businessDates": DATES, "exclude": [{"triggerTime": "2024-03-09T00:00:00-05:00"}]}
    spec = {"businessDates": DATES, "exclude": [{"triggerTime": written}]}
    found = runs(spec, "America/New_York")
    assert [run.name for run in found] == [run.name for run in runs(dated, "America/New_York")]
    assert len(found) == 7


def test_without_a_matrix_only_times_can_be_left_out() -> None:
    (problem,) = expanded({"businessDates": DATES, "exclude": [{"SITE": "a"}]}).problems
    assert problem.message.endswith("known are businessDate, triggerTime")


def test_only_some_of_many_values_are_listed_in_a_message() -> None:
    values = [f"cn-{index:03}" for index in range(100)]
    spec = {"businessDates": DATES, "matrix": {"SITE": values}, "exclude": [{"SITE": "x"}]}
    (problem,) = expanded(spec).problems
    assert problem.message.endswith("cn-008, cn-009 and 90 more")
