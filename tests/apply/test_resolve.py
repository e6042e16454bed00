"""A person settles a run: what is believed, and what is refused with what to do instead."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from msgspec.structs import replace

from reconciler.apply.ports import Appended, Gateway, Instance, Landed, Raced, Snapshot
from reconciler.apply.resolve import resolve
from reconciler.apply.spoken import PersonsDecision, Spoken
from reconciler.configuration import Environment
from reconciler.errors import RefusedError
from reconciler.identity import Surroundings
from reconciler.ledger import Event, Ledger, Record, RunState
from reconciler.model import EpochMs, InstanceId, Nonce, Run
from tests.apply.service import ENVIRONMENT, LATER, SERVICE, with_gateway
from tests.building import (
    EIGHT,
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
)

SECOND, MINUTE = 1_000, 60_000
RUN = a_run(trigger_time=after(EIGHT, 7_250))
MINE = an_instance(RUN)
OTHERS = tuple((name, "another") for name, _ in RUN.parameters)


@dataclass
class FakeBranch(Unremembering):
    """A branch that takes every push, and may say of some that they came too late."""

    ledger: Ledger
    environment: Environment = ENVIRONMENT
    too_late: bool = False  # as where the trace of another ledger has moved in the same push
    retired: Ledger | None = None  # that the environment had when it was read before
    retires: bool = False  # the ledger, once something was pushed
    appended: list[Event] = field(default_factory=list)

    async def fetch(self) -> Snapshot:
        return Snapshot(
            commit="8c6cf7a",
            environment=self.environment,
            declared=declared(RUN),
            ledger=self.ledger,
            surroundings=Surroundings(
                elsewhere={} if self.retired is None else {"old": self.retired}
            ),
        )

    async def append(self, base: Snapshot, events: Sequence[Event], message: str) -> Appended:
        assert "[skip ci]" in message
        self.appended += events
        self.ledger = base.ledger.with_events(events)
        if self.retires:
            self.ledger, self.retired = a_ledger(), self.ledger
        return Raced() if self.too_late else Landed(snapshot=await self.fetch())


@dataclass
class Knowing:
    """A service that knows instances by their ids."""

    known: dict[str, Instance]
    now: EpochMs
    listed: tuple[Instance, ...] = ()

    async def current_time(self) -> EpochMs:
        return self.now

    async def instance(self, instance: InstanceId) -> Instance | None:
        return self.known.get(instance)

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        assert flow_id == RUN.flow_id
        assert from_time < to_time
        return self.listed


class StoppedClock:
    def elapsed(self) -> float:
        return 0.0

    def wall(self) -> EpochMs:
        raise AssertionError("nothing is decided by the local idea of the time")


def in_doubt(run: Run = RUN) -> list[Event]:
    return [a_claim(run, service=SERVICE), an_unknown(run)]


def resolved(
    ledger: Ledger,
    triggered: str | None = "3377-1",
    *,
    run: Run = RUN,
    shown: Instance = MINE,
    environment: Environment = ENVIRONMENT,
    now: EpochMs = LATER,
    too_late: bool = False,
    retires: bool = False,
    **more: Any,
) -> Record:
    @asynccontextmanager
    async def open_gateway(_: Environment) -> AsyncIterator[Gateway]:
        yield cast("Gateway", Knowing({shown.id: shown}, now))

    decision = PersonsDecision(
        runs=[run.id],
        triggered=None if triggered is None else InstanceId(triggered),
        by="Ana Lima <ana@example.com>",
        **more,
    )
    branch = FakeBranch(ledger, environment, too_late=too_late, retires=retires)
    (record,) = asyncio.run(
        resolve(decision, branch, open_gateway, StoppedClock(), lambda: Nonce("a1"))
    )
    return record


@dataclass
class FilingByTheMoment(Knowing):
    """A service that lists what it triggered at once under that moment."""

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        assert flow_id == RUN.flow_id
        times = ((one, one.trigger_time) for one in self.listed)
        return tuple(one for one, time in times if time and from_time <= time < to_time)


@pytest.mark.parametrize(("parameters", "is_refused"), [(RUN.parameters, True), (OTHERS, False)])
def test_what_was_triggered_since_the_claim_may_be_the_runs_whatever_a_person_says(
    parameters: tuple[tuple[str, str], ...], *, is_refused: bool
) -> None:
    """Where the service lists a run whose time had passed under the moment of its triggering."""
    began = after(NOW, 2_000)
    shown = an_instance(RUN, "3377-7", trigger_time=began, created=began, parameters=parameters)

    @asynccontextmanager
    async def open_gateway(_: Environment) -> AsyncIterator[Gateway]:
        yield cast("Gateway", FilingByTheMoment({}, LATER, (shown,)))

    decision = PersonsDecision(runs=[RUN.id], triggered=None, by="Ana Lima <ana@example.com>")
    branch = FakeBranch(a_ledger(*in_doubt()), ENVIRONMENT)

    def said() -> Sequence[Record]:
        return asyncio.run(
            resolve(decision, branch, open_gateway, StoppedClock(), lambda: Nonce("a1"))
        )

    if is_refused:
        with pytest.raises(RefusedError, match=f"what fits {RUN.id}: 3377-7"):
            said()
    else:
        assert [one.state(LATER) for one in said()] == [RunState.PENDING]


def refusal(*arguments: Any, **more: Any) -> str:
    with pytest.raises(RefusedError) as caught:
        resolved(*arguments, **more)
    return str(caught.value)


def test_a_run_in_doubt_is_given_the_instance_that_a_person_has_seen() -> None:
    record = resolved(a_ledger(*in_doubt()))
    assert (record.state(LATER), record.instances) == (RunState.TRIGGERED, ("3377-1",))
    assert resolved(a_ledger(*in_doubt()), None).state(LATER) is RunState.PENDING


@pytest.mark.parametrize(
    ("known", "triggered"), [([], "3377-1"), (in_doubt(), "3377-1"), (in_doubt(), None)]
)
def test_what_landed_though_the_push_seemed_to_come_too_late_is_recorded(
    known: list[Event], triggered: str | None
) -> None:
    for retires in (False, True):
        record = resolved(
            a_ledger(*known),
            triggered,
            too_late=True,
            retires=retires,
            reason="seen in the console",
        )
        assert record.instances == (() if triggered is None else ("3377-1",))


# Another service


@pytest.mark.parametrize("triggered", ["3377-1", None])
@pytest.mark.parametrize(
    ("more", "back"),
    [
        ({"user_id": "u2"}, "(gateway.userId is u2); put back gateway.userId: u1"),
        ({"org_id": "o2"}, "(gateway.orgId is o2); put back gateway.orgId: o1"),
        (
            {"url": "https://a.test", "user_id": "u2"},
            (
                "(gateway.url is https://a.test, gateway.userId is u2); put back gateway.url: "
                "http://127.0.0.1:9, gateway.userId: u1"
            ),
        ),
    ],
)
def test_what_another_service_knows_settles_nothing(
    triggered: str | None, more: dict[str, Any], back: str
) -> None:
    said = refusal(a_ledger(*in_doubt()), triggered, environment=with_gateway(**more), sure=True)
    assert said == (
        f"{RUN.id} cannot be settled: it was claimed for another service than is configured {back}"
    )


def test_a_claim_that_names_no_service_is_settled_by_the_one_that_is_configured() -> None:
    ledger = a_ledger(a_claim(RUN), an_unknown(RUN))
    assert resolved(ledger, environment=with_gateway(user_id="u2")).instances == ("3377-1",)


# The minute


@pytest.mark.parametrize("shown", [0, 7_000, 7_250, 8_000, 59_999])
def test_an_instance_is_the_runs_by_the_minute_of_its_trigger_time(shown: int) -> None:
    """A service may cut or round it, and nobody knows how far."""
    one = replace(MINE, trigger_time=after(EIGHT, shown))
    for allowed in (False, True):
        environment = with_gateway(same_minute_allowed=allowed)
        assert resolved(a_ledger(*in_doubt()), shown=one, environment=environment).instances


@pytest.mark.parametrize("shown", [-1, MINUTE, -8 * 60 * MINUTE])
def test_an_instance_of_another_minute_is_refused(shown: int) -> None:
    said = refusal(a_ledger(*in_doubt()), shown=replace(MINE, trigger_time=after(EIGHT, shown)))
    assert "instance 3377-1 has the trigger time" in said


def test_a_time_may_be_rounded_to_the_next_minute() -> None:
    late = a_run(trigger_time=after(EIGHT, 45 * SECOND))
    shown = replace(MINE, trigger_time=after(EIGHT, MINUTE))
    assert resolved(a_ledger(*in_doubt(late)), run=late, shown=shown).instances == ("3377-1",)


def test_an_instance_that_hides_its_flow_and_time_is_believed_and_one_of_another_flow_not() -> None:
    hidden = replace(MINE, flow_id=None, trigger_time=None)
    assert resolved(a_ledger(*in_doubt()), shown=hidden).instances == ("3377-1",)
    assert refusal(a_ledger(*in_doubt()), shown=replace(MINE, flow_id=12)) == (
        "instance 3377-1 is of flow 12, and wind of 3377"
    )
    assert refusal(a_ledger(*in_doubt()), "3377-9") == "the service knows no instance 3377-9"


# Another run's instance


def test_an_instance_of_another_minutes_run_is_not_free_and_one_of_the_same_minute_is() -> None:
    for trigger_time, free in ((after(EIGHT, 59_000), True), (after(EIGHT, MINUTE), False)):
        other = a_run("other", trigger_time=trigger_time, parameters=())
        ledger = a_ledger(a_claim(other, claim="c0"), a_triggered(other, claim="c0"), *in_doubt())
        if free:
            assert resolved(ledger).instances == ("3377-1",)
        else:
            hidden = replace(MINE, trigger_time=None)
            said = refusal(ledger, shown=hidden)
            assert said == "instance 3377-1 is recorded as that of other"


@pytest.mark.parametrize("flow", [3377, 12])
def test_an_id_that_is_a_whole_days_is_the_runs_where_the_instance_shows_it(flow: int) -> None:
    hour = a_run("other", trigger_time=after(EIGHT, 60 * MINUTE), flow_id=flow, parameters=())
    ledger = a_ledger(a_claim(hour, claim="c0"), a_triggered(hour, claim="c0"), *in_doubt())
    assert resolved(ledger).instances == ("3377-1",)
    hidden = replace(MINE, trigger_time=None)
    if flow == RUN.flow_id:
        assert refusal(ledger, shown=hidden) == "instance 3377-1 is recorded as that of other"
    both = replace(MINE, trigger_time=after(EIGHT, 0), trigger_unit=2 * 60 * MINUTE)
    if flow == RUN.flow_id:
        assert "is recorded as that of other" in refusal(ledger, shown=both)


def test_an_instance_that_shows_an_hour_only_is_believed_if_the_person_is_sure() -> None:
    half_past = a_run(trigger_time=after(EIGHT, 30 * MINUTE))
    cut = replace(MINE, trigger_time=EIGHT, trigger_unit=60 * MINUTE)
    ledger = a_ledger(*in_doubt(half_past))
    assert "has the trigger time" in refusal(ledger, run=half_past, shown=cut)
    assert resolved(ledger, run=half_past, shown=cut, sure=True).instances == ("3377-1",)


def test_a_trigger_time_in_utc_shows_the_minute_as_well() -> None:
    read = (after(EIGHT, -8 * 60 * MINUTE), EIGHT)
    shown = replace(MINE, trigger_time=read[0], trigger_times=read)
    assert resolved(a_ledger(*in_doubt()), shown=shown).instances == ("3377-1",)


# Too early


def test_that_nothing_was_started_is_believed_only_once_nothing_can_be_any_more() -> None:
    ledger = a_ledger(a_claim(RUN, service=SERVICE), an_unknown(RUN))
    assert refusal(ledger, None, now=after(NOW, SECOND)).startswith("its claim lasts until")
    assert resolved(ledger, None, now=after(NOW, SECOND), sure=True).instances == ()
    waits = a_run(trigger_time=after(LATER, MINUTE))
    early = a_ledger(*in_doubt(waits))
    assert refusal(early, None, run=waits).startswith("its trigger time comes at")


def test_what_an_apply_has_claimed_and_may_still_start_is_denied_only_by_force() -> None:
    ledger = a_ledger(a_claim(RUN, service=SERVICE))
    early = after(NOW, SECOND)
    said = refusal(ledger, None, now=early, sure=True)
    assert said.startswith("its claim lasts until")
    assert (
        "until then ana@ops-1 pid 4711 may still start wind, even if it was not started yet" in said
    )
    assert refusal(ledger, None, now=early, forced=True).startswith("its claim lasts until")
    assert resolved(ledger, None, now=early, sure=True, forced=True).instances == ()
    assert resolved(ledger, None).instances == ()


# Started twice


def twice() -> Ledger:
    return a_ledger(
        a_claim(RUN, service=SERVICE),
        an_absent(RUN),
        a_claim(RUN, claim="c2", service=SERVICE),
        a_triggered(RUN, "3377-2", "c2"),
        a_triggered(RUN, "3377-1", "c1"),
    )


def test_a_run_that_was_started_twice_is_settled_by_one_of_its_instances() -> None:
    assert twice().records[RUN.id].instances == ("3377-2", "3377-1")
    record = resolved(twice())
    assert record.instances == ("3377-1", "3377-2")
    assert (record.acknowledged, record.started_twice) == (True, False)


@pytest.mark.parametrize("triggered", ["3377-9", None])
def test_a_run_that_was_started_twice_is_not_settled_otherwise(triggered: str | None) -> None:
    assert refusal(twice(), triggered).startswith(
        "wind was started twice: as 3377-2 under claim c2 and as 3377-1 under claim c1"
    )


def test_a_decision_from_before_a_late_start_was_recorded_is_to_be_made_again() -> None:
    """Between the look at the service and the push another apply may have sent what it held."""
    before = a_ledger(*in_doubt())
    spoken = Spoken(PersonsDecision(runs=[RUN.id], triggered=None, by="Ana"), [RUN.id], before)
    late = before.with_events([an_unknown(RUN, late=True)])
    snapshot = asyncio.run(FakeBranch(late, ENVIRONMENT).fetch())
    with pytest.raises(RefusedError, match="has a start that left too late, which was recorded"):
        spoken.check(snapshot, LATER)


def test_a_choice_stands_and_needs_no_other() -> None:
    ledger = twice()
    record = resolved(ledger)
    assert record.state(LATER) is RunState.TRIGGERED
    settled = Ledger({**ledger.records, RUN.id: record}, ledger.claims, ledger.length + 1)
    assert refusal(settled) == "wind is not in doubt: it is triggered"


def test_a_late_start_beside_the_newest_claims_doubt_is_settled_like_any_doubt() -> None:
    ledger = a_ledger(
        a_claim(RUN, service=SERVICE),
        an_absent(RUN),
        a_claim(RUN, claim="c2", service=SERVICE),
        an_unknown(RUN, "c2"),
        a_triggered(RUN, "3377-2", "c1"),
    )
    not_started = resolved(ledger, None)
    assert (not_started.state(LATER), not_started.instances) == (RunState.TRIGGERED, ("3377-2",))
    assert not not_started.started_twice
    started = resolved(ledger)
    assert (started.instances, started.started_twice) == (("3377-2", "3377-1"), True)
