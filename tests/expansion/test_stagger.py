from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.expansion.common import LAST
from reconciler.ledger import Ledger
from reconciler.model import Declared, EpochMs, Run, Stagger
from reconciler.schedule import schedule_runs
from reconciler.times import format_instant, parse_zone, zoned_time
from tests.expansion.building import CHANGES, DAY, MINUTE, clocks_around, expanded, refused, runs
from tests.sampling import examples

EMPTY = Ledger.of(())
HOURLY = {"from": "2024-03-01T06:00:00+08:00", "to": "2024-03-01T23:00:00+08:00", "every": "1h"}


def before(run: Run, zone: str = "GMT+8") -> str:
    """Until when a run may be moved, on clocks."""
    assert run.stagger is not None
    return zoned_time(run.stagger.before, parse_zone(zone)).isoformat()[:16]


def test_without_a_stagger_runs_cannot_be_moved() -> None:
    assert {run.stagger for run in runs({"triggerTimes": HOURLY})} == {None}


@pytest.mark.parametrize(("text", "minutes"), [("1m", 1), ("90m", 90), ("2h", 120)])
def test_the_step_is_what_is_written(text: str, minutes: int) -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-01", "every": "1d"}
    (run,) = runs({"businessDates": dates, "stagger": text})
    assert run.stagger == Stagger(
        step=minutes * MINUTE, before=EpochMs(run.trigger_time + 24 * 60 * MINUTE)
    )


def test_a_run_of_a_day_stays_before_midnight() -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-02", "every": "1d"}
    found = runs({"businessDates": dates, "at": "23:30", "stagger": "1m"})
    assert [before(run) for run in found] == ["2024-03-03T00:00", "2024-03-04T00:00"]


def test_a_run_of_an_hour_stays_before_the_next_also_at_the_end_of_the_range() -> None:
    found = runs({"triggerTimes": HOURLY, "stagger": "1m"})
    assert [before(run) for run in found[:2]] == ["2024-03-01T07:00", "2024-03-01T08:00"]
    shorter = {**HOURLY, "to": "2024-03-01T06:00:00+08:00"}
    assert [before(run) for run in runs({"triggerTimes": shorter, "stagger": "1m"})] == [
        "2024-03-01T07:00"
    ]


def test_the_last_time_of_a_date_stays_before_midnight() -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-01", "every": "10h"}
    found = runs({"businessDates": dates, "at": "04:00", "stagger": "1m"})
    assert [before(run) for run in found] == ["2024-03-02T14:00", "2024-03-03T00:00"]


def test_the_first_of_two_hours_ends_where_the_second_begins() -> None:
    ends = {"from": "2024-11-03T01:30:00-04:00", "to": "2024-11-03T01:30:00-05:00", "every": "1h"}
    found = runs({"triggerTimes": ends, "stagger": "1m"}, "America/New_York")
    assert [before(run, "America/New_York") for run in found] == [
        *("2024-11-03T01:30", "2024-11-03T02:30"),
    ]
    assert found[0].stagger is not None
    assert found[0].stagger.before == found[1].trigger_time


@given(
    st.sampled_from(CHANGES),
    st.sampled_from(["20m", "1h", "90m", "7h", "1d", "1mo", "*/30 * * * *", "0 1,2 * * *"]),
    st.data(),
)
@examples(150)
def test_a_run_never_leaves_its_date_nor_passes_the_next_time_wherever_the_range_ends(
    change: tuple[str, Any], every: str, data: st.DataObject
) -> None:
    clocks = clocks_around(change)
    span = {"from": format_instant(min(clocks.shown)), "to": format_instant(max(clocks.shown))}
    given = {"cron" if "*" in every else "every": every}
    whole = runs({"triggerTimes": {**span, **given}, "stagger": "1m"}, change[0])
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(whole) - 1)] * 2)))
    ends = [format_instant(whole[end].trigger_time) for end in (first, last)]
    part = {"from": ends[0], "to": ends[1], **given}
    staggers = {run.trigger_time: run.stagger for run in whole}
    for run in expanded({"triggerTimes": part, "stagger": "1m"}, change[0]).runs:
        assert run.stagger == staggers[run.trigger_time]
    run, following = whole[first], whole[first + 1 : first + 2]
    assert run.stagger is not None
    if every not in {"1d", "1mo"}:
        assert all(run.stagger.before <= other.trigger_time for other in following)
    shown = (clocks.shown.get(at) for at in minutes_of(run))
    day = clocks.shown[run.trigger_time].date()
    assert {clock.date() for clock in shown if clock} == {day}
    if every in {"1d", "1mo"}:  # all that is left of the date, also where clocks come back to it
        left = {at for at, clock in clocks.shown.items() if clock.date() == day}
        walls = [
            {clocks.shown[at].replace(tzinfo=None) for at in found if at >= run.trigger_time}
            for found in (left, set(minutes_of(run)) & set(clocks.shown))
        ]
        assert walls[0] == walls[1]


def minutes_of(run: Run) -> Iterator[EpochMs]:
    """When it may start."""
    assert run.stagger is not None
    return iter(run.stagger.times(run.trigger_time))


