from typing import Any

import pytest

from reconciler.expansion import expand
from reconciler.model import Retry, run_digest
from reconciler.times import parse_instant, parse_zone
from tests.expansion.building import Stub, backfill, expanded, labels, refused, runs

DATES = {"from": "2024-03-01", "to": "2024-03-03", "every": "1d"}
HOURS = {"from": "2024-03-01T00:00:00+08:00", "to": "2024-03-01T05:00:00+08:00", "every": "1h"}


def test_parameters_come_in_the_authors_order_and_then_the_matrix_by_name() -> None:
    spec = {
        "businessDates": DATES,
        "parameters": {"Z": "last", "B": "first"},
        "matrix": {"SITE": ["cn-01"], "MODE": ["full"]},
    }
    (first, *_) = runs(spec)
    assert first.parameters == (
        *(("Z", "last"), ("B", "first"), ("MODE", "full"), ("SITE", "cn-01")),
    )
    assert first.digest == run_digest(3377, first.trigger_time, first.parameters)


def test_a_business_date_is_triggered_on_the_next_day_at_the_time() -> None:
    (first, *_) = runs({"businessDates": DATES, "at": "08:30:15"})
    assert first.trigger_time == parse_instant("2024-03-02T08:30:15+08:00")
    assert labels((first,)) == ["2024-03-01"]


def test_a_run_of_a_backfill_carries_the_same_as_a_trigger_of_that_date() -> None:
    (first, *_) = runs({"businessDates": DATES, "parameters": {"A": "1"}})
    spec = {"flowId": 3377, "businessDate": "2024-03-01", "parameters": {"A": "1"}}
    trigger = Stub(value={"kind": "Trigger", "metadata": {"name": "a"}, "spec": spec})
    (run,) = expand(trigger, parse_zone("GMT+8")).runs
    assert run.digest == first.digest


def test_the_newest_first_means_that_each_run_takes_the_place_of_its_mirror_image() -> None:
    found = runs({"triggerTimes": HOURS, "order": "descending"})
    by_turn = sorted(found, key=lambda run: run.turn)
    assert by_turn == sorted(found, key=lambda run: -run.trigger_time)
    assert {run.sequence for run in found} == {run.trigger_time for run in found}
    for order in ({}, {"order": "ascending"}):
        assert {run.sequence for run in runs({"triggerTimes": HOURS, **order})} == {None}


def test_what_is_left_out_does_not_count_for_the_order() -> None:
    left = [{"triggerTime": "2024-03-01T00:00:00+08:00"}]
    found = runs({"triggerTimes": HOURS, "order": "descending", "exclude": left})
    assert {run.sequence for run in found} == {run.trigger_time for run in found}


def test_all_other_fields_are_those_of_the_manifest() -> None:
    spec = {
        "businessDates": DATES,
        "revision": 3.0,
        "suspend": True,
        "notAfter": "2024-05-01T00:00:00+08:00",
        "duplicateOf": "wind-april/2024-03-01",
        "dependsOn": ["wind-import", "wind-import", "wind-check/2024-03-01"],
        "retry": {"max": 2.0, "on": ["SKIP"]},
        "cancel": True,
    }
    for run in runs(spec):
        assert (run.revision, run.suspend, run.cancel, run.attempt) == (3, True, True, 1)
        assert run.id == f"{run.name}@3"
        assert run.not_after == parse_instant("2024-05-01T00:00:00+08:00")
        assert run.duplicate_of == "wind-april/2024-03-01"
        assert run.depends_on == ("wind-import", "wind-import", "wind-check/2024-03-01")
        assert run.retry == Retry(max=2, on=frozenset({"SKIP"}))
        assert (run.delay, run.manifest) == (0, "wind-march")


def test_what_a_retry_is_for_is_failure_unless_it_says_otherwise() -> None:
    (run, *_) = runs({"businessDates": DATES, "retry": {"max": 1}})
    assert run.retry == Retry(max=1, on=frozenset({"FAIL", "INTERNAL_ERROR", "TIMEOUT"}))
    (run, *_) = runs({"businessDates": DATES})
    assert (run.retry, run.depends_on, run.cancel) == (None, (), False)


