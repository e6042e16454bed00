"""How many runs all manifests together may declare: a guard against accidents.

A few lines of YAML can make more runs than any memory holds. So runs are counted before they are
made, manifest by manifest, and reading ends at the one that passes the limit. What was read until
then is worth nothing: only all manifests together tell whether a run is a duplicate, an orphan or
known at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import TypeVar

from msgspec import Struct, field

from reconciler.configuration import Configuration, Environment, Limits
from reconciler.errors import ReconcilerError
from reconciler.expansion import MOST_DECLARED, Bounds, Window
from reconciler.identity import may_be_one, service_of
from reconciler.manifest import CrowdedError, FileResult, combine
from reconciler.model import Declared, EpochMs, Problem

_File = TypeVar("_File")


class TooManyRunsError(ReconcilerError):
    """The manifests declare more runs than they may; `problem` says where that was noticed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Ceiling(Struct, frozen=True, kw_only=True):
    """How much of the limits is left when the manifests of an environment are read.

    Environments of one service are compared with one another, so they are read together. Each may
    declare as many runs as its own `limits.maxRuns` says, and all together as many as the largest
    of these says.
    """

    environment: str = ""
    bounds: Bounds = field(default_factory=Bounds)  # of the environment alone
    together: int = MOST_DECLARED
    before: Mapping[str, int] = field(default_factory=dict)  # runs of those that were read
    after: Sequence[str] = ()  # environments that are still to be read

    @property
    def left(self) -> int:
        """How many runs the environment may declare."""
        return min(self.bounds.left, self.together - sum(self.before.values()))

    def too_many_runs_error(self, at: CrowdedError, runs: int, files_left: int) -> TooManyRunsError:
        """The error for the manifest that brings the environment to at least so many runs."""
        if runs > self.bounds.left:
            whose = f"environment {self.environment}" if self.environment else "the environment"
            who, limit = f"{whose} declares", self.bounds.left
            which = "its limits.maxRuns"
        else:
            names = ", ".join([*self.before, self.environment])
            who, limit = f"the environments {names}, which share a service, declare", self.together
            runs += sum(self.before.values())
            which = "the largest limits.maxRuns of that service"
        unread = [f"{files_left:,} more of its files"] if files_left else []
        unread += [f"environment {name}" for name in self.after]
        rest = f" Not read: {', '.join(unread)}." if unread else ""
        return TooManyRunsError(
            Problem(
                place=at.place,
                code="too-many-runs",
                message=f"with this manifest {who} at least {runs:,} runs (those that `exclude` "
                f"takes away are counted), more than the {limit:,} that {which} allows.{rest} "
                "Declare fewer, or raise the limit in reconciler.yaml",
            )
        )


_DEFAULT = Ceiling()


def read_bounded(
    files: Sequence[_File],
    read: Callable[[_File, Bounds], FileResult],
    problems: Iterable[Problem] = (),
    ceiling: Ceiling = _DEFAULT,
    *,
    zone: tzinfo = UTC,
) -> Declared:
    """Read the files of one environment one by one.

    `problems` are known from elsewhere; `zone` is the gateway's. Raises TooManyRunsError before
    memory is spent on more runs than the ceiling allows.
    """
    results: list[FileResult] = []
    made = 0
    left = ceiling.left
    for index, file in enumerate(files):
        try:
            result = read(file, ceiling.bounds.but(left=left - made))
        except CrowdedError as error:
            raise ceiling.too_many_runs_error(
                error, made + error.made, len(files) - index - 1
            ) from None
        results.append(result)
        made += result.made
    return combine(results, problems, zone)


def read_service(
    configuration: Configuration,
    environment: Environment,
    read: Callable[[Environment, Ceiling], Declared],
    *,
    now: EpochMs,
) -> dict[str, Declared]:
    """What the environment, and all others that may be of its service, declare, by their names.

    They are read as by `read_related`. Raises TooManyRunsError.
    """
    found = read_related(configuration, environment, read, now=now)
    return {name: found[name] for name in service_environments(configuration, environment)}


def service_environments(configuration: Configuration, environment: Environment) -> list[str]:
    """The names of all environments that may be of this environment's service, itself included."""
    service = service_of(environment.gateway)
    return [
        one.name
        for one in configuration.environments.values()
        if may_be_one(service_of(one.gateway), service)
    ]


def read_related(
    configuration: Configuration,
    environment: Environment,
    read: Callable[[Environment, Ceiling], Declared],
    *,
    now: EpochMs,
) -> dict[str, Declared]:
    """What the environment, and all others that are related to it, declare, by their names.

    Environments are related if they may be of one service, or if a third is related to both: these
    two may have nothing else to do with each other. All are read in the configuration's order, so
    that each meets the same ceiling at the same place. `now`: what years ahead are counted from, by
    the local clock. Raises TooManyRunsError.
    """
    group = _related_environments(configuration, environment)
    names = [one.name for one in group]
    found: dict[str, Declared] = {}
    for index, one in enumerate(group):
        ceiling = Ceiling(
            environment=one.name,
            bounds=bounds_of(one.limits, now),
            together=max(other.limits.max_runs for other in group),
            before={name: len(declared.runs) for name, declared in found.items()},
            after=names[index + 1 :],
        )
        found[one.name] = read(one, ceiling)
    return found


def _related_environments(
    configuration: Configuration, environment: Environment
) -> list[Environment]:
    found, ahead = {environment.name}, [environment]
    while ahead:
        new = set(service_environments(configuration, ahead.pop())) - found
        found |= new
        ahead += [configuration.environments[name] for name in new]
    return [one for one in configuration.environments.values() if one.name in found]


def bounds_of(limits: Limits, now: EpochMs) -> Bounds:
    """What an environment's limits allow a manifest to declare at that time."""
    return Bounds(
        backfill=limits.max_runs_per_backfill,
        left=limits.max_runs,
        window=Window.of(now, limits.first_year, limits.years_ahead),
        sensitive=limits.sensitive_parameters,
    )
