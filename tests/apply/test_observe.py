"""How started instances fare: whose status it is, when one is gone, and what is recorded."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.apply.branch import Branch
from reconciler.apply.observe import (
    Observation,
    is_unfinished,
    observe,
    shared_instances,
    status_of,
    unfinished,
)
from reconciler.apply.patience import LONGEST_LOOK_SECONDS, Patience
from reconciler.apply.ports import (
    Appended,
    Declined,
    Gateway,
    Instance,
    LookedUp,
    Options,
    Snapshot,
    Sought,
)
from reconciler.configuration import Environment, GatewayConfiguration, Limits
from reconciler.errors import GitError
from reconciler.ledger import Event, Ledger, Record, events
from reconciler.ledger.statuses import FINAL, status_name
from reconciler.model import EpochMs, InstanceId, Run
from reconciler.times import parse_zone
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_ledger,
    a_resolved,
    a_run,
    a_triggered,
    after,
    an_instance,
    an_observed,
    an_unknown,
    declared,
    runs_apart,
)

SETTLE_SECONDS = 5.0
SECOND = 1_000
LATER = after(NOW, 3_600 * SECOND)
RUN = a_run()
STATUSES = tuple(range(-1, 11))


def the_record(*more: Event, run: Run = RUN) -> Record:
    """What is recorded of the run, which was claimed within the second after NOW, and started."""
    claim = a_claim(run, at=after(NOW, 900))
    return a_ledger(claim, a_triggered(run), *more).records[run.id]


def seen(status: int | None, created: int | None = 0) -> Instance:
    """An instance with a stamp of so many seconds after NOW; None: it has none."""
    stamp = None if created is None else after(NOW, created * SECOND)
    return an_instance(RUN, status=status, created=stamp, created_latest=stamp)


# Whose status


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_the_one_instance_that_is_listed_says_how_the_run_fares(
    status: int, *, shared: bool
) -> None:
    assert status_of(the_record(), [seen(status)], shared=shared) == status


def test_an_instance_that_does_not_say_when_it_was_created_counts_if_it_is_the_only_one() -> None:
    nowhere = seen(1, None)
    assert status_of(the_record(), [nowhere], shared=False) == 1
    assert status_of(the_record(), [nowhere], shared=True) is None
    assert status_of(the_record(), [nowhere, nowhere], shared=False) is None
    assert status_of(the_record(), [nowhere, seen(-1)], shared=False) == -1
    assert status_of(the_record(), [nowhere, seen(-1, -1)], shared=False) is None


def test_an_instance_that_is_older_than_the_claim_is_another_run_s() -> None:
    """It may be the only one that is listed yet."""
    for shared in (False, True):
        assert status_of(the_record(), [seen(1, -1)], shared=shared) is None
        assert status_of(the_record(), [seen(1, -1), seen(2, 1)], shared=shared) == 2


def test_a_person_s_word_counts_more_than_the_instance_s_age() -> None:
    ledger = a_ledger(a_claim(RUN), an_unknown(RUN), a_resolved(RUN, "3377-1"))
    assert status_of(ledger.records[RUN.id], [seen(1, -60)], shared=False) == 1


def test_instances_that_disagree_tell_nothing() -> None:
    assert status_of(the_record(), [seen(1, 1), seen(-1, 2)], shared=False) is None
    assert status_of(the_record(), [seen(1, 1), seen(None, 2)], shared=False) is None
    assert status_of(the_record(), [seen(1, 1), seen(1, 2)], shared=False) == 1


@given(
    st.lists(
        st.builds(
            seen,
            st.sampled_from([-1, 1, 2, None]),
            st.sampled_from([None, -60, -1, 0, 1, 60]),
        ),
        max_size=4,
    ),
    st.booleans(),
)
def test_a_status_is_that_of_every_instance_that_could_be_the_run_s(
    found: list[Instance], shared: bool
) -> None:
    told = status_of(the_record(), found, shared=shared)
    younger = [one for one in found if one.created_latest and one.created_latest >= NOW]
    unplaced = [one for one in found if one.created_latest is None]
    possible = younger if shared or len(found) > 1 else younger + unplaced
    statuses = {one.status for one in possible}
    assert told == (statuses.pop() if len(statuses) == 1 else None)


def test_an_id_of_two_runs_or_attempts_is_shared() -> None:
    first, second = a_run("one"), a_run("two", parameters=())
    again = replace(first, attempt=2)
    ledger = a_ledger(
        a_claim(first, second),
        a_triggered(first, "3377-1"),
        a_triggered(second, "3377-2"),
        an_observed(first, -1),
    )
    assert shared_instances(ledger) == frozenset()
    ledger = ledger.extended([a_claim(again, claim="c2"), a_triggered(again, "3377-1", "c2")])
    assert shared_instances(ledger) == {"3377-1"}


# Which runs are asked for


def test_the_newest_that_are_due_and_have_no_end_are_asked_for_first() -> None:
    runs = runs_apart(4)
    ledger = a_ledger(
        a_claim(*runs),
        *(a_triggered(run, f"i-{run.id}") for run in runs[:3]),
        an_observed(runs[0], 1),
    )
    due = unfinished(ledger, runs[3].trigger_time)
    assert [record.run for record in due] == ["run-2", "run-1"]
    assert [record.run for record in unfinished(ledger, runs[1].trigger_time)] == ["run-1"]


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_end_ends_the_asking(status: int) -> None:
    assert is_unfinished(the_record(an_observed(RUN, status))) is (status_name(status) not in FINAL)


# One look


@dataclass
class FakeGateway:
    """Answers one look."""

    found: Mapping[InstanceId, Sequence[Instance]]
    failure: str | None = None
    asked: list[Sought] = field(default_factory=list)
    looks: int = 0
    of_flow: Mapping[int, Sequence[Instance]] = field(default_factory=dict)  # by whole searches

    async def search(self, flow_id: int, _: EpochMs, __: EpochMs) -> Sequence[Instance]:
        return self.of_flow.get(flow_id, ())

    async def look_up(self, sought: Sequence[Sought], most_requests: int) -> LookedUp:
        assert most_requests == 300
        self.asked += sought
        self.looks += 1
        found = {id_: tuple(instances) for id_, instances in self.found.items()}
        return LookedUp(instances=found, failure=self.failure)


def look(ledger: Ledger, gateway: FakeGateway, now: EpochMs = LATER) -> Observation:
    return asyncio.run(
        observe(
            list(ledger.records.values()),
            cast("Gateway", gateway),
            ledger,
            settle_seconds=SETTLE_SECONDS,
            now=lambda: now,
        )
    )


def found(**statuses: int) -> FakeGateway:
    return FakeGateway({InstanceId(id_): [seen(one)] for id_, one in statuses.items()})


def started(*runs: Run) -> Ledger:
    return a_ledger(a_claim(*runs), *(a_triggered(run, f"i{run.id[-1]}") for run in runs))


def test_ends_are_recorded_and_everything_else_is_shown() -> None:
    gateway = found(i0=1, i1=2, i2=-1)
    observation = look(started(*runs_apart(3)), gateway)
    assert [(one.run, one.status, one.claim) for one in observation.ended] == [
        ("run-0", 1, "c1"),
        ("run-2", -1, "c1"),
    ]
    assert observation.statuses == {"run-0": "SUCCESS", "run-1": "RUNNING", "run-2": "FAIL"}
    assert [one.id for one in gateway.asked] == ["i0", "i1", "i2"]
    assert {one.trigger_time for one in gateway.asked} == {
        after(EIGHT, minute * 60_000) for minute in range(3)
    }


def test_an_end_that_is_recorded_is_no_news_and_another_one_is() -> None:
    ledger = started(*runs_apart(2))
    ledger = ledger.extended([an_observed(run, -1) for run in runs_apart(2)])
    observation = look(ledger, found(i0=-1, i1=1))
    assert [(one.run, one.status) for one in observation.ended] == [("run-1", 1)]


def test_what_was_not_learned_is_not_gone() -> None:
    observation = look(started(*runs_apart(2)), FakeGateway({InstanceId("i0"): []}, "HTTP 502"))
    assert [(one.run, one.status) for one in observation.ended] == [("run-0", "NOT_FOUND")]
    assert observation.failure == "HTTP 502"


@pytest.mark.parametrize(
    ("seconds", "gone"), [(0, False), (SETTLE_SECONDS - 0.001, False), (SETTLE_SECONDS, True)]
)
@pytest.mark.parametrize("ahead", [-3_600, 0, 3_600])
def test_an_instance_is_gone_only_once_it_must_have_shown_up(
    seconds: float, ahead: int, *, gone: bool
) -> None:
    """Some seconds after it was started, and after its time has come."""
    run = a_run(trigger_time=after(NOW, ahead * SECOND))
    since = max(NOW, run.trigger_time)
    gateway = FakeGateway({InstanceId("3377-1"): []})
    ledger = a_ledger(a_claim(run), a_triggered(run))
    observation = look(ledger, gateway, after(since, int(seconds * SECOND)))
    assert [one.status for one in observation.ended] == (["NOT_FOUND"] if gone else [])


def test_nobody_is_asked_about_nothing() -> None:
    gateway = FakeGateway({})
    assert look(a_ledger(), gateway) == Observation(ended=[], statuses={})
    assert gateway.looks == 0


# What of it is still to be recorded


@dataclass
class FakeStore:
    """A branch that others have moved on, and that takes no push."""

    ledger: Ledger

    async def fetch(self) -> Snapshot:
        return a_snapshot(self.ledger)

    async def append(self, *_: object, **__: object) -> Appended:
        return Declined(message="a hook said no")


ENVIRONMENT = Environment(
    name="prod",
    manifests="triggers",
    state="state/prod",
    gateway=GatewayConfiguration(
        url="http://127.0.0.1:9",
        org_id="o1",
        user_id="u1",
        timezone="GMT+8",
        zone=parse_zone("GMT+8"),
    ),
    limits=Limits(),
)


def a_snapshot(ledger: Ledger) -> Snapshot:
    return Snapshot(
        commit="8c6cf7a", environment=ENVIRONMENT, declared=declared(RUN), ledger=ledger
    )


def a_branch(before: Ledger, now: Ledger, pending: Sequence[Event], kept: list[Event]) -> Branch:
    def rescue(lost: Sequence[Event]) -> str:
        kept.extend(lost)
        return "a file"

    return Branch(
        store=FakeStore(now),
        snapshot=a_snapshot(before),
        progress=lambda _: None,
        jitter=lambda: 0.0,
        rescue=rescue,
        pending=list(pending),
    )


def a_cancelled(code: int = 0, message: str = "") -> events.Cancelled:
    return events.Cancelled(
        v=events.VERSION, at="2024-03-02T04:00:01Z", run=RUN.id, code=code, message=message
    )


@pytest.mark.parametrize(
    ("recorded", "pending", "left"),
    [
        ([], ["SUCCESS"], ["SUCCESS"]),
        (["SUCCESS"], ["SUCCESS"], []),
        (["FAIL"], ["FAIL"], []),
        (["FAIL"], ["SUCCESS"], ["SUCCESS"]),  # it was run again in the service
        (["SUCCESS"], ["FAIL"], []),  # seen before that
        (["cancelled", "CANCEL"], ["refused", "CANCEL"], []),
        (["cancelled"], ["refused", "CANCEL"], ["CANCEL"]),
        (["CANCEL"], ["cancelled", "CANCEL"], ["cancelled"]),
    ],
)
def test_what_others_have_recorded_meanwhile_is_not_recorded_again(
    recorded: list[str], pending: list[str], left: list[str]
) -> None:
    def said(words: list[str]) -> list[Event]:
        return [_said(word) for word in words]

    before = a_ledger(a_claim(RUN), a_triggered(RUN))
    branch = a_branch(before, before.extended(said(recorded)), said(pending), [])
    asyncio.run(branch.refetch())
    assert branch.pending == said(left)


def _said(word: str) -> Event:
    match word:
        case "cancelled":
            return a_cancelled()
        case "refused":
            return a_cancelled(62111, "it has ended")
        case _:
            return an_observed(RUN, word)


def test_ends_need_no_rescue_for_they_can_be_observed_again() -> None:
    claimed, kept = a_ledger(a_claim(RUN)), list[Event]()
    pending: list[Event] = [a_triggered(RUN), an_observed(RUN)]
    with pytest.raises(GitError) as caught:
        asyncio.run(a_branch(claimed, claimed, pending, kept).record())
    assert kept == [a_triggered(RUN)]
    assert "reconciler recover a file" in (caught.value.hint or "")


def test_where_nothing_but_ends_was_lost_nobody_is_told_to_recover_anything() -> None:
    ledger, kept = a_ledger(a_claim(RUN), a_triggered(RUN)), list[Event]()
    with pytest.raises(GitError) as caught:
        asyncio.run(a_branch(ledger, ledger, [an_observed(RUN)], kept).record())
    assert kept == []
    assert caught.value.hint == "Nothing is lost: the next apply observes them again."


# Waiting


class StoppedClock:
    def elapsed(self) -> float:
        return 0.0

    def wall(self) -> EpochMs:
        return NOW


def test_a_wait_of_days_looks_as_often_at_its_end() -> None:
    patience = Patience(StoppedClock(), Options(by="ana", wait=True), lambda: 0.5)
    pauses = [patience.pause(None, NOW) for _ in range(20_000)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_LOOK_SECONDS
    patience.something_ended()
    assert patience.pause(None, NOW) < LONGEST_LOOK_SECONDS


def test_an_instance_of_another_flow_tells_nothing() -> None:
    record = a_ledger(a_claim(RUN), a_triggered(RUN)).records[RUN.id]
    assert status_of(record, [an_instance(RUN, flow_id=999, status=1)], shared=False) is None
    assert status_of(record, [an_instance(RUN, flow_id=None, status=1)], shared=False) == 1


def test_runs_that_share_an_id_each_have_the_end_that_their_own_search_shows() -> None:
    first, second = a_run("a", flow_id=1), a_run("b", flow_id=2)
    third = a_run("c", flow_id=3)
    recorded = [a_triggered(run, "same") for run in (first, second, third)]
    gateway = FakeGateway(
        {},
        of_flow={
            1: [an_instance(first, "same", status=-1)],
            2: [an_instance(second, "same", status=1)],
        },
    )
    observation = look(a_ledger(a_claim(first, second, third), *recorded), gateway)
    assert {one.run: one.status for one in observation.ended} == {"a": -1, "b": 1}
    assert gateway.asked == []
