"""Settling runs in doubt: when a search proves absence, and whom it asks."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.apply.doubt import Doubt, settle
from reconciler.apply.evidence import BY_AGREEMENT, BY_NONCE
from reconciler.apply.ports import Instance
from reconciler.apply.start import StartOutcome
from reconciler.apply.suspect import correlation_value
from reconciler.ledger import Event, Ledger, events
from reconciler.model import EpochMs, Nonce, Run
from reconciler.plan import Action
from reconciler.times import format_instant
from tests.apply.service import LATER, SERVICE, SETTLE_SECONDS, FakeService, a_look, with_gateway
from tests.building import (
    CLAIM_MS,
    EIGHT,
    NOW,
    a_claim,
    a_ledger,
    a_planned,
    a_run,
    a_triggered,
    after,
    an_instance,
    an_unknown,
)

SECOND = 1_000
SETTLE_MS = int(SETTLE_SECONDS * SECOND)
NAME = "RECONCILER_RUN"
RUN = a_run()
MINE = an_instance(RUN)


def in_doubt(*runs: Run, **more: Any) -> list[Event]:
    claim = a_claim(*runs, **({"service": SERVICE} | more))
    return [claim, *(an_unknown(run) for run in runs)]


def settled(
    service: FakeService, *runs: Run, ledger: Ledger | None = None, **more: Any
) -> list[StartOutcome | Doubt]:
    runs = runs or (RUN,)
    ledger = ledger or a_ledger(*in_doubt(*runs))
    doubts = [
        a_planned(run, Action.RESOLVE, "in doubt", record=ledger.records[run.id]) for run in runs
    ]
    return asyncio.run(settle(doubts, a_look(service, ledger, *runs, **more)))


def doubt(service: FakeService, *runs: Run, **more: Any) -> Doubt:
    (found,) = settled(service, *runs, **more)
    assert isinstance(found, Doubt)
    return found


def test_an_instance_that_alone_is_possible_and_agrees_is_recorded_as_inferred() -> None:
    (found,) = settled(FakeService([MINE]))
    assert isinstance(found, events.Triggered)
    assert (found.flow_instance_id, found.claim, found.inferred) == ("3377-1", "c1", True)
    assert found.evidence["recognisedBy"] == BY_AGREEMENT


def signed(run: Run, instance: str = "3377-1") -> Instance:
    pair = (NAME, correlation_value(run.id, Nonce("c1")))
    return an_instance(run, instance, parameters=(*run.parameters, pair))


def test_an_instance_that_carries_the_nonce_is_recorded_as_certain() -> None:
    ledger = a_ledger(*in_doubt(RUN, correlation=NAME))
    (found,) = settled(FakeService([signed(RUN)]), ledger=ledger)
    assert isinstance(found, events.Triggered)
    assert (found.inferred, found.evidence["recognisedBy"]) == (False, BY_NONCE)


@pytest.mark.parametrize(
    ("passed", "absent"),
    [(0, False), (CLAIM_MS + SETTLE_MS - 1, False), (CLAIM_MS + SETTLE_MS, True)],
)
def test_absence_is_certain_once_a_started_instance_would_have_shown_up(
    passed: int, *, absent: bool
) -> None:
    (found,) = settled(FakeService(), now=after(NOW, passed))
    if absent:
        assert isinstance(found, events.Absent)
        assert found.claim == "c1"
    else:
        assert isinstance(found, Doubt)
        assert found.decided_at == after(NOW, CLAIM_MS + SETTLE_MS)


def test_an_instance_that_waits_for_its_time_need_not_be_listed() -> None:
    waits = a_run(trigger_time=after(NOW, 10 * CLAIM_MS))
    found = doubt(FakeService(), waits, now=after(NOW, 5 * CLAIM_MS))
    assert "its trigger time still lies ahead" in found.reason
    assert found.decided_at == after(waits.trigger_time, SETTLE_MS)


def test_a_claim_of_a_clock_that_was_set_back_is_over_when_it_has_lapsed() -> None:
    """And since its own stamp is of that clock, no instance is too old for it."""
    ahead = a_ledger(*in_doubt(RUN, at=after(NOW, 3_600 * SECOND)))
    assert isinstance(doubt(FakeService(), ledger=ahead, now=after(NOW, CLAIM_MS)), Doubt)
    lapsed = {Nonce("c1"): after(NOW, CLAIM_MS)}
    now = after(NOW, CLAIM_MS + SETTLE_MS)
    (found,) = settled(FakeService(), ledger=ahead, lapsed=lapsed, now=now)
    assert isinstance(found, events.Absent)
    old = doubt(FakeService([MINE]), ledger=ahead, lapsed=lapsed, now=now)
    assert old.reason.startswith("what may be its instance cannot be recognised")


def test_a_search_that_was_not_whole_settles_nothing() -> None:
    service = FakeService(broken={3377})
    assert (doubt(service).reason, doubt(service).decided_at) == ("HTTP 502", None)
    early = doubt(service, now=NOW)
    assert early.decided_at == after(NOW, CLAIM_MS + SETTLE_MS)


def test_another_service_is_not_asked() -> None:
    service = FakeService()
    found = doubt(service, environment=with_gateway(user_id="u2"))
    assert found.reason.endswith("put back gateway.userId: u1")
    assert (found.decided_at, service.asked) == (None, [])


def test_two_runs_in_doubt_are_not_given_one_instance() -> None:
    twin = a_run("twin")
    both = settled(FakeService([MINE]), RUN, twin)
    assert all(isinstance(one, Doubt) and one.decided_at is None for one in both)


def test_two_runs_whose_nonces_stand_in_two_rows_of_one_id_are_both_found() -> None:
    twin = a_run("twin", parameters=())
    ledger = a_ledger(*in_doubt(RUN, twin, correlation=NAME))
    both = settled(FakeService([signed(RUN), signed(twin)]), RUN, twin, ledger=ledger)
    assert [isinstance(one, events.Triggered) and one.inferred for one in both] == [False, False]
    assert all(isinstance(one, events.Triggered) for one in both)


# How to recognise an instance of a claim


def suspected(*recorded: Event, **more: Any) -> Any:
    ledger = a_ledger(*recorded)
    look = a_look(FakeService(), ledger, RUN, **more)
    return look.suspect(ledger.records[RUN.id], Nonce("c1"))


def test_the_parameter_that_carried_the_nonce_is_the_claims_own() -> None:
    other = with_gateway(correlation_parameter="OTHER")
    assert suspected(*in_doubt(RUN, correlation=NAME), environment=other).correlation == NAME
    assert suspected(*in_doubt(RUN), environment=other).correlation is None
    older = in_doubt(RUN, service=None)  # of before claims named it
    assert suspected(*older, environment=other).correlation == "OTHER"


def test_what_is_known_of_a_claim_makes_its_suspect() -> None:
    suspect = suspected(*in_doubt(RUN), environment=with_gateway(stamp_slack=60))
    assert (suspect.claimed_at, suspect.slack) == (NOW, 60_000)
    assert suspect.parameters == RUN.parameters
    lapsed = suspected(*in_doubt(RUN), lapsed={Nonce("c1"): EpochMs(LATER)})
    assert lapsed.claimed_at is None
    changed = a_ledger(*in_doubt(a_run(parameters=())))
    look = a_look(FakeService(), changed, RUN)
    (record,) = changed.records.values()
    found = look.suspect(record, Nonce("c1"))
    assert found is not None
    assert found.parameters is None


LEFT = after(NOW, CLAIM_MS + 3_600 * SECOND)  # an hour after its claim had ended
LATE = a_ledger(
    a_claim(RUN, service=SERVICE),
    replace(an_unknown(RUN, late=True), at=format_instant(LEFT)),
)


@pytest.mark.parametrize(("passed", "absent"), [(SETTLE_MS - 1, False), (SETTLE_MS, True)])
def test_a_late_start_is_looked_for_until_it_must_be_listed_and_its_absence_says_so(
    passed: int, *, absent: bool
) -> None:
    (found,) = settled(FakeService(), ledger=LATE, now=after(LEFT, passed))
    assert isinstance(found, events.Absent if absent else Doubt)
    if isinstance(found, events.Absent):
        assert found.evidence["lateUntil"] == format_instant(LEFT)
        assert LATE.with_events([found]).records[RUN.id].overdue == ()


def test_parameters_that_a_digest_does_not_prove_are_no_evidence() -> None:
    """A false cache could have an instance of the run's own pass for somebody else's."""
    false = RUN.but(parameters=(("REPLACE", "what nobody sent"),))
    ledger = a_ledger(*in_doubt(RUN))
    (record,) = ledger.records.values()
    found = a_look(FakeService(), ledger, false).suspect(record, Nonce("c1"))
    assert found is not None
    assert found.parameters is None


@pytest.mark.parametrize(("before", "gap"), [(1_000, 1_000), (999, 999), (-1, 0)])
def test_a_suspect_knows_what_stood_there_and_how_long_before_the_claim_that_was(
    before: int, gap: int
) -> None:
    seen = events.Seen(id=MINE.id, created=NOW)
    looked = a_claim(at=after(NOW, -before)).at
    suspect = suspected(*in_doubt(RUN, before=(seen,), looked_at=looked))
    assert (suspect.before, suspect.gap) == ({seen}, gap)
    assert suspected(*in_doubt(RUN, before=(seen,))).gap == 0


# A run whose time had passed is triggered at once: it may be listed under that moment


def at_once(run: Run = RUN, instance: str = "3377-5", **more: Any) -> Instance:
    """The run's instance, on a service that files it under the moment of its triggering."""
    began = after(NOW, SECOND)
    return an_instance(run, instance, trigger_time=began, created=began, **more)


