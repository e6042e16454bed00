from datetime import tzinfo

import pytest

from reconciler.manifest import read_file
from reconciler.model import Retry, Run, Source, run_digest
from reconciler.schema import load_schema
from reconciler.times import business_date, format_instant, parse_zone, zoned_time

GMT8 = parse_zone("GMT+8")


def expand(spec: str, zone: tzinfo = GMT8) -> Run:
    result = read(spec, zone)
    assert not result[1]
    return result[0][0]


def read(spec: str, zone: tzinfo = GMT8) -> tuple[tuple[Run, ...], list[str]]:
    text = f"apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {{name: a}}\nspec: {{{spec}}}\n"
    result = read_file(Source(path="t/a.yaml", content=text.encode()), zone)
    return result.runs, [f"{problem.code} {problem.pointer}" for problem in result.problems]


def test_the_digest_is_that_of_what_the_wire_carries() -> None:
    run = expand("flowId: 3377, triggerTime: 1709337600000, parameters: {B: 2, A: 1}")
    assert run.digest == run_digest(3377, run.trigger_time, (("B", "2"), ("A", "1")))


def test_quotes_offsets_and_number_forms_do_not_change_the_digest() -> None:
    one = expand("flowId: 10, triggerTime: 2024-03-02T08:00:00+08:00, parameters: {A: 012}")
    other = expand("flowId: 0xA, triggerTime: 1709337600000, parameters: {'A': \"012\"}")
    assert one.digest == other.digest


def test_an_integral_float_is_an_integer_on_the_wire() -> None:
    run = expand("flowId: 3377.0, triggerTime: 1.7093376e12, parameters: {}, revision: 2.0")
    assert [type(value) for value in (run.flow_id, run.trigger_time, run.revision)] == [int] * 3
    assert run.digest == expand("flowId: 3377, triggerTime: 1709337600000, parameters: {}").digest
    assert run.id == "a@2"


def test_a_business_date_starts_on_the_next_day_in_the_zone() -> None:
    run = expand('flowId: 1, businessDate: 2024-02-28, at: "08:00", parameters: {}')
    assert format_instant(run.trigger_time) == "2024-02-29T00:00:00.000Z"


def test_a_business_date_and_its_trigger_time_are_the_same_run() -> None:
    zone = parse_zone("America/New_York")
    one = expand("flowId: 1, businessDate: 2024-03-09, parameters: {}", zone)
    other = expand("flowId: 1, triggerTime: 2024-03-10T00:00:00-05:00, parameters: {}", zone)
    assert one.digest == other.digest


def test_a_field_that_is_left_out_stands_where_the_document_does() -> None:
    run = expand("flowId: 1, businessDate: 2024-03-01, parameters: {}")
    assert run.place_of("/spec/businessDate").column > 1
    assert run.place_of("/spec/revision") == run.place


@pytest.mark.parametrize("zone", ["GMT+14", "GMT-12", "Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize(
    "spec",
    [
        *("businessDate: 1969-12-30", "businessDate: 9999-12-31", "businessDate: 0001-01-01"),
        *("triggerTime: 9999-12-31T00:00:00Z", "triggerTime: 1969-12-31T23:59:59Z"),
        *("triggerTime: 0001-01-01T00:00:00Z", "triggerTime: 253402214400000"),
        "triggerTime: 1, notAfter: 1900-01-01T00:00:00Z",
    ],
)
def test_times_that_cannot_be_told_are_problems(spec: str, zone: str) -> None:
    runs, problems = read(f"flowId: 1, {spec}, parameters: {{}}", parse_zone(zone))
    field = "notAfter" if "notAfter" in spec else spec.partition(":")[0]
    assert not runs
    assert problems == [f"range /spec/{field}"]


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_times_beyond_the_calendar_are_problems(time: str) -> None:
    runs, problems = read(f"flowId: 1, triggerTime: {time}, parameters: {{}}")
    assert not runs
    assert problems == ["format /spec/triggerTime"]


@pytest.mark.parametrize("zone", ["GMT+14", "GMT-12", "Pacific/Kiritimati"])
@pytest.mark.parametrize("time", ["0", "253402214399999", "9999-12-30T23:59:59.999Z"])
def test_the_first_and_last_time_can_be_shown_in_every_zone(time: str, zone: str) -> None:
    run = expand(f"flowId: 1, triggerTime: {time}, parameters: {{}}", parse_zone(zone))
    assert zoned_time(run.trigger_time, parse_zone(zone))
    assert business_date(run.trigger_time, parse_zone(zone))
    assert format_instant(run.trigger_time)


def test_optional_fields_have_their_defaults() -> None:
    run = expand("flowId: 1, triggerTime: 1, parameters: {}")
    assert (run.revision, run.suspend, run.not_after, run.duplicate_of) == (1, False, None, None)
    assert (run.labels, run.description, run.id) == ({}, "", "a")


def test_dependencies_retry_and_cancel_are_what_is_written() -> None:
    run = expand(
        "flowId: 1, triggerTime: 1, parameters: {}, retry: {max: 2, on: [SKIP, FAIL]}, "
        "dependsOn: [wind, wind, wind-march/2024-03-01], cancel: true"
    )
    assert run.depends_on == ("wind", "wind", "wind-march/2024-03-01")
    assert run.retry == Retry(max=2, on=frozenset({"SKIP", "FAIL"}))
    assert run.cancel is True
    places = [run.place_of(f"/spec/dependsOn/{index}") for index in range(3)]
    assert len({place.column for place in places}) == 3
    assert {place.line for place in places} == {4}


def test_a_retry_is_for_failure_unless_it_says_otherwise() -> None:
    run = expand("flowId: 1, triggerTime: 1, parameters: {}, retry: {max: 1.0}")
    assert run.retry == Retry(max=1, on=frozenset({"FAIL", "INTERNAL_ERROR", "TIMEOUT"}))
    spec = load_schema("trigger")["$defs"]["retry"]["properties"]["on"]
    assert run.retry.on == frozenset(spec["default"])


def test_a_trigger_is_moved_and_ordered_by_its_own_time_alone() -> None:
    run = expand("flowId: 1, triggerTime: 1, parameters: {}")
    assert (run.stagger, run.delay, run.sequence, run.attempt) == (None, 0, None, 1)
    assert (run.depends_on, run.retry, run.cancel) == ((), None, False)
