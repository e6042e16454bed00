"""What `doctor` does: one check after the other, none of which ends the others."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from reconciler.cli.options import CommonOptions
from reconciler.configuration import Environment
from reconciler.errors import ReconcilerError
from reconciler.render.diagnosis import Checked, Diagnosis, failed, skipped

OFFLINE = "it needs the network, and --offline was given"
_AGAIN = "Mend that, then run it again: reconciler doctor"
_BUG = "This check has a bug: please report it with these words; the other checks stand."


class Examination:
    """The checks that were made, in their order."""

    def __init__(self) -> None:
        self.checks: list[Checked] = []

    def check(
        self, name: str, look: Callable[[], Diagnosis], environment: str | None = None
    ) -> None:
        """Make the check. Whatever goes wrong in it is what it found."""
        try:
            diagnosis = look()
        except Exception as error:  # noqa: BLE001 - one broken check must not end the others
            diagnosis = _of_error(error)
        self._add(name, diagnosis, environment)

    async def ask(
        self, name: str, look: Callable[[], Awaitable[Diagnosis]], environment: str | None = None
    ) -> None:
        """The same for a check that asks a gateway."""
        try:
            diagnosis = await look()
        except Exception as error:  # noqa: BLE001 - as above
            diagnosis = _of_error(error)
        self._add(name, diagnosis, environment)

    def together(self, look: Callable[[], None], environment: str | None = None) -> None:
        """Make checks that follow from one another; what goes wrong between them is told as one."""
        try:
            look()
        except Exception as error:  # noqa: BLE001 - as above
            self._add("examination", _of_error(error), environment)

    def skip(self, names: Iterable[str], why: str, environment: str | None = None) -> None:
        """Say of each that it was not made, and why."""
        for name in names:
            self._add(name, skipped(why), environment)

    def _add(self, name: str, diagnosis: Diagnosis, environment: str | None) -> None:
        self.checks.append(Checked(name=name, environment=environment, diagnosis=diagnosis))


def _of_error(error: Exception) -> Diagnosis:
    if isinstance(error, ReconcilerError):
        return failed(str(error), error.hint or _AGAIN)
    return failed(f"{type(error).__name__}: {error}", _BUG)


def examine(options: CommonOptions, *, offline: bool) -> list[Checked]:
    """Check everything around the program. Raises nothing for what a person can cause."""
    from reconciler.cli.examining_clone import ClonePatient
    from reconciler.cli.examining_gateway import examine_gateway
    from reconciler.cli.examining_ledger import examine_code_owners, examine_ledger

    examination = Examination()
    clone = ClonePatient(examination=examination, options=options)
    examination.together(lambda: clone.examine(offline=offline))
    examine_code_owners(examination, clone)

    def examine_environment(environment: Environment) -> None:
        declared = examine_ledger(examination, clone, environment, offline=offline)
        examine_gateway(examination, clone, environment, declared, offline=offline)

    for one in clone.workspace.environments if clone.workspace is not None else ():
        examination.together(partial(examine_environment, one), one.name)
    return examination.checks
