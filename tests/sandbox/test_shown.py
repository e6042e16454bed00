"""What a service shows of what it was sent: stamps, trigger times, parameters, and how late."""

import json
from typing import Any, Literal

import pytest

from reconciler.sandbox import NEVER, FlowOptions, ParametersShown, SandboxOptions
from reconciler.sandbox.behaviour import (
    CreatedCut,
    FlowIdShown,
    StampLayout,
    StatusShown,
    TriggerTimeShown,
)
from tests.sandbox.asking import NOW, served

SENT = (("SITE", "Cn-12"), ("DAY", "${cal_dt}"), ("N", "12"))


def shown(how: ParametersShown, sent: tuple[tuple[str, str], ...] = SENT, **flow: Any) -> Any:
    flows = {3377: FlowOptions(**flow)}
    with served(options=SandboxOptions(parameters_shown=how, flows=flows)) as it:
        it.client.triggered(parameters=[{"key": key, "value": value} for key, value in sent])
        assert it.sandbox.instances[0].parameters == sent
        (found,) = it.client.listed()
        assert it.client.instance(found["instanceId"]) == found
        content = json.loads(found["parameters"])
    return [(one["key"], one["value"]) for one in content] if isinstance(content, list) else content


@pytest.mark.parametrize(
    ("lag", "cut", "stamp"),
    [
        (0.0, "second", "2024-03-02 08:00:00"),
        (0.5, "second", "2024-03-02 08:00:00"),
        (0.501, "second", "2024-03-02 07:59:59"),
        (-0.5, "second", "2024-03-02 08:00:01"),
        (90, "minute", "2024-03-02 07:58:00"),
        (-59.4, "minute", "2024-03-02 08:00:00"),
        (-59.5, "minute", "2024-03-02 08:01:00"),
        (-3599, "hour", "2024-03-02 08:00:00"),
        (0.0, "day", "2024-03-02 00:00:00"),
    ],
)
def test_creation_stamps_can_come_from_another_clock_and_be_cut(
    lag: float, cut: CreatedCut, stamp: str
) -> None:
    options = SandboxOptions(created_lag_seconds=lag, created_cut=cut)
    with served(options=options) as it:
        found = it.client.instance(it.client.triggered())
        assert found["timestamp"] == stamp
        assert found["startTime"] == "2024-03-02 08:00:00"


@pytest.mark.parametrize(
    ("how", "offset_ms", "stamp"),
    [
        ("second", 999, "2024-03-02 08:00:29"),
        ("minute", 999, "2024-03-02 08:00:00"),
        ("hour", 999, "2024-03-02 08:00:00"),
        ("day", 999, "2024-03-02 00:00:00"),
        ("roundedSecond", 499, "2024-03-02 08:00:29"),
        ("roundedSecond", 500, "2024-03-02 08:00:30"),
        ("roundedMinute", 999, "2024-03-02 08:00:00"),
        ("roundedMinute", 1000, "2024-03-02 08:01:00"),
    ],
)
def test_trigger_times_can_be_listed_cut_or_rounded_and_are_found_by_the_true_ones(
    how: TriggerTimeShown, offset_ms: int, stamp: str
) -> None:
    time = NOW - 500 + 29_000 + offset_ms
    with served(options=SandboxOptions(trigger_time_shown=how)) as it:
        name = it.client.triggered(triggerTime=time)
        assert name == "3377-20240302080000"
        (found,) = it.client.listed(fromTriggerTime=time, toTriggerTime=time + 1)
        assert found["triggerTime"] == stamp
        assert (
            it.client.found(toTriggerTime=time) == it.client.found(fromTriggerTime=time + 1) == []
        )


@pytest.mark.parametrize(
    ("layout", "created", "trigger_time"),
    [
        ("plain", "2024-03-02 00:00:00", "2024-03-02 01:00:29"),
        ("iso", "2024-03-02T00:00:00", "2024-03-02T01:00:29"),
        ("letterZ", "2024-03-02T00:00:00Z", "2024-03-02T01:00:29Z"),
        ("offset", "2024-03-02T00:00:00+00:00", "2024-03-02T01:00:29+01:00"),
        ("noSeconds", "2024-03-02T00:00", "2024-03-02T01:00"),
        ("date", "2024-03-02", "2024-03-02"),
        ("milliseconds", NOW - 500, NOW - 500 + 29_000),
        ("millisecondsText", str(NOW - 500), str(NOW - 500 + 29_000)),
    ],
)
def test_stamps_can_be_of_other_zones_and_written_otherwise(
    layout: StampLayout, created: str | int, trigger_time: str | int
) -> None:
    options = SandboxOptions(created_zone="UTC", trigger_time_zone="GMT+1", stamp_layout=layout)
    with served(options=options) as it:
        found = it.client.instance(it.client.triggered(triggerTime=NOW + 29_000))
        assert (found["timestamp"], found["triggerTime"]) == (created, trigger_time)


