"""Runs in doubt are looked for again after growing pauses, and each has its turn."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import pytest
from msgspec.structs import replace

from reconciler.apply.branch import Branch
from reconciler.apply.doubt import Doubt
from reconciler.apply.knowledge import Knowledge
from reconciler.apply.lease import Lease, ServiceClock
from reconciler.apply.ports import (
    Appended,
    Gateway,
    Instance,
    Landed,
    Noted,
    Options,
    Ports,
    Raced,
    Snapshot,
    Step,
)
from reconciler.apply.protocol import apply
from reconciler.apply.result import ApplyResult
from reconciler.apply.start import Batch
from reconciler.apply.wait import MOST_SOUGHT, LookSchedule
from reconciler.errors import ExitCode, RefusedError
from reconciler.ledger import Event, Ledger
from reconciler.model import Declared, EpochMs, InstanceId, Nonce, Run
from reconciler.plan import Action, PlannedRun, make_plan
from reconciler.times import format_instant
from tests.apply.service import ENVIRONMENT, LATER, SERVICE, FakeService
from tests.building import (
    NOW,
    Unremembering,
    a_claim,
    a_ledger,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_instance,
    an_unknown,
    declared,
    runs_apart,
)
from tests.simulation.loop import VirtualLoop

TWO_HOURS = 7_200.0
_Result = TypeVar("_Result")


@dataclass
class LoopClock:
    """The loop's own time."""

    def elapsed(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> EpochMs:
        return after(LATER, int(self.elapsed() * 1000))


@dataclass
class TellingService(FakeService):
    """The same, with a clock and a zone."""

    async def current_time(self) -> EpochMs:
        return LoopClock().wall()

    async def timezone(self) -> str:
        return "GMT+8"


@dataclass
class StandingService(FakeService):
    """The same; whatever stands before it gives the answer of the first time again and again."""

    async def current_time(self) -> EpochMs:
        return LATER

    async def timezone(self) -> str:
        return "GMT+8"


@dataclass
class KeptStore(Unremembering):
    """A branch that nobody else writes to."""

    declared: Declared
    ledger: Ledger

    async def fetch(self) -> Snapshot:
        return Snapshot(
            commit="c0ffee", environment=ENVIRONMENT, declared=self.declared, ledger=self.ledger
        )

    async def append(self, base: Snapshot, events: Sequence[Event], _: str) -> Appended:
        self.ledger = base.ledger.with_events(events)
        return Landed(snapshot=await self.fetch())


@dataclass
class Told:
    """What an apply said."""

    steps: list[Step] = field(default_factory=list)

    def notes(self) -> list[str]:
        return [step.message for step in self.steps if isinstance(step, Noted)]


def ports_of(store: KeptStore, service: FakeService, told: Told) -> Ports:
    @asynccontextmanager
    async def open_gateway(_: object) -> AsyncIterator[Gateway]:
        yield cast("Gateway", service)

    return Ports(
        store=store,
        open_gateway=open_gateway,
        clock=LoopClock(),
        progress=told.steps.append,
        stop=asyncio.Event(),
        new_claim=lambda: Nonce("new"),
        jitter=lambda: 0.5,
        rescue=lambda _: "nowhere",
    )


def lived_through(work: Coroutine[Any, Any, _Result]) -> _Result:
    """What comes of the work in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def waited(runs: Sequence[Run], service: FakeService, told: Told, seconds: float) -> Any:
    """Apply with `--wait` over runs in doubt, while one other run goes on for ever."""
    running = a_run("running", flow_id=1)
    recorded: list[Event] = [
        a_claim(*runs, service=SERVICE),
        *(an_unknown(run) for run in runs),
        a_claim(running, claim="c2", service=SERVICE),
        a_triggered(running, "1-1", "c2"),
    ]
    follower = a_run("follower", flow_id=2, depends_on=("running",))
    store = KeptStore(declared(*runs, running, follower), a_ledger(*recorded))
    service.listed.append(an_instance(running, "1-1", status=2))

    async def main() -> Any:
        options = Options(by="ana", wait=True, wait_seconds=seconds)
        return await apply(ports_of(store, service, told), options)

    return lived_through(main())


def test_twenty_runs_that_nobody_can_decide_on_cost_few_searches_in_two_hours() -> None:
    runs = runs_apart(20)
    strangers = [an_instance(run, f"i-{run.id}", parameters=None) for run in runs]
    service, told = TellingService(listed=list(strangers)), Told()
    result = waited(runs, service, told, TWO_HOURS)
    assert len(result.doubts) == 20
    searches = service.asked.count("search 3377")
    assert 20 * 10 <= searches <= 20 * 15  # 9,840 before the pauses grew
    assert told.notes() == []


def test_of_many_runs_in_doubt_each_has_its_turn_and_what_is_left_is_said() -> None:
    runs = runs_apart(2 * MOST_SOUGHT + 1)
    strangers = [an_instance(run, f"i-{run.id}", parameters=None) for run in runs]
    service, told = TellingService(listed=list(strangers)), Told()
    result = waited(runs, service, told, 10.0)
    assert service.asked.count("search 3377") == len(runs)
    left = f"left to the next look, {MOST_SOUGHT} looked for now"
    assert told.notes()[:2] == [
        f"{MOST_SOUGHT + 1} runs in doubt are {left}",
        f"1 run in doubt is {left}",
    ]
    assert all("cannot be recognised" in doubt.reason for doubt in result.doubts)


# When one run is due


def in_doubt(run: Run) -> PlannedRun:
    ledger = a_ledger(a_claim(run), an_unknown(run))
    plan = make_plan(
        declared(run), ledger, LATER, environment="prod", commit=None, same_minute_allowed=False
    )
    (planned,) = plan.runs_of_action(Action.RESOLVE)
    return planned


@dataclass
class SetClock:
    """A clock that is set by hand."""

    seconds: float = 0.0

    def elapsed(self) -> float:
        return self.seconds

    def wall(self) -> EpochMs:
        return NOW


def looked_at(planned: PlannedRun, decided_at: EpochMs | None, until: int) -> list[int]:
    """The seconds at which it is looked for."""
    clock, found, known = SetClock(), list[int](), dict[Any, Doubt]()
    looks = LookSchedule(clock)
    for second in range(until):
        clock.seconds = second
        due, left = looks.due([planned], known, after(NOW, second * 1000))
        assert left == 0
        for run in due:
            found.append(second)
            known[run.id] = Doubt(planned=run, reason="", decided_at=decided_at)
            looks.put_off(known[run.id])
    return found


def test_pauses_double_from_a_quarter_of_a_minute_to_a_quarter_of_an_hour() -> None:
    found = looked_at(in_doubt(a_run()), None, 4_000)
    assert found == [0, 15, 45, 105, 225, 465, 945, 1845, 2745, 3645]


def test_what_time_decides_is_looked_for_early_a_few_times_and_when_the_time_has_come() -> None:
    found = looked_at(in_doubt(a_run()), after(NOW, 125_000), 126)
    assert found == [0, 1, 3, 7, 15, 31, 63, 125]


def test_a_run_of_which_something_else_is_recorded_is_looked_for_at_once() -> None:
    planned, looks = in_doubt(a_run()), LookSchedule(SetClock())
    known: dict[Any, Doubt] = {}
    assert looks.due([planned], known, NOW) == ([planned], 0)
    known[planned.id] = Doubt(planned=planned, reason="", decided_at=None)
    looks.put_off(known[planned.id])
    assert looks.due([planned], known, NOW) == ([], 0)
    assert planned.record is not None
    other = a_ledger(a_claim(a_run(), claim="c2"), an_unknown(a_run(), "c2")).records[planned.id]
    changed = planned.but(record=other)
    assert looks.due([changed], known, NOW) == ([changed], 0)


# What a look is made of


def test_what_is_derived_from_the_ledger_is_made_once_for_each_ledger() -> None:
    async def main() -> None:
        run = a_run()
        store = KeptStore(declared(run), a_ledger(a_claim(run)))
        ports = ports_of(store, FakeService(), Told())
        branch = await Branch.open(ports)
        knowledge = Knowledge(ports, Options(by="ana"), branch)
        gateway = cast("Gateway", FakeService())
        clock = ServiceClock(stamp=NOW, asked=0, answered=0, clock=SetClock())
        first, second = knowledge.look(gateway, clock), knowledge.look(gateway, clock)
        assert first.known is second.known
        assert first.declared is second.declared
        assert branch.ledger is store.ledger
        branch.pending.append(an_unknown(run))
        folded = branch.ledger
        assert branch.ledger is folded
        assert folded.records[run.id].error == store.ledger.records[run.id].error
        assert knowledge.look(gateway, clock).known is not first.known
        branch.pending.append(a_triggered(run, InstanceId("3377-9")))
        assert branch.ledger.records[run.id].instances == ("3377-9",)
        branch.pending = []
        assert branch.ledger is store.ledger

    asyncio.run(main())


ANOTHERS: list[Event] = [an_absent(a_run()), a_claim(a_run(), claim="c2")]


@pytest.mark.parametrize(
    ("since", "code", "doubts"),
    [
        ([a_triggered(a_run(), claim="c1")], ExitCode.OK, 0),  # its answer is known after all
        ([*ANOTHERS, a_triggered(a_run(), claim="c2")], ExitCode.IN_DOUBT, 0),  # the ledger tells
        (ANOTHERS, ExitCode.IN_DOUBT, 1),
    ],
)
def test_a_start_that_left_after_its_claim_is_told_though_another_claim_took_its_place(
    since: list[Event], code: ExitCode, doubts: int
) -> None:
    """At once: until it is recorded, no ledger tells of it."""
    run = a_run()
    store, told = KeptStore(declared(run), a_ledger(a_claim(run), *since)), Told()

    async def main() -> ApplyResult:
        ports = ports_of(store, FakeService(), told)
        knowledge = Knowledge(ports, Options(by="ana"), await Branch.open(ports))
        clock = ServiceClock(stamp=LATER, asked=0, answered=0, clock=SetClock())
        batch = Batch(
            claim=Nonce("c1"),
            runs=[run],
            lease=Lease(clock=clock, until=NOW, reserve=35),
            progress=lambda _: None,
            stop=asyncio.Event(),
            jitter=lambda: 0.5,
            margin=5,
        )
        batch.overdue.add(run.id)
        batch.outcomes[run.id] = batch.unknown_outcome(run, "no answer")
        knowledge.branch.pending += batch.outcomes.values()
        knowledge.overdue.note(batch)
        return knowledge.result(knowledge.plan(LATER), interrupted=False)

    result = asyncio.run(main())
    reason = (
        "its start left after its claim had ended: it may have been started twice; look at flow "
        f"{run.flow_id}, trigger time {format_instant(run.trigger_time)}"
    )
    assert told.notes() == [f"{run.id}: {reason}"]  # at once: an error may end the apply
    assert result.exit_code is code
    assert len(result.doubts) == doubts


def test_an_apply_that_goes_on_while_the_clock_stands_still_ends_and_claims_nothing_by_it() -> None:
    """However often it asks: an answer that says nothing new makes none of the time up."""
    runs = runs_apart(1)
    service = StandingService(listed=[an_instance(runs[0], "another's", parameters=None)])
    with pytest.raises(RefusedError, match="the gateway's clock stood still for"):
        waited(runs, service, Told(), 60.0)


def test_once_the_time_to_wait_is_up_neither_claims_nor_doubts_are_waited_for() -> None:
    """Others' claims last minutes, as does what decides on a doubt; the job may not."""
    claimed, doubtful = a_run("claimed", flow_id=1), a_run("doubtful", flow_id=2)
    of_others = a_claim(claimed, at=LATER, service=SERVICE)
    of_the_dead = a_claim(doubtful, claim="c2", at=LATER, service=SERVICE)
    recorded: list[Event] = [of_others, of_the_dead, an_unknown(doubtful, claim="c2")]
    store, told = KeptStore(declared(claimed, doubtful), a_ledger(*recorded)), Told()

    async def main() -> tuple[ApplyResult, float]:
        ports = ports_of(store, TellingService(), told)
        result = await apply(ports, Options(by="ana", wait=True, wait_seconds=30.0))
        return result, asyncio.get_running_loop().time()

    result, ended = lived_through(main())
    assert 30 <= ended < 31
    assert [doubt.planned.id for doubt in result.doubts] == [doubtful.id]
    assert [record.run for record in result.unfinished] == [claimed.id]
    assert replace(result, doubts=()).exit_code is ExitCode.PROBLEM


@dataclass
class RacedStore(KeptStore):
    """Others claim a run of the same day just before the first push; a stranger's row shows up."""

    service: FakeService
    others: Run
    stranger: Instance
    is_raced: bool = False

    async def append(self, base: Snapshot, events: Sequence[Event], message: str) -> Appended:
        if self.is_raced:
            return await super().append(base, events, message)
        self.is_raced = True
        self.ledger = self.ledger.with_events([a_claim(self.others, claim="c2", at=LATER)])
        self.service.listed.append(self.stranger)
        return Raced()


def test_an_absence_that_was_dropped_is_not_reported_where_the_next_look_ends_in_doubt() -> None:
    run, others = a_run("doubtful", flow_id=1), a_run("others", flow_id=2)
    service = TellingService()
    store = RacedStore(
        declared(run, others),
        a_ledger(a_claim(run, service=SERVICE), an_unknown(run)),
        service=service,
        others=others,
        stranger=an_instance(run, "1-1", parameters=None),
    )

    async def main() -> ApplyResult:
        ports = ports_of(store, service, Told())
        return await apply(ports, Options(by="ana", wait=True, wait_seconds=5.0))

    result = lived_through(main())
    assert store.is_raced
    assert [doubt.planned.id for doubt in result.doubts] == [run.id]
    assert result.outcomes == ()
