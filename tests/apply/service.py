"""A small service for looks at it: what it lists, by search and by id, and what it was asked."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec.structs import replace

from reconciler.apply.known import Known
from reconciler.apply.look import Look, index_runs
from reconciler.apply.ports import (
    CancelAnswer,
    Gateway,
    Instance,
    ObservedInstances,
    StartedInstance,
)
from reconciler.configuration import Environment, GatewayConfiguration, Limits
from reconciler.errors import GatewayError
from reconciler.ledger import Ledger, events
from reconciler.model import EpochMs, InstanceId, Run
from reconciler.times import parse_zone
from tests.building import NOW, after

SETTLE_SECONDS = 5.0
LATER = after(NOW, 3_600_000)

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
        settle=SETTLE_SECONDS,
    ),
    limits=Limits(),
)
SERVICE = events.Service(org_id="o1", gateway="http://127.0.0.1:9", user_id="u1")


def with_gateway(**more: Any) -> Environment:
    """The environment with a gateway that is configured otherwise."""
    return replace(ENVIRONMENT, gateway=replace(ENVIRONMENT.gateway, **more))


@dataclass
class FakeService:
    """Lists instances. What is asked by id, `got` may answer otherwise than a search does."""

    listed: list[Instance] = field(default_factory=list)
    got: Callable[[InstanceId, int], Instance | None] | None = None  # id, and the how manieth time
    quick: dict[InstanceId, tuple[Instance, ...]] | None = None  # what `observe_instances` says
    whole: frozenset[InstanceId] = (
        frozenset()
    )  # of which `observe_instances` says that it has seen all
    failure: str | None = None  # of `observe_instances`
    broken: set[int | None] = field(default_factory=set)  # flows that cannot be searched
    asked: list[str] = field(default_factory=list)
    sought: list[StartedInstance] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    gets: dict[InstanceId, int] = field(default_factory=dict)
    cancelled: list[InstanceId] = field(default_factory=list)
    answer: CancelAnswer = field(default_factory=lambda: CancelAnswer(code=0, message=""))

    async def search(
        self, flow_id: int | None, from_time: EpochMs, to_time: EpochMs
    ) -> tuple[Instance, ...]:
        self.asked.append(f"search {flow_id}")
        await asyncio.sleep(0)
        if flow_id in self.broken:
            raise GatewayError("HTTP 502")
        return tuple(
            one
            for one in self.listed
            if flow_id is None
            or (
                one.flow_id in {None, flow_id}
                and (one.trigger_time is None or from_time <= one.trigger_time < to_time)
            )
        )

    async def instance(self, instance: InstanceId) -> Instance | None:
        self.asked.append(f"get {instance}")
        self.gets[instance] = self.gets.get(instance, 0) + 1
        if self.got is not None:
            return self.got(instance, self.gets[instance])
        return next((one for one in self.listed if one.id == instance), None)

    async def observe_instances(
        self, sought: Sequence[StartedInstance], most_requests: int, turn: int = 0
    ) -> ObservedInstances:
        assert most_requests == 300
        self.asked.append("look up")
        self.sought += sought
        self.turns.append(turn)
        found = {
            one.id: tuple(listed for listed in self.listed if listed.id == one.id) for one in sought
        }
        return ObservedInstances(
            instances=found if self.quick is None else self.quick,
            failure=self.failure,
            whole=self.whole,
        )

    async def cancel(self, instance: InstanceId) -> CancelAnswer:
        self.cancelled.append(instance)
        return self.answer

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def a_look(
    service: FakeService,
    ledger: Ledger,
    *runs: Run,
    environment: Environment = ENVIRONMENT,
    now: EpochMs = LATER,
    **more: Any,
) -> Look:
    """One look at the service, by a ledger and the runs that manifests declare."""
    return Look(
        gateway=cast("Gateway", service),
        environment=environment,
        ledger=ledger,
        declared=index_runs(runs),
        now=lambda: now,
        known=Known([ledger]),
        pause=service.pause,
        **more,
    )
