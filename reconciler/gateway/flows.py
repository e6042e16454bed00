"""Flows as the service describes them, read liberally: None is what it did not say readably."""

from collections.abc import Mapping
from typing import Any

from reconciler.apply.ports import Flow
from reconciler.gateway.reply import read_integer, read_json, read_name

_FLAGS = {"true": True, "1": True, "false": False, "0": False}

# What is known of a flow that the user may not see.
WITHOUT_PRIVILEGE = Flow(
    locked=None, user_locked=None, editable=False, owners=None, tasks=None, parameters=None
)


def read_flow(content: Any, flow_id: int) -> Flow:
    """The flow of that id (EnOS reference, Get Flow). Raises ValueError if it is another, or none.

    An answer that does not say which flow it describes is taken to be about the one asked for.
    """
    if not isinstance(content, Mapping):
        raise ValueError("no flow")  # noqa: TRY004 - a value of the wire, not of a caller
    described = read_integer(content.get("flowId"))
    if described is not None and described != flow_id:
        raise ValueError(f"another flow than {flow_id}")
    return Flow(
        locked=_flag(content.get("locked")),
        user_locked=_flag(content.get("isUserLocked")),
        editable=_flag(content.get("hasEditPri")),
        owners=_owners(content.get("owner")),
        tasks=_tasks(content.get("graph")),
        parameters=_parameters(content.get("parameters")),
    )


def _flag(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _FLAGS.get(str(value).strip().lower()) if isinstance(value, int | str) else None


def _owners(value: object) -> frozenset[str] | None:
    """User ids, `;` between them. No flow is without an owner: an empty text says nothing."""
    if not isinstance(value, str):
        return None
    return frozenset(filter(None, map(str.strip, value.split(";")))) or None


def _tasks(graph: object) -> int | None:
    graph = _unpacked(graph)
    tasks = _unpacked(graph.get("tasks")) if isinstance(graph, Mapping) else None
    if isinstance(tasks, list | dict):
        return len(tasks)
    number = read_integer(tasks)
    return number if number is None or number >= 0 else None


def _parameters(value: object) -> frozenset[str] | None:
    """The names in a list of pairs, in a mapping, or in a text that holds one of them."""
    value = _unpacked(value)
    if isinstance(value, Mapping):
        value = list(value)
    if not isinstance(value, list):
        return None
    names = [_parameter(one) for one in value]
    readable = [name for name in names if name is not None]
    return frozenset(readable) if len(readable) == len(names) else None


def _parameter(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("key") or value.get("name")
    return value if isinstance(value, str) and read_name(value) is not None else None


def _unpacked(value: object) -> Any:
    """What the text holds, if it holds JSON; anything else as it is."""
    unpacked = read_json(value) if isinstance(value, str) else None
    return value if unpacked is None else unpacked
