"""The calls as data: their paths, queries and bodies (EnOS reference, V2.1)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.enos.access import GatewaySettings
from reconciler.model import EpochMs, InstanceId, Run, wire_parameters

PAGE_SIZE = 100  # instances, at most

_SERVICE = "/batch-processing-service/v2.1"
_SMALL = 1 << 20  # bytes; an answer without a list
_LARGE = 16 << 20  # bytes; a page of instances, each with its graph


@dataclass(frozen=True, slots=True, kw_only=True)
class EnosOperation:
    """One call, without its authentication."""

    name: str  # in the reference
    path: str
    query: Mapping[str, str]  # not percent-encoded
    body: bytes | None = field(default=None, repr=False)  # None: a GET
    answer_limit: int = _SMALL  # bytes


def start(settings: GatewaySettings, run: Run) -> EnosOperation:
    """Update And Trigger Flow: starts one instance each time that it is sent."""
    body = {
        "flowId": run.flow_id,
        "triggerTime": run.trigger_time,
        "parameters": wire_parameters(run.parameters),
    }
    return EnosOperation(
        name="Update And Trigger Flow",
        path=f"{_SERVICE}/flows",
        query=_query(settings, "updateAndTrigger"),
        body=encode(body),
    )


def current_time() -> EnosOperation:
    """Get Current Time."""
    return EnosOperation(
        name="Get Current Time", path=f"{_SERVICE}/time", query={"action": "getCurrentTime"}
    )


def timezone() -> EnosOperation:
    """Get Timezone."""
    return EnosOperation(
        name="Get Timezone", path=f"{_SERVICE}/time", query={"action": "getTimeZone"}
    )


def instance(settings: GatewaySettings, instance: InstanceId) -> EnosOperation:
    """Get Flow Instance."""
    return EnosOperation(
        name="Get Flow Instance",
        path=f"{_SERVICE}/flowInstances",
        query={**_query(settings, "get"), "flowInstId": instance},
        answer_limit=_LARGE,
    )


def cancel(settings: GatewaySettings, instance: InstanceId) -> EnosOperation:
    """Cancel Flow Instance."""
    return EnosOperation(
        name="Cancel Flow Instance",
        path=f"{_SERVICE}/flowInstances",
        query=_query(settings, "cancel"),
        body=encode({"flowInstId": instance}),
    )


def flow(settings: GatewaySettings, flow_id: int) -> EnosOperation:
    """Get Flow."""
    return EnosOperation(
        name="Get Flow",
        path=f"{_SERVICE}/flows",
        query={**_query(settings, "get"), "flowId": str(flow_id)},
        answer_limit=_LARGE,
    )


def search_page(
    settings: GatewaySettings,
    kind: int,
    from_time: EpochMs,
    to_time: EpochMs,
    page: int,
    *,
    size: int,
) -> EnosOperation:
    """List Flow Instances, one page of at most `size` instances.

    `expression` stays empty. The service matches it fuzzily against instance ids and flow names,
    and does not promise that every instance id holds its flow's id, so any expression could hide an
    instance. There is no sorter, because the names of its fields differ between versions, and a
    wrong name is an error.
    """
    body = {
        "type": kind,
        "expression": "",
        "owner": "",
        "fromTriggerTime": from_time,
        "toTriggerTime": to_time,
        "status": "",
        "pagination": {"pageNo": page, "pageSize": size, "sorters": []},
    }
    return EnosOperation(
        name="List Flow Instances",
        path=f"{_SERVICE}/flowInstances",
        query=_query(settings, "search"),
        body=encode(body),
        answer_limit=_LARGE,
    )


def encode(body: Mapping[str, object]) -> bytes:
    """The body as JSON in ASCII, so that its signature cannot depend on the server's charset."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _query(settings: GatewaySettings, action: str) -> dict[str, str]:
    return {"action": action, "userId": settings.user_id, "orgId": settings.org_id}
