"""What an edit of a backfill does to the runs that it has started: nothing runs again unsaid."""

from collections.abc import Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from msgspec.structs import replace

from reconciler.identity import NOTHING_ELSE, Surroundings
from reconciler.ledger import Ledger
from reconciler.manifest import combine, read_file
from reconciler.model import Declared, EpochMs, Problem, Source
from reconciler.plan import Action, Plan, make_plan
from reconciler.rules import check, edit_notes
from reconciler.schedule import schedule_runs, shared_minutes
from reconciler.times import format_instant
from tests.building import NOW, a_claim, a_ledger, a_rejected, a_triggered, an_observed

GMT8 = timezone(timedelta(hours=8))
NEW_YORK = ZoneInfo("America/New_York")
EMPTY = a_ledger()
DAILY = {"businessDates": {"from": "2024-03-01", "to": "2024-03-02", "every": "1d"}}


def read(
    spec: dict[str, Any], zone: tzinfo = GMT8, *, kind: str = "Backfill", name: str = "a"
) -> Declared:
    """What one manifest declares."""
    manifest = {
        "apiVersion": "reconciler/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"flowId": 1} | spec,
    }
    content = yaml.safe_dump(manifest, sort_keys=False).encode()
    found = combine([read_file(Source(path="triggers/a.yaml", content=content), zone)], (), zone)
    assert not found.problems, found.problems
    return found


def dated(first: str, last: str, **rest: str) -> dict[str, Any]:
    return {"businessDates": {"from": first, "to": last, **rest}}


def timed(first: str, last: str, every: str) -> dict[str, Any]:
    return {"triggerTimes": {"from": first, "to": last, "every": every}}


def started(declared: Declared, ledger: Ledger = EMPTY) -> Ledger:
    """The ledger after all that is declared and was not started was."""
    runs = [run for run in schedule_runs(declared, ledger).runs if run.id not in ledger.records]
    claim = a_claim(*runs, claim=f"c{len(ledger.records)}")
    outcomes = (a_triggered(run, f"i-{run.id}", claim.claim) for run in runs)
    return ledger.with_events([claim, *outcomes])


def problems(
    declared: Declared,
    ledger: Ledger,
    *,
    shared: bool = True,
    around: Surroundings = NOTHING_ELSE,
    now: EpochMs | None = NOW,
) -> Sequence[Problem]:
    found = check(
        schedule_runs(declared, ledger),
        ledger,
        same_minute_allowed=shared,
        surroundings=around,
        now=now,
    )
    return found.problems


def names(declared: Declared, ledger: Ledger) -> dict[str, bool]:
    """The runs by their names, and whether each was started."""
    return {run.name: run.id in ledger.records for run in schedule_runs(declared, ledger).runs}


# The same work again

Edit = tuple[dict[str, Any], dict[str, Any]]  # before and after
WITHOUT_08, WITHOUT_20 = (
    {"at": "08:00", "exclude": [{"triggerTime": f"2024-03-02T{hour}:00:00+08:00"}]}
    for hour in ("08", "20")
)

