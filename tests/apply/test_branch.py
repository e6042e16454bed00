"""What an apply still records of what others have recorded meanwhile."""

import asyncio

import msgspec
import pytest

from reconciler.apply import branch
from reconciler.apply.branch import Branch, Claiming
from reconciler.apply.pending import is_known
from reconciler.apply.ports import Landed, Raced, Snapshot, Step
from reconciler.configuration import parse_configuration
from reconciler.errors import GitError
from reconciler.ledger import Event, Ledger
from reconciler.model import Run, Source
from reconciler.render.apply_outcomes import plain_step
from tests.acceptance.scene import configuration
from tests.building import (
    EIGHT,
    Unremembering,
    a_claim,
    a_ledger,
    a_run,
    a_triggered,
    after,
    an_absent,
    an_observed,
    an_unknown,
    declared,
)

RUN = a_run()
_FILE = Source(path="reconciler.yaml", content=configuration("http://127.0.0.1:9").encode())
ENVIRONMENT = parse_configuration(_FILE).environments["test"]
INFERRED = msgspec.structs.replace(a_triggered(RUN, "3377-1", "c1"), inferred=True)


@pytest.mark.parametrize(
    ("since", "is_dropped"),
    [
        ([], False),
        ([an_absent(RUN, "c1")], True),  # whatever followed may have its instance
        ([an_absent(RUN, "c1"), a_claim(RUN, claim="c2")], True),
        ([a_triggered(RUN, "3377-1", "c1")], True),  # the answer, which came after all
    ],
)
def test_what_was_inferred_is_dropped_once_the_run_was_settled_otherwise(
    since: list[Event], *, is_dropped: bool
) -> None:
    ledger = a_ledger(a_claim(RUN), *since)
    assert is_known(INFERRED, ledger) is is_dropped
    answered = msgspec.structs.replace(INFERRED, inferred=False)
    assert not is_known(answered, ledger)  # a start counts however late it becomes known


def test_an_end_is_recorded_once() -> None:
    ledger = a_ledger(a_claim(RUN), a_triggered(RUN, "3377-1", "c1"))
    assert not is_known(an_observed(RUN), ledger)
    assert is_known(an_observed(RUN), ledger.with_events([an_observed(RUN)]))


class _BusyStore(Unremembering):
    """A store whose branch others move before each of our pushes, but for the last one."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.commits = 0

    async def fetch(self) -> Snapshot:
        self.commits += 1
        return Snapshot(
            commit=str(self.commits),
            environment=ENVIRONMENT,
            declared=declared(RUN),
            ledger=a_ledger(),
        )

    async def append(self, snapshot: Snapshot, *_: object) -> Landed | Raced:
        self.left -= 1
        return Raced() if self.left >= 0 else Landed(snapshot=snapshot)


def _told_while(times: int) -> list[str]:
    async def claim() -> list[str]:
        told: list[Step] = []
        store = _BusyStore(times)
        one = Branch(
            store=store,
            snapshot=await store.fetch(),
            progress=told.append,
            jitter=lambda: 0,
            rescue=lambda _: "",
            pending=[],
        )
        while await one.claim(a_claim(RUN)) is not Claiming.OURS:
            pass
        assert one.moved == 0
        return [plain_step(step) or "" for step in told]

    return asyncio.run(claim())


@pytest.mark.parametrize(
    ("times", "expected"), [(0, []), (1, []), (2, [2]), (40, [2, 4, 8, 16, 32])]
)
def test_a_branch_that_keeps_moving_is_told_less_and_less_often(
    times: int, expected: list[int]
) -> None:
    assert _told_while(times) == [
        f"the branch is busy: others were faster {number} times in a row; it is read again and the "
        "push repeated"
        for number in expected
    ]


LATER_THAT_DAY = a_run("later", flow_id=12, trigger_time=after(EIGHT, 3_600_000))
FAR = a_run("far", trigger_time=after(EIGHT, 3 * 86_400_000))


class _MovedStore(_BusyStore):
    """A store on whose branch others have claimed something since the snapshot."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(0)
        self.ledger = ledger

    async def fetch(self) -> Snapshot:
        return msgspec.structs.replace(await super().fetch(), ledger=self.ledger)


@pytest.mark.parametrize(
    ("evidence", "since", "is_kept"),
    [
        ({"searchedAt": "2024-03-02T00:01:00.000Z"}, LATER_THAT_DAY, False),
        ({"searchedAt": "2024-03-02T00:01:00.000Z"}, FAR, True),
        ({"searchedAt": "2024-03-02T00:01:00.000Z"}, None, True),
        ({"searchedAt": "2024-03-02T00:01:00.000Z"}, "late", False),
        ("not sent", LATER_THAT_DAY, True),  # that is certain, whatever others do
    ],
)
def test_an_absence_counts_only_if_nothing_of_others_may_have_hidden_the_instance(
    evidence: object, since: Run | str | None, *, is_kept: bool
) -> None:
    """Where ids are those of a day, a newer instance of the id may be listed in its place.

    And what was started too late may have left after the search.
    """
    before = a_ledger(a_claim(RUN))
    store = _MovedStore(before)
    absent = msgspec.structs.replace(an_absent(RUN, "c1"), evidence=evidence)

    async def pending() -> list[Event]:
        opened = Branch(
            store=store,
            snapshot=await store.fetch(),
            progress=lambda _: None,
            jitter=lambda: 0.0,
            rescue=lambda _: "",
            pending=[absent],
        )
        claimed = [a_claim(since, claim="c2")] if isinstance(since, Run) else []
        late = [an_unknown(RUN, "c1", late=True)] if since == "late" else []
        store.ledger = before.with_events([*claimed, *late])
        await opened.refetch()
        return opened.pending

    assert asyncio.run(pending()) == ([absent] if is_kept else [])


@pytest.mark.parametrize("late", [True, False])
def test_a_rescue_says_what_the_claim_does_not_keep_from_being_started_again(
    monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    monkeypatch.setattr(branch, "RECORD_ATTEMPTS", 0)
    store = _MovedStore(a_ledger(a_claim(RUN)))

    async def record() -> None:
        opened = Branch(
            store=store,
            snapshot=await store.fetch(),
            progress=lambda _: None,
            jitter=lambda: 0.0,
            rescue=lambda _: "a file",
            pending=[an_unknown(RUN, "c1", late=late)],
        )
        await opened.record()

    with pytest.raises(GitError) as caught:
        asyncio.run(record())
    but = f", but not what left too late ({RUN.id})." if late else "."
    assert f"keeps every run from being started again{but}" in str(caught.value.hint)
