"""Manifests for instances that no manifest declares; all are suspended, so that none starts."""

from collections.abc import Collection, Sequence
from datetime import tzinfo

from msgspec import Struct

from reconciler.apply.ports import Instance
from reconciler.expansion import Bounds
from reconciler.manifest import read_file
from reconciler.manifest.write import Node, scalar, write_manifest
from reconciler.model import Declared, Run, RunId, Source, manifest_of
from reconciler.times import MINUTE_MS, zoned_time


class Written(Struct, frozen=True, kw_only=True):
    """One manifest, or the reason why the instance has none."""

    instance: Instance
    name: str
    text: str = ""
    reason: str | None = None
    sensitive: frozenset[str] = frozenset()  # the parameters whose values no output may show

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name}.yaml"


def manifests_of(
    instances: Sequence[Instance],
    declared: Declared,
    bounds: Bounds,
    *,
    recorded: Collection[RunId],
    same_minute_allowed: bool,
    schema: str | None = None,
) -> list[Written]:
    """A manifest, or why there can be none, for each instance, in the order of trigger times.

    The same instances always get the same names: flow and time, and from the second on a number.
    `schema`: the path from the manifests to their schema, for editors.
    """
    written: list[Written] = []
    runs = list(declared.runs)
    zone = declared.zone
    names = {manifest_of(run) for run in recorded}
    names |= {name for run in runs for name in (run.declared_manifest, *run.formerly)}
    for one in sorted(instances, key=_order):
        name = _free_name(one, zone, names)
        names.add(name)
        reason = _unwritable_reason(one)
        text = "" if reason else manifest_text(one, name, zone, schema)
        source = Source(path=name, content=text.encode())
        found = () if reason else read_file(source, zone, bounds).runs
        if reason is None and not found:
            reason = "what it shows makes no valid manifest"
        reason = reason or _conflict(found[0], runs, same_minute_allowed=same_minute_allowed)
        if reason is not None:
            written.append(Written(instance=one, name=name, text=text, reason=reason))
            continue
        runs += found
        sensitive = _sensitive_parameters(found[0], declared.runs)
        written.append(Written(instance=one, name=name, text=text, sensitive=sensitive))
    return written


def _sensitive_parameters(run: Run, declared: Sequence[Run]) -> frozenset[str]:
    """The run's parameters that the configuration, or a manifest of its flow, calls sensitive."""
    named = {key for other in declared if other.flow_id == run.flow_id for key in other.sensitive}
    return run.sensitive | {key for key, _ in run.parameters if key in named}


def _order(one: Instance) -> tuple[int, int, str, int]:
    return one.trigger_time or 0, one.flow_id or 0, one.id, one.created or 0


def _free_name(one: Instance, zone: tzinfo, names: Collection[str]) -> str:
    time = (
        "unknown"
        if one.trigger_time is None
        else f"{zoned_time(one.trigger_time, zone):%Y%m%dt%H%M%S}"
    )
    first = f"flow-{one.flow_id or 'unknown'}-{time}"
    number = 1
    while (name := first if number == 1 else f"{first}-{number}") in names:
        number += 1
    return name


def _unwritable_reason(one: Instance) -> str | None:
    missing = [
        what
        for what, value in (
            ("its flow", one.flow_id),
            ("its trigger time", one.trigger_time),
            ("its parameters", one.parameters),
        )
        if value is None
    ]
    if missing:
        return f"the service does not show {' and '.join(missing)}"
    keys = [key for key, _ in one.parameters or ()]
    return "it shows a parameter twice" if len(set(keys)) < len(keys) else None


def _conflict(run: Run, runs: Sequence[Run], *, same_minute_allowed: bool) -> str | None:
    """Why the manifest cannot exist beside the others, or None."""
    for other in runs:
        if other.digest == run.digest:
            return f"it carries the same as {other.id}"
        minute = other.trigger_time // MINUTE_MS == run.trigger_time // MINUTE_MS
        if minute and other.flow_id == run.flow_id and not same_minute_allowed:
            return (
                f"{other.id} has its flow and minute, and other parameters or seconds "
                "(gateway.sameMinute)"
            )
    return None


def manifest_text(one: Instance, name: str, zone: tzinfo, schema: str | None = None) -> str:
    """The manifest. It is suspended, or an apply would start again what has run already."""
    spec: dict[str, Node] = {"flowId": one.flow_id or 0}
    if one.trigger_time is not None:
        spec["triggerTime"] = zoned_time(one.trigger_time, zone).isoformat()
    spec["suspend"] = True
    spec["parameters"] = dict(one.parameters or ())
    return write_manifest(
        {
            "apiVersion": "reconciler/v1",
            "kind": "Trigger",
            "metadata": {"name": name},
            "spec": spec,
        },
        schema=schema,
        comments=(
            f"Written by `reconciler import`, from instance {scalar(one.id)}.",
            "It has run: once this is merged, import again to have it adopted.",
        ),
    )