AGAIN: dict[str, Edit] = {
    "a time of day below a day": (
        dated("2024-03-01", "2024-03-02", every="6h") | {"at": "00:00"},
        dated("2024-03-01", "2024-03-02", every="6h") | {"at": "01:00"},
    ),
    "an hour of a cron of two": (
        dated("2024-03-01", "2024-03-02", cron="0 8,20 * * *"),
        dated("2024-03-01", "2024-03-02", cron="0 9,20 * * *"),
    ),
    "an hour of a cron of two, of one date": (
        dated("2024-03-01", "2024-03-01", cron="0 8,20 * * *"),
        dated("2024-03-01", "2024-03-01", cron="0 9,20 * * *"),
    ),
    "one more key": (
        DAILY | {"matrix": {"SITE": ["x", "y"]}},
        DAILY | {"matrix": {"SITE": ["x", "y"], "MODE": ["full"]}},
    ),
    "a first key": (DAILY, DAILY | {"matrix": {"SITE": ["x"]}}),
    "a key less": (DAILY | {"matrix": {"A": ["1"], "B": ["2"]}}, DAILY | {"matrix": {"A": ["1"]}}),
    "a value in other characters": (
        DAILY | {"matrix": {"S": ["Orl\u00e9ans 1", "x"]}},
        DAILY | {"matrix": {"S": ["Orle\u0301ans 1", "x"]}},
    ),
    "a value with another blank": (
        DAILY | {"matrix": {"S": ["Orl\u00e9ans 1", "x"]}},
        DAILY | {"matrix": {"S": ["Orl\u00e9ans\u00a01", "x"]}},
    ),
    "a value with one more blank": (
        DAILY | {"matrix": {"S": ["x", "1"]}},
        DAILY | {"matrix": {"S": ["x ", "1"]}},
    ),
    "a value with what nobody sees, and other hours": (
        dated("2024-03-01", "2024-03-02", every="6h") | {"matrix": {"S": ["x/y"]}},
        dated("2024-03-01", "2024-03-02", every="6h") | {"matrix": {"S": ["x/\u200by"]}},
    ),
    "a longer step with another beginning": (
        dated("2024-03-01", "2024-03-02", every="6h"),
        dated("2024-03-01", "2024-03-02", every="5h"),
    ),
    "business dates written as trigger times": (
        dated("2024-03-01", "2024-03-08", every="1w") | {"at": "08:00"},
        timed("2024-03-02T09:00:00+08:00", "2024-03-09T09:00:00+08:00", "1w"),
    ),
    "trigger times written as business dates": (
        timed("2024-03-02T09:00:00+08:00", "2024-03-09T09:00:00+08:00", "1w"),
        dated("2024-03-01", "2024-03-08", every="1w") | {"at": "08:00"},
    ),
    "another time of a day left out": (
        dated("2024-03-01", "2024-03-01", every="12h") | WITHOUT_20,
        dated("2024-03-01", "2024-03-01", every="12h") | WITHOUT_08,
    ),
    "a range of one time that moves by a step": (
        timed("2024-03-02T08:00:00+08:00", "2024-03-02T08:00:00+08:00", "12h"),
        timed("2024-03-02T20:00:00+08:00", "2024-03-02T20:00:00+08:00", "12h"),
    ),
    "a shorter step from another hour": (
        timed("2024-03-02T08:00:00+08:00", "2024-03-03T08:00:00+08:00", "24h"),
        timed("2024-03-02T20:00:00+08:00", "2024-03-03T20:00:00+08:00", "12h"),
    ),
    "a shorter step that leaves out the first": (
        timed("2024-03-02T08:00:00+08:00", "2024-03-02T20:00:00+08:00", "12h"),
        timed("2024-03-02T14:00:00+08:00", "2024-03-02T20:00:00+08:00", "6h"),
    ),
    "times of day in place of dates": (
        DAILY,
        timed("2024-03-02T01:00:00+08:00", "2024-03-03T01:00:00+08:00", "12h"),
    ),
}


