"""What exists keeps its name and digest under every edit that only adds, reorders or removes.

A run that were renamed or changed would start again, or stop everything.
"""

import copy
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum, auto
from typing import Any

from hypothesis import assume, event, given
from hypothesis import strategies as st

from reconciler.expansion.steps import Days, Minutes, Months, Step, parse_step
from reconciler.model import Digest
from reconciler.times import format_instant, occurrences, parse_instant, parse_zone, zoned_time
from tests.expansion.building import CHANGES, expanded
from tests.sampling import examples

Spec = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]


class Effect(Enum):
    ADDS = auto()
    REMOVES = auto()
    NEITHER = auto()


EVERY = ("20m", "30m", "45m", "1h", "5h", "12h", "36h", "1d", "3d", "2w", "1mo", "5mo")
CRON = ("30 1 * * *", "0 2,23 * * *", "0 0 1,15 * *", "59 23 * * 1-5", "0 0 L * *")
SITES = ("cn-01", "cn-02", "cn/03", "012", "")


def runs_of(spec: Spec, zone: str) -> Mapping[str, Digest]:
    result = expanded(spec, zone, max_runs=100_000)
    assert {problem.code for problem in result.problems} <= {"empty"}
    assert len({run.name for run in result.runs}) == len(result.runs)
    return {run.name: run.digest for run in result.runs}


def instant(wall: datetime, zone: str) -> str:
    """When clocks first show that; an example in which they never do is given up."""
    found = occurrences(wall, parse_zone(zone))
    assume(found)
    return format_instant(found[0])


def wall(text: str, zone: str) -> datetime:
    return zoned_time(parse_instant(text), parse_zone(zone)).replace(tzinfo=None)


@st.composite
def backfills(draw: Draw) -> tuple[Spec, str]:
    zone, day = draw(st.sampled_from(CHANGES))
    first = day + timedelta(days=draw(st.integers(-3, 1)))
    given = draw(
        st.one_of(
            st.sampled_from(EVERY).map(lambda every: {"every": every}),
            st.sampled_from(CRON).map(lambda cron: {"cron": cron}),
        )
    )
    days = 3 if given.get("every", "").endswith(("m", "h")) else draw(st.integers(0, 200))
    spec: Spec = {"parameters": {"Z": "1", "B": "2"}}
    if draw(st.booleans()) and given.get("every") != "36h":
        last = first + timedelta(days=days)
        spec["businessDates"] = {"from": str(first), "to": str(last), **given}
        if "every" in given:
            spec["at"] = draw(st.sampled_from(["00:00", "01:30", "02:30", "23:30"]))
    else:
        start = datetime.combine(first, draw(st.sampled_from([time(0), time(1, 30), time(23, 45)])))
        ends = {"from": instant(start, zone), "to": instant(start + timedelta(days=days), zone)}
        spec["triggerTimes"] = {**ends, **given}
    matrix = st.lists(st.sampled_from(SITES), min_size=1, max_size=2, unique=True)
    spec["matrix"] = {"SITE": draw(matrix), "MODE": draw(matrix)}
    spec["exclude"] = draw(st.lists(exclusions(spec, zone), max_size=3))
    return spec, zone


def exclusions(spec: Spec, zone: str) -> st.SearchStrategy[dict[str, str]]:
    if "businessDates" in spec:
        day = date.fromisoformat(spec["businessDates"]["from"])
    else:
        day = wall(spec["triggerTimes"]["from"], zone).date()
    days = st.integers(-1, 3).map(lambda days: str(day + timedelta(days=days)))
    optional = {key: st.sampled_from(values) for key, values in spec["matrix"].items()}
    return st.fixed_dictionaries({}, optional={**optional, "businessDate": days}).filter(bool)


def shifted(spec: Spec, zone: str, end: str, steps: int) -> None:
    """Move an end of the range by so many steps, as a person would count them."""
    key = "businessDates" if "businessDates" in spec else "triggerTimes"
    given = spec[key]
    start = datetime.fromisoformat(given[end]) if key == "businessDates" else wall(given[end], zone)
    step = parse_step(given.get("every", "1d"))
    if key == "businessDates" and isinstance(step, Minutes):
        step = Days(count=1)
    moved = moved_by(start, step, steps)
    given[end] = str(moved.date()) if key == "businessDates" else instant(moved, zone)


