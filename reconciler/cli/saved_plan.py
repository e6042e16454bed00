"""A plan in a file: `plan --out` saves it, and `apply --plan` starts only what it holds."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from reconciler.apply.ports import SavedRun
from reconciler.errors import RefusedError
from reconciler.model import Digest, EpochMs, RunId
from reconciler.plan import Action, plan_digest
from reconciler.repository.named_files import read_regular, write_regular

_BEGINNING = b'{\n  "version": '  # of a saved plan, whatever its format
_MOST_BYTES = 256 << 20
_VERSION = 1

# The errors of reading JSON from an unknown author: nested too deep, too large, of other types.
_NOT_A_PLAN = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)


def save_plan(path: Path, pieces: Iterable[str]) -> None:
    """Write a plan's JSON to the file. Raises ReconcilerError.

    An older plan is written over, and nothing else that somebody may need.
    """
    write_regular(path, "".join(pieces).encode(), over=_BEGINNING, what="a saved plan")


class SavedPlan(Struct, frozen=True, kw_only=True):
    """What a saved plan would do in one environment."""

    starts: dict[RunId, SavedRun]  # with what the plan would send
    cancels: frozenset[RunId]


def read_saved_plan(path: Path, environment: str) -> SavedPlan:
    """Read from the file what the plan would do in the environment.

    Raises RefusedError if the file is no plan, has none for that environment, or was edited. The
    plan's `commit` decides nothing: an apply reads the branch as it is by then.
    """
    try:
        document: Any = json.loads(read_regular(path, _MOST_BYTES).decode())
        version = document["version"]
        if version != _VERSION:
            raise _other_format_error(path, version)
        plans = document.get("environments", [document])
        plan = next((one for one in plans if one["environment"] == environment), None)
        if plan is not None:
            saved = _read_plan(plan)
            if plan.get("digest") != _digest_of_content(plan):
                raise _edited_error(path)
            return saved
    except _NOT_A_PLAN as error:
        raise RefusedError(
            f"{path} is not a saved plan: {error}",
            hint="Make one with `reconciler plan --out FILE`.",
        ) from None
    found = ", ".join(str(one["environment"]) for one in plans)
    raise RefusedError(
        f"{path} is for environment {found}, not for {environment}",
        hint="Name the environment that it was made for with --env.",
    )


def _other_format_error(path: Path, version: object) -> RefusedError:
    return RefusedError(
        f"{path} is of format {version}, and this reconciler reads saved plans of format "
        f"{_VERSION}",
        hint="Make a new one with `reconciler plan --out FILE`, with this version of it.",
    )


def _edited_error(path: Path) -> RefusedError:
    return RefusedError(
        f"{path} was edited after it was saved: its digest is not that of its runs and their "
        "actions",
        hint="Make a new one with `reconciler plan --out FILE`.",
    )


def _digest_of_content(plan: Any) -> str:
    return plan_digest(
        plan["environment"],
        ((run["run"], run["action"], run["digest"], run["triggerTime"]) for run in plan["runs"]),
    )


def _read_plan(plan: Any) -> SavedPlan:
    return SavedPlan(
        starts={
            RunId(run["run"]): _read_saved_run(run) for run in _runs_of_action(plan, Action.START)
        },
        cancels=frozenset(RunId(run["run"]) for run in _runs_of_action(plan, Action.CANCEL)),
    )


def _runs_of_action(plan: Any, action: Action) -> list[Any]:
    return [run for run in plan["runs"] if run["action"] == action]


def _read_saved_run(run: Any) -> SavedRun:
    """Raises KeyError, TypeError or ValueError where a field is missing or of another type."""
    return SavedRun(
        digest=Digest(run["digest"]),
        flow_id=int(run["flowId"]),
        trigger_time=EpochMs(int(run["triggerTime"])),
        parameters=tuple((str(one["key"]), str(one["value"])) for one in run["parameters"]),
    )
