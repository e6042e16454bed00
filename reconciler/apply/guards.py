"""What an apply refuses to do."""

from collections.abc import Mapping, Sequence

from reconciler.errors import RefusedError
from reconciler.model import Digest, Problem, RunId
from reconciler.plan import Action, Plan


class InvalidManifestsError(RefusedError):
    """The shared branch's manifests have problems, so nothing is started."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            f"nothing was started: the branch's manifests have {len(problems)} problem(s)",
            hint="Mend them in a pull request; `reconciler validate` finds them before the merge.",
        )
        self.problems = tuple(problems)


def refuse_too_many(wanted: int, limit: int) -> None:
    """Refuse an apply that is larger than anybody meant it to be."""
    if wanted > limit:
        raise RefusedError(
            f"this apply would start {wanted} runs, and the limit is {limit}",
            hint=f"If that is meant: --max-runs {wanted}, or raise limits.maxRunsPerApply.",
        )


def refuse_stale(plan: Plan, only: Mapping[RunId, Digest]) -> None:
    """Refuse a saved plan of which any run is not to be started now as it says."""
    now = {run.id: run.digest for run in plan.of_action(Action.TRIGGER)}
    for run, digest in only.items():
        if now.get(run) != digest:
            raise RefusedError(
                f"the saved plan is stale: {run} is not to be started any more as it says",
                hint="Make a new plan from the branch as it is now.",
            )
