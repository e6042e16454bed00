import time
import tracemalloc
from typing import Any

import pytest

from tests.expansion.building import expanded, refused, runs
from tests.sampling import sampled

DATES = {"from": "2024-03-01", "to": "2024-03-10", "every": "1d"}


def test_as_many_runs_as_the_limit_allows_are_made_and_one_more_is_a_problem() -> None:
    spec = {"businessDates": DATES, "matrix": {"SITE": ["a", "b", "c"]}}
    assert len(expanded(spec, max_runs=30).runs) == 30
    assert refused(spec, max_runs=29) == ["range /spec/businessDates"]


def test_the_problem_says_how_many_and_which_setting_limits_them() -> None:
    spec = {"businessDates": DATES, "matrix": {"SITE": ["a", "b", "c"]}}
    (problem,) = expanded(spec, max_runs=20).problems
    assert problem.message == (
        "spec.businessDates: makes at least 21 runs, more than the 20 that "
        "limits.maxRunsPerBackfill allows: narrow it, or raise the limit"
    )


def test_what_is_excluded_counts() -> None:
    """Or a backfill could not be found too large before all of it is made."""
    spec = {
        "businessDates": DATES,
        "matrix": {"SITE": ["a", "b", "c"]},
        "exclude": [{"SITE": "a"}, {"SITE": "b"}],
    }
    assert refused(spec, max_runs=29) == ["range /spec/businessDates"]
    assert len(expanded(spec, max_runs=30).runs) == 10


def test_combinations_alone_can_be_too_many() -> None:
    spec = {"businessDates": DATES, "matrix": {"A": ["1", "2"], "B": ["1", "2"]}}
    assert refused(spec, max_runs=3) == ["range /spec/matrix"]


VALUES = [str(value) for value in range(200)]


@pytest.mark.parametrize(
    ("spec", "problem"),
    sampled(
        [
            (
                {"businessDates": {"from": "1970-01-01", "to": "9999-12-31", "every": "1m"}},
                "range /spec/businessDates",
            ),
            (
                {"businessDates": {"from": "0001-01-01", "to": "9999-12-31", "every": "1m"}},
                "range /spec/businessDates/from",
            ),
            (
                {"triggerTimes": {"from": 0, "to": 253402214399999, "cron": "* * * * *"}},
                "range /spec/triggerTimes",
            ),
            (
                {
                    "businessDates": {
                        "from": "1970-01-01",
                        "to": "9999-12-30",
                        "cron": "0 0 */30 2 1#5",
                    }
                },
                "empty /spec/businessDates",
            ),
            (
                {"businessDates": DATES, "matrix": {f"K{key}": VALUES for key in range(200)}},
                "range /spec/matrix",
            ),
            (
                {
                    "businessDates": DATES,
                    "matrix": {f"K{key}": ["0", "1"] for key in range(50_000)},
                },
                "range /spec/matrix",
            ),
        ],
        every=3,
    ),
)
def test_the_largest_backfills_are_refused_before_memory_or_time_is_spent(
    spec: dict[str, Any], problem: str
) -> None:
    tracemalloc.start()
    try:
        began = time.process_time()
        assert refused(spec, "America/New_York") == [problem]
        assert time.process_time() - began < 10  # a tenth of a second, but for the tracing
        assert tracemalloc.get_traced_memory()[1] < 60e6  # most of it what the schema looks at
    finally:
        tracemalloc.stop()


def test_a_huge_number_is_told_by_its_size() -> None:
    spec = {"businessDates": DATES, "matrix": {f"K{key}": VALUES for key in range(200)}}
    (problem,) = expanded(spec).problems
    assert "makes at least 10^459 runs" in problem.message
    assert len(str(200**200)) == 461


def test_ten_thousand_runs_are_made_in_well_under_a_second() -> None:
    dates = {"from": "2024-01-01", "to": "2024-09-06", "every": "1d"}
    sites = [f"cn-{site:02}" for site in range(40)]
    spec = {"businessDates": dates, "matrix": {"SITE": sites}, "stagger": "1m", "at": "08:00"}
    began = time.process_time()
    assert len(runs(spec, "America/New_York")) == 10_000
    assert time.process_time() - began < 1.5  # 0.1 s where nothing else runs
