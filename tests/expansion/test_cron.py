import re
from datetime import date, datetime, time, timedelta
from itertools import takewhile

import pytest
from cronsim import CronSim
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.expansion.grids import cron_dates, cron_times
from reconciler.schema.formats import check_cron
from tests.expansion.building import expanded, labels, refused, runs
from tests.sampling import examples


def field(low: int, high: int, *others: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    term = st.one_of(
        st.just("*"),
        number.map(str),
        st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}"),
        st.integers(1, high).map(lambda step: f"*/{step}"),
        st.tuples(number, st.integers(1, high)).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        *(st.just(one) for one in others),
    )
    return st.lists(term, min_size=1, max_size=2).map(",".join)


EXPRESSIONS = st.tuples(
    field(0, 59),
    field(0, 23),
    field(1, 31, "L", "LW"),
    field(1, 12, "FEB", "mar"),
    field(0, 7, "MON", "5L", "1#2", "sun#5"),
).map(" ".join)


def is_valid(expression: str) -> bool:
    try:
        check_cron(expression)
    except ValueError:
        return False
    return True


@given(EXPRESSIONS.filter(is_valid), st.dates(date(1971, 1, 1), date(2100, 1, 1)))
@example("0 0 29 2 */7", date(2088, 3, 1))
@examples(150)
def test_dates_and_times_together_are_what_the_expression_fires_at(
    expression: str, first: date
) -> None:
    last = first + timedelta(days=8)
    start = datetime.combine(first, time())
    whole = takewhile(
        lambda match: match.date() <= last, CronSim(expression, start - timedelta(seconds=1))
    )
    split = (
        datetime.combine(day, at)
        for day in cron_dates(expression, first, last)
        for at in cron_times(expression)
    )
    assert list(whole) == list(split)


