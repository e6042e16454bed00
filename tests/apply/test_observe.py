"""How started instances fare: which ends are recorded, when one is gone, and what is left."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.apply.branch import Branch
from reconciler.apply.observe import Observation, is_unfinished, observe, unfinished_records
from reconciler.apply.ports import Appended, Declined, Instance, Options, Snapshot
from reconciler.apply.wait import LONGEST_LOOK_SECONDS, Backoff
from reconciler.enos.statuses import FINAL, status_name
from reconciler.errors import GitError
from reconciler.ledger import Event, Ledger, events
from reconciler.model import EpochMs, InstanceId, Run
from tests.apply.service import (
    ENVIRONMENT,
    SERVICE,
    SETTLE_SECONDS,
    FakeService,
    a_look,
    with_gateway,
)
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
    an_adopted,
    an_instance,
    an_observed,
    an_unknown,
    declared,
    runs_apart,
)

SECOND, MINUTE = 1_000, 60_000
RUN = a_run()
RUNS = runs_apart(3)
STATUSES = tuple(range(-1, 11))
SUCCESS, RUNNING, FAIL, CANCEL = 1, 2, -1, 8


def started(*runs: Run) -> Ledger:
    """Each run was started as an instance of its own: `i0` and on."""
    return a_ledger(
        a_claim(*runs, service=SERVICE),
        *(a_triggered(run, f"i{number}") for number, run in enumerate(runs)),
    )


def listed(*statuses: int, runs: Sequence[Run] = RUNS, **more: Any) -> list[Instance]:
    return [
        an_instance(run, f"i{number}", status=status, **more)
        for number, (run, status) in enumerate(zip(runs, statuses, strict=False))
    ]


def observed(service: FakeService, ledger: Ledger, *runs: Run, **more: Any) -> Observation:
    look = a_look(service, ledger, *runs, **more)
    return asyncio.run(observe(list(ledger.records.values()), look))


def ends(observation: Observation) -> list[tuple[str, int | str]]:
    return [(one.run, one.status) for one in observation.ended]


# Which runs are asked for


def test_the_newest_that_are_due_and_have_no_end_are_asked_for_first() -> None:
    runs = runs_apart(4)
    ledger = a_ledger(
        a_claim(*runs),
        *(a_triggered(run, f"i-{run.id}") for run in runs[:3]),
        an_observed(runs[0], 1),
    )
    due = unfinished_records(ledger, runs[3].trigger_time)
    assert [record.run for record in due] == ["run-2", "run-1"]
    assert [record.run for record in unfinished_records(ledger, runs[1].trigger_time)] == ["run-1"]


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_end_ends_the_asking(status: int) -> None:
    ledger = a_ledger(a_claim(RUN), a_triggered(RUN), an_observed(RUN, status))
    assert is_unfinished(ledger.records[RUN.id]) is (status_name(status) not in FINAL)


def test_a_late_start_under_an_older_claim_is_not_observed_while_the_newest_is_in_doubt() -> None:
    late = a_ledger(a_claim(RUN), a_triggered(RUN, claim="c0"))
    assert not is_unfinished(late.records[RUN.id])


def test_nobody_is_asked_about_nothing() -> None:
    service = FakeService()
    assert observed(service, a_ledger()) == Observation(ended=[], statuses={})
    assert service.asked == []


# One look


def test_ends_are_recorded_and_everything_else_is_shown() -> None:
    service = FakeService(listed(SUCCESS, RUNNING, FAIL))
    observation = observed(service, started(*RUNS), *RUNS)
    assert ends(observation) == [("run-0", 1), ("run-2", -1)]
    assert [one.claim for one in observation.ended] == ["c1", "c1"]
    assert observation.statuses == {"run-0": "SUCCESS", "run-1": "RUNNING", "run-2": "FAIL"}
    assert (observation.failure, observation.untold) == (None, {})
    assert [(one.id, one.trigger_time) for one in service.sought] == [
        (f"i{minute}", after(EIGHT, minute * MINUTE)) for minute in range(3)
    ]


def test_an_end_that_is_recorded_is_no_news_and_another_one_is() -> None:
    ledger = started(*RUNS[:2])
    ledger = ledger.with_events([an_observed(run, FAIL) for run in RUNS[:2]])
    service = FakeService(listed(FAIL, SUCCESS))
    assert ends(observed(service, ledger, *RUNS)) == [("run-1", SUCCESS)]


def test_an_end_that_get_alone_shows_is_recorded_only_after_a_whole_search() -> None:
    ledger, (mine,) = started(RUN), listed(FAIL, runs=[RUN])
    service = FakeService([mine])
    assert ends(observed(service, ledger, RUN)) == [(RUN.id, FAIL)]
    assert service.asked == ["look up", "search 3377"]
    broken = FakeService([mine], broken={3377})
    observation = observed(broken, ledger, RUN)
    assert (ends(observation), observation.statuses) == ([], {})
    assert observation.failure == "HTTP 502"


@pytest.mark.parametrize(("status", "whole"), [(FAIL, True), (RUNNING, False)])
def test_what_was_wholly_seen_or_still_runs_needs_no_search(status: int, *, whole: bool) -> None:
    service = FakeService(listed(status, runs=[RUN]))
    if whole:
        service.whole = frozenset({InstanceId("i0")})
    observation = observed(service, started(RUN), RUN)
    assert observation.statuses == {RUN.id: status_name(status)}
    assert service.asked == ["look up"]


def test_a_search_that_shows_another_under_the_id_keeps_an_end_from_being_recorded() -> None:
    """By its id alone the service shows one of the two."""
    (mine,) = listed(RUNNING, runs=[RUN])
    hers = replace(mine, status=FAIL)
    service = FakeService([mine, hers], quick={mine.id: (hers,)})
    observation = observed(service, started(RUN), RUN)
    assert (ends(observation), observation.statuses, observation.untold) == ([], {}, {})
    assert observation.failure is not None
    assert observation.failure.startswith("how wind fares cannot be told: several instances have")


def test_what_can_never_be_told_is_said_so_that_nobody_waits_for_it() -> None:
    (hers,) = listed(FAIL, runs=[RUN], created=after(NOW, 10 * MINUTE))
    observation = observed(FakeService([hers]), started(RUN), RUN)
    assert ends(observation) == []
    assert list(observation.untold) == [RUN.id]
    running = replace(hers, status=RUNNING)
    assert observed(FakeService([running]), started(RUN), RUN).untold == {}


def test_one_search_is_made_for_all_runs_of_a_minute() -> None:
    twin = a_run("twin", parameters=(), trigger_time=after(EIGHT, 45 * SECOND))
    rows = [
        an_instance(run, f"i{number}", status=SUCCESS) for number, run in enumerate((RUN, twin))
    ]
    service = FakeService(rows)
    assert len(ends(observed(service, started(RUN, twin), RUN, twin))) == 2
    assert service.asked == ["look up", "search 3377"]


# Shared ids


def test_two_attempts_that_share_an_id_each_have_the_end_of_their_own_row() -> None:
    again = RUN.but(attempt=2)
    claim = a_claim(again, claim="c2", at=after(NOW, 10 * MINUTE), service=SERVICE)
    ledger = a_ledger(
        a_claim(RUN, service=SERVICE),
        a_triggered(RUN),
        an_observed(RUN, FAIL),
        claim,
        a_triggered(again, "3377-1", "c2", at=claim.at),
    )
    first = an_instance(RUN, status=FAIL)
    second = an_instance(RUN, status=SUCCESS, created=after(NOW, 10 * MINUTE))
    both = FakeService([first, second], quick={first.id: (first,)}, whole=frozenset({first.id}))
    observation = observed(both, ledger, RUN)
    assert ends(observation) == [(again.id, SUCCESS)]
    assert observation.statuses == {RUN.id: "FAIL", again.id: "SUCCESS"}
    assert "search 3377" in both.asked  # for the id is known to be shared
    old_only = observed(FakeService([first]), ledger, RUN)
    assert old_only.statuses == {RUN.id: "FAIL"}


def test_runs_of_several_flows_with_one_id_each_have_the_end_that_their_own_search_shows() -> None:
    runs = [a_run(name, flow_id=number) for number, name in enumerate("abc", start=1)]
    ledger = a_ledger(a_claim(*runs, service=SERVICE), *(a_triggered(run, "same") for run in runs))
    service = FakeService(
        [an_instance(runs[0], "same", status=FAIL), an_instance(runs[1], "same", status=SUCCESS)],
        quick={InstanceId("same"): ()},
    )
    observation = observed(service, ledger, *runs, now=after(NOW, SECOND))
    assert observation.statuses == {"a": "FAIL", "b": "SUCCESS"}


def test_no_end_is_recorded_before_the_runs_own_instance_must_be_listed() -> None:
    """Until then, the one that is listed under its id may be somebody else's."""
    service = FakeService([an_instance(RUN, status=FAIL)])
    early = observed(service, a_ledger(a_claim(RUN), a_triggered(RUN)), RUN, now=after(NOW, SECOND))
    assert (ends(early), early.statuses) == ([], {RUN.id: "FAIL"})
    late = observed(service, a_ledger(a_claim(RUN), a_triggered(RUN)), RUN)
    assert ends(late) == [(RUN.id, FAIL)]


