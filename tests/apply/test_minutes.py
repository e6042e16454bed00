"""Looking at a minute before the claim: whose, in how few searches, and how much is kept."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.apply.before import (
    MOST_SEEN,
    EarlierLook,
    MinuteLook,
    MinuteSpan,
    look_before,
    shares_a_minute,
)
from reconciler.apply.ports import Instance
from reconciler.apply.suspect import search_window
from reconciler.configuration import Limits
from reconciler.errors import GatewayError
from reconciler.ledger import Event, events
from reconciler.model import EpochMs, InstanceId, Run
from tests.apply.service import FakeService, a_look, with_gateway
from tests.building import (
    EIGHT,
    NOW,
    a_claim,
    a_ledger,
    a_run,
    a_triggered,
    after,
    an_instance,
)

MINUTE, DAY = 60_000, 86_400_000
RUN = a_run()


def shares(run: Run, *recorded: Event, **more: Any) -> bool:
    return shares_a_minute(run, a_look(FakeService(), a_ledger(*recorded), **more))


def test_a_run_that_is_the_first_of_its_kind_and_minute_is_not_looked_for() -> None:
    assert not shares(RUN)
    next_minute = a_run("other", trigger_time=after(EIGHT, MINUTE))
    assert not shares(RUN, a_claim(next_minute), a_triggered(next_minute))
    assert not shares(RUN, a_claim(next_minute))


@pytest.mark.parametrize("more", [{"attempt": 2}, {"revision": 2}, {"duplicate_of": "old"}])
def test_an_attempt_a_revision_or_a_duplicate_shares_a_minute(more: dict[str, Any]) -> None:
    assert shares(RUN.but(**more))


def test_so_does_a_run_beside_another_one() -> None:
    assert shares(RUN, environment=with_gateway(same_minute_allowed=True))
    other = a_run("other", trigger_time=after(EIGHT, 59_000))
    assert shares(RUN, a_claim(other), a_triggered(other))
    assert shares(RUN, a_claim(other))  # it may have been started, or be about to be


def looked(service: FakeService, *runs: Run) -> EarlierLook | None:
    look = a_look(service, a_ledger())
    return asyncio.run(look_before(runs, look, lambda: after(NOW, 7), {}))


def test_everything_that_stands_in_the_minutes_is_kept_once_with_its_stamp() -> None:
    rows = [
        an_instance(RUN, "a"),
        an_instance(RUN, "a", status=4),
        an_instance(RUN, "b", created=None),
        an_instance(RUN, "far", trigger_time=after(EIGHT, 10 * MINUTE)),
        an_instance(RUN, "c", flow_id=12),
    ]
    other = a_run("other", flow_id=12)
    assert looked(FakeService(rows), RUN, other) == EarlierLook(
        seen=(
            events.Seen(id=InstanceId("a"), created=NOW),
            events.Seen(id=InstanceId("b")),
            events.Seen(id=InstanceId("c"), created=NOW),
        ),
        at=after(NOW, 7),
    )


@pytest.mark.parametrize(
    ("started", "time", "pauses"),
    [
        (-1, -60, 4),  # it was started a moment ago
        (-60, -1, 4),  # its time has come a moment ago: until then it need not have been listed
        (-1, 60, 4),
        (-60, 60, 0),  # it may not be listed before its time, and that may be days away
        (-60, -60, 0),  # it must be listed by now
    ],
)
def test_what_must_be_listed_soon_is_waited_for(started: int, time: int, pauses: int) -> None:
    """The times are in seconds from the look."""
    run = a_run(trigger_time=after(EIGHT, 1_000 * time))
    before = a_run("before", trigger_time=run.trigger_time)
    made = a_claim(before, at=after(EIGHT, 1_000 * started)).at
    service, now = FakeService(), [EIGHT]
    ledger = a_ledger(a_claim(before), a_triggered(before, at=made))

    async def pause(seconds: float) -> None:
        service.pauses.append(seconds)
        now[0] = after(now[0], int(1_000 * seconds))

    look = replace(a_look(service, ledger), now=lambda: now[0], pause=pause)
    assert asyncio.run(look_before([run], look, lambda: now[0], {})) is not None
    assert len(service.pauses) == pauses


def test_a_search_that_takes_long_tells_what_stood_there_when_it_began() -> None:
    before = a_run("before")
    made = a_claim(before, at=EIGHT).at
    now = [after(EIGHT, 1_000)]

    class Slow(FakeService):
        async def search(
            self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
        ) -> tuple[Instance, ...]:
            found = await super().search(flow_id, from_time, to_time)
            now[0] = after(now[0], 60_000)
            return found

    service = Slow()

    async def pause(_: float) -> None:
        service.listed = [an_instance(before, "3377-1")]

    ledger = a_ledger(a_claim(before), a_triggered(before, at=made))
    look = replace(a_look(service, ledger), now=lambda: now[0], pause=pause)
    found = asyncio.run(look_before([a_run()], look, lambda: now[0], {}))
    assert found is not None
    assert [one.id for one in found.seen] == ["3377-1"]


def test_more_than_a_claim_can_hold_is_not_kept_at_all() -> None:
    rows = [an_instance(RUN, f"{number}") for number in range(MOST_SEEN + 1)]
    assert looked(FakeService(rows), RUN) is None
    kept = looked(FakeService(rows[:-1]), RUN)
    assert kept is not None
    assert len(kept.seen) == MOST_SEEN


class Searching(FakeService):
    """Remembers the windows that were searched."""

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        self.asked.append(f"{flow_id} {from_time} {to_time}")
        return ()


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 5 * DAY)), min_size=1, max_size=8))
def test_every_minute_is_searched_wholly_in_windows_that_are_far_apart(
    times: list[tuple[int, int]],
) -> None:
    runs = [
        a_run(f"run-{number}", flow_id=flow, trigger_time=after(EIGHT, offset))
        for number, (flow, offset) in enumerate(times)
    ]
    service = Searching()
    assert looked(service, *runs) is not None
    windows = [tuple(map(int, one.split())) for one in service.asked]
    for run in runs:
        start, end = search_window(run.trigger_time)
        assert any(
            flow == run.flow_id and first <= start and end <= last for flow, first, last in windows
        )
    for flow in (1, 2):
        mine = sorted((first, last) for one, first, last in windows if one == flow)
        assert all(later - last > DAY for (_, last), (later, _) in pairwise(mine))


# Side by side, and what an earlier look of the same apply has shown


def test_minutes_are_searched_side_by_side_but_no_more_than_a_gateway_can_bear() -> None:
    busy = [0, 0]  # now, at most

    class Counting(FakeService):
        async def search(
            self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
        ) -> tuple[Instance, ...]:
            busy[0] += 1
            busy[1] = max(busy)
            found = await super().search(flow_id, from_time, to_time)
            busy[0] -= 1
            return found

    runs = [a_run(f"run-{flow}", flow_id=flow) for flow in range(1, 20)]
    assert looked(Counting(), *runs) is not None
    assert busy[1] == Limits().concurrency


OTHER = a_run("other")
NEXT_MINUTE = a_run("next", trigger_time=after(EIGHT, MINUTE))
FAR = a_run("far", trigger_time=after(EIGHT, 5 * MINUTE))


@pytest.mark.parametrize(
    ("seconds", "recorded", "searches"),
    [
        (1, [], 0),
        (60, [], 0),
        (1, [a_claim(FAR), a_triggered(FAR)], 0),
        (61, [], 1),  # strangers may have started something
        (-61, [], 1),  # the gateway's clock was set back
        (1, [a_claim(OTHER)], 1),  # what it starts must be told from the run's own
        (1, [a_claim(NEXT_MINUTE)], 1),
        (1, [a_claim(RUN)], 1),
    ],
)
def test_what_was_seen_counts_for_the_next_claim_while_only_the_branch_has_moved(
    seconds: int, recorded: list[Event], searches: int
) -> None:
    """The second look of one apply is so many seconds later, and finds that in the ledger."""
    service, stood = FakeService([an_instance(RUN, "a")]), dict[MinuteSpan, MinuteLook]()
    clock = [NOW]
    for ledger in (a_ledger(), a_ledger(*recorded)):
        look = replace(a_look(service, ledger), now=lambda: clock[0])
        service.asked.clear()
        found = asyncio.run(look_before([RUN], look, lambda: clock[0], stood))
        assert found is not None
        assert [one.id for one in found.seen] == ["a"]
        assert found.at == (clock[0] if service.asked else NOW)
        clock[0] = after(NOW, 1_000 * seconds)
    assert len(service.asked) == searches


def test_it_does_not_once_the_ledger_has_another_start() -> None:
    """Somebody has adopted one, or a start was recorded late."""
    service, stood = FakeService(), dict[MinuteSpan, MinuteLook]()
    claimed = [a_claim(OTHER, at=EIGHT)]
    for recorded in (claimed, [*claimed, a_triggered(OTHER, "o", at=a_claim(at=EIGHT).at)]):
        look = a_look(service, a_ledger(*recorded))
        service.listed = [an_instance(OTHER, "o")] if len(recorded) == 2 else []
        found = asyncio.run(look_before([RUN], look, lambda: NOW, stood))
    assert found is not None
    assert [one.id for one in found.seen] == ["o"]


def test_it_does_not_once_the_trigger_time_has_come() -> None:
    """What waited for it need not have been listed before."""
    run = a_run(trigger_time=after(NOW, 500))
    service, stood = FakeService(), dict[MinuteSpan, MinuteLook]()
    for now in (NOW, after(NOW, 499), after(NOW, 500), after(NOW, 600)):
        look = a_look(service, a_ledger(), now=now)
        assert asyncio.run(look_before([run], look, look.now, stood)) is not None
    assert len(service.asked) == 2


def test_after_a_search_that_failed_only_what_was_not_searched_is_searched() -> None:
    runs = [RUN, a_run("other", flow_id=12)]
    service, stood = (
        FakeService([an_instance(RUN, "a")], broken={12}),
        dict[MinuteSpan, MinuteLook](),
    )
    look = a_look(service, a_ledger())
    with pytest.raises(GatewayError, match="502"):
        asyncio.run(look_before(runs, look, lambda: NOW, stood))
    service.broken.clear()
    service.asked.clear()
    found = asyncio.run(look_before(runs, look, lambda: NOW, stood))
    assert found is not None
    assert [one.id for one in found.seen] == ["a"]
    assert service.asked == ["search 12"]
