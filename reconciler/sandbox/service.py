"""The operations of the batch service, each from a call to what it answers and changes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from reconciler.model import EpochMs, InstanceId
from reconciler.sandbox.answers import (
    Answer,
    RefusalError,
    service_answer,
    token_answer,
    unusable,
)
from reconciler.sandbox.bodies import CancelBody, SearchBody, TriggerBody, read_body
from reconciler.sandbox.calls import OF_TOKENS, Call
from reconciler.sandbox.instances import Instances
from reconciler.sandbox.lanes import FlowInstance, Start
from reconciler.sandbox.listing import describe_flow, describe_instance, find
from reconciler.sandbox.options import FlowOptions
from reconciler.sandbox.shown import Shown
from reconciler.sandbox.strangers import Strangers
from reconciler.sandbox.tokens import Tokens
from reconciler.times import business_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call led to. An answer of None: none is given, the connection is dropped."""

    answer: Answer | None
    effect: bool = False  # an instance was created or cancelled
    instance: InstanceId | None = None


class Service:
    """Everything behind the gateway."""

    def __init__(
        self, shown: Shown, instances: Instances, strangers: Strangers, tokens: Tokens
    ) -> None:
        self._options = shown.options
        self._shown = shown
        self._instances = instances
        self._strangers = strangers
        self._tokens = tokens

    def carry_out(self, call: Call, now: EpochMs, *, list_after: float) -> Outcome:
        """Do what the call asks. `list_after`: seconds until searches show what it creates."""
        answer = token_answer if call.operation in OF_TOKENS else service_answer
        try:
            self._admit(call, now)
            return self._answered(call, now, list_after)
        except RefusalError as refusal:
            status, code = refusal.status, refusal.code
            return Outcome(answer=answer(None, code=code, msg=str(refusal), status=status))

    def _admit(self, call: Call, now: EpochMs) -> None:
        if call.body is None:
            raise RefusalError("the request is too large", code=413, status=413)
        if self._options.require_auth and call.operation not in OF_TOKENS:
            self._tokens.verify(call, now)

    def _answered(self, call: Call, now: EpochMs, list_after: float) -> Outcome:
        match call.operation:
            case "token":
                return Outcome(answer=token_answer(self._tokens.get(call, now)))
            case "refresh":
                return Outcome(answer=token_answer(self._tokens.refresh(call, now)))
            case "time":
                return _said(self._shown.clock.said(now))
            case "timezone":
                return _said({"timezone": self._options.timezone})
            case "trigger":
                return self._trigger(call, now, list_after)
            case "cancel":
                return self._cancel(call, now)
            case "flow":
                return self._flow(call)
            case "instance":
                return self._instance(call, now)
            case "search":
                return self._search(call, now)
            case _:
                assert_never(call.operation)

    def _trigger(self, call: Call, now: EpochMs, list_after: float) -> Outcome:
        user = self._user(call)
        body = read_body(call, TriggerBody)
        self._check_may_start(body.flow_id, user)
        start = Start(
            flow_id=body.flow_id,
            trigger_time=EpochMs(body.trigger_time),
            parameters=tuple((pair.key, pair.value) for pair in body.parameters),
            owner=self._options.flow(body.flow_id).owner or user,
            user=user,
            list_after=list_after,
        )
        try:
            business_date(EpochMs(body.trigger_time), self._shown.zone)
            instance = self._instances.add(start, now)
        except OverflowError:
            raise unusable("cannot process the body: triggerTime is out of range") from None
        self._strangers.await_from(instance)
        answer = service_answer({"flowInstanceId": instance.id})
        return Outcome(answer=answer, effect=True, instance=instance.id)

    def _cancel(self, call: Call, now: EpochMs) -> Outcome:
        user = self._user(call)
        wanted = read_body(call, CancelBody).flow_inst_id
        known = self._instances.known(wanted, user, now)
        if not known:
            raise RefusalError("no such instance", code=62104)
        for instance in known:
            if self._instances.cancel(instance, now):
                return Outcome(answer=service_answer(None), effect=True, instance=instance.id)
        raise RefusalError("the instance has ended already", code=62104)

    def _flow(self, call: Call) -> Outcome:
        user = self._user(call)
        text = call.argument("flowId")
        if not (text.isascii() and text.isdecimal()):
            raise unusable("flowId is not a number")
        flow_id = int(text)
        flow = self._options.flow(flow_id)
        if not flow.exists:
            raise RefusalError("no such flow", code=62104)
        return _said(describe_flow(flow_id, flow, user))

    def _instance(self, call: Call, now: EpochMs) -> Outcome:
        user = self._user(call)
        known = self._instances.known(call.argument("flowInstId"), user, now)
        if not known:
            return _said(None)
        return _said(self._describer(now)(known[0]), known[0].id)

    def _search(self, call: Call, now: EpochMs) -> Outcome:
        user = self._user(call)
        found = find(self._instances, read_body(call, SearchBody), user, self._options, now)
        describe = self._describer(now)
        return _said({"flowInsts": [describe(one) for one in found.page], "count": found.count})

    def _describer(self, now: EpochMs) -> Callable[[FlowInstance], dict[str, Any]]:
        return lambda one: describe_instance(one, self._instances.phase(one, now), self._shown)

    def _user(self, call: Call) -> str:
        user, organisation = call.argument("userId"), call.argument("orgId")
        users = self._options.users
        if users is not None and user not in users.get(organisation, ()):
            raise RefusalError("userId does not exist or does not match orgId", code=62101)
        return user

    def _check_may_start(self, flow_id: int, user: str) -> None:
        flow = self._options.flow(flow_id)
        if not flow.exists or not _may_use(flow, user):
            raise RefusalError("the user has no privilege on the workflow", code=62103)
        if flow.locked or flow.user_locked:
            what = "workflow" if flow.locked else "user"
            raise RefusalError(f"the {what} is locked", code=62103)
        if not flow.tasks:
            raise RefusalError("the workflow has no task", code=62104)


def _may_use(flow: FlowOptions, user: str) -> bool:
    return flow.privilege and (not flow.owner or user in flow.owner.split(";"))


def _said(content: Any, instance: InstanceId | None = None) -> Outcome:
    return Outcome(answer=service_answer(content), instance=instance)
