"""Cancelling: only where nothing but the run's own instance can be hit."""

import asyncio
from typing import Any

import msgspec
from msgspec.structs import replace

from reconciler.apply.observer import NotCancelled, cancel_instances
from reconciler.apply.ports import CancelAnswer, Instance
from reconciler.ledger import Event, Ledger, events
from reconciler.model import Run
from tests.apply.service import SERVICE, FakeService, a_look, with_gateway
from tests.building import (
    NOW,
    a_claim,
    a_ledger,
    a_run,
    a_triggered,
    after,
    an_instance,
    runs_apart,
)

MINUTE = 60_000
RUN = a_run()
MINE = an_instance(RUN)
RUNNING, FAIL = 2, -1


def started(*runs: Run) -> Ledger:
    return a_ledger(
        a_claim(*runs, service=SERVICE),
        *(a_triggered(run, f"3377-{number}") for number, run in enumerate(runs, start=1)),
    )


def cancelled(
    service: FakeService, ledger: Ledger | None = None, *runs: Run, **more: Any
) -> list[events.Cancelled | NotCancelled]:
    ledger = started(RUN) if ledger is None else ledger
    look = a_look(service, ledger, *(runs or (RUN,)), **more)
    return asyncio.run(cancel_instances(list(ledger.records.values()), look))


def reason(service: FakeService, *more: Any, **others: Any) -> str:
    (one,) = cancelled(service, *more, **others)
    assert isinstance(one, NotCancelled)
    assert service.cancelled == []
    return one.reason


def test_the_runs_own_instance_is_cancelled_and_the_answer_recorded() -> None:
    service = FakeService([MINE], answer=CancelAnswer(code=62104, message="it has ended"))
    (event,) = cancelled(service)
    assert isinstance(event, events.Cancelled)
    assert (event.run, event.code, event.message, event.claim) == (
        RUN.id,
        62104,
        "it has ended",
        "c1",
    )
    assert service.cancelled == ["3377-1"]
    assert service.asked == ["search None"]


def newer(status: int) -> Instance:
    return an_instance(RUN, status=status, created=after(NOW, 10 * MINUTE))


def test_a_strangers_instance_under_the_id_is_never_hit() -> None:
    why = reason(FakeService([MINE, newer(RUNNING)]))
    assert why == (
        "a cancellation could hit another instance (others have the id 3377-1 as well): cancel it "
        "by hand"
    )
    assert "was not created when the run was started" in reason(FakeService([newer(RUNNING)]))


def test_what_has_the_id_at_another_time_of_the_day_is_never_hit() -> None:
    later = an_instance(RUN, status=RUNNING, trigger_time=after(RUN.trigger_time, 90 * MINUTE))
    assert "others have the id 3377-1 as well" in reason(FakeService([MINE, later]))
    beside = a_run("beside", trigger_time=after(RUN.trigger_time, 6 * MINUTE))
    rows = [MINE, later, an_instance(beside, "3377-2")]  # that has another id proves nothing
    found = cancelled(FakeService(rows), started(RUN, beside), RUN, beside)
    assert [isinstance(one, events.Cancelled) for one in found] == [False, True]


def test_another_flows_instance_of_the_id_is_never_hit() -> None:
    mine = an_instance(RUN)
    others = replace(newer(RUNNING), flow_id=12)
    assert "others have the id 3377-1 as well" in reason(FakeService([mine, others]))
    assert reason(FakeService([others])).startswith("a cancellation could hit another instance")
    ended = replace(others, status=FAIL)
    (event,) = cancelled(FakeService([mine, ended]))
    assert isinstance(event, events.Cancelled)


def test_what_waits_unlisted_is_cancelled_only_by_an_id_that_is_its_own() -> None:
    run = a_run(flow_id=12, trigger_time=after(NOW, 10 * MINUTE))
    ledger = a_ledger(a_claim(run, service=SERVICE), a_triggered(run, "3377-1"))
    why = reason(FakeService(), ledger, run, now=after(NOW, MINUTE))
    assert "another flow's may have it" in why
    first, second = a_run("first", flow_id=7), a_run("second", flow_id=7)
    twice: list[Event] = [
        a_claim(first, claim="d1", service=SERVICE),
        a_triggered(first, "5f0c9a1e", "d1"),
        a_claim(second, claim="d2", service=SERVICE),
        a_triggered(second, "77b21d40", "d2"),
    ]
    own_ids = a_ledger(a_claim(run, service=SERVICE), a_triggered(run, "3377-1"), *twice)
    look = a_look(FakeService(), own_ids, run, now=after(NOW, MINUTE))
    (event,) = asyncio.run(cancel_instances([own_ids.records[run.id]], look))
    assert isinstance(event, events.Cancelled)


