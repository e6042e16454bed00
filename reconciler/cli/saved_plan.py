"""Reading a plan that `plan --out` saved."""

import json
from pathlib import Path
from typing import Any

from reconciler.errors import RefusedError
from reconciler.model import Digest, RunId
from reconciler.plan import Action


def read_saved_plan(path: Path, environment: str) -> dict[RunId, Digest]:
    """The runs that the plan would start in the environment, with their digests.

    Raises RefusedError if the file is no plan, or not of that environment.
    """
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        plans = document.get("environments", [document])
        version = document["version"]
        plan = next((one for one in plans if one["environment"] == environment), None)
        if version == 1 and plan is not None:
            return {
                RunId(run["run"]): Digest(run["digest"])
                for run in plan["runs"]
                if run["action"] == Action.TRIGGER
            }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RefusedError(
            f"{path} is not a saved plan: {error}",
            hint="Make one with `reconciler plan --out FILE`.",
        ) from None
    found = ", ".join(str(one["environment"]) for one in plans)
    raise RefusedError(
        f"{path} is of format {version} and for environment {found}, not for {environment}",
        hint="Name the environment that it was made for with --env.",
    )