@pytest.mark.parametrize(("status", "recorded"), [(CANCEL, True), (SUCCESS, False), (FAIL, False)])
def test_before_its_time_a_cancelled_run_comes_to_no_other_end_than_that(
    status: int, *, recorded: bool
) -> None:
    service = FakeService([an_instance(RUN, status=status)])
    ledger = a_ledger(a_claim(RUN), a_triggered(RUN), a_cancelled())
    early = observed(service, ledger, RUN, now=after(NOW, SECOND))
    assert ends(early) == ([(RUN.id, status)] if recorded else [])
    assert ends(observed(service, ledger, RUN)) == [(RUN.id, status)]


# Gone


def missing(quick: Mapping[str, Sequence[Instance]] | None = None, **more: Any) -> FakeService:
    return FakeService(
        quick={InstanceId(id_): tuple(rows) for id_, rows in (quick or {"i0": ()}).items()}, **more
    )


def test_an_instance_is_gone_only_after_several_misses_over_its_time_and_a_whole_search() -> None:
    service = missing()
    observation = observed(service, started(RUN), RUN)
    assert ends(observation) == [(RUN.id, "NOT_FOUND")]
    assert observation.statuses == {RUN.id: "NOT_FOUND"}
    searches = 3 * ["search 3377"]  # its minute, two days around it, the time of its claim
    assert service.asked == ["look up", "get i0", "get i0", *searches]
    assert sum(service.pauses) == SETTLE_SECONDS


