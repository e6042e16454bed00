"""Asking about flows first, so that no start is claimed that the service would refuse."""

import asyncio
from collections.abc import Iterable

from reconciler.apply.ports import Flow, Gateway
from reconciler.plan import Action, FlowCheck, Plan


def flows_of(plan: Plan) -> list[int]:
    """The flows of every run that an apply starts now, or will start once others have succeeded."""
    wanted = (run for run in plan.runs if run.action is Action.TRIGGER or run.waits_for)
    return list(dict.fromkeys(run.flow_id for run in wanted if run.flow_id is not None))


async def check_flows(flows: Iterable[int], gateway: Gateway, user: str) -> dict[int, FlowCheck]:
    """Ask about each flow once, side by side. Raises GatewayError."""

    async def one(flow_id: int) -> tuple[int, FlowCheck]:
        return flow_id, judge_flow(await gateway.flow(flow_id), user)

    return dict(await asyncio.gather(*map(one, flows)))


def judge_flow(flow: Flow | None, user: str) -> FlowCheck:
    """Whether a start by that user would be refused (EnOS reference, Update And Trigger Flow).

    What the service does not say counts in the flow's favour: a start would tell.
    """
    if flow is None:
        return FlowCheck(refusal="does not exist, or is not visible to this user")
    return FlowCheck(refusal=_refusal(flow, user), parameters=flow.parameters)


def _refusal(flow: Flow, user: str) -> str | None:
    if flow.locked:
        return "is locked"
    if flow.user_locked:
        return "belongs to a user who is locked"
    if flow.tasks == 0:
        return "has no task"
    is_stranger = flow.owners is not None and user not in flow.owners
    if flow.editable is False or (flow.editable is None and is_stranger):
        return f"may not be started by {user}, who neither owns it nor may edit it"
    return None