def test_what_was_triggered_at_once_is_found_under_that_moment_by_its_nonce() -> None:
    ledger = a_ledger(*in_doubt(RUN, correlation=NAME))
    pair = (NAME, correlation_value(RUN.id, Nonce("c1")))
    shown = at_once(parameters=(*RUN.parameters, pair))
    (found,) = settled(FakeService([shown]), ledger=ledger)
    assert isinstance(found, events.Triggered)
    assert (found.flow_instance_id, found.evidence["recognisedBy"]) == ("3377-5", BY_NONCE)
    assert found.evidence["found"] == []
    assert [row["id"] for row in found.evidence["alsoSearched"]["found"]] == ["3377-5"]


def test_what_may_have_been_triggered_at_once_leaves_the_run_in_doubt() -> None:
    for shown in (at_once(), at_once(parameters=None)):
        assert "perhaps its own all the same: 3377-5" in doubt(FakeService([shown])).reason


def test_what_shows_a_default_where_the_nonce_was_sent_may_be_the_runs() -> None:
    """A service may drop what the flow does not declare, and fill in what it has for the name."""
    ledger = a_ledger(*in_doubt(RUN, correlation=NAME))
    shown = at_once(parameters=(*RUN.parameters, (NAME, "none")))
    assert "3377-5" in doubt(FakeService([shown]), ledger=ledger).reason