@pytest.mark.parametrize("edit", AGAIN)
def test_what_was_processed_is_not_processed_again_unsaid(edit: str) -> None:
    before, after = AGAIN[edit]
    ledger = started(read(before))
    (problem,) = problems(read(after), ledger)
    assert (problem.code, problem.pointer) == ("again", "/spec")
    assert "would process 2024-03-01 again" in problem.message
    assert problems(read(after | {"again": True}), ledger) == ()
    assert problems(read(after | {"revision": 2}), ledger) == ()
    assert problems(read(before), ledger) == ()  # restored


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DAILY, timed("2024-03-02T00:00:00+08:00", "2024-03-03T00:00:00+08:00", "24h")),
        (timed("2024-03-02T00:00:00+08:00", "2024-03-03T00:00:00+08:00", "1d"), DAILY),
    ],
)
def test_the_same_written_otherwise_is_told_how_nothing_starts_again(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    ledger = started(read(before))
    found = [one for one in problems(read(after), ledger) if one.code == "duplicate"]
    for one in found:
        assert "as they were when it ran, and it does not start again" in one.message
        assert "remove one" not in one.message
    assert problems(read(before), ledger) == ()  # the advice
    assert found


def test_a_range_widened_to_the_other_side_of_a_clock_change_is_seen() -> None:
    before = timed("2024-03-15T08:00:00-04:00", "2024-03-15T20:00:00-04:00", "12h")
    after = timed("2024-03-08T08:00:00-04:00", "2024-03-15T20:00:00-04:00", "12h")
    ledger = started(read(before, NEW_YORK))
    (problem,) = problems(read(after, NEW_YORK), ledger)
    assert problem.code == "again"
    assert "2024-03-15 08:00-04:00" in problem.message
    assert "2024-03-15 07:00-04:00" in problem.message


FREE: dict[str, Edit] = {
    "other dates": (DAILY, dated("2024-03-02", "2024-03-05", every="1d")),
    "other sites": (DAILY | {"matrix": {"S": ["x", "y"]}}, DAILY | {"matrix": {"S": ["y", "z"]}}),
    "other sites and dates": (
        DAILY | {"matrix": {"S": ["x", "y"]}},
        dated("2024-02-28", "2024-03-01", every="1d") | {"matrix": {"S": ["z"]}},
    ),
    "hours narrowed at one end and widened at the other": (
        timed("2024-03-02T00:00:00+08:00", "2024-03-02T08:00:00+08:00", "2h"),
        timed("2024-03-02T04:00:00+08:00", "2024-03-02T12:00:00+08:00", "2h"),
    ),
    "an hour left out, and others added": (
        timed("2024-03-02T00:00:00+08:00", "2024-03-02T08:00:00+08:00", "2h"),
        timed("2024-03-02T00:00:00+08:00", "2024-03-02T20:00:00+08:00", "2h")
        | {"exclude": [{"triggerTime": "2024-03-02T04:00:00+08:00"}]},
    ),
    "an hour less of a cron of two": (
        dated("2024-03-01", "2024-03-02", cron="0 8,20 * * *"),
        dated("2024-03-01", "2024-03-02", cron="0 20 * * *"),
    ),
    "days that are months ends no more": (
        dated("2024-01-31", "2024-05-31", every="1mo"),
        dated("2024-02-29", "2024-05-31", every="1mo"),
    ),
}


@pytest.mark.parametrize("edit", FREE)
def test_narrowing_widening_and_exchanging_stay_free(edit: str) -> None:
    before, after = FREE[edit]
    assert problems(read(after), started(read(before))) == ()


@pytest.mark.parametrize(
    ("first", "every", "words"),
    [
        ("2024-02-29", "1mo", "months are counted from 2024-02-29, so other days are meant"),
        ("2024-01-31", "2mo", "the step meets other months than before: 2 recorded runs are on"),
        ("2024-02-29", "2mo", "months are counted from 2024-02-29"),
        ("2024-01-31", "1mo", None),
    ],
)
def test_a_note_says_why_a_step_of_months_passes_over_days_that_ran(
    first: str, every: str, words: str | None
) -> None:
    ledger = started(read(dated("2024-01-31", "2024-05-31", every="1mo")))
    notes = list(edit_notes(read(dated(first, "2024-05-31", every=every)), ledger))
    assert [note.code for note in notes] == (["months-moved"] if words else [])
    assert all((words or "") in note.message for note in notes)


@pytest.mark.parametrize("edit", AGAIN)
def test_what_cannot_start_processes_nothing_again(edit: str) -> None:
    before, after = AGAIN[edit]
    ledger = started(read(before))
    assert problems(read(after | {"suspend": True}), ledger) == ()
    assert problems(read(after | {"cancel": True}), ledger) == ()
    late = read(after | {"notAfter": format_instant(NOW)})
    assert problems(late, ledger, now=EpochMs(NOW + 1)) == ()
    for now in (NOW, None):
        assert [one.code for one in problems(late, ledger, now=now)] == ["again"]


# In other ledgers


@pytest.mark.parametrize("edit", [*AGAIN, "a time of day"])
def test_what_a_retired_ledger_records_is_not_processed_again_unsaid(edit: str) -> None:
    moved = DAILY | {"at": "08:00"}, DAILY | {"at": "09:00"}
    before, after = AGAIN.get(edit, moved)
    around = Surroundings(elsewhere={"state/old": started(read(before))})
    found = {one.code: one for one in problems(read(after), EMPTY, around=around)}
    assert found.keys() <= {"again", "duplicate"}  # what it left as it was
    assert "recorded in state/old, has done it" in found["again"].message
    for meant in ({"revision": 2}, {"again": True}):
        codes = {one.code for one in problems(read(after | meant), EMPTY, around=around)}
        assert codes == found.keys() - {"again"}
    assert problems(read(after | {"flowId": 2}), EMPTY, around=around) == ()


def test_a_manifest_of_another_environment_is_another_whatever_it_is_called() -> None:
    theirs, ours = read(DAILY | {"at": "08:00"}), read(DAILY | {"at": "09:00"})
    ledger = started(theirs)
    for declared in (theirs, read_as("b", DAILY | {"formerly": "a", "at": "10:00"})):
        around = Surroundings(declared={"b": declared.runs}, elsewhere={"state/b": ledger})
        assert problems(ours, EMPTY, around=around) == ()
    around = Surroundings(declared={"b": ()}, elsewhere={"state/b": ledger})
    assert problems(ours, started(ours), around=around) == ()  # it has run here as well
    assert [one.code for one in problems(ours, EMPTY, around=around)] == ["again"]


def test_a_ledger_that_goes_on_with_a_retired_one_is_asked_alone() -> None:
    hours = dated("2024-03-01", "2024-03-02", cron="0 8,20 * * *")
    ledger = started(read(hours))
    around = Surroundings(elsewhere={"state/old": ledger})
    more = read(dated("2024-03-01", "2024-03-02", cron="0 8,12,20 * * *"))
    assert problems(more, ledger, around=around) == ()


def test_a_former_name_that_was_left_out_is_missed() -> None:
    """`a` was renamed to b, which started nothing, and that to c, which has other hours."""
    hour, moved = (dated("2024-03-01", "2024-03-02", cron=f"0 {one} * * *") for one in (8, 9))
    ledger = started(read(hour))
    (problem,) = problems(read_as("c", moved | {"formerly": "b"}), ledger)
    assert problem.code == "again"
    assert "write `formerly: [a, b]` if c goes on with it" in problem.message
    whole = problems(read_as("c", moved | {"formerly": ["a", "b"]}), ledger)
    assert {one.code for one in whole} == {"changed"}
    for free in ({}, {"formerly": "b", "flowId": 2}):
        assert problems(read_as("c", moved | free), ledger) == ()


# Names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            dated("2024-03-01", "2024-03-02", cron="0 8 * * *"),
            dated("2024-03-01", "2024-03-02", cron="0 8,20 * * *"),
        ),
        (DAILY, dated("2024-03-01", "2024-03-02", every="12h")),
        (DAILY, dated("2024-03-01", "2024-03-02", every="24h")),
    ],
)
def test_what_ran_keeps_its_name_however_many_times_a_day_has(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    for before, after in ((one, other), (other, one)):
        first = read(before)
        ledger = started(first)
        second = read(after)
        assert problems(second, ledger) == ()
        found = names(second, ledger)
        kept = {run.trigger_time for run in first.runs} & {run.trigger_time for run in second.runs}
        assert kept
        by_time = {run.trigger_time: run.name for run in first.runs}
        assert [name for name, ran in found.items() if ran] == [
            by_time[one] for one in sorted(kept)
        ]
        assert started(second, ledger).records.keys() >= ledger.records.keys()
        assert problems(read(before), started(second, ledger)) == ()


# Minutes


def test_a_stagger_that_is_taken_away_moves_nothing_and_blocks_nothing() -> None:
    sites = DAILY | {"matrix": {"SITE": ["x", "y"]}}
    ledger = started(read(sites | {"stagger": "1m"}))
    after = read(sites)
    assert problems(after, ledger, shared=False) == ()
    times = {run.id: run.trigger_time for run in schedule_runs(after, ledger).runs}
    assert times == {run: record.trigger_time for run, record in ledger.records.items()}
    more = read(sites | {"matrix": {"SITE": ["x", "y", "z"]}})
    assert {one.code for one in problems(more, ledger, shared=False)} == {"collision"}


def test_a_later_revision_keeps_each_runs_minute() -> None:
    sites = DAILY | {"matrix": {"SITE": ["x", "y", "z"]}, "stagger": "1h"}
    ledger = started(read(sites))
    wider = sites | {"matrix": {"SITE": ["a", "x", "y", "z"]}}
    again = read(wider | {"revision": 2})
    times = {run.name: run.trigger_time for run in schedule_runs(again, ledger).runs}
    assert {record.run: record.trigger_time for record in ledger.records.values()}.items() <= (
        times.items()
    )
    third = started(again, ledger)
    later = schedule_runs(read(wider | {"revision": 3}), third).runs
    assert {run.name: run.trigger_time for run in later} == times


def test_two_instants_of_one_local_minute_collide() -> None:
    hours = timed("2024-11-03T00:00:00-04:00", "2024-11-03T03:00:00-05:00", "1h")
    (problem,) = problems(read(hours, NEW_YORK), EMPTY, shared=False)
    assert problem.code == "collision"
    assert "2024-11-03T01:00 of the service's clock, which shows it twice" in problem.message
    assert problems(read(hours, NEW_YORK), EMPTY) == ()
    staggered = read(hours | {"stagger": "1m"}, NEW_YORK)
    assert problems(staggered, EMPTY, shared=False) == ()
    placed = schedule_runs(staggered, EMPTY).runs
    assert not list(shared_minutes(placed, NEW_YORK))


def test_two_that_both_ran_in_one_minute_block_nothing() -> None:
    one, other, both = (
        read(DAILY | {"matrix": {"S": sites}}) for sites in (["x"], ["y"], ["x", "y"])
    )
    ledger = started(other, started(one))
    for declared in (both, one, other):
        assert problems(declared, ledger, shared=False) == ()
    more = read(DAILY | {"matrix": {"S": ["x", "y", "z"]}})
    told = problems(more, ledger, shared=False)
    assert [one.code for one in told] == ["collision"]
    assert "a/2024-03-01/S=z and a/2024-03-01/S=x" in told[0].message
    staggered = read(DAILY | {"matrix": {"S": ["x", "y", "z"]}, "stagger": "1m"})
    assert problems(staggered, ledger, shared=False) == ()


def test_what_will_never_start_collides_with_nothing() -> None:
    late = {"notAfter": format_instant(NOW)}
    for never in (late, {"cancel": True}):
        both = together(read(DAILY | never), read_as("b", DAILY | {"parameters": {"S": "x"}}))
        assert problems(both, EMPTY, shared=False, now=EpochMs(NOW + 1)) == ()
    in_time = together(read(DAILY | late), read_as("b", DAILY | {"parameters": {"S": "x"}}))
    told = problems(in_time, EMPTY, shared=False)
    assert [one.code for one in told] == ["collision", "collision"]


def test_values_are_exchanged_in_the_minute_in_which_the_others_ran() -> None:
    one, other = (DAILY | {"matrix": {"S": [site]}} for site in "xy")
    assert problems(read(other), started(read(one)), shared=False) == ()


@pytest.mark.parametrize("meant", [{"again": True}, {"revision": 2}])
def test_who_repeats_a_date_may_do_it_in_the_minute_of_what_ran(meant: dict[str, Any]) -> None:
    ledger = started(read(DAILY))
    repeated = DAILY | {"matrix": {"SITE": ["x"]}} | meant
    assert problems(read(repeated), ledger, shared=False) == ()
    assert problems(read_as("b", repeated | {"formerly": "a"}), ledger, shared=False) == ()


def test_no_smaller_stagger_is_advised_than_there_is() -> None:
    sites = DAILY | {"matrix": {"S": ["x", "y"]}, "stagger": "1m"}
    declared = read(sites)
    crowded = replace(
        declared,
        runs=tuple(
            run.but(
                stagger=run.stagger and replace(run.stagger, before=EpochMs(run.trigger_time + 1)),
            )
            for run in declared.runs
        ),
    )
    told = problems(crowded, EMPTY, shared=False)
    assert told
    for problem in told:
        assert "take values away, or move runs of other manifests out of its way" in problem.message


def test_a_later_revision_keeps_its_minute_also_beside_a_new_run_that_has_it() -> None:
    sites = DAILY | {"matrix": {"S": ["x", "y"]}, "stagger": "1m"}
    ledger = started(read(sites))
    new = read_as("aa", DAILY | {"parameters": {"S": "z"}})
    both = together(read(sites | {"revision": 2}), new)
    times = {run.id: run.trigger_time for run in schedule_runs(both, ledger).runs}
    assert {f"{run}@2": record.trigger_time for run, record in ledger.records.items()}.items() <= (
        times.items()
    )
    told = problems(both, ledger, shared=False)
    assert {one.code for one in told} == {"collision"}
    assert len(told) == 2  # at both manifests


# What was changed


@pytest.mark.parametrize(
    ("after", "zone", "words"),
    [
        (DAILY | {"flowId": 2}, GMT8, "a/2024-03-01 is recorded with flow 1, not 2: restore"),
        (DAILY | {"parameters": {"A": "1"}}, GMT8, "recorded with other parameters: restore"),
        (
            DAILY,
            UTC,
            "the trigger time 2024-03-01 16:00:00+00:00, not 2024-03-02 00:00:00+00:00: restore",
        ),
    ],
)
def test_a_changed_run_is_told_with_what_it_was_started_with(
    after: dict[str, Any], zone: tzinfo, words: str
) -> None:
    ledger = started(read(DAILY | {"stagger": "1m"}))
    (problem,) = problems(read(after, zone), ledger)
    assert problem.code == "changed"
    assert words in problem.message


# Renamed manifests


def test_a_renamed_manifest_is_called_as_it_is_now() -> None:
    ledger = started(read(DAILY | {"matrix": {"S": ["x", "y"]}}))
    renamed = DAILY | {"matrix": {"S": ["x", "y"]}, "formerly": "a", "flowId": 2}
    (problem,) = problems(read_as("b", renamed), ledger)
    assert problem.message.startswith(
        "b/2024-03-01/S=x is recorded as a/2024-03-01/S=x with flow 1, not 2"
    )
    assert problem.message.endswith("(and 3 more of the runs of b)")
    beside = together(read_as("b", renamed | {"flowId": 1}), read_as("c", DAILY))
    (problem,) = problems(beside, ledger, shared=False)
    assert "c/2024-03-01 and b/2024-03-01/S=x" in problem.message


def test_a_former_name_that_is_said_already_is_not_advised() -> None:
    ledger = started(read(DAILY | {"matrix": {"S": ["x"]}}))
    moved = DAILY | {"matrix": {"S": ["x"], "T": ["1"]}, "formerly": "a"}
    same = [
        run.but(digest=recorded.digest)
        for run, recorded in zip(read_as("b", moved).runs, ledger.records.values(), strict=True)
    ]
    (problem,) = problems(replace(read_as("b", moved), runs=tuple(same)), ledger)
    assert problem.code == "duplicate"
    assert "formerly" not in problem.message


def read_as(name: str, spec: dict[str, Any], kind: str = "Backfill") -> Declared:
    return read(spec, kind=kind, name=name)


@pytest.mark.parametrize("formerly", ["a", ["x", "a"]])
def test_what_was_renamed_is_what_ran(formerly: str | list[str]) -> None:
    sites = DAILY | {"matrix": {"SITE": ["x", "y"]}, "stagger": "1m"}
    ledger = started(read(sites))
    (problem,) = problems(read_as("b", sites), ledger)
    assert problem.code == "duplicate"
    assert "`formerly: a`" in problem.message
    wider = dated("2024-02-28", "2024-03-02", every="1d")
    renamed = read_as("b", sites | wider | {"formerly": formerly})
    assert problems(renamed, ledger, shared=False) == ()
    after = started(renamed, ledger)
    assert sorted(after.records.keys() - ledger.records.keys()) == [
        f"b/2024-02-{day}/SITE={site}" for day in (28, 29) for site in "xy"
    ]
    assert problems(renamed, after, shared=False) == ()
    changed = read_as("b", sites | {"formerly": "a", "flowId": 2})
    assert {one.code for one in problems(changed, ledger)} == {"changed"}
    moved = read_as("b", sites | {"formerly": "a", "matrix": {"SITE": ["x"], "Z": ["1"]}})
    assert {one.code for one in problems(moved, ledger)} == {"again"}
    second = read_as("b", sites | {"formerly": "a", "revision": 2})
    assert problems(second, ledger) == ()
    again = started(second, ledger)
    assert again.records.keys() == {*ledger.records, *(f"{run}@2" for run in ledger.records)}
    (problem,) = problems(read_as("c", sites | {"formerly": "x"}), ledger)
    assert "`formerly: [a, x]`" in problem.message


def test_hours_that_move_under_a_new_name_are_seen_whoever_else_says_formerly() -> None:
    hours = dated("2024-03-01", "2024-03-02", cron="0 6,18 * * *")
    moved = dated("2024-03-01", "2024-03-02", cron="0 5,18 * * *") | {"formerly": "a"}
    ledger = started(read(hours))
    assert {one.code for one in problems(read_as("b", moved), ledger)} == {"again"}
    sites = read_as("c", moved | {"matrix": {"S": ["x"]}})
    both = together(read_as("b", moved), sites)
    assert {one.code for one in problems(both, ledger)} == {"again"}


def together(*manifests: Declared) -> Declared:
    """What the manifests declare, each in a file of its own."""
    runs = []
    for one in manifests:
        for run in one.runs:
            file = f"triggers/{run.manifest}.yaml"
            runs.append(run.but(file=file))
    return replace(manifests[0], runs=tuple(runs))


HEIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a later revision of each": ({"revision": 2}, {"revision": 2, "at": "09:00"}),
    "different revisions": ({"revision": 2}, {"revision": 3, "at": "09:00"}),
    "one that ran, one later": ({}, {"revision": 2}),
    "the same runs": ({}, {}),
    "other flows and minutes": ({"flowId": 2}, {"flowId": 3, "stagger": "1m"}),
    "a stagger": ({"stagger": "1m", "revision": 2}, {"stagger": "1m", "revision": 2, "flowId": 2}),
}


