"""Reading a plan that `plan --out` saved."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.apply.ports import SavedRun
from reconciler.errors import RefusedError
from reconciler.model import Digest, EpochMs, RunId
from reconciler.plan import Action
from reconciler.repository.worktree import read_regular

_MOST_BYTES = 256 << 20

# What reading JSON that anybody may have written can raise: too deep, too large, of other kinds.
_NOT_A_PLAN = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """What a saved plan would do in one environment."""

    starts: dict[RunId, SavedRun]  # as it would start them
    cancels: frozenset[RunId]


def read_saved_plan(path: Path, environment: str) -> SavedPlan:
    """What the plan would do in the environment.

    Raises RefusedError if the file is no plan, or not of that environment.
    """
    try:
        document: Any = json.loads(read_regular(path, _MOST_BYTES).decode())
        plans = document.get("environments", [document])
        version = document["version"]
        plan = next((one for one in plans if one["environment"] == environment), None)
        if version == 1 and plan is not None:
            return SavedPlan(
                starts={RunId(run["run"]): _saved(run) for run in _planned(plan, Action.TRIGGER)},
                cancels=frozenset(RunId(run["run"]) for run in _planned(plan, Action.CANCEL)),
            )
    except _NOT_A_PLAN as error:
        raise RefusedError(
            f"{path} is not a saved plan: {error}",
            hint="Make one with `reconciler plan --out FILE`.",
        ) from None
    found = ", ".join(str(one["environment"]) for one in plans)
    raise RefusedError(
        f"{path} is of format {version} and for environment {found}, not for {environment}",
        hint="Name the environment that it was made for with --env.",
    )


def _planned(plan: Any, action: Action) -> list[Any]:
    return [run for run in plan["runs"] if run["action"] == action]


def _saved(run: Any) -> SavedRun:
    """Raises KeyError, TypeError or ValueError where something is missing or of another kind."""
    return SavedRun(
        digest=Digest(run["digest"]),
        flow_id=int(run["flowId"]),
        trigger_time=EpochMs(int(run["triggerTime"])),
        parameters=tuple((str(one["key"]), str(one["value"])) for one in run["parameters"]),
    )