@pytest.mark.parametrize("shown_at", [1, 2])
def test_one_answer_that_names_nothing_proves_nothing(shown_at: int) -> None:
    (mine,) = listed(RUNNING, runs=[RUN])
    service = missing(got=lambda _, time: mine if time == shown_at else None)
    observation = observed(service, started(RUN), RUN)
    assert (ends(observation), observation.statuses) == ([], {})


def test_an_instance_that_a_search_lists_is_not_gone_though_its_id_is_not_known() -> None:
    service = missing(listed=listed(RUNNING, runs=[RUN]), got=lambda *_: None)
    assert ends(observed(service, started(RUN), RUN)) == []
    broken = missing(broken={3377})
    observation = observed(broken, started(RUN), RUN)
    assert (ends(observation), observation.failure) == ([], "HTTP 502")


@pytest.mark.parametrize(
    ("id_", "more", "gone"),
    [
        ("i0", {}, False),
        ("i9", {}, False),  # under another id than was answered, perhaps
        ("i9", {"parameters": (("REPLACE", "other"),)}, True),
    ],
)
def test_an_instance_that_is_listed_under_the_moment_when_it_was_triggered_is_not_gone(
    id_: str, more: Mapping[str, Any], *, gone: bool
) -> None:
    """As some services list a run whose time had passed days before it was started."""
    run = a_run(trigger_time=after(NOW, -72 * 3_600 * SECOND))
    own = an_instance(run, id_, trigger_time=after(NOW, SECOND), status=RUNNING, **more)
    service = missing(listed=[own], got=lambda *_: None)
    assert bool(ends(observed(service, started(run), run))) == gone


