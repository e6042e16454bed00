"""What a change does to the configuration: field by field, defaults filled in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.configuration import (
    GATEWAY_FIELDS,
    GIT_FIELDS,
    LIMIT_FIELDS,
    Configuration,
    Environment,
)
from reconciler.schema.paths import pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One field of `reconciler.yaml` that has another value after a change."""

    pointer: str  # RFC 6901
    before: Any  # as JSON has it; None where nothing is said and there is no default
    after: Any


def reconfigured(
    before: Configuration | None, after: Configuration, environment: str
) -> tuple[Setting, ...]:
    """What differs in `git`, in `retired`, in that environment, and in which others there are."""
    was = _fields(before, environment) if before is not None else {}
    now = _fields(after, environment)
    gone = before.environments.keys() - after.environments.keys() if before is not None else ()
    for name in sorted(gone):
        was[pointer(("environments", name))] = _folders(before.environments[name]) if before else {}
    return tuple(
        Setting(pointer=path, before=was.get(path), after=now.get(path))
        for path in dict.fromkeys((*was, *now))
        if was.get(path) != now.get(path)
    )


def _fields(configuration: Configuration, name: str) -> dict[str, Any]:
    git = {theirs: getattr(configuration.git, ours) for theirs, ours in GIT_FIELDS.items()}
    found = _pointed(("git",), git)
    found["/retired"] = list(configuration.retired)
    environment = configuration.environments.get(name)
    if environment is not None:
        path = ("environments", name)
        found |= _pointed(path, _folders(environment))
        found |= _pointed((*path, "gateway"), _gateway(environment))
        limits = environment.limits
        values = {theirs: getattr(limits, ours) for theirs, ours in LIMIT_FIELDS.items()}
        found |= _pointed((*path, "limits"), values)
    return found


def _pointed(path: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    return {pointer((*path, name)): value for name, value in values.items()}


def _folders(environment: Environment) -> dict[str, Any]:
    return {"manifests": environment.manifests, "state": environment.state}


def _gateway(environment: Environment) -> dict[str, Any]:
    gateway = environment.gateway
    return {
        "url": gateway.url,
        "orgId": gateway.org_id,
        "userId": gateway.user_id,
        "timezone": gateway.timezone,
        "caFile": gateway.ca_file,
        "sameMinute": "allow" if gateway.same_minute_allowed else "refuse",
        **{theirs: getattr(gateway, ours) for theirs, ours in GATEWAY_FIELDS.items()},
    }
