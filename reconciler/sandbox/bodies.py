"""Request bodies, read as strictly as a gateway with typed fields reads them."""

from typing import Annotated, Literal, TypeVar

import msgspec

from reconciler.sandbox.answers import unusable
from reconciler.sandbox.calls import Call

_FlowId = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]  # the reference's Integer
_Long = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


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
    """Which part of the found instances is wanted."""

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
    """Token get and refresh. A field left out is an empty one: the service has a code for it."""

    app_key: str = ""
    encryption: str = ""
    timestamp: int | str = ""  # Unix epoch, milliseconds
    access_token: str = ""


_Body = TypeVar("_Body", bound=msgspec.Struct)


def read_body(call: Call, kind: type[_Body]) -> _Body:
    """The body as that kind. Raises RefusalError (400) with the reason."""
    try:
        return msgspec.json.decode(call.body or b"", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise unusable(f"cannot process the body: {error}") from None


class _FlowMeant(msgspec.Struct, rename="camel"):
    flow_id: int | None = None
    flow_inst_id: str | None = None


def flow_meant(call: Call) -> int | str | None:
    """The flow's id, or an instance's, that a call is about; None where it names none.

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