@pytest.mark.parametrize(("id_", "gone"), [("i0", False), ("i9", True)])
def test_nor_is_one_that_a_person_had_started_long_before_its_adoption(
    id_: str, *, gone: bool
) -> None:
    """Nobody knows when; whatever else was started in so long a time says nothing of it."""
    run = a_run(trigger_time=after(NOW, -72 * 3_600 * SECOND))
    own = an_instance(run, id_, trigger_time=after(NOW, -36 * 3_600 * SECOND), status=RUNNING)
    service = missing(listed=[own], got=lambda *_: None)
    assert bool(ends(observed(service, a_ledger(an_adopted(run, "i0")), run))) == gone


def test_what_was_not_learned_is_not_gone() -> None:
    service = missing(failure="HTTP 502")
    observation = observed(service, started(*RUNS[:2]), *RUNS)
    assert ends(observation) == [("run-0", "NOT_FOUND")]
    assert observation.failure == "HTTP 502"


def test_that_a_failed_instance_is_forgotten_takes_nothing_from_how_it_ended() -> None:
    ledger = started(RUN).with_events([an_observed(RUN, FAIL)])
    observation = observed(missing(), ledger, RUN)
    assert (ends(observation), observation.statuses) == ([], {RUN.id: "NOT_FOUND"})


@pytest.mark.parametrize(
    ("seconds", "gone"), [(0, False), (SETTLE_SECONDS - 0.001, False), (SETTLE_SECONDS, True)]
)
@pytest.mark.parametrize("ahead", [-3_600, 0, 3_600])
def test_an_instance_is_gone_only_once_it_must_have_shown_up(
    seconds: float, ahead: int, *, gone: bool
) -> None:
    """Some seconds after it was started, and after its time has come."""
    run = a_run(trigger_time=after(NOW, ahead * SECOND))
    now = after(max(NOW, run.trigger_time), int(seconds * SECOND))
    service = missing()
    observation = observed(service, started(run), run, now=now)
    assert [one.status for one in observation.ended] == (["NOT_FOUND"] if gone else [])
    assert gone or service.pauses == []


# Asked of the right service


def test_about_runs_of_another_service_nothing_is_asked_and_the_reason_is_said() -> None:
    for more, word in (
        ({"user_id": "u2"}, "gateway.userId is u2"),
        ({"org_id": "o2"}, "put back gateway.orgId: o1"),
        ({"url": "https://a.test"}, "put back gateway.url: http://127.0.0.1:9"),
    ):
        service = FakeService(listed(FAIL, runs=[RUN]))
        observation = observed(service, started(RUN), RUN, environment=with_gateway(**more))
        assert (ends(observation), observation.statuses) == ([], {})
        assert service.sought == []
        assert observation.failure is not None
        assert observation.failure.startswith("wind: it was claimed for another service")
        assert word in observation.failure


def test_a_service_is_the_same_however_its_address_is_written() -> None:
    service = FakeService(listed(SUCCESS, runs=[RUN]))
    for url in ("http://127.0.0.1:9/", "HTTP://127.0.0.1:9"):
        observation = observed(service, started(RUN), RUN, environment=with_gateway(url=url))
        assert len(observation.ended) == 1


def test_a_claim_that_names_no_service_is_judged_by_the_one_that_is_configured() -> None:
    ledger = a_ledger(a_claim(RUN), a_triggered(RUN, "i0"))
    service = FakeService(listed(SUCCESS, runs=[RUN]))
    assert len(observed(service, ledger, RUN, environment=with_gateway(user_id="u2")).ended) == 1


# What one look leaves to the next


