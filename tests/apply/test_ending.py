"""What an apply says when it fails, and then fails to record as well."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest
from msgspec.structs import replace

from reconciler.apply.branch import Branch, UnrecordedError
from reconciler.apply.ports import Appended, Options, Raced, Snapshot
from reconciler.apply.protocol import apply
from reconciler.apply.wait import record_at_end
from reconciler.errors import ConfigurationError, GatewayError, GitError
from reconciler.ledger import Event, events
from tests.apply.service import SERVICE
from tests.apply.test_doubt_looks import KeptStore, TellingService, Told, lived_through, ports_of
from tests.building import a_claim, a_ledger, a_run, a_triggered, an_instance, declared


class _Branch:
    """A branch that takes no record, or any."""

    def __init__(self, failure: GitError | None) -> None:
        self.failure = failure
        self.records = 0

    async def record(self) -> None:
        self.records += 1
        if self.failure is not None:
            raise self.failure


async def _end(branch: _Branch, error: BaseException | None) -> None:
    async with record_at_end(cast("Branch", branch)):
        if error is not None:
            raise error


def test_an_error_of_the_work_is_still_said_where_recording_fails_as_well() -> None:
    branch = _Branch(GitError("the ends are not on the branch", hint="look again"))
    with pytest.raises(GitError) as caught:
        asyncio.run(_end(branch, GatewayError("the claim was declined", hint="allow it")))
    assert str(caught.value) == "the claim was declined\nthe ends are not on the branch"
    assert caught.value.hint == "allow it\nlook again"


def test_what_is_missing_is_said_first_then_the_cause_and_what_helps_against_that() -> None:
    cause = GitError("the branch is locked", hint="unlock it")
    error = UnrecordedError("the ends are not on the branch", cause, hint="look again")
    assert str(error) == "the ends are not on the branch: the branch is locked"
    assert error.hint == "unlock it\nlook again"


def test_what_made_both_fail_is_said_once() -> None:
    cause = GitError("the branch is locked", hint="unlock it")
    branch = _Branch(UnrecordedError("the ends are not on the branch", cause, hint="look again"))
    with pytest.raises(GitError) as caught:
        asyncio.run(_end(branch, GitError(f"no claim: {cause}", hint="unlock it")))
    assert str(caught.value) == "no claim: the branch is locked\nthe ends are not on the branch"
    assert caught.value.hint == "unlock it\nlook again"


@pytest.mark.parametrize("error", [GatewayError("gone"), ValueError("a bug")])
def test_what_is_pending_is_recorded_however_the_work_ends(error: Exception) -> None:
    branch = _Branch(None)
    with pytest.raises(type(error)) as caught:
        asyncio.run(_end(branch, error))
    assert caught.value is error
    assert branch.records == 1


def test_where_only_recording_fails_that_is_the_error() -> None:
    branch = _Branch(GitError("the ends are not on the branch"))
    with pytest.raises(GitError, match="the ends are not on the branch"):
        asyncio.run(_end(branch, None))


RUN, NEW = a_run(), a_run("new", flow_id=1)


@dataclass
class SpoiledStore(KeptStore):
    """Others declare a run just before the first push; before the claim they spoil the branch."""

    pushes: int = 0
    is_spoiled: bool = False

    async def fetch(self) -> Snapshot:
        if self.is_spoiled:
            raise ConfigurationError("reconciler.yaml: exclusive")
        return replace(await super().fetch(), commit=f"after {self.pushes} pushes")

    async def append(self, base: Snapshot, events_: Sequence[Event], message: str) -> Appended:
        self.pushes += 1
        if self.pushes == 1:
            self.declared = declared(RUN, NEW)
            return Raced()
        self.is_spoiled = any(isinstance(one, events.Claim) for one in events_)
        return Raced() if self.is_spoiled else await super().append(base, events_, message)


def test_an_error_is_said_where_there_is_more_to_do_by_now_than_to_observe() -> None:
    """At first there was nothing else to do, and then the error would be no more than a note."""
    store = SpoiledStore(
        declared(RUN), a_ledger(a_claim(RUN, service=SERVICE), a_triggered(RUN, "3377-1"))
    )
    service = TellingService([an_instance(RUN, status=1)])
    with pytest.raises(ConfigurationError, match="exclusive"):
        lived_through(apply(ports_of(store, service, Told()), Options(by="ana")))
    assert store.ledger.records[RUN.id].status == "SUCCESS"
    assert NEW.id not in store.ledger.records
