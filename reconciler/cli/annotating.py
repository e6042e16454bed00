"""GitHub annotations beside an apply's result: the job's page shows them without a click."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.apply.checks import InvalidManifestsError
from reconciler.cli.saying import journal, show
from reconciler.errors import ReconcilerError
from reconciler.render.workflow_commands import error_annotation, problem_annotations


def annotate(lines: str) -> None:
    """Print the annotations where GitHub reads them: on stderr, because stdout has the result.

    Where stderr is a log of JSON, nothing is printed: every line of it must be an object.
    """
    if os.environ.get("GITHUB_ACTIONS") == "true" and journal() is None:
        show(lines, err=True, commands=True)


@contextmanager
def annotated() -> Iterator[None]:
    """Annotate the error that ends the block, if any, and raise it again."""
    try:
        yield
    except InvalidManifestsError as error:
        annotate(problem_annotations(error.problems))
        raise
    except ReconcilerError as error:
        annotate(error_annotation(str(error), error.hint))
        raise
