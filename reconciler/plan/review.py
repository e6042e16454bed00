"""What a reviewer is told about a plan besides its runs: what the change does, what is refused.

An apply refuses for the same reasons, in the same words. Configurations are compared field by
field, with their defaults filled in. Pure.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

from msgspec import Struct, field

from reconciler.configuration import (
    GATEWAY_FIELDS,
    GIT_FIELDS,
    LIMIT_FIELDS,
    Configuration,
    Environment,
    GatewayConfiguration,
    GitConfiguration,
    Limits,
)
from reconciler.identity import service_of
from reconciler.model import first_attempt
from reconciler.plan.by_manifest import OfManifest
from reconciler.plan.changes import Change
from reconciler.plan.values import Action, Plan
from reconciler.refused import TOO_MANY, TOO_MANY_WITH_WAIT, Refused
from reconciler.schema.paths import pointer


def limit_refusal(wanted: int, limit: int) -> Refused | None:
    """The refusal of an apply that would start more runs than the limit; None within it."""
    if wanted <= limit:
        return None
    return Refused(
        code=TOO_MANY,
        message=f"this apply would start {wanted} runs, and the limit is {limit}",
        hint=f"If that is meant, raise limits.maxRunsPerApply to {wanted} in the same pull "
        f"request; once, by hand: `apply --max-runs {wanted}`.",
    )


def refusals(plan: Plan, limit: int) -> tuple[Refused, ...]:
    """Every known reason why an apply of the plan would start nothing.

    `limit`: how many runs an apply may start, by the configuration or the command line.
    """
    found = [Refused(code=one.code, message=str(one)) for one in plan.problems]
    # An apply counts its runs before it asks the service which of them it would refuse.
    starts = len(plan.runs_of_action(Action.START)) + len(plan.refused)
    crowd = limit_refusal(starts, limit)
    return (*found, crowd) if crowd is not None else tuple(found)


def wait_refusal(plan: Plan, limit: int) -> Refused | None:
    """The refusal of an `apply --wait` where an `apply` without it would go on; None without one.

    While such an apply waits, it may start the runs that follow. So it counts all of them before it
    starts any.
    """
    if refusals(plan, limit):
        return None
    wanted = [run for run in plan.runs if run.action is Action.START or run.refused]
    wanted += (run for run in plan.runs if run.may_follow)
    number = len({first_attempt(run.id) for run in wanted})
    if number <= limit:
        return None
    return Refused(
        code=TOO_MANY_WITH_WAIT,
        message=f"with --wait an apply would start up to {number} runs, more than the limit of "
        f"{limit}, and refuse",
        hint=f"If that is meant, raise limits.maxRunsPerApply to {number}; once, by hand: "
        f"`apply --wait --max-runs {number}`.",
    )


class Setting(Struct, frozen=True, kw_only=True):
    """One field of `reconciler.yaml` that has another value after a change."""

    pointer: str  # RFC 6901
    before: Any  # a JSON value; None where the field was not set and has no default
    after: Any
    is_usual: bool = False  # it is new, and has the default


def former_names(
    before: Configuration,
    after: Configuration,
    has_moved: Callable[[Environment, Environment], bool],
) -> dict[str, str]:
    """The former names of the environments that the change renames, by their names now.

    Only where that is certain: no environment has the old name any more, and the one with the new
    name goes on with the ledger of the old, in the same folder or (`has_moved`) in another, or else
    with its manifests at the same service.
    """
    gone = [one for name, one in before.environments.items() if name not in after.environments]
    new = [one for name, one in after.environments.items() if name not in before.environments]
    found: dict[str, str] = {}
    for is_same in (_has_its_folder, has_moved, _has_its_manifests):
        pairs = [
            (now.name, was.name)
            for now in new
            for was in gone
            if now.name not in found and was.name not in found.values() and is_same(was, now)
        ]
        claimed = Counter(name for _, name in pairs)
        of = Counter(name for name, _ in pairs)
        found |= {now: was for now, was in pairs if of[now] == claimed[was] == 1}
    return found


def _has_its_folder(was: Environment, now: Environment) -> bool:
    return was.state == now.state


def _has_its_manifests(was: Environment, now: Environment) -> bool:
    services = (service_of(one.gateway) for one in (was, now))
    return was.manifests == now.manifests and next(services) == next(services)


def changed_settings(
    before: Configuration | None, after: Configuration, environment: str, former: str | None = None
) -> tuple[Setting, ...]:
    """What differs in `git`, in `retired` and in that environment, and which others are removed.

    `former`: the environment's name before, where the change renames it.
    """
    now = _fields(after, environment)
    if before is None or (former or environment) not in before.environments:
        usual = _fields(_default_configuration(environment), environment)
    else:
        usual = {}
    if before is None:
        return _differing_settings({}, now, usual)
    was = _fields(before, former or environment, shown_as=environment)
    if former is not None:
        was[_ENVIRONMENTS], now[_ENVIRONMENTS] = former, environment
    for name in sorted(before.environments.keys() - after.environments.keys() - {former}):
        was[pointer(("environments", name))] = _folders(before.environments[name])
    return _differing_settings(was, now, usual)


def _default_configuration(environment: str) -> Configuration:
    """A configuration in which everything optional is left out."""
    gateway = GatewayConfiguration(url="", org_id="", user_id="", timezone="", zone=UTC)
    alone = Environment(name=environment, manifests="", state="", gateway=gateway, limits=Limits())
    return Configuration(git=GitConfiguration(), environments={environment: alone})


_ENVIRONMENTS = pointer(("environments",))


def _differing_settings(
    was: Mapping[str, Any], now: Mapping[str, Any], usual: Mapping[str, Any]
) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            pointer=path,
            before=was.get(path),
            after=now.get(path),
            is_usual=path not in was and path in usual and usual[path] == now.get(path),
        )
        for path in dict.fromkeys((*was, *now))
        if was.get(path) != now.get(path)
    )


def _fields(configuration: Configuration, name: str, shown_as: str | None = None) -> dict[str, Any]:
    git = {theirs: getattr(configuration.git, ours) for theirs, ours in GIT_FIELDS.items()}
    found = _values_by_pointer(("git",), git)
    found["/retired"] = list(configuration.retired)
    environment = configuration.environments.get(name)
    if environment is not None:
        path = ("environments", shown_as or name)
        found |= _values_by_pointer(path, _folders(environment))
        found |= _values_by_pointer((*path, "gateway"), _gateway(environment))
        limits = environment.limits
        values = {theirs: getattr(limits, ours) for theirs, ours in LIMIT_FIELDS.items()}
        found |= _values_by_pointer((*path, "limits"), values)
        for number, webhook in enumerate(environment.notify):
            found |= _values_by_pointer((*path, "notify", str(number)), webhook.json_object())
    return found


def _values_by_pointer(path: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
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


class Compared(Struct, frozen=True, kw_only=True):
    """What a change does in one environment, compared with its base."""

    base: str  # the commit's id
    changes: Sequence[Change]
    manifests: Sequence[OfManifest]  # the same changes, by manifest
    configuration: Sequence[Setting]  # including those that nobody needs to see
    notes: Sequence[str] = ()  # why the base was not read, or only in part
    is_gone: bool = False  # the change removes the environment
    undeclared: frozenset[str] = frozenset()  # names of runs that only the base declares
    # Of those, by unreadable file, the names of the runs that the file may still declare.
    unjudged: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def settings(self) -> Sequence[Setting]:
        """The settings to show to a reviewer: all but new ones that have the default."""
        return [one for one in self.configuration if not one.is_usual]


class Review(Struct, frozen=True, kw_only=True):
    """What a reviewer is told about one environment's plan."""

    refused: Sequence[Refused] = ()  # empty: nothing known here would stop an apply
    refused_with_wait: Refused | None = None  # why `apply --wait` would start nothing
    compared: Compared | None = None  # None: the plan is not compared with a base
    edited: Sequence[OfManifest] = ()  # recorded runs that were edited, but not by this change
    gateway: GatewayConfiguration | None = None  # where runs would start; None: not shown
    is_stopped: bool = False  # nothing could be planned, and `refused` says why

    @property
    def is_gone(self) -> bool:
        """Whether the change removes the environment, so there is nothing to plan in it."""
        return self.compared is not None and self.compared.is_gone


NO_REVIEW = Review()