def test_what_one_look_has_no_searches_for_is_said_and_is_the_first_of_the_next() -> None:
    runs = runs_apart(30)
    service = FakeService(listed(*[SUCCESS] * 30, runs=runs))
    first = observed(service, started(*runs), *runs, turn=0)
    second = observed(service, started(*runs), *runs, turn=1)
    assert [len(one.ended) for one in (first, second)] == [20, 20]
    assert {one.run for look in (first, second) for one in look.ended} == {run.id for run in runs}
    assert first.failure == "10 runs are left for the next look"
    assert service.turns == [0, 1]


def test_one_run_that_is_left_is_one() -> None:
    runs = runs_apart(21)
    found = observed(FakeService(listed(*[SUCCESS] * 21, runs=runs)), started(*runs), *runs)
    assert found.failure == "1 run is left for the next look"


def test_what_one_look_cannot_miss_often_enough_is_said_and_is_the_first_of_the_next() -> None:
    runs = runs_apart(30)
    quick = {f"i{number}": () for number in range(30)}
    looks = [observed(missing(quick), started(*runs), *runs, turn=turn) for turn in (0, 1)]
    assert {one.run for look in looks for one in look.ended} == {run.id for run in runs}
    assert looks[0].failure == "10 missing instances are left for later"


def test_several_reasons_are_counted() -> None:
    runs = [a_run(name, flow_id=number) for number, name in enumerate("abc", start=1)]
    service = FakeService(listed(*[FAIL] * 3, runs=runs), broken={1, 2, 3})
    assert observed(service, started(*runs), *runs).failure == "HTTP 502 (and 2 more)"


# What of it is still to be recorded


@dataclass
class FakeStore(Unremembering):
    """A branch that others have moved on, and that takes no push."""

    ledger: Ledger

    async def fetch(self) -> Snapshot:
        return a_snapshot(self.ledger)

    async def append(self, *_: object, **__: object) -> Appended:
        return Declined(message="a hook said no")


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
    branch = a_branch(before, before.with_events(said(recorded)), said(pending), [])
    asyncio.run(branch.refetch())
    assert branch.pending == said(left)


@pytest.mark.parametrize(
    ("seen", "stays"),
    [
        ({"reason": "what may be its instance", "searchedAt": "2024-03-02T04:00:00Z"}, False),
        ("no answer", True),
    ],
    ids=["by a search", "by the answer"],
)
def test_what_a_search_left_open_is_not_recorded_once_others_have_settled_it(
    seen: object, stays: bool
) -> None:
    before = a_ledger(a_claim(RUN), an_unknown(RUN))
    late = events.Unknown(
        v=events.VERSION, at="2024-03-02T04:00:01Z", run=RUN.id, claim=a_claim(RUN).claim, seen=seen
    )
    branch = a_branch(before, before.with_events([an_absent(RUN)]), [late], [])
    asyncio.run(branch.refetch())
    assert branch.pending == ([late] if stays else [])
    still = a_branch(
        before, before.with_events([a_claim(a_run("another"), claim="c9")]), [late], []
    )
    asyncio.run(still.refetch())
    assert still.pending == [late]


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
    patience = Backoff(StoppedClock(), Options(by="ana", wait=True), lambda: 0.5)
    pauses = [patience.pause(None, NOW) for _ in range(20_000)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_LOOK_SECONDS
    patience.look_sooner()
    assert patience.pause(None, NOW) < LONGEST_LOOK_SECONDS


def test_an_apply_works_with_the_gateway_it_has_opened_whatever_is_configured_meanwhile() -> None:
    """What one user lists says nothing of what another has started."""
    branch = a_branch(a_ledger(), a_ledger(), [], [])
    assert (branch.environment, branch.is_reconfigured) == (ENVIRONMENT, False)
    anew = replace(ENVIRONMENT, gateway=replace(ENVIRONMENT.gateway, user_id="another"))
    branch.snapshot = replace(branch.snapshot, environment=anew)
    assert (branch.environment, branch.is_reconfigured) == (ENVIRONMENT, True)
    branch.snapshot = replace(branch.snapshot, environment=replace(anew, state="elsewhere"))
    assert branch.environment == replace(ENVIRONMENT, state="elsewhere")
