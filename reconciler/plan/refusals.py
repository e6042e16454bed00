"""Why an apply would refuse: said by `plan` in a pull request, and by the apply itself."""

from dataclasses import dataclass

from reconciler.plan.values import Action, Plan

TOO_MANY = "too-many-to-start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One reason why nothing would be started. `code` is a problem's, or TOO_MANY."""

    code: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


def too_many(wanted: int, limit: int) -> Refused | None:
    """The refusal of an apply that is larger than anybody meant it to be, if it is."""
    if wanted <= limit:
        return None
    return Refused(
        code=TOO_MANY,
        message=f"this apply would start {wanted} runs, and the limit is {limit}",
        hint=f"If that is meant, raise limits.maxRunsPerApply to {wanted} in the same pull "
        f"request; once, by hand: `apply --max-runs {wanted}`.",
    )


def refusals(plan: Plan, limit: int) -> tuple[Refused, ...]:
    """Every reason for which an apply of the plan would start nothing, as far as is known here.

    `limit`: how many runs an apply may start, by the configuration or the command line.
    """
    found = [Refused(code=one.code, message=str(one)) for one in plan.problems]
    # An apply counts before it asks the service which ones that would refuse.
    starts = len(plan.of_action(Action.TRIGGER)) + len(plan.refused)
    crowd = too_many(starts, limit)
    return (*found, crowd) if crowd is not None else tuple(found)