@pytest.mark.parametrize("heirs", HEIRS)
@pytest.mark.parametrize("ran", [True, False])
def test_two_manifests_do_not_go_on_with_one_run(heirs: str, *, ran: bool) -> None:
    first = read(DAILY | {"at": "08:00"})
    claim = a_claim(*first.runs)
    refused = a_ledger(claim, *(a_rejected(run) for run in first.runs))
    ledger = started(first) if ran else refused
    one, other = (DAILY | {"at": "08:00", "formerly": "a"} | more for more in HEIRS[heirs])
    both = together(read_as("b", one), read_as("c", other))
    found = schedule_runs(both, ledger).runs
    assert len({run.name for run in found}) == len(found) == 4
    told = problems(both, ledger)
    assert [(one.code, one.pointer) for one in told] == [("name-taken", "/spec/formerly")] * 2
    assert "b/2024-03-01 and c/2024-03-01" in told[0].message
    assert "would both go on with a/2024-03-01" in told[0].message


def test_a_manifest_does_not_go_on_with_a_run_that_another_declares() -> None:
    ledger = started(read(DAILY))
    heir = read_as("b", DAILY | {"formerly": "a", "revision": 3, "flowId": 2})
    for revision in (1, 2, 3):
        both = together(read(DAILY | {"revision": revision}), heir)
        found = schedule_runs(both, ledger).runs
        assert len({run.name for run in found}) == len(found)
        own, heirs = problems(both, ledger)[:1], problems(both, ledger)[1:]
        assert [(one.code, one.pointer) for one in own] == [("name-taken", "/metadata/name")]
        assert "give this manifest another name" in own[0].message
        assert [(one.code, one.pointer) for one in heirs] == [("name-taken", "/spec/formerly")]
        assert "take `formerly: a` away, or" in heirs[0].message