def moved_by(start: datetime, step: Step, steps: int) -> datetime:
    match step:
        case Minutes(count=count):
            return start + timedelta(minutes=steps * count)
        case Days(count=count):
            return start + timedelta(days=steps * count)
        case Months(count=count):
            assume(start.day <= 28)  # from another day than the 31st, months end otherwise
            months = start.year * 12 + start.month - 1 + steps * count
            return start.replace(year=months // 12, month=months % 12 + 1)


def add_a_site(spec: Spec, _: str, draw: Draw) -> Effect:
    values = spec["matrix"][draw(st.sampled_from(["SITE", "MODE"]))]
    values.insert(draw(st.integers(0, len(values))), "new site")
    return Effect.ADDS


def take_a_site_away(spec: Spec, _: str, draw: Draw) -> Effect:
    key = draw(st.sampled_from(["SITE", "MODE"]))
    assume(len(spec["matrix"][key]) > 1)
    gone = spec["matrix"][key].pop(draw(st.integers(0, len(spec["matrix"][key]) - 1)))
    spec["exclude"] = [entry for entry in spec["exclude"] if entry.get(key) != gone]
    return Effect.REMOVES


def reorder_everything(spec: Spec, _: str, draw: Draw) -> Effect:
    for key in ("matrix", "businessDates", "triggerTimes"):
        if key in spec:
            spec[key] = dict(draw(st.permutations(list(spec[key].items()))))
    spec["matrix"] = {key: draw(st.permutations(values)) for key, values in spec["matrix"].items()}
    spec["exclude"] = [
        dict(draw(st.permutations(list(entry.items()))))
        for entry in draw(st.permutations(spec["exclude"]))
    ]
    return Effect.NEITHER


def exclude_more(spec: Spec, zone: str, draw: Draw) -> Effect:
    spec["exclude"].append(draw(exclusions(spec, zone)))
    return Effect.REMOVES


def exclude_less(spec: Spec, _: str, draw: Draw) -> Effect:
    assume(len(spec["exclude"]) > 0)
    spec["exclude"].pop(draw(st.integers(0, len(spec["exclude"]) - 1)))
    return Effect.ADDS


def move_the_end(spec: Spec, zone: str, draw: Draw) -> Effect:
    steps = draw(st.integers(-3, 5))
    shifted(spec, zone, "to", steps)
    return Effect.ADDS if steps >= 0 else Effect.REMOVES


def move_the_beginning(spec: Spec, zone: str, draw: Draw) -> Effect:
    steps = draw(st.integers(-5, 3))
    shifted(spec, zone, "from", steps)
    return Effect.ADDS if steps <= 0 else Effect.REMOVES


def say_how_they_start(spec: Spec, _: str, draw: Draw) -> Effect:
    spec |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "order": st.sampled_from(["ascending", "descending"]),
                "suspend": st.booleans(),
                "dependsOn": st.just(["wind-import"]),
                "retry": st.just({"max": 2}),
                "cancel": st.booleans(),
            },
        )
    )
    return Effect.NEITHER


EDITS = (
    *(add_a_site, take_a_site_away, reorder_everything, exclude_more, exclude_less),
    *(move_the_end, move_the_beginning, say_how_they_start),
)


def is_reversed(spec: Spec) -> bool:
    given = spec.get("businessDates") or spec["triggerTimes"]
    return bool(given["from"] > given["to"])


@given(backfills(), st.sampled_from(EDITS), st.data())
@examples(400, share=10)
def test_no_edit_renames_or_changes_a_run_that_stays(
    backfill: tuple[Spec, str],
    edit: Callable[[Spec, str, Draw], Effect],
    data: st.DataObject,
) -> None:
    spec, zone = backfill
    edited = copy.deepcopy(spec)
    effect = edit(edited, zone, data.draw)
    assume(not is_reversed(edited))
    before, after = runs_of(spec, zone), runs_of(edited, zone)
    event(f"{edit.__name__} of {'some' if before else 'no'} runs")
    assert all(after[name] == digest for name, digest in before.items() if name in after)
    if effect is not Effect.REMOVES:
        assert before.keys() <= after.keys()
    if effect is not Effect.ADDS:
        assert after.keys() <= before.keys()


def test_the_stagger_and_the_order_are_not_part_of_what_a_run_carries() -> None:
    dates = {"from": "2024-03-01", "to": "2024-03-05", "every": "1d"}
    spec = {"businessDates": dates, "matrix": {"SITE": ["a", "b"]}}
    plain = runs_of(spec, "GMT+8")
    assert runs_of({**spec, "stagger": "5m", "order": "descending"}, "GMT+8") == plain