@pytest.mark.parametrize(
    ("how", "status"),
    [("number", 2), ("text", "2"), ("word", "RUNNING"), ("undocumented", 102), ("blank", None)],
)
def test_a_status_can_be_shown_otherwise(how: StatusShown, status: object) -> None:
    with served(options=SandboxOptions(status_shown=how)) as it:
        assert it.client.instance(it.client.triggered())["status"] == status


@pytest.mark.parametrize(
    ("how", "flow"), [("own", 1), ("zero", 0), ("negative", -1), ("null", None)]
)
def test_a_flow_can_be_shown_as_a_number_that_nothing_was_written_into(
    how: FlowIdShown, flow: object
) -> None:
    with served(options=SandboxOptions(flow_id_shown=how)) as it:
        assert it.client.instance(it.client.triggered(flowId=1))["flowId"] == flow


def test_another_field_can_stand_in_the_place_of_the_trigger_time() -> None:
    for how, shown in (("created", "2024-03-02 08:00:00"), ("epoch", "1970-01-01 08:00:00")):
        with served(options=SandboxOptions(trigger_time_shown=how)) as it:  # type: ignore[arg-type]  # both are of its words
            name = it.client.triggered(triggerTime=NOW - 86_400_000)
            assert it.client.instance(name)["triggerTime"] == shown


def test_the_flows_defaults_can_be_merged_into_the_parameters() -> None:
    defaults = {"MODE": "full", "SITE": "all"}
    found = shown(ParametersShown(merged=True), defaults=defaults)
    assert found == [("MODE", "full"), *SENT]
    assert shown(ParametersShown(), defaults=defaults) == list(SENT)


def test_get_flow_tells_the_defaults_of_the_parameters_that_it_declares() -> None:
    flow = FlowOptions(parameters=("SITE", "MODE"), defaults={"MODE": "full"})
    with served(options=SandboxOptions(flows={1: flow})) as it:
        query = {**it.client.user, "flowId": "1"}
        found = it.client.call("flows", "get", query=query).json()["data"]
        assert found["parameters"] == [
            {"key": "SITE", "value": ""},
            {"key": "MODE", "value": "full"},
        ]


def test_parameters_can_be_listed_in_another_order() -> None:
    assert shown(ParametersShown(reordered=True)) == list(reversed(SENT))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("012", "012"),
        ("1e999", "1e999"),
        ("1" * 5000, "1" * 5000),
        ("NaN", "NaN"),
        ("true", "true"),
        (" 1", " 1"),
        ("", ""),
    ],
)
def test_a_value_that_reads_as_a_json_number_can_be_listed_as_one(
    text: str, value: str | float
) -> None:
    ((_, found),) = shown(ParametersShown(retyped=True), (("K", text),))
    assert (found, type(found)) == (value, type(value))


def test_values_can_be_listed_cut() -> None:
    cut = [("SITE", "Cn-"), ("DAY", "${c"), ("N", "12")]
    assert shown(ParametersShown(cut=3)) == cut


@pytest.mark.parametrize(("case", "value"), [("upper", "CN-12"), ("lower", "cn-12")])
def test_values_can_be_listed_in_another_case(case: Literal["upper", "lower"], value: str) -> None:
    assert shown(ParametersShown(case=case), SENT[:1]) == [("SITE", value)]


def test_variables_can_be_listed_filled_in() -> None:
    found = shown(ParametersShown(filled=True), (("DAY", "at ${cal_dt}, ${x}"), ("M", "$x")))
    assert found == [("DAY", "at 2024-03-01, 2024-03-01"), ("M", "$x")]


def test_parameters_can_be_listed_as_a_map() -> None:
    assert shown(ParametersShown(as_map=True)) == dict(SENT)


def test_parameters_can_be_left_out_or_null() -> None:
    for hidden, expected in (("absent", "absent"), ("null", None)):
        how = ParametersShown(hidden=hidden)  # type: ignore[arg-type]  # one of its two words
        with served(options=SandboxOptions(parameters_shown=how)) as it:
            it.client.triggered()
            assert it.client.listed()[0].get("parameters", "absent") == expected


def test_what_is_done_to_parameters_is_done_in_one_order() -> None:
    how = ParametersShown(
        merged=True, filled=True, case="upper", cut=4, reordered=True, retyped=True, as_map=True
    )
    found = shown(how, defaults={"MODE": "fully"})
    assert list(found.items()) == [("N", 12), ("DAY", 2024), ("SITE", "CN-1"), ("MODE", "FULL")]


def test_every_instance_can_be_listed_late_while_it_can_be_asked_for_at_once() -> None:
    with served(options=SandboxOptions(list_after_seconds=30)) as it:
        name = it.client.triggered()
        it.clock.pass_seconds(29.999)
        assert it.client.found() == []
        assert it.client.instance(name) is not None
        it.clock.pass_seconds(0.001)
        assert it.client.found() == [name]
    with served(options=SandboxOptions(list_after_seconds=NEVER)) as it:
        it.client.triggered()
        it.clock.pass_seconds(1000)
        assert it.client.found() == []