@pytest.mark.parametrize("times", [{"businessDates": DATES}, {"triggerTimes": HOURS}])
def test_problems_find_their_fields_and_all_runs_share_what_they_have_in_common(
    times: dict[str, Any],
) -> None:
    spec = {
        **times,
        "matrix": {"SITE": ["a", "b"]},
        "stagger": "1m",
        "dependsOn": ["x", "y"],
        "duplicateOf": "z",
        "revision": 2,
    }
    found = runs(spec)
    (name,) = times
    stub = backfill(spec)
    for pointer in (
        *("/metadata/name", "/spec", "/spec/flowId", f"/spec/{name}", "/spec/matrix"),
        "/spec/stagger",
        *("/spec/dependsOn/0", "/spec/dependsOn/1", "/spec/duplicateOf", "/spec/revision"),
    ):
        path = tuple(int(part) if part.isdigit() else part for part in pointer.split("/")[1:])
        assert found[0].place_of(pointer) == stub.place(path)
    assert found[0].place == found[0].place_of("/spec/suspend") == stub.place(())
    assert {id(run.marks) for run in found} == {id(found[0].marks)}
    assert {id(run.terms) for run in found} == {id(found[0].terms)}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"businessDates": {**DATES, "to": "2024-02-29"}}, "range /spec/businessDates/to"),
        ({"triggerTimes": {**HOURS, "to": 0}}, "range /spec/triggerTimes/to"),
        ({"businessDates": {**DATES, "every": "25h"}}, "range /spec/businessDates/every"),
        ({"businessDates": {**DATES, "to": "9999-12-31"}}, "range /spec/businessDates"),
        (
            {"businessDates": {"from": "9999-12-30", "to": "9999-12-31", "every": "1d"}},
            "range /spec/businessDates/to",
        ),
        (
            {"businessDates": {"from": "1969-12-30", "to": "1970-01-01", "every": "1d"}},
            "range /spec/businessDates/from",
        ),
        (
            {"triggerTimes": {**HOURS, "from": "1969-12-31T23:59:59Z"}},
            "range /spec/triggerTimes/from",
        ),
        ({"businessDates": DATES, "notAfter": "1900-01-01T00:00:00Z"}, "range /spec/notAfter"),
        (
            {"businessDates": DATES, "parameters": {"A": "1"}, "matrix": {"A": ["2"]}},
            "exclusive /spec/matrix/A",
        ),
        ({"businessDates": DATES, "matrix": {"A": ["2", "1", "2"]}}, "exclusive /spec/matrix/A/2"),
        (
            {"businessDates": DATES, "matrix": {"triggerTime": ["a"]}},
            "reserved /spec/matrix/triggerTime",
        ),
        (
            {
                "businessDates": {"from": "2024-03-01", "to": "2024-03-02", "cron": "0 8 * * *"},
                "at": "08:00",
            },
            "exclusive /spec/at",
        ),
        (
            {"businessDates": {"from": "2024-03-02", "to": "2024-03-03", "cron": "0 8 * * 1-5"}},
            "empty /spec/businessDates",
        ),
        (
            {"businessDates": DATES, "matrix": {"A": ["a"]}, "exclude": [{"A": "a"}]},
            "empty /spec/exclude",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_problem_at_its_place(spec: dict[str, Any], problem: str) -> None:
    assert refused(spec) == [problem]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    spec = {
        "triggerTimes": {**HOURS, "to": 0},
        "notAfter": "1900-01-01T00:00:00Z",
        "parameters": {"A": "1"},
        "matrix": {"A": ["2", "2"], "businessDate": ["x"]},
        "exclude": [{"B": "1"}, {"A": "3"}],
    }
    assert len(refused(spec)) == 7


@pytest.mark.parametrize("zone", ["GMT+14", "GMT-12", "America/New_York"])
def test_a_range_that_no_zone_can_show_is_a_problem_and_no_crash(zone: str) -> None:
    for ends in (("0001-01-01", "0001-01-02"), ("9999-12-29", "9999-12-31")):
        for step in ({"every": "1d"}, {"every": "1m"}, {"cron": "0 0 * * *"}):
            given = dict(zip(("from", "to"), ends, strict=True))
            result = expanded({"businessDates": {**given, **step}}, zone)
            assert {problem.code for problem in result.problems} == {"range"}


def test_hours_that_make_up_a_day_are_still_named_with_their_time() -> None:
    found = runs({"businessDates": {**DATES, "every": "24h"}, "at": "08:00"})
    assert labels(found) == ["2024-03-01T08:00", "2024-03-02T08:00", "2024-03-03T08:00"]


def test_a_step_of_hours_over_midnight_goes_on_from_the_first_time() -> None:
    times = {**HOURS, "to": "2024-03-03T00:00:00+08:00", "every": "9h"}
    assert labels(runs({"triggerTimes": times})) == [
        *("2024-03-01T00:00", "2024-03-01T09:00", "2024-03-01T18:00"),
        *("2024-03-02T03:00", "2024-03-02T12:00", "2024-03-02T21:00"),
    ]
    times = {**HOURS, "to": "2024-03-05T00:00:00+08:00", "every": "36h"}
    assert labels(runs({"triggerTimes": times})) == [
        *("2024-03-01T00:00", "2024-03-02T12:00", "2024-03-04T00:00"),
    ]


def test_seconds_are_named_where_there_are_any() -> None:
    times = {"from": "2024-03-01T00:00:05+08:00", "to": "2024-03-01T01:00:05+08:00", "every": "1h"}
    assert labels(runs({"triggerTimes": times})) == ["2024-03-01T00:00:05", "2024-03-01T01:00:05"]
    times = {**times, "from": "2024-03-01T00:00:05.250+08:00"}
    assert labels(runs({"triggerTimes": times})) == ["2024-03-01T00:00:05.250"]


def test_a_manifest_needs_nothing_but_a_flow_and_times() -> None:
    assert backfill({"businessDates": DATES}).value["spec"].keys() == {"flowId", "businessDates"}
    assert [run.parameters for run in runs({"businessDates": DATES})] == [(), (), ()]