def test_an_id_that_another_run_is_recorded_with_is_never_cancelled() -> None:
    """Nor, while it waits unlisted, one that a run in doubt may have as well."""
    waiting = a_run(trigger_time=after(NOW, 10 * MINUTE))
    beside = a_run("beside", trigger_time=after(NOW, 11 * MINUTE))
    shared: list[Event] = [
        a_claim(waiting, beside, service=SERVICE),
        a_triggered(waiting, "3377-1"),
        a_triggered(beside, "3377-1"),
    ]
    for recorded, why in (
        (shared, "others have the id 3377-1 as well"),
        (shared[:2], "beside may have the id 3377-1 as well"),
    ):
        look = a_look(FakeService(), a_ledger(*recorded), waiting, now=after(NOW, MINUTE))
        record = look.ledger.records[waiting.id]
        (one,) = asyncio.run(cancel_instances([record], look))
        assert isinstance(one, NotCancelled)
        assert why in one.reason


def test_one_that_has_ended_cannot_be_hit() -> None:
    service = FakeService([MINE, newer(FAIL)])
    (event,) = cancelled(service)
    assert isinstance(event, events.Cancelled)


def test_two_rows_of_which_nobody_can_tell_the_runs_are_left_alone() -> None:
    twins = FakeService([MINE, replace(MINE, parameters=None)])
    assert "several instances have its id" in reason(twins)
    unlike = FakeService([MINE, replace(MINE, parameters=None, status=FAIL)])
    assert "several instances have its id" in reason(unlike)


def test_what_shows_nothing_of_what_was_sent_is_left_alone() -> None:
    """A person starts the flow in the same second, and the service lists the newest of an id."""
    another = (("SITE", "by-somebody"),)
    service = FakeService([replace(MINE, parameters=another)])
    assert "nothing that was sent is among the parameters" in reason(service)
    gone = a_run("gone", parameters=(("SITE", "gone"),))
    assert "no manifest says any more what that was" in reason(service, started(gone))
    (event,) = cancelled(FakeService([replace(MINE, parameters=gone.parameters)]), started(gone))
    assert isinstance(event, events.Cancelled)


def test_where_the_search_shows_none_the_id_is_asked_for() -> None:
    hidden = FakeService(got=lambda *_: MINE)
    (event,) = cancelled(hidden)
    assert isinstance(event, events.Cancelled)
    assert hidden.asked == ["search None", "get 3377-1"]
    assert reason(FakeService()) == "the service shows no instance 3377-1"


def test_an_instance_that_waits_for_its_time_may_be_unlisted() -> None:
    waiting = a_run(trigger_time=after(NOW, 10 * MINUTE))
    service = FakeService()
    (event,) = cancelled(service, started(waiting), waiting, now=after(NOW, MINUTE))
    assert isinstance(event, events.Cancelled)
    assert service.cancelled == ["3377-1"]


def test_nothing_is_cancelled_where_the_search_was_not_whole() -> None:
    assert reason(FakeService([MINE], broken={None})) == "HTTP 502"


def test_another_service_is_not_asked_to_cancel() -> None:
    service = FakeService([MINE])
    why = reason(service, environment=with_gateway(user_id="u2"))
    assert why.startswith("it was claimed for another service than is configured")
    assert service.asked == []


def test_one_that_cannot_be_cancelled_does_not_keep_the_others() -> None:
    runs = runs_apart(3)
    rows = [an_instance(run, f"3377-{number}") for number, run in enumerate(runs, start=1)]
    service = FakeService([rows[0], rows[2]])
    found = cancelled(service, started(*runs), *runs)
    assert [isinstance(one, NotCancelled) for one in found] == [False, True, False]
    assert sorted(service.cancelled) == ["3377-1", "3377-3"]


def test_a_run_whose_flow_nobody_knows_is_left_alone() -> None:
    ledger = started(RUN)
    record = msgspec.structs.replace(ledger.records[RUN.id].full_value(), flow_id=None)
    (one,) = asyncio.run(cancel_instances([record], a_look(FakeService([MINE]), ledger, RUN)))
    assert one == NotCancelled(run=RUN.id, reason="the ledger does not say its flow")