@given(st.one_of(EXPRESSIONS, st.text(max_size=30), st.text("0123456789*/,-#?LW \t", max_size=30)))
@example("0 0 * * 5L/2")
@example("0 0 L/2 * *")
@example("* * * * " + "1" * 5000)
@example("0 0 * * \u017fun")
@example("0 8 * * \uff11")
@examples(300)
def test_any_text_is_an_expression_or_a_value_error_in_one_line(text: str) -> None:
    if is_valid(text):
        assert cron_times(text)
        spec = {"businessDates": {"from": "2024-03-01", "to": "2024-03-03", "cron": text}}
        assert len(text) > 200 or expanded(spec)
    else:
        with pytest.raises(ValueError, match=r"\A[ -~]{1,150}\Z"):
            check_cron(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 8 * *", r"must have five fields \(minute, hour, day-of-month, month, day-of-week\)"),
        ("0 0 8 * * 1", "five fields"),
        ("@daily", "five fields"),
        ("61 8 * * *", "never met: the minute 61"),
        ("0 0 30 2 *", "never met: the day-of-month 30"),
        ("0 0 * * 1#6", "never met: the day-of-week 1#6"),
        ("5-70 8 * * *", "the minute 5-70"),
        ("0 8 15W * *", "the day-of-month 15W"),
        ("0 8 ? * 1", r"has \? as the day-of-month, .* write \*"),
        ("*/90 * * * *", r"the minute \*/90, whose step is longer than the 60 values"),
        ("0 */25 * * *", r"the hour \*/25, whose step is longer than the 24 values"),
        ("0 0 */32 * *", "longer than the 31 values"),
        ("0 0 1 */13 *", "longer than the 12 values"),
        ("0 0 * * */8", "longer than the 7 values"),
        ("10-20/15 * * * *", "longer than the 11 values"),
        ("7,50/30 * * * *", "longer than the 10 values"),
        ("0 8 * JAN-MAR/20 *", r"the month JAN-MAR/20, whose step is longer than the 3 values"),
        ("0 8 * jan-mar/4 *", "longer than the 3 values"),
        ("0 8 * OCT/4 *", "longer than the 3 values"),
        ("0 8 * 1-MAR/4 *", "longer than the 3 values"),
        ("0 8 * * MON-FRI/9", r"the day-of-week MON-FRI/9, whose step is longer than the 5 values"),
        ("0 8 * * MON/10", "longer than the 6 values"),
        ("0 8 * * 1/10", "longer than the 6 values"),
        ("0 8 * * 7/2", "longer than the one value that is gone through: write"),
        ("0 8 * * SUN/8", "longer than the 7 values"),
        ("0 0 L/2 * *", "has a step from L in the day-of-month L/2: take it away"),
    ],
)
def test_a_wrong_expression_is_told_which_field_it_is(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_cron(text)


@pytest.mark.parametrize(
    "text",
    [
        *("*/60 * * * *", "0 */24 * * *", "0 0 */31 * *", "0 0 1 */12 *", "0 0 * * */7"),
        *("0-59/60 * * * *", "0 8 * JUL WED", "0 8 LW * 5L", "0 8 * * mon-fri", "5/30 * * * *"),
        *("0 8 * JAN-MAR/3 *", "0 8 * * MON-FRI/2", "0 8 * * 0-7/2", "0 8 * FEB/11 *"),
    ],
)
def test_what_can_be_meant_is_an_expression(text: str) -> None:
    check_cron(text)


@pytest.mark.parametrize(
    ("expression", "days", "words"),
    [
        ("0 8 13 * 5", ["04", "11", "13", "18", "25"], "either of them names"),
        ("0 8 */15 * 2", ["01"], "only on days that both of them name, .* Kubernetes"),
        ("0 8 6,16 * */6", ["06"], "only on days that both of them name"),
        (
            "0 8 L * 5",
            ["04", "11", "18", "25", "31"],
            "either of them names, .* crontab and Kubernetes have neither L nor #",
        ),
        (
            "0 8 13 * 5L",
            ["13", "25"],
            "either of them names, .* crontab and Kubernetes have neither L nor #",
        ),
        (
            "0 8 LW * */4",
            ["31"],
            "both of them name, .* crontab and Kubernetes have neither L nor #",
        ),
        (
            "0 8 */9 * 4#2",
            ["10"],
            "both of them name, .* crontab and Kubernetes have neither L nor #",
        ),
        ("0 8 13 * *", ["13"], None),
        ("0 8 * * 2", ["01", "08", "15", "22", "29"], None),
        ("0 8 */1 * 2", ["01", "08", "15", "22", "29"], None),
    ],
)
def test_days_of_the_month_and_of_the_week_are_joined_as_crontab_does_and_noted(
    expression: str, days: list[str], words: str | None
) -> None:
    given_dates = {"from": "2024-10-01", "to": "2024-10-31", "cron": expression}
    result = expanded({"businessDates": given_dates})
    assert [run.name[-2:] for run in result.runs] == days
    assert [(note.code, note.pointer) for note in result.notes] == (
        [("cron-days", "/spec/businessDates/cron")] if words else []
    )
    assert words is None or re.search(words, result.notes[0].message)


def test_whatever_the_library_raises_is_a_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("cronsim.CronSim", explode)
    with pytest.raises(ValueError, match="is not a cron expression"):
        check_cron("0 8 * * *")


def test_an_expression_with_one_time_a_day_names_dates_only() -> None:
    found = runs(
        {"businessDates": {"from": "2024-03-07", "to": "2024-03-12", "cron": "5 8 * * 1-5"}}
    )
    assert labels(found) == ["2024-03-07", "2024-03-08", "2024-03-11", "2024-03-12"]


def test_whether_times_are_named_does_not_depend_on_how_many_are_in_range() -> None:
    """Or the first run would be renamed when the range is widened."""
    given = {"from": "2024-03-07T18:00:00+08:00", "cron": "0 6,18 * * *"}
    one = runs({"triggerTimes": {**given, "to": "2024-03-07T19:00:00+08:00"}})
    assert labels(one) == ["2024-03-07T18:00"]


@pytest.mark.parametrize("expression", ["0 0 */30 2 MON#5", "0 0 31 2,4 */40"])
def test_an_expression_that_never_fires_is_a_problem_and_no_endless_search(
    expression: str,
) -> None:
    given = {"from": "1970-01-01", "to": "9999-12-30", "cron": expression}
    if is_valid(expression):
        assert refused({"businessDates": given}) == ["empty /spec/businessDates"]


def test_the_calendar_ends_without_an_error() -> None:
    assert list(cron_dates("0 0 * * *", date(9999, 12, 30), date.max)) == [
        date(9999, 12, 30),
        date.max,
    ]
    assert list(cron_dates("0 0 1 1 *", date(9999, 1, 2), date.max)) == []
    assert next(cron_dates("0 0 * * *", date.min, date.max)) < date(1, 1, 3)
