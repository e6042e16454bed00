"""Whatever makes an apply refuse makes a plan say so, in the same words."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.ports import Appended, Gateway, Options, Ports, Snapshot
from reconciler.apply.protocol import apply
from reconciler.configuration import Environment
from reconciler.errors import RefusedError
from reconciler.identity import NOTHING_ELSE, Surroundings
from reconciler.ledger import Event, Ledger
from reconciler.model import Declared, EpochMs, Nonce
from reconciler.plan import FlowCheck, make_plan
from reconciler.plan.review import refusals
from reconciler.refused import InvalidManifestsError, Refused
from tests.apply.service import ENVIRONMENT
from tests.building import Unremembering, a_problem, runs_apart
from tests.building import declared as of_runs
from tests.sampling import examples
from tests.test_changes import LATER, worlds


class ReachedTheServiceError(Exception):
    """The apply went on."""


class OneBranch(Unremembering, Struct, frozen=True, kw_only=True):
    """A shared branch that never moves."""

    snapshot: Snapshot

    async def fetch(self) -> Snapshot:
        return self.snapshot

    async def append(self, base: Snapshot, events: Sequence[Event], message: str) -> Appended:
        raise AssertionError((base, events, message))


class StoppedClock:
    def elapsed(self) -> float:
        return 0.0

    def wall(self) -> EpochMs:
        return LATER


def no_gateway(environment: Environment) -> AbstractAsyncContextManager[Gateway]:
    raise ReachedTheServiceError(environment.name)


def never(*_: object) -> NoReturn:
    raise AssertionError


def refusal_of_apply(
    side: Declared,
    ledger: Ledger,
    environment: Environment,
    max_runs: int | None = None,
    surroundings: Surroundings = NOTHING_ELSE,
) -> RefusedError | None:
    """Why an apply of that branch refuses; None where it goes on to the service, or ends well."""
    snapshot = Snapshot(
        commit="c",
        environment=environment,
        declared=side,
        ledger=ledger,
        surroundings=surroundings,
    )
    ports = Ports(
        store=OneBranch(snapshot=snapshot),
        open_gateway=no_gateway,
        clock=StoppedClock(),
        progress=lambda _: None,
        stop=asyncio.Event(),
        new_claim=lambda: Nonce("c"),
        jitter=lambda: 0.0,
        rescue=never,
    )
    try:
        asyncio.run(apply(ports, Options(by="ana", max_runs=max_runs)))
    except RefusedError as error:
        return error
    except ReachedTheServiceError:
        return None
    return None


def refusals_of_plan(
    side: Declared, ledger: Ledger, limit: int, surroundings: Surroundings = NOTHING_ELSE
) -> tuple[Refused, ...]:
    plan = make_plan(
        side,
        ledger,
        LATER,
        environment="prod",
        commit=None,
        same_minute_allowed=False,
        surroundings=surroundings,
    )
    return refusals(plan, limit)


@examples(200)
@given(
    worlds() | st.just((of_runs(), of_runs(), Ledger.of([]))),  # by chance they are rarely sound
    st.none() | worlds(),
    st.integers(0, 4),
    st.sampled_from(["", "", "", "manifest", "elsewhere"]),
)
def test_whatever_makes_an_apply_refuse_makes_a_plan_refuse(
    world: tuple[Declared, Declared, Ledger],
    other: tuple[Declared, Declared, Ledger] | None,
    more: int,
    problem: str,
) -> None:
    """Also what another environment of the same service declares, and what its ledger records."""
    limit = 2
    _, side, ledger = world
    side = of_runs(*side.runs, *runs_apart(more)) if more else side
    side = replace(side, problems=(a_problem(),)) if problem == "manifest" else side
    surroundings = Surroundings(
        problems=(a_problem(),) if problem == "elsewhere" else (),
        declared={"other": other[1].runs} if other else {},
        elsewhere={"state/other": other[2]} if other else {},
    )
    limits = replace(ENVIRONMENT.limits, max_runs_per_apply=limit)
    here = replace(ENVIRONMENT, limits=limits)
    error = refusal_of_apply(side, ledger, here, surroundings=surroundings)
    found = refusals_of_plan(side, ledger, limit, surroundings)
    assert (error is not None) is bool(found)
    if isinstance(error, InvalidManifestsError):
        assert [one.message for one in found] == [str(problem) for problem in error.problems]
    elif error is not None:
        assert [(one.message, one.hint) for one in found] == [(str(error), error.hint)]
    event(type(error).__name__)


def test_runs_that_the_service_would_refuse_are_counted_as_an_apply_counts_them() -> None:
    plan = make_plan(
        of_runs(*runs_apart(3)),
        Ledger.of([]),
        LATER,
        environment="prod",
        commit=None,
        same_minute_allowed=False,
        flows={3377: FlowCheck(refusal="is locked")},
    )
    assert len(plan.refused) == 3
    assert [bool(refusals(plan, limit)) for limit in (2, 3)] == [True, False]


def test_as_many_runs_as_the_limit_are_not_refused() -> None:
    side, ledger = of_runs(*runs_apart(3)), Ledger.of([])
    assert [bool(refusals_of_plan(side, ledger, limit)) for limit in (2, 3)] == [True, False]
    errors = [refusal_of_apply(side, ledger, ENVIRONMENT, limit) for limit in (2, 3)]
    assert [error is not None for error in errors] == [True, False]
