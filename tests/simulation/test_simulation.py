"""The promise under thousands of seeds, and that breaking the protocol does not go unnoticed."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciler.apply import branch, evidence, lease, settle, start
from reconciler.apply.ports import Appended, Connection, Raced, Unknown
from reconciler.apply.start import Batch
from reconciler.ledger import events
from reconciler.model import EpochMs, Run
from reconciler.plan import PlannedRun
from tests.simulation.simulate import BrokenPromiseError, simulate

SEEDS_OF_A_TEST = 250
SEEDS_FOR_A_MUTANT = 1_500


@pytest.mark.parametrize("first", range(0, 8 * SEEDS_OF_A_TEST, SEEDS_OF_A_TEST))
def test_every_run_is_started_exactly_once_whatever_happens(first: int) -> None:
    accounts = [simulate(seed) for seed in range(first, first + SEEDS_OF_A_TEST)]
    assert sum(account.started for account in accounts) > SEEDS_OF_A_TEST
    assert sum(account.crashes for account in accounts) > SEEDS_OF_A_TEST / 10


def test_a_seed_replays_exactly() -> None:
    for seed in range(20):
        assert simulate(seed).trace == simulate(seed).trace


def _start_before_the_claim_has_landed(patch: pytest.MonkeyPatch) -> None:
    async def claim(self: branch.Branch, claim: events.Claim) -> branch.Claiming:
        await original(self, claim)
        return branch.Claiming.OURS

    original = branch.Branch.claim
    patch.setattr(branch.Branch, "claim", claim)


def _retry_a_read_timeout(patch: pytest.MonkeyPatch) -> None:
    async def post(batch: Batch, run: Run, connection: Connection) -> Any:
        answer = await original(batch, run, connection)
        return await original(batch, run, connection) if isinstance(answer, Unknown) else answer

    original = start._post
    patch.setattr(start, "_post", post)


def _ignore_the_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lease.Lease, "allows_start", lambda _: True)


def _believe_absence_before_the_trigger_time(patch: pytest.MonkeyPatch) -> None:
    def decided_at(planned: PlannedRun, settle_seconds: float) -> EpochMs:
        assert planned.record is not None
        return EpochMs(planned.record.until + int(settle_seconds * 1000))

    patch.setattr(settle, "_decided_at", decided_at)


def _believe_absence_before_the_claim_has_expired(patch: pytest.MonkeyPatch) -> None:
    def decided_at(planned: PlannedRun, _: float) -> EpochMs:
        return planned.trigger_time

    patch.setattr(settle, "_decided_at", decided_at)


def _believe_evidence_older_than_the_claim(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(evidence, "_created_from", lambda _: EpochMs(0))


def _rebase_text_in_place_of_deriving_again(patch: pytest.MonkeyPatch) -> None:
    async def append(self: branch.Branch, wanted: list[events.Event]) -> Appended:
        appended = await original(self, wanted)
        while isinstance(appended, Raced):
            self.snapshot = await self.store.fetch()
            appended = await original(self, wanted)
        return appended

    original = branch.Branch._append
    patch.setattr(branch.Branch, "_append", append)


MUTANTS = [
    _start_before_the_claim_has_landed,
    _retry_a_read_timeout,
    _ignore_the_lease,
    _believe_absence_before_the_trigger_time,
    _believe_absence_before_the_claim_has_expired,
    _believe_evidence_older_than_the_claim,
    _rebase_text_in_place_of_deriving_again,
]


@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__.strip("_"))
def test_a_broken_protocol_breaks_the_promise(
    mutate: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    with pytest.raises(BrokenPromiseError, match="ViolationError"):
        _live(SEEDS_FOR_A_MUTANT)


def _live(seeds: int) -> None:
    for seed in range(seeds):
        simulate(seed)
