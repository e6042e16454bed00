"""The row of a run that has succeeded, as `status` has it: a full row in less memory."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.rows import status_rows, with_gateway
from reconciler.ledger import Event, Ledger
from reconciler.model import EpochMs, Run
from reconciler.plan import make_plan
from reconciler.render.status_json import statuses_json
from reconciler.render.status_row import FullRow, StatusRow, SuccessRow
from reconciler.times import parse_zone
from tests.apply.service import with_gateway as an_environment
from tests.building import a_claim, a_ledger, a_run, a_triggered, an_observed, declared
from tests.ledger.histories import LATER, RUNS, histories

ZONE = parse_zone("GMT+8")
URL = "https://enos.example.test/{flowId}/{flowInstanceId}"
MANY = {"labels": {"team": "wind"}, "suspend": True}


def rows_of(ledger: Ledger, *runs: Run, now: EpochMs = LATER) -> list[StatusRow]:
    plan = make_plan(
        declared(*runs), ledger, now, environment="prod", commit=None, same_minute_allowed=True
    )
    gateway = an_environment(instance_url=URL).gateway
    return [with_gateway(row, gateway) for row in status_rows(plan, ledger, now, most=200)]


def in_full(ledger: Ledger) -> Ledger:
    """The ledger with nothing kept briefly."""
    records = {run: record.full_value() for run, record in ledger.records.items()}
    return Ledger(records, ledger.claims, ledger.length)


def told(row: StatusRow) -> dict[str, object]:
    """All that the row says."""
    return {name: getattr(row, name) for name in (*FullRow.__struct_fields__, "is_declared")}


def as_json(row: StatusRow) -> str:
    return "".join(statuses_json([("prod", ZONE, [row])]))


@given(
    histories(),
    st.sampled_from([{}, {"cancel": True}, MANY, {"revision": 2}]),
    st.integers(0, len(RUNS)),
)
def test_a_row_says_what_a_row_of_a_full_record_says(
    history: list[Event], more: dict[str, object], number: int
) -> None:
    runs = [run.but(**more) for run in RUNS[:number]]
    ledger = a_ledger(*history)
    found, expected = (rows_of(one, *runs) for one in (ledger, in_full(ledger)))
    assert not any(isinstance(row, SuccessRow) for row in expected)
    assert found == expected
    for row, full in zip(found, expected, strict=True):
        assert told(row) == told(full)
        assert as_json(row) == as_json(full)


@pytest.mark.parametrize("more", [{}, {"cancel": True}, MANY, {"sensitive": frozenset({"MODE"})}])
def test_so_it_does_of_a_run_that_has_succeeded(more: dict[str, object]) -> None:
    run = a_run(parameters=(("MODE", "full"),)).but(**more)
    claim = msgspec.structs.replace(a_claim(run), by="somebody", commit="c" * 40)
    ledger = a_ledger(claim, a_triggered(run, "3377-1"), an_observed(run, 1))
    for runs in ((run,), ()):
        (row,), (full,) = rows_of(ledger, *runs), rows_of(in_full(ledger), *runs)
        assert (type(row), type(full)) == (SuccessRow, FullRow)
        assert told(row) == told(full)
        assert as_json(row) == as_json(full)


def test_the_row_of_a_run_that_has_succeeded_is_made_when_it_is_asked() -> None:
    run = a_run(labels={"team": "wind"}, description="All of it")
    ledger = a_ledger(a_claim(run), a_triggered(run, "3377-1"), an_observed(run, 1))
    (row,) = rows_of(ledger, run)
    assert isinstance(row, SuccessRow)
    assert row.instance_url == "https://enos.example.test/3377/3377-1"
    assert (row.by, row.labels, row.place) == (a_claim(run).by, {"team": "wind"}, run.place)
    (undeclared,) = rows_of(ledger)
    assert (undeclared.place, undeclared.parameters, undeclared.labels) == (None, None, {})
    assert row.but(status="RERUN") == row.full_value().but(status="RERUN")


def test_a_run_that_may_start_yet_or_goes_by_another_name_has_a_full_row() -> None:
    run = a_run()
    story: list[Event] = [a_claim(run), a_triggered(run), an_observed(run, 1)]
    (early,) = rows_of(a_ledger(*story), run, now=EpochMs(0))
    assert (type(early), early.is_early) == (FullRow, True)
    (renamed,) = rows_of(a_ledger(*story), a_run("gust", formerly=(run.name,)))
    assert (type(renamed), renamed.declared_as) == (FullRow, "gust")


def test_a_flow_that_the_ledger_has_as_nothing_is_the_manifests() -> None:
    run = a_run(flow_id=0)
    ledger = a_ledger(a_claim(run), a_triggered(run), an_observed(run, 1))
    for runs, flow in (((run.but(flow_id=7),), 7), ((a_run(flow_id=7),), 7), ((), None)):
        (row,), (full,) = rows_of(ledger, *runs), rows_of(in_full(ledger), *runs)
        assert told(row) == told(full)
        assert row.flow_id == flow