def test_a_manifest_may_be_split_among_several() -> None:
    ledger = started(read(DAILY | {"matrix": {"SITE": ["x", "y"]}}))
    one, other = (
        read_as(name, DAILY | {"matrix": {"SITE": [site]}, "formerly": "a", "revision": revision})
        for name, site, revision in (("b", "x", 1), ("c", "y", 2))
    )
    both = together(one, other)
    assert problems(both, ledger) == ()
    assert [run.id for run in schedule_runs(both, ledger).runs] == [
        "a/2024-03-01/SITE=x",
        "a/2024-03-02/SITE=x",
        "a/2024-03-01/SITE=y@2",
        "a/2024-03-02/SITE=y@2",
    ]


def test_a_name_that_another_manifest_has_taken_up_is_left_to_it() -> None:
    """`b` was called x, then a; and `x` is another manifest by now, which has run as well."""
    ledger = started(read_as("x", DAILY | {"flowId": 2}), started(read(DAILY)))
    both = together(
        read_as("x", DAILY | {"flowId": 2}), read_as("b", DAILY | {"formerly": ["x", "a"]})
    )
    assert problems(both, ledger) == ()
    assert {run.id for run in schedule_runs(both, ledger).runs} == ledger.records.keys()


def test_a_later_revision_runs_all_of_it_again_whatever_its_runs_are_called() -> None:
    ledger = started(read(dated("2024-03-01", "2024-03-02", cron="0 6 * * *")))
    more = read(dated("2024-03-01", "2024-03-02", cron="0 6,18 * * *") | {"revision": 2})
    assert problems(more, ledger) == ()
    assert len(started(more, ledger).records) == 6
    ledger = started(read(DAILY | {"parameters": {"SITE": "x"}}))
    matrix = read(DAILY | {"matrix": {"SITE": ["x"]}, "revision": 2})
    assert problems(matrix, ledger) == ()


