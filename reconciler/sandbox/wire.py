"""The requests that the sandbox takes, and the answers that it gives.

Bodies are read as strictly as a gateway with typed fields reads them; a refusal is an answer too.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Struct, field

_JSON = "application/json;charset=UTF-8"

TOKEN_SERVICE = "/apim-token-service/v2.0/token"  # noqa: S105 - a path
BATCH_SERVICE = "/batch-processing-service/v2.1"

# The names that a fault file uses.
Operation = Literal[
    "token", "refresh", "trigger", "search", "instance", "cancel", "flow", "time", "timezone"
]

OPERATIONS: Mapping[tuple[str, str, str], Operation] = {  # method, path, `action`
    ("POST", f"{TOKEN_SERVICE}/get", ""): "token",
    ("POST", f"{TOKEN_SERVICE}/refresh", ""): "refresh",
    ("POST", f"{BATCH_SERVICE}/flows", "updateAndTrigger"): "trigger",
    ("GET", f"{BATCH_SERVICE}/flows", "get"): "flow",
    ("POST", f"{BATCH_SERVICE}/flowInstances", "search"): "search",
    ("GET", f"{BATCH_SERVICE}/flowInstances", "get"): "instance",
    ("POST", f"{BATCH_SERVICE}/flowInstances", "cancel"): "cancel",
    ("GET", f"{BATCH_SERVICE}/time", "getCurrentTime"): "time",
    ("GET", f"{BATCH_SERVICE}/time", "getTimeZone"): "timezone",
}
OF_TOKENS: frozenset[Operation] = frozenset({"token", "refresh"})
OF_A_FLOW: frozenset[Operation] = frozenset({"trigger", "instance", "cancel", "flow"})

_FlowId = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]  # the reference's Integer
_Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class SandboxAnswer(Struct, frozen=True, kw_only=True):
    """One HTTP answer, complete."""

    status: int  # HTTP
    body: bytes
    code: int | None = None  # the body's, for the journal
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusalError(Exception):
    """The request is not carried out; `status` is HTTP's, `code` the body's."""

    def __init__(self, message: str, *, code: int, status: int = HTTPStatus.OK) -> None:
        super().__init__(message)
        self.code = code
        self.status = int(status)


def unusable_error(message: str) -> RefusalError:
    """The gateway cannot process the request: HTTP 400."""
    return RefusalError(message, code=400, status=HTTPStatus.BAD_REQUEST)


def unauthorized_error(message: str) -> RefusalError:
    """The credential is not valid: HTTP 401."""
    return RefusalError(message, code=401, status=HTTPStatus.UNAUTHORIZED)


def service_answer(
    data: Any, *, code: int = 0, msg: str = "OK", status: int = 200
) -> SandboxAnswer:
    """An answer in the envelope of the batch service, V2.1."""
    return SandboxAnswer(
        status=status, code=code, body=_encode({"code": code, "msg": msg, "data": data})
    )


def token_answer(
    data: Any, *, code: int = 0, msg: str = "SUCCESS", status: int = 200
) -> SandboxAnswer:
    """An answer in the envelope of the token service, which calls the code `status`."""
    content = {"status": code, "msg": msg, "business": "apim-token-service", "data": data}
    return SandboxAnswer(status=status, code=code, body=_encode(content))


def _encode(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


class Call(Struct, frozen=True, kw_only=True):
    """One request, received whole."""

    operation: Operation
    query: tuple[tuple[str, str], ...]  # decoded, in the order of the URL
    headers: Mapping[str, str]
    body: bytes | None  # as received; None: larger than the sandbox takes

    def argument(self, name: str) -> str:
        """A mandatory query parameter. Raises RefusalError (400) if it is missing or empty."""
        value = dict(self.query).get(name, "")
        if not value:
            raise unusable_error(f"the query parameter {name} is missing")
        return value


class Pair(msgspec.Struct):
    """One parameter in its wire form."""

    key: str
    value: str


class TriggerBody(msgspec.Struct, rename="camel"):
    """Update And Trigger Flow."""

    flow_id: _FlowId
    trigger_time: _Long  # Unix epoch, milliseconds
    parameters: list[Pair]


class Sorter(msgspec.Struct):
    """One of a search's sorters."""

    field: str
    order: Literal["asc", "desc"] = "asc"


class Pagination(msgspec.Struct, rename="camel"):
    """Which page of the found instances is wanted."""

    page_no: int | None = None  # None: the first
    page_size: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    sorters: list[Sorter] = []


class SearchBody(msgspec.Struct, rename="camel"):
    """List Flow Instances."""

    type: Literal[0, 1, 2]
    expression: str = ""
    owner: str = ""
    from_trigger_time: _Long | None = None  # Unix epoch, milliseconds, inclusive
    to_trigger_time: _Long | None = None  # the same, exclusive
    status: str = ""
    pagination: Pagination = msgspec.field(default_factory=Pagination)


class CancelBody(msgspec.Struct, rename="camel"):
    """Cancel Flow Instance."""

    flow_inst_id: str


class TokenBody(msgspec.Struct, rename="camel"):
    """Token get and refresh. A missing field counts as empty: the service has a code for that."""

    app_key: str = ""
    encryption: str = ""
    timestamp: int | str = ""  # Unix epoch, milliseconds
    access_token: str = ""


_Body = TypeVar("_Body", bound=msgspec.Struct)


def read_body(call: Call, kind: type[_Body]) -> _Body:
    """The body, decoded as `kind`. Raises RefusalError (400) with the reason."""
    try:
        return msgspec.json.decode(call.body or b"", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unusable_error(f"cannot process the body: {error}") from None


class _FlowMeant(msgspec.Struct, rename="camel"):
    flow_id: int | None = None
    flow_inst_id: str | None = None


def flow_meant(call: Call) -> int | str | None:
    """The id of the flow (a number) or the instance (text) that a call names, or None.

    Never raises: a fault may be meant for a request that will be refused.
    """
    if call.operation in {"trigger", "cancel"}:
        try:
            meant = msgspec.json.decode(call.body or b"", type=_FlowMeant)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return meant.flow_id if call.operation == "trigger" else meant.flow_inst_id
    query = dict(call.query)
    if call.operation == "flow":
        flow_id = query.get("flowId", "")
        return int(flow_id) if flow_id.isascii() and flow_id.isdecimal() else None
    return query.get("flowInstId") if call.operation == "instance" else None
