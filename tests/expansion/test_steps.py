from datetime import date
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.expansion.steps import Days, Minutes, Months, Step, dates, parse_step
from tests.expansion.building import runs


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("15m", Minutes(count=15)),
        ("6h", Minutes(count=360)),
        ("1d", Days(count=1)),
        ("2w", Days(count=14)),
        ("1mo", Months(count=1)),
        ("3M", Months(count=3)),
    ],
)
def test_a_step_is_a_number_and_a_unit(text: str, step: Step) -> None:
    assert parse_step(text) == step


@pytest.mark.parametrize("text", ["", "1", "d", "1 d", "1.5h", "1y"])
def test_what_the_schema_would_refuse_is_no_step(text: str) -> None:
    with pytest.raises(ValueError, match="is not a step"):
        parse_step(text)


def test_months_from_the_31st_end_on_the_last_day_and_do_not_forget_the_31st() -> None:
    found = dates(date(2023, 10, 31), date(2024, 4, 30), Months(count=1))
    assert [f"{day:%m-%d}" for day in found] == [
        *("10-31", "11-30", "12-31", "01-31", "02-29", "03-31", "04-30"),
    ]


def test_months_from_a_leap_day_find_the_next_one() -> None:
    found = dates(date(2020, 2, 29), date(2024, 2, 29), Months(count=12))
    assert [str(day) for day in found] == [
        *("2020-02-29", "2021-02-28", "2022-02-28", "2023-02-28", "2024-02-29"),
    ]


@given(
    st.dates(date(1970, 1, 1), date(2100, 1, 1)),
    st.integers(0, 4000),
    st.one_of(
        st.integers(1, 40).map(lambda count: Days(count=count)),
        st.integers(1, 40).map(lambda count: Months(count=count)),
    ),
)
def test_dates_ascend_from_the_first_and_none_is_left_out_before_the_last(
    first: date, length: int, step: Days | Months
) -> None:
    last = date.fromordinal(first.toordinal() + length)
    found = list(dates(first, last, step))
    assert found[0] == first
    assert found == sorted(set(found))
    assert found[-1] <= last
    *same, beyond = islice(dates(first, date.max, step), len(found) + 1)
    assert same == found
    assert beyond > last


@pytest.mark.parametrize("step", [Days(count=9999), Months(count=9999), Days(count=1)])
def test_the_calendar_ends_without_an_error(step: Days | Months) -> None:
    assert list(dates(date(9999, 12, 31), date.max, step)) == [date.max]


@pytest.mark.parametrize(
    ("given", "passed_over"),
    [
        ({"every": "1mo", "from": "2024-02-29", "to": "2024-04-30"}, ["2024-03-31", "2024-04-30"]),
        (
            {"every": "2mo", "from": "2024-02-29", "to": "2024-04-30"},
            ["2024-03-29", "2024-03-31", "2024-04-30"],
        ),
        ({"every": "1mo", "from": "2024-01-31", "to": "2024-04-29"}, ["2024-03-29"]),
        ({"every": "4w", "from": "2024-02-29", "to": "2024-04-30"}, []),
        ({"every": "1h", "from": "2024-02-29", "to": "2024-04-30"}, []),
        ({"cron": "0 8 29 * *", "from": "2024-02-29", "to": "2024-04-30"}, []),
    ],
)
@pytest.mark.parametrize("field", ["businessDates", "triggerTimes"])
def test_only_a_step_of_months_passes_over_days_that_it_might_mean(
    given: dict[str, str], passed_over: list[str], field: str
) -> None:
    if field == "triggerTimes":
        given = given | {end: f"{given[end]}T22:00:00+08:00" for end in ("from", "to")}
    (run, *_) = runs({field: given})
    assert run.times is not None
    asked = ("2024-01-31", "2024-03-29", "2024-03-31", "2024-04-30", "2024-05-01")
    found = [day for day in asked if run.times.passes_over(date.fromisoformat(day))]
    assert found == passed_over
