"""The operations of the batch service: what each call changes, and how it is answered.

Access tokens and signatures decide who may call (EnOS reference, How to Invoke an EnOS API).
"""

import hashlib
from collections.abc import Callable
from hmac import compare_digest
from typing import Any, assert_never

from msgspec import Struct

from reconciler.model import EpochMs, InstanceId
from reconciler.sandbox.behaviour import FlowOptions, SandboxOptions
from reconciler.sandbox.flows import FlowInstance, Instances, StartRequest
from reconciler.sandbox.shown import Shown, describe_flow, describe_instance, list_instances
from reconciler.sandbox.strangers import Strangers
from reconciler.sandbox.wire import (
    OF_TOKENS,
    Call,
    CancelBody,
    RefusalError,
    SandboxAnswer,
    SearchBody,
    TokenBody,
    TriggerBody,
    read_body,
    service_answer,
    token_answer,
    unauthorized_error,
    unusable_error,
)
from reconciler.times import business_date


class IssuedTokens:
    """Gives out tokens to one application, and verifies the calls that carry them."""

    def __init__(self, options: SandboxOptions) -> None:
        self._options = options
        self._until: dict[str, EpochMs] = {}  # by token; a refreshed token is removed
        self._current: str | None = None
        self._given_out = 0
        self._encryptions: set[str] = set()

    def get(self, call: Call, now: EpochMs) -> dict[str, object]:
        """Token get: the token that is still valid, or a new one. Raises RefusalError."""
        if self._options.require_auth:
            self._check_encryption(read_body(call, TokenBody))
        if self._current is None or now >= self._until[self._current]:
            self._current = self._issue_token(now)
        return self._describe_token(self._current, now)

    def refresh(self, call: Call, now: EpochMs) -> dict[str, object]:
        """Token refresh: a new token in place of the one given. Raises RefusalError."""
        if self._options.require_auth:
            body = read_body(call, TokenBody)
            self._check_encryption(body)
            if not body.access_token:
                raise RefusalError("accessToken is empty", code=1202)
            if now >= self._until.get(body.access_token, now):
                raise RefusalError("refresh failed: no such token", code=1204)
            del self._until[body.access_token]
        self._current = self._issue_token(now)
        return self._describe_token(self._current, now)

    def verify(self, call: Call, now: EpochMs) -> None:
        """Raises RefusalError unless the call carries a valid token and its signature."""
        token = call.headers.get("apim-accesstoken", "")
        timestamp = call.headers.get("apim-timestamp", "")
        if token not in self._until:
            raise unauthorized_error("invalid credentials: no such access token")
        if not (timestamp.isascii() and timestamp.isdecimal()):
            raise unauthorized_error("invalid credentials: apim-timestamp is no time")
        pairs = "".join(name + value for name, value in sorted(call.query))
        signed = b"".join(
            (
                f"{token}{pairs}".encode(),
                call.body or b"",
                f"{timestamp}{self._options.secret_key}".encode(),
            )
        )
        if not _matches_digest(call.headers.get("apim-signature", ""), signed):
            raise unauthorized_error("invalid credentials: the signature does not match")
        if now >= self._until[token]:
            raise RefusalError("the access token has expired", code=1203)

    def expire_all(self, now: EpochMs) -> None:
        """Make every token given out so far expire now."""
        self._until = dict.fromkeys(self._until, now)

    def _check_encryption(self, body: TokenBody) -> None:
        for name, value in (
            ("appKey", body.app_key),
            ("encryption", body.encryption),
            ("timestamp", body.timestamp),
        ):
            if value == "":
                raise RefusalError(f"{name} is empty", code=1202)
        if body.app_key != self._options.access_key:
            raise RefusalError("unknown appKey", code=1002)
        signed = f"{body.app_key}{body.timestamp}{self._options.secret_key}".encode()
        if not _matches_digest(body.encryption, signed):
            raise RefusalError("invalid encryption", code=1003)
        if body.encryption in self._encryptions:
            raise RefusalError("the same encryption was sent twice", code=1001)
        self._encryptions.add(body.encryption)

    def _issue_token(self, now: EpochMs) -> str:
        self._given_out += 1
        token = f"sandbox-token-{self._given_out}"
        self._until[token] = EpochMs(now + self._options.token_seconds * 1000)
        return token

    def _describe_token(self, token: str, now: EpochMs) -> dict[str, object]:
        left = -((now - self._until[token]) // 1000)  # whole seconds, rounded up
        return {"accessToken": token, "expire": left}


def _matches_digest(given: str, signed: bytes) -> bool:
    return compare_digest(given.encode(), hashlib.sha256(signed).hexdigest().encode())


class CallOutcome(Struct, frozen=True, kw_only=True):
    """What a call led to. Where `answer` is None, the connection is dropped without one."""

    answer: SandboxAnswer | None
    effect: bool = False  # an instance was created or cancelled
    instance: InstanceId | None = None


class SandboxService:
    """Everything behind the gateway."""

    def __init__(
        self, shown: Shown, instances: Instances, strangers: Strangers, tokens: IssuedTokens
    ) -> None:
        self._options = shown.options
        self._shown = shown
        self._instances = instances
        self._strangers = strangers
        self._tokens = tokens

    def carry_out(self, call: Call, now: EpochMs, *, list_after: float) -> CallOutcome:
        """Do what the call asks. `list_after`: seconds until searches show what it creates."""
        answer = token_answer if call.operation in OF_TOKENS else service_answer
        try:
            self._admit(call, now)
            return self._answer_call(call, now, list_after)
        except RefusalError as refusal:
            status, code = refusal.status, refusal.code
            return CallOutcome(answer=answer(None, code=code, msg=str(refusal), status=status))

    def _admit(self, call: Call, now: EpochMs) -> None:
        if call.body is None:
            raise RefusalError("the request is too large", code=413, status=413)
        if self._options.require_auth and call.operation not in OF_TOKENS:
            self._tokens.verify(call, now)

    def _answer_call(self, call: Call, now: EpochMs, list_after: float) -> CallOutcome:
        match call.operation:
            case "token":
                return CallOutcome(answer=token_answer(self._tokens.get(call, now)))
            case "refresh":
                return CallOutcome(answer=token_answer(self._tokens.refresh(call, now)))
            case "time":
                return _success_outcome(self._shown.clock.shown_time(now))
            case "timezone":
                return _success_outcome({"timezone": self._options.timezone})
            case "trigger":
                return self._trigger(call, now, list_after)
            case "cancel":
                return self._cancel(call, now)
            case "flow":
                return self._answer_flow(call)
            case "instance":
                return self._answer_instance(call, now)
            case "search":
                return self._search(call, now)
            case _:
                assert_never(call.operation)

    def _trigger(self, call: Call, now: EpochMs, list_after: float) -> CallOutcome:
        user = self._user(call)
        body = read_body(call, TriggerBody)
        self._check_may_start(body.flow_id, user)
        start = StartRequest(
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
            raise unusable_error("cannot process the body: triggerTime is out of range") from None
        self._strangers.await_from(instance)
        answer = service_answer({"flowInstanceId": instance.id})
        return CallOutcome(answer=answer, effect=True, instance=instance.id)

    def _cancel(self, call: Call, now: EpochMs) -> CallOutcome:
        user = self._user(call)
        wanted = read_body(call, CancelBody).flow_inst_id
        known = self._instances.find_instances(wanted, user, now)
        if not known:
            raise RefusalError("no such instance", code=62104)
        for instance in known:
            if self._instances.cancel(instance, now):
                return CallOutcome(answer=service_answer(None), effect=True, instance=instance.id)
        raise RefusalError("the instance has ended already", code=62104)

    def _answer_flow(self, call: Call) -> CallOutcome:
        user = self._user(call)
        text = call.argument("flowId")
        if not (text.isascii() and text.isdecimal()):
            raise unusable_error("flowId is not a number")
        flow_id = int(text)
        flow = self._options.flow(flow_id)
        if not flow.exists:
            raise RefusalError("no such flow", code=62104)
        return _success_outcome(describe_flow(flow_id, flow, user))

    def _answer_instance(self, call: Call, now: EpochMs) -> CallOutcome:
        user = self._user(call)
        known = self._instances.find_instances(call.argument("flowInstId"), user, now)
        if not known:
            return _success_outcome(None)
        return _success_outcome(self._describer(now)(known[0]), known[0].id)

    def _search(self, call: Call, now: EpochMs) -> CallOutcome:
        user = self._user(call)
        found = list_instances(
            self._instances, read_body(call, SearchBody), user, self._options, now
        )
        describe = self._describer(now)
        shown = [describe(one) for one in found.page]
        listed = None if not shown and self._options.empty_list == "null" else shown
        return _success_outcome({"flowInsts": listed, "count": found.count})

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


def _success_outcome(content: Any, instance: InstanceId | None = None) -> CallOutcome:
    return CallOutcome(answer=service_answer(content), instance=instance)
