"""Why nothing is started, as every command says it: the refusals with a code, and their errors.

They lie beside neither the plan nor the protocol, for `validate` documents a refusal as well, and
its start-up should load no plan and no event loop.
"""

from collections.abc import Sequence

from msgspec import Struct

from reconciler.counting import format_count
from reconciler.errors import RefusedError
from reconciler.model import Problem

TOO_MANY = "too-many-to-start"
TOO_MANY_WITH_WAIT = "too-many-with-wait"
NOT_PLANNED = "not-planned"  # what stands in the way has no place in a file


class Refused(Struct, frozen=True, kw_only=True):
    """One reason why nothing would start. `code` is a problem's, or one of the three above."""

    code: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class InvalidManifestsError(RefusedError):
    """The shared branch's manifests have problems, so nothing is started, or nothing more."""

    def __init__(self, problems: Sequence[Problem], *, tried: int = 0) -> None:
        after = f"nothing more was started after {format_count(tried, 'run')}"
        what = after if tried else "nothing was started"
        super().__init__(
            f"{what}: the branch's manifests have {format_count(len(problems), 'problem')}",
            hint="Mend them in a pull request; `reconciler validate` finds them before the merge.",
        )
        self.problems = tuple(problems)


class TooManyStartsError(RefusedError):
    """The apply would start more runs than it may."""
