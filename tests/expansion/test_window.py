"""Times that cannot be meant: seconds for milliseconds, and years that no run is about."""

import pytest

from reconciler.expansion import Bounds, Window
from reconciler.manifest import read_file
from reconciler.model import EpochMs, Source
from reconciler.times import parse_instant, parse_zone

NOW = parse_instant("2024-03-10T00:00:00Z")
TRIGGER = "apiVersion: reconciler/v1\nkind: Trigger\nmetadata: {name: a}\n"
BACKFILL = TRIGGER.replace("Trigger", "Backfill")


def problems(text: str, *, now: EpochMs = NOW, first_year: int = 1990, ahead: int = 5) -> list[str]:
    window = Window.of(now, first_year, ahead)
    source = Source(path="a.yaml", content=text.encode())
    found = read_file(source, parse_zone("GMT+8"), Bounds(window=window))
    assert bool(found.problems) != bool(found.runs)
    return [f"{problem.pointer}: {problem.code}: {problem.message}" for problem in found.problems]


def trigger(fields: str) -> str:
    return f"{TRIGGER}spec: {{flowId: 1, parameters: {{}}, {fields}}}\n"


def backfill(fields: str) -> str:
    return f"{BACKFILL}spec: {{flowId: 1, parameters: {{}}, {fields}}}\n"


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        (trigger("triggerTime: 1709337600"), "/spec/triggerTime"),
        (trigger("triggerTime: 1709337600.0"), "/spec/triggerTime"),
        (trigger("businessDate: 2024-03-01, notAfter: 1809337600"), "/spec/notAfter"),
        (
            backfill("triggerTimes: {from: 1709337600, to: '2024-03-03T00:00:00Z', every: 1d}"),
            "/spec/triggerTimes/from",
        ),
    ],
)
def test_seconds_for_milliseconds_are_a_problem_wherever_a_time_stands(
    text: str, pointer: str
) -> None:
    for first_year in (1990, 1970):
        (found,) = problems(text, first_year=first_year)
        assert found.startswith(f"{pointer}: range: ")
        assert "is in seconds" in found


def test_the_message_about_seconds_gives_the_milliseconds_and_what_they_are() -> None:
    (found,) = problems(trigger("triggerTime: 1709337600"))
    assert "write milliseconds, 1709337600000 (2024-03-02T00:00:00.000Z)" in found
    assert problems(trigger("triggerTime: 1709337600000")) == []


@pytest.mark.parametrize("field", ["triggerTime", "businessDate: 2024-03-01, notAfter"])
def test_microseconds_and_finer_are_a_problem(field: str) -> None:
    for zeros in ("000000", "000000000"):
        (found,) = problems(trigger(f"{field}: 1709337600{zeros}"))
        assert "microseconds have 16" in found


@pytest.mark.parametrize(
    ("text", "pointer", "limit"),
    [
        (trigger("triggerTime: '1024-03-02T00:00:00Z'"), "/spec/triggerTime", "firstYear"),
        (trigger("triggerTime: '1989-12-31T23:59:59Z'"), "/spec/triggerTime", "firstYear"),
        (trigger("triggerTime: '2204-03-02T00:00:00Z'"), "/spec/triggerTime", "yearsAhead"),
        (trigger("triggerTime: 170933760000"), "/spec/triggerTime", "firstYear"),
        (trigger("triggerTime: 17093376000000"), "/spec/triggerTime", "yearsAhead"),
        (trigger("businessDate: 2204-03-01"), "/spec/businessDate", "yearsAhead"),
        (trigger("businessDate: 1204-03-01"), "/spec/businessDate", "firstYear"),
        (
            trigger("businessDate: 2024-03-01, notAfter: '2042-03-05T00:00:00Z'"),
            "/spec/notAfter",
            "yearsAhead",
        ),
        (
            backfill("businessDates: {from: 2024-03-01, to: 2042-03-02, every: 1mo}"),
            "/spec/businessDates/to",
            "yearsAhead",
        ),
        (
            backfill("businessDates: {from: 1904-03-01, to: 2024-03-02, every: 1mo}"),
            "/spec/businessDates/from",
            "firstYear",
        ),
        (
            backfill(
                "businessDates: {from: 2024-03-01, to: 2024-03-02, every: 1d}, "
                "exclude: [{businessDate: 2042-03-01}]"
            ),
            "/spec/exclude/0/businessDate",
            "yearsAhead",
        ),
    ],
)
def test_a_year_outside_the_window_is_a_problem_that_says_how_to_widen_it(
    text: str, pointer: str, limit: str
) -> None:
    (found,) = problems(text)
    assert found.startswith(f"{pointer}: range: ")
    assert f"widen limits.{limit} in reconciler.yaml" in found


def test_the_window_is_widened_by_the_configuration() -> None:
    early, late = "triggerTime: '1975-01-01T00:00:00Z'", "triggerTime: '2033-12-31T00:00:00Z'"
    assert problems(trigger(early), first_year=1975) == []
    assert problems(trigger(late), ahead=10) == []


def test_the_ends_of_the_window_belong_to_it() -> None:
    assert problems(trigger("triggerTime: '1990-01-01T00:00:00Z'")) == []
    assert problems(trigger("triggerTime: '2029-03-10T00:00:00Z'")) == []


def test_what_is_accepted_stays_so_as_time_goes_on() -> None:
    text = trigger("triggerTime: '2029-03-10T00:00:00Z'")
    assert problems(text, now=parse_instant("2039-03-10T00:00:00Z")) == []


@pytest.mark.parametrize("number", [1, 1_709_337_600, 1_800_000_000, 3_000_000_000, 9_999_999_999])
def test_a_number_of_early_1970_is_refused_whatever_the_window_is(number: int) -> None:
    """Or it would be accepted until the window holds it as seconds, and refused from then on."""
    for ahead in (0, 5, 100, 1_000):
        (found,) = problems(trigger(f"triggerTime: {number}"), first_year=1970, ahead=ahead)
        assert "is in seconds" in found
    assert problems(trigger("triggerTime: 10000000000"), first_year=1970, ahead=0) == []
    assert problems(trigger("triggerTime: '1970-01-21T00:00:00Z'"), first_year=1970) == []


def test_other_problems_of_the_manifest_are_told_as_well() -> None:
    found = problems(
        backfill(
            "businessDates: {from: 2024-03-01, to: 2024-03-02, every: 1d}, "
            "notAfter: 1809337600, exclude: [{A: b}]"
        )
    )
    assert [one.split(": ")[0] for one in found] == ["/spec/notAfter", "/spec/exclude/0/A"]
