"""Flows and instances as the service describes and lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from reconciler.model import EpochMs
from reconciler.sandbox.answers import RefusalError, unusable
from reconciler.sandbox.bodies import SearchBody, Sorter
from reconciler.sandbox.instances import Instances, Phase
from reconciler.sandbox.lanes import FlowInstance
from reconciler.sandbox.options import FlowOptions, SandboxOptions
from reconciler.sandbox.shown import Shown
from reconciler.times import business_date

_SORTER_FIELDS = ("triggerTime", "start_time")  # the reference's samples have both


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of what a search found, and how many there are on all pages."""

    page: Sequence[FlowInstance]
    count: int | str | None


def find(
    instances: Instances, wanted: SearchBody, user: str, options: SandboxOptions, now: EpochMs
) -> Found:
    """List Flow Instances. Raises RefusalError for a sorter, status or page that is none."""
    statuses = _statuses(wanted.status)
    found = [
        one
        for one in instances.listed(now)
        if wanted.type == one.type
        and instances.sees(user, one)
        and (wanted.from_trigger_time is None or wanted.from_trigger_time <= one.trigger_time)
        and (wanted.to_trigger_time is None or one.trigger_time < wanted.to_trigger_time)
        and (wanted.expression in one.id or wanted.expression in _flow_name(one.flow_id, options))
        and (not wanted.owner or wanted.owner in one.owner.split(";"))
        and (not statuses or instances.phase(one, now).status in statuses)
        and not instances.forgotten(one, now)
    ]
    for sorter in reversed(wanted.pagination.sorters):
        _sort(found, sorter, instances, now)
    page = _page(found, wanted, options)
    return Found(page=page, count=_count(len(found), len(page), options))


def describe_instance(instance: FlowInstance, phase: Phase, shown: Shown) -> dict[str, Any]:
    """A FlowInstance of the reference."""
    flow_id = instance.flow_id
    return {
        "instanceId": instance.id,
        "flowId": str(flow_id) if shown.options.flow_id_as_string else flow_id,
        "flowName": _flow_name(flow_id, shown.options),
        **shown.parameters(instance),
        "status": shown.status(phase.status),
        "statusDesc": phase.status.name,
        "triggerTime": shown.trigger_time(instance),
        "startTime": shown.moment(phase.started),
        "endTime": shown.moment(phase.ended),
        "timestamp": shown.created(instance),
        "owner": instance.owner,
        "calDt": business_date(instance.trigger_time, shown.zone).isoformat(),
    }


def describe_flow(flow_id: int, flow: FlowOptions, user: str) -> dict[str, Any]:
    """A Flow of the reference, as that user sees it."""
    owner = flow.owner or user
    pairs = None
    if flow.parameters is not None:
        values = [(name, flow.defaults.get(name, "")) for name in flow.parameters]
        pairs = [{"key": name, "value": value} for name, value in values]
    return {
        "flowId": flow_id,
        "flowName": flow.name or f"flow-{flow_id}",
        "type": 0,
        "owner": owner,
        "locked": flow.locked,
        "isUserLocked": flow.user_locked,
        "hasEditPri": flow.privilege and user in owner.split(";"),
        "graph": {"tasks": [{"taskId": n, "name": f"task-{n}"} for n in range(1, flow.tasks + 1)]},
        **({} if pairs is None else {"parameters": pairs}),
    }


def _statuses(text: str) -> frozenset[int]:
    try:
        return frozenset(int(code) for code in text.split(",") if text)
    except ValueError:
        raise unusable(f"status is no list of codes: {text}") from None


def _sort(found: list[FlowInstance], sorter: Sorter, instances: Instances, now: EpochMs) -> None:
    if sorter.field not in _SORTER_FIELDS:
        raise RefusalError(f"invalid sorter field: {sorter.field}", code=62102)

    def key(one: FlowInstance) -> int:
        if sorter.field == "triggerTime":
            return one.trigger_time
        started = instances.phase(one, now).started
        return one.ready if started is None else started

    found.sort(key=key, reverse=sorter.order == "desc")


def _page(
    found: list[FlowInstance], wanted: SearchBody, options: SandboxOptions
) -> list[FlowInstance]:
    size, index = wanted.pagination.page_size, _page_index(wanted, options)
    last = max(len(found) - 1, 0) // size
    if index > last and options.past_end != "empty":
        index = last if options.past_end == "last" else 0
    return found[index * size : (index + 1) * size]


def _count(total: int, shown: int, options: SandboxOptions) -> int | str | None:
    """What a search says that there are, which need not be how many there are."""
    match options.count_shown:
        case "all":
            return total
        case "page":
            return shown
        case "none":
            return None
        case "more":
            return total + 1
        case "text":
            return str(total)
        case _:
            assert_never(options.count_shown)


def _page_index(wanted: SearchBody, options: SandboxOptions) -> int:
    number = wanted.pagination.page_no
    if number is None:
        return 0
    if number < 0:
        raise unusable("pageNo is negative")
    return max(number - options.page_base, 0)  # page 0, where the first is 1, is the first


def _flow_name(flow_id: int, options: SandboxOptions) -> str:
    return options.flow(flow_id).name or f"flow-{flow_id}"
