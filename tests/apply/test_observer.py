"""How long an apply waits for an instance of which nobody can tell how it fares."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest

from reconciler.apply.branch import Branch
from reconciler.apply.observer import UNCLEAR_LOOKS, Observer
from reconciler.apply.ports import Instance, Ports
from reconciler.model import InstanceId, RunId
from reconciler.plan import PlannedRun
from tests.apply.service import SERVICE, FakeService, a_look
from tests.building import a_claim, a_ledger, a_run, a_triggered, an_instance

RUN = a_run()
RUNNING, FAILED, UNDOCUMENTED = 2, -1, 42
LEDGER = a_ledger(a_claim(RUN, service=SERVICE), a_triggered(RUN))


def waited_for(statuses: Sequence[int | None]) -> tuple[bool, dict[RunId, str]]:
    """Whether the run is still waited for after looks that see those; and what was given up."""
    branch = cast("Branch", SimpleNamespace(ledger=LEDGER, pending=[]))
    watch = Observer(cast("Ports", SimpleNamespace(progress=lambda _: None)), branch)
    outcomes = {RUN.id: a_triggered(RUN)}
    none: list[PlannedRun] = []
    for status in statuses:
        waits = watch.awaited_records(none, outcomes)
        assert waits
        shown: list[Instance] = [an_instance(RUN, status=status)]
        service = FakeService(quick={InstanceId("3377-1"): tuple(shown)})
        asyncio.run(watch.look(list(LEDGER.records.values()), a_look(service, LEDGER, RUN)))
    return bool(watch.awaited_records(none, outcomes)), watch.untold()


@pytest.mark.parametrize("status", [UNDOCUMENTED, None])
def test_what_look_after_look_cannot_tell_is_given_up_and_said(status: int | None) -> None:
    assert waited_for([status] * (UNCLEAR_LOOKS - 1)) == (True, {})
    waits, untold = waited_for([status] * UNCLEAR_LOOKS)
    assert not waits
    assert untold[RUN.id].startswith("20 looks in a row could not tell how it fares: ")


@pytest.mark.parametrize("status", [UNDOCUMENTED, None])
def test_one_look_that_can_tell_begins_the_count_anew(status: int | None) -> None:
    seen = [*[status] * (UNCLEAR_LOOKS - 1), RUNNING, *[status] * (UNCLEAR_LOOKS - 1)]
    assert waited_for(seen) == (True, {})


def test_what_could_not_be_told_is_looked_at_again_and_waited_for_once_more() -> None:
    branch = cast("Branch", SimpleNamespace(ledger=LEDGER, pending=[]))
    watch = Observer(cast("Ports", SimpleNamespace(progress=lambda _: None)), branch)
    outcomes = {RUN.id: a_triggered(RUN)}
    foreign = an_instance(RUN, status=FAILED, parameters=(("REPLACE", "hers"),))
    service = FakeService([foreign])
    asyncio.run(watch.look(list(LEDGER.records.values()), a_look(service, LEDGER, RUN)))
    assert not watch.awaited_records([], outcomes)
    service.listed = [an_instance(RUN, status=RUNNING)]
    asyncio.run(watch.look_again(a_look(service, LEDGER, RUN)))
    waits = watch.awaited_records([], outcomes)
    assert waits


def test_what_runs_is_waited_for_however_long() -> None:
    assert waited_for([RUNNING] * 3 * UNCLEAR_LOOKS) == (True, {})
