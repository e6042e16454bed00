"""Starting a claimed batch: whose instance an answer names, and what is sent."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from reconciler.apply.known import Known
from reconciler.apply.lease import Lease, ServiceClock
from reconciler.apply.ports import Answer, Gateway, NotSent, TriggeredAnswer, UnknownAnswer
from reconciler.apply.start import Batch, StartOutcome, start_batch
from reconciler.ledger import Ledger, events
from reconciler.model import EpochMs, InstanceId, Nonce, Run, RunId
from reconciler.times import parse_instant
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_ledger,
    a_run,
    a_triggered,
    after,
    an_observed,
)

MINUTE = 60_000
C2 = Nonce("c2")
RUN = a_run()


class StoppedClock:
    """A local clock that stands still."""

    def elapsed(self) -> float:
        return 0.0

    def wall(self) -> EpochMs:
        raise AssertionError("nothing is decided by the local idea of the time")


@dataclass
class Answering:
    """Answers each start with an instance id."""

    answers: dict[RunId, str]
    sent: list[Run] = field(default_factory=list)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator["Answering"]:
        yield self

    async def current_time(self) -> EpochMs:
        return NOW

    async def start(self, run: Run, allowed: Callable[[], bool]) -> Answer:
        if not allowed():
            return NotSent(reason="not allowed")
        self.sent.append(run)
        return TriggeredAnswer(instance=InstanceId(self.answers[run.id]))


def started(
    runs: Sequence[Run],
    *answers: str,
    ledger: Ledger | None = None,
    gateway: Answering | None = None,
    **more: Any,
) -> dict[RunId, StartOutcome]:
    """Start the runs, which are answered so, and were claimed by what the ledger said then."""
    named = zip(runs, answers, strict=False)
    gateway = gateway or Answering({run.id: answer for run, answer in named})
    clock = ServiceClock(stamp=NOW, asked=0.0, answered=0.0, clock=StoppedClock())

    async def start() -> dict[RunId, StartOutcome]:
        batch = Batch(
            claim=C2,
            runs=runs,
            lease=Lease(clock=clock, until=after(NOW, 120_000), reserve=35),
            progress=lambda _: None,
            stop=asyncio.Event(),
            jitter=lambda: 0.5,
            margin=5,
            known=Known(() if ledger is None else [ledger]),
            **more,
        )
        await start_batch(batch, cast("Gateway", gateway), 1)
        return batch.outcomes

    return asyncio.run(start())


@dataclass
class SetClock(StoppedClock):
    """A local clock that the test sets."""

    seconds: float = 0.0

    def elapsed(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("frozen", "overdue"), [(0, set()), (119, set()), (121, {RUN.id})])
def test_a_start_is_overdue_if_its_claim_was_over_when_it_had_left(
    frozen: float, overdue: set[RunId]
) -> None:
    """The process was frozen between the last look at the claim and the moment of leaving."""
    local = SetClock()

    class Freezing(Answering):
        async def start(self, run: Run, allowed: Callable[[], bool]) -> Answer:
            assert allowed()
            self.sent.append(run)
            local.seconds += frozen
            allowed()
            return UnknownAnswer(seen="no answer in time")

    async def start() -> Batch:
        batch = Batch(
            claim=C2,
            runs=[RUN],
            lease=Lease(
                clock=ServiceClock(stamp=NOW, asked=0.0, answered=0.0, clock=local),
                until=after(NOW, 120_000),
                reserve=35,
            ),
            progress=lambda _: None,
            stop=asyncio.Event(),
            jitter=lambda: 0.5,
            margin=5,
        )
        await start_batch(batch, cast("Gateway", Freezing({})), 1)
        return batch

    batch = asyncio.run(start())
    outcome = batch.outcomes[RUN.id]
    assert isinstance(outcome, events.Unknown)
    assert batch.overdue == overdue
    assert outcome.late is bool(overdue)  # so that the ledger tells of it as well
    assert parse_instant(outcome.at) >= after(NOW, int(frozen * 1000))


def test_an_answer_that_names_an_instance_of_its_own_is_a_start() -> None:
    outcome = started([RUN], "i1")[RUN.id]
    assert isinstance(outcome, events.Triggered)
    assert (outcome.flow_instance_id, outcome.claim, outcome.inferred) == ("i1", C2, False)


@pytest.mark.parametrize(
    "more", [{"flow_id": 12}, {"trigger_time": after(EIGHT, MINUTE)}, {}], ids=repr
)
def test_an_answer_with_the_id_of_this_batchs_other_run_is_not_taken_for_the_runs(
    more: dict[str, Any],
) -> None:
    """As where a connection delivers one answer twice. In one minute, a search tells them apart."""
    other = a_run("other", **({"parameters": ()} | more))
    outcomes = started([RUN, other], "i1", "i1")
    first, second = (outcomes[run.id] for run in sorted((RUN, other), key=_order))
    assert isinstance(first, events.Triggered)
    assert isinstance(second, events.Unknown)
    assert second.seen == f"the answer names instance i1, which is that of {first.run}"


def _order(run: Run) -> tuple[int, str]:
    return run.trigger_time, run.name


@pytest.mark.parametrize(
    "more", [{"flow_id": 12}, {"trigger_time": after(EIGHT, -MINUTE)}], ids=repr
)
def test_an_answer_with_an_id_that_is_recorded_for_another_flow_or_minute_is_not_the_runs(
    more: dict[str, Any],
) -> None:
    other = a_run("other", **more)
    ledger = a_ledger(a_claim(other), a_triggered(other, "i1"))
    outcome = started([RUN], "i1", ledger=ledger)[RUN.id]
    assert isinstance(outcome, events.Unknown)
    assert outcome.seen == "the answer names instance i1, which is that of other"
    assert isinstance(started([RUN], "i2", ledger=ledger)[RUN.id], events.Triggered)


@pytest.mark.parametrize(
    "first", [RUN, a_run("other", trigger_time=after(EIGHT, 30_000))], ids=["attempt", "twin"]
)
def test_an_answer_with_an_id_that_runs_of_one_minute_share_is_a_start(first: Run) -> None:
    again = RUN.but(attempt=2)
    ledger = a_ledger(a_claim(first), a_triggered(first, "i1"), an_observed(first, -1))
    outcome = started([again], "i1", ledger=ledger)[again.id]
    assert isinstance(outcome, events.Triggered)
    assert (outcome.run, outcome.flow_instance_id) == ("wind#2", "i1")


def test_an_id_that_is_recorded_for_the_run_itself_under_an_older_claim_is_its_own_minutes() -> (
    None
):
    ledger = a_ledger(a_claim(RUN), a_triggered(RUN, "i1"))
    assert isinstance(started([RUN], "i1", ledger=ledger)[RUN.id], events.Triggered)


def test_the_claim_and_the_run_travel_in_the_correlation_parameter_alone() -> None:
    gateway = Answering({RUN.id: "i1"})
    outcome = started([RUN], gateway=gateway, correlation="RECONCILER_RUN")[RUN.id]
    (sent,) = gateway.sent
    assert sent.parameters == (*RUN.parameters, ("RECONCILER_RUN", "c2 wind"))
    assert isinstance(outcome, events.Triggered)
    assert outcome.digest == RUN.digest == sent.digest
    plain = Answering({RUN.id: "i1"})
    started([RUN], gateway=plain)
    assert plain.sent == [RUN]
