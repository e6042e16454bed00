"""Random edits of a backfill between applies: nothing that ran is renamed, moved or run again."""

from itertools import combinations
from typing import Any
from urllib.parse import unquote

from hypothesis import event, given
from hypothesis import strategies as st

from reconciler.expansion.characters import visible_form
from reconciler.ledger import Record
from reconciler.model import combination_of, run_name, run_revision
from reconciler.times import business_date
from tests.sampling import examples
from tests.test_edits import GMT8, problems, read, started

Spec = dict[str, Any]

_DATES = st.sampled_from(["2024-03-01", "2024-03-02", "2024-03-03"])
_GRIDS = st.sampled_from(
    [
        {"every": "1d"},
        {"every": "24h"},
        {"every": "12h"},
        {"every": "6h"},
        {"cron": "0 8 * * *"},
        {"cron": "0 8,20 * * *"},
        {"cron": "0 9,20 * * *"},
    ]
)
# Some look alike.
_VALUES = st.lists(
    st.sampled_from(["x", "y", "z", "x ", "y\u200b"]),
    min_size=1,
    max_size=3,
    unique_by=visible_form,
)
_EDITS = st.one_of(
    st.tuples(st.just("from"), _DATES),
    st.tuples(st.just("to"), _DATES),
    st.tuples(st.just("grid"), _GRIDS),
    st.tuples(st.just("at"), st.sampled_from(["00:00", "08:00", "09:00"])),
    st.tuples(st.just("matrix"), st.dictionaries(st.sampled_from("AB"), _VALUES, max_size=2)),
    st.tuples(st.just("stagger"), st.sampled_from([None, "1m", "2m"])),
    st.tuples(st.just("revision"), st.just(1)),
)


def edited(state: Spec, edit: tuple[str, Any]) -> Spec:
    key, value = edit
    return state | {key: state["revision"] + 1 if key == "revision" else value}


def spec_of(state: Spec) -> Spec:
    first, last = sorted((state["from"], state["to"]))
    spec = {
        "businessDates": {"from": first, "to": last, **state["grid"]},
        "matrix": state["matrix"],
        "revision": state["revision"],
    }
    if "every" in state["grid"]:
        spec["at"] = state["at"]
    return {key: value for key, value in spec.items() if value} | (
        {"stagger": state["stagger"]} if state["stagger"] else {}
    )


def same_work(one: Record, other: Record) -> bool:
    """Whether both were for one business date, and for the same values where both have a key."""
    days = {business_date(record.trigger_time, GMT8) for record in (one, other)}
    mine, hers = (combination_of(run_name(record.run)) for record in (one, other))
    shared = mine.keys() & hers.keys()
    return (
        len(days) == 1
        and run_revision(one.run) == run_revision(other.run)
        and all(
            visible_form(unquote(mine[key])) == visible_form(unquote(hers[key])) for key in shared
        )
    )


@examples(150)
@given(st.lists(_EDITS, min_size=1, max_size=8))
def test_no_edit_starts_again_what_ran(edits: list[tuple[str, Any]]) -> None:
    state: Spec = {
        "from": "2024-03-01",
        "to": "2024-03-02",
        "grid": {"every": "1d"},
        "at": "08:00",
        "matrix": {"A": ["x", "y"]},
        "stagger": "1m",
        "revision": 1,
    }
    ledger = started(read(spec_of(state)))
    together: list[set[int]] = [{record.trigger_time for record in ledger.records.values()}]
    for edit in edits:
        state = edited(state, edit)
        declared = read(spec_of(state))
        found = problems(declared, ledger, shared=state["stagger"] is None)
        event(found[0].code if found else "applied")
        if found:
            continue
        before = ledger
        ledger = started(declared, before)
        assert before.records.items() <= ledger.records.items()
        whole = spec_of(state | {"from": "2024-03-01", "to": "2024-03-03"})
        together.append({run.trigger_time - run.delay for run in read(whole).runs})
        _assert_nothing_ran_twice(ledger.records.values(), ledger.claims, together)


def _assert_nothing_ran_twice(records: Any, claims: Any, together: list[set[int]]) -> None:
    """Two runs do one date's work only where one state of the manifest means both times."""
    seen: set[tuple[str, int]] = set()
    for record in records:
        key = record.digest, run_revision(record.run)
        assert key not in seen
        seen.add(key)
    for one, other in combinations(records, 2):
        if same_work(one, other):
            times = {
                record.trigger_time - claims[record.claim].runs[record.run].stagger
                for record in (one, other)
            }
            keys = [combination_of(run_name(record.run)).keys() for record in (one, other)]
            assert any(times <= those for those in together), (one.run, other.run)
            assert keys[0] == keys[1], (one.run, other.run)