def test_a_start_that_left_after_its_claim_is_looked_for_until_it_left() -> None:
    shown = replace(at_once(), trigger_time=LEFT, created=LEFT, created_latest=LEFT)
    now = after(LEFT, 3_600 * SECOND)
    assert "3377-5" in doubt(FakeService([shown]), ledger=LATE, now=now).reason
    (found,) = settled(FakeService([shown]), now=now)
    assert isinstance(found, events.Absent)


def test_what_cannot_be_the_runs_does_not_keep_it_in_doubt() -> None:
    other = a_run(name="solar", trigger_time=after(RUN.trigger_time, 60 * SECOND))
    its_id = "3377-20240302080100"  # spells out its own minute
    claim = a_claim(other, claim="c2", service=SERVICE)
    recorded = a_ledger(*in_doubt(RUN), claim, a_triggered(other, its_id, "c2"))
    old = replace(at_once(), created=EIGHT, created_latest=EIGHT)
    for shown, ledger in (
        (at_once(parameters=(("REPLACE", "somebody's"),)), None),
        (at_once(flow_id=9), None),
        (old, None),
        (at_once(instance=its_id), recorded),
    ):
        (found,) = settled(FakeService([shown]), ledger=ledger)
        assert isinstance(found, events.Absent)
    twice = FakeService([at_once(instance=its_id), at_once(instance=its_id)])
    assert isinstance(doubt(twice, ledger=recorded), Doubt)  # one of them is not recorded


def test_an_id_that_both_runs_may_have_proves_nothing() -> None:
    other = a_run(name="solar", trigger_time=after(RUN.trigger_time, 60 * SECOND))
    claim = a_claim(other, claim="c2", service=SERVICE)
    recorded = a_ledger(*in_doubt(RUN), claim, a_triggered(other, "3377-20240302", "c2"))
    shown = at_once(instance="3377-20240302")
    assert isinstance(doubt(FakeService([shown]), ledger=recorded), Doubt)


def test_no_absence_is_concluded_unless_both_searches_were_whole() -> None:
    class HalfBroken(FakeService):
        async def search(self, *asked: Any) -> tuple[Instance, ...]:
            if len(self.asked) == 1:
                self.broken = {3377}
            return await super().search(*asked)

    assert doubt(HalfBroken()).reason == "HTTP 502"


def test_a_run_that_waited_for_its_time_is_looked_for_in_its_minute_only() -> None:
    waits = a_run(trigger_time=after(NOW, CLAIM_MS))
    service = FakeService()
    (found,) = settled(service, waits, now=after(NOW, 3 * CLAIM_MS))
    assert isinstance(found, events.Absent)
    assert service.asked == ["search 3377"]
