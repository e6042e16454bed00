"""Before anything is started, the branch itself is asked whether it declares just that."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from reconciler.apply.ports import Appended, Options, Snapshot, Unclear
from reconciler.apply.protocol import apply
from reconciler.apply.result import ApplyResult
from reconciler.ledger import Event, Ledger, events
from reconciler.model import Run, RunId
from tests.apply.test_doubt_looks import KeptStore, Told, lived_through, ports_of
from tests.apply.test_slow_looks import SlowService
from tests.building import a_ledger, a_run, declared


@dataclass
class LateStore(KeptStore):
    """A branch; if it is `late`, the push of the first claim lands without an answer."""

    late: bool = False
    false: int = 0  # so many times it says that it does not declare what it is asked about
    asked: list[list[RunId]] = field(default_factory=list)
    _landing: Ledger | None = None

    async def fetch(self) -> Snapshot:
        if self._landing is not None:
            self.ledger, self._landing = self._landing, None
        return await super().fetch()

    async def append(self, base: Snapshot, events_: Sequence[Event], message: str) -> Appended:
        if self.late and any(isinstance(one, events.Claim) for one in events_):
            self.late = False
            self._landing = base.ledger.with_events(events_)
            return Unclear(message="no answer")
        return await super().append(base, events_, message)

    async def confirm(self, _: Snapshot, runs: Sequence[Run]) -> bool:
        if not runs:
            return True
        self.asked.append([run.id for run in runs])
        self.false -= 1
        return self.false < 0


def applied(store: LateStore) -> tuple[ApplyResult, Told]:
    told = Told()

    async def main() -> ApplyResult:
        return await apply(ports_of(store, SlowService(), told), Options(by="ana"))

    return lived_through(main()), told


@pytest.mark.parametrize(("late", "times"), [(False, 1), (True, 2)])
def test_what_is_claimed_is_confirmed_and_again_before_a_claim_is_taken_up(
    times: int, *, late: bool
) -> None:
    store = LateStore(declared(a_run()), a_ledger(), late=late)
    result, _ = applied(store)
    assert [type(one) for one in result.outcomes] == [events.Triggered]
    assert store.asked == [["wind"]] * times


def test_what_is_not_so_is_said_and_asked_about_anew() -> None:
    store = LateStore(declared(a_run()), a_ledger(), false=1)
    result, told = applied(store)
    assert [type(one) for one in result.outcomes] == [events.Triggered]
    assert store.asked == [["wind"]] * 2
    assert [note for note in told.notes() if "not what the branch says" in note] == told.notes()
    assert len(told.notes()) == 1