def test_as_many_runs_as_fit_before_midnight_are_accepted_and_one_more_is_not() -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-31", "every": "1d"}
    spec = {"businessDates": dates, "at": "22:00", "stagger": "30m"}
    sites = ["a", "b", "c", "d", "e"]
    assert runs({**spec, "matrix": {"SITE": sites[:4]}})
    assert refused({**spec, "matrix": {"SITE": sites}}) == ["range /spec/stagger"]
    left = [{"SITE": "c", "businessDate": "2024-03-01"}, {"SITE": "d"}]
    assert runs({**spec, "matrix": {"SITE": sites}, "exclude": left})


def test_the_time_with_the_most_runs_decides() -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-02", "every": "8h"}
    spec = {"businessDates": dates, "at": "06:00", "stagger": "2h", "matrix": {"SITE": ["a", "b"]}}
    (problem,) = expanded(spec).problems
    assert problem.message == (
        "spec.stagger: the 2 runs of 2024-03-01T22:00 do not all start before the next date or "
        "time, 2024-03-03T00:00+08:00, if they are this far apart: write a smaller stagger"
    )
    left = [{"SITE": "a", "triggerTime": f"2024-03-0{day}T22:00:00+08:00"} for day in (2, 3)]
    assert runs({**spec, "exclude": left})


@pytest.mark.parametrize("zone", ["GMT+14", "GMT-12", "Pacific/Kiritimati"])
@pytest.mark.parametrize("every", ["1h", "1d"])
def test_the_last_date_of_all_has_an_end_before_times_that_no_run_can_have(
    zone: str, every: str
) -> None:
    ends = {"from": "9999-12-29T18:00:00Z", "to": "9999-12-30T23:59:59.999Z", "every": every}
    for run in runs({"triggerTimes": ends, "stagger": "1m"}, zone):
        assert run.stagger is not None
        assert run.trigger_time < run.stagger.before <= LAST + 1


def test_a_smaller_stagger_is_advised_only_where_there_is_one_that_fits() -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-02", "every": "1d"}
    spec = {"businessDates": dates, "at": "23:58", "matrix": {"SITE": ["a", "b", "c"]}}
    (found,) = expanded(spec | {"stagger": "1m"}).problems
    assert "take values of the matrix away, or start earlier" in str(found)
    (found,) = expanded(spec | {"stagger": "2m", "at": "23:57"}).problems
    assert "write a smaller stagger" in str(found)
    assert len(runs(spec | {"stagger": "1m", "at": "23:57"})) == 6


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("America/St_Johns", date(2010, 11, 7)),
        ("America/Goose_Bay", date(2010, 11, 7)),
        ("America/Moncton", date(2006, 10, 29)),
    ],
)
def test_a_date_that_clocks_leave_by_going_back_goes_on_afterwards(zone: str, change: date) -> None:
    """One minute past midnight they show the hour before it again."""
    dates = {"from": f"{change - 2 * DAY}", "to": f"{change + DAY}", "every": "1d"}
    spec = {"businessDates": dates, "stagger": "1m", "matrix": {"SITE": ["a", "b", "c"]}}
    declared = Declared(runs=runs(spec, zone), problems=(), files=(), zone=parse_zone(zone))
    clocks = [
        zoned_time(run.trigger_time, declared.zone) for run in schedule_runs(declared, EMPTY).runs
    ]
    assert {clock.date(): len(clocks) // 4 for clock in clocks} == {
        change + days * DAY: 3 for days in range(-1, 3)
    }
    assert [f"{clock:%H:%M}" for clock in clocks if clock.date() == change] == [
        *("00:00", "00:01", "00:02"),
    ]


@pytest.mark.parametrize(
    ("zone", "day"),
    [("America/Scoresbysund", "2025-03-28"), ("Asia/Pyongyang", "2018-05-03")],
)
def test_where_clocks_leave_too_little_room_on_a_date_the_problem_says_so_and_which(
    zone: str, day: str
) -> None:
    dates = {"from": f"{day[:4]}-01-01", "to": f"{day[:4]}-12-31", "every": "1d"}
    spec = {
        "businessDates": dates,
        "at": "23:30",
        "stagger": "1m",
        "matrix": {"SITE": [f"s{number}" for number in range(2)]},
    }
    (problem,) = expanded(spec, zone).problems
    assert f"clocks in {zone} change then" in problem.message
    assert f"`exclude: [{{businessDate: {day}}}]`" in problem.message
    assert runs(spec | {"exclude": [{"businessDate": day}]}, zone)
    own = {"from": day, "to": day, "every": "1d"}
    assert len(runs(spec | {"businessDates": own, "at": "22:30"}, zone)) == 2


def test_an_hour_that_occurs_twice_has_each_of_its_minutes_once() -> None:
    """From 00:30 on, clocks show 47 half hours on that date; 49 of them pass."""
    zone = parse_zone("America/New_York")
    dates = {"from": "2024-11-02", "to": "2024-11-02", "every": "1d"}
    spec = {"businessDates": dates, "at": "00:30", "stagger": "30m"}
    sites = [f"s{number}" for number in range(48)]
    found = runs(spec | {"matrix": {"SITE": sites[:47]}}, "America/New_York")
    declared = Declared(runs=found, problems=(), files=(), zone=zone)
    starts = schedule_runs(declared, EMPTY).runs
    assert len({zoned_time(run.trigger_time, zone).replace(tzinfo=None) for run in starts}) == 47
    (problem,) = expanded(spec | {"matrix": {"SITE": sites}}, "America/New_York").problems
    assert "(clocks in America/New_York change then)" in problem.message