def test_a_revision_is_not_lowered_once_it_ran() -> None:
    ledger = started(read(DAILY))
    wider = dated("2024-03-01", "2024-03-04", every="1d")
    raised = started(read(wider | {"revision": 2}), ledger)
    (problem,) = problems(read(wider), raised)
    assert (problem.code, problem.pointer) == ("changed", "/spec/revision")
    assert "a/2024-03-03@2 was started already" in problem.message
    assert problems(read(DAILY), raised) == ()


def test_a_renamed_trigger_is_what_ran() -> None:
    spec = {"businessDate": "2024-03-01", "parameters": {}}
    ledger = started(read(spec, kind="Trigger"))
    (problem,) = problems(read_as("b", spec, "Trigger"), ledger)
    assert "`formerly: a`" in problem.message
    renamed = read_as("b", spec | {"formerly": "a"}, "Trigger")
    assert problems(renamed, ledger) == ()
    assert started(renamed, ledger).records == ledger.records


@pytest.mark.parametrize("needed", ["b", "b/2024-03-01"])
def test_what_depends_on_a_renamed_backfill_waits_for_all_of_it(needed: str) -> None:
    ledger = started(read(DAILY))
    wider = dated("2024-03-01", "2024-03-03", every="1d") | {"formerly": "a"}
    report = read_as(
        "report",
        {"businessDate": "2024-03-05", "parameters": {}, "dependsOn": [needed]},
        "Trigger",
    )
    both = replace(report, runs=(*read_as("b", wider).runs, *report.runs))
    assert problems(both, ledger) == ()
    (planned,) = [one for one in plan(both, ledger).runs if one.id == "report"]
    assert planned.action is Action.WAIT
    ended = ledger.with_events([an_observed(run, 1) for run in read(DAILY).runs])
    (planned,) = [one for one in plan(both, ended).runs if one.id == "report"]
    everything = needed == "b"
    assert planned.action is (Action.WAIT if everything else Action.START)


def plan(declared: Declared, ledger: Ledger) -> Plan:
    return make_plan(
        declared, ledger, NOW, environment="prod", commit=None, same_minute_allowed=True
    )
