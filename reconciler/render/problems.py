"""The problems of a validation, as people read them; `reports` has the other formats."""

from collections.abc import Sequence
from typing import Any

from reconciler.model import Problem
from reconciler.render.layout import join_lines
from reconciler.render.safe import escape_line


def problems_text(problems: Sequence[Problem], files: int, runs: int) -> str:
    """A line `file:line:column: code: message` for each problem, then one line that counts.

    Where files and runs were not counted (0 and 0), the last line counts only the problems.
    """
    if not problems:
        return join_lines([f"{count_files_and_runs(files, runs)}: no problems"])
    summary = _plain_count(len(problems), "problem")
    if files or runs:
        summary += f" in {count_files_and_runs(files, runs)}"
    return join_lines([*(escape_line(str(problem)) for problem in problems), summary])


def count_files_and_runs(files: int, runs: int) -> str:
    """`12 files, 14 runs`."""
    return f"{_plain_count(files, 'file')}, {_plain_count(runs, 'run')}"


def _plain_count(number: int, noun: str) -> str:
    """The number in bare digits, without commas: scripts read this line as well."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def problem_json(problem: Problem) -> dict[str, Any]:
    """One problem in the form of every JSON output."""
    return {
        "file": problem.place.file,
        "line": problem.place.line,
        "column": problem.place.column,
        "code": problem.code,
        "pointer": problem.pointer,
        "message": problem.message,
    }
