"""What a command prints for scripts when it refuses: a document that says why.

A script that reads stdout gets one document whatever happens. It changes nothing about stderr and
the exit code. `plan` has documents of its own (`unplanned`), as its bots replace earlier comments.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import LinkedLedgerError
from reconciler.cli.saying import show
from reconciler.configuration import CONFIGURATION, InvalidConfigurationError
from reconciler.errors import LedgerError, ReconcilerError
from reconciler.ledger.files import ACTIVE
from reconciler.ledger.guarding import CODE
from reconciler.ledger.lines import RESTORE
from reconciler.model import Place, Problem
from reconciler.refused import TOO_MANY, InvalidManifestsError, Refused, TooManyStartsError
from reconciler.repository.declaring import TooManyRunsError
from reconciler.repository.settings import find_root, read_configuration

UNREADABLE = "ledger-unreadable"
NOT_DONE = "not-done"  # what stands in the way has no place in a file


def problems_of(error: ReconcilerError) -> tuple[Problem, ...]:
    """The problems behind the error that have a place in a file."""
    match error:
        case InvalidConfigurationError() | InvalidManifestsError():
            return error.problems
        case TooManyRunsError() | LinkedLedgerError():
            return (error.problem,)
        case _:
            return ()


def problem_without_place(error: ReconcilerError) -> Problem:
    """The error as a problem, for reports in which everything has a place: the configuration."""
    refused = _error_refusal(error)
    return Problem(place=Place(file=CONFIGURATION), code=refused.code, message=str(refused))


def ledger_problem(error: LedgerError, state: str, prefix: str, hint: str | None) -> Problem:
    """The problem of a ledger that cannot be read.

    `state`: the folder of the environment that needs it. `prefix`: the path in the repository of
    the folder that shown paths are relative to. `hint`: what to do, as precisely as is known.
    """
    file = error.file or f"{state}/{ACTIVE}"
    if not file.startswith(f"{state}/"):
        file = file.removeprefix(prefix)
    return Problem(
        place=Place(file=file, line=error.line or 1),
        code=CODE if error.hint == RESTORE else UNREADABLE,
        message=f"{error.what}. {hint}" if hint else error.what,
    )


@contextmanager
def document_refusals(
    options: CommonOptions,
    *,
    as_json: bool,
    of_one: bool = False,
    done: Callable[[], Mapping[str, Any]] = dict,
) -> Iterator[None]:
    """If the block is refused, print the document that says so, and raise the error again.

    `of_one`: the command is about one environment. `done`: what the document says besides, as an
    apply's says what it had started.
    """
    try:
        yield
    except ReconcilerError as error:
        if as_json:
            names = _names(options, of_one=of_one)
            show(_document(error, names, done()), document=True)
        raise


def _document(error: ReconcilerError, names: list[str], done: Mapping[str, Any]) -> str:
    from reconciler.render.json_output import environments_document, json_document
    from reconciler.render.problems import problem_json

    problems = problems_of(error)
    refused = [Refused(code=one.code, message=str(one)) for one in problems] or [
        _error_refusal(error)
    ]
    said = {
        "problems": [problem_json(problem) for problem in problems],
        "refusals": [{"code": one.code, "message": str(one)} for one in refused],
        **done,
    }
    return json_document(
        environments_document([{"version": 1, "environment": name, **said} for name in names])
    )


def _error_refusal(error: ReconcilerError) -> Refused:
    words = " ".join(str(error).split()).rstrip(".")
    is_crowd = isinstance(error, TooManyStartsError)
    return Refused(code=TOO_MANY if is_crowd else NOT_DONE, message=words, hint=error.hint)


def _names(options: CommonOptions, *, of_one: bool) -> list[str]:
    """The environments that the command would have been about; `[""]` if they are unknown."""
    if options.env is not None:
        return [options.env]
    with suppress(ReconcilerError):
        found = list(read_configuration(find_root(options.repo)).environments)
        return [""] if of_one and len(found) > 1 else found
    return [""]
