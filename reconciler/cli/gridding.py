"""What `status --grid` does with the runs that are shown."""

from typing import assert_never

from reconciler.cli.reporting import StatusReport
from reconciler.errors import ReconcilerError
from reconciler.model import combination_of, run_name
from reconciler.render.formats import Format
from reconciler.render.grid import DATE, Axes
from reconciler.render.grid_markdown import grid_markdown
from reconciler.render.grid_text import grid_text
from reconciler.schema.paths import shown


def shown_as_grids(report: StatusReport, form: Format, axes: Axes) -> str:
    """The backfills of the report as grids.

    Raises ReconcilerError for an axis that none of them has, and for a format without grids.
    """
    _check(report, axes)
    match form:
        case Format.TEXT:
            color = report.options.color
            return "\n".join(
                grid_text(one.name, rows, axes, color=color) for one, rows in report.rows
            )
        case Format.MARKDOWN:
            return grid_markdown([(one.name, rows) for one, rows in report.rows], axes)
        case Format.JSON:
            raise ReconcilerError("a grid is no JSON", hint="`--format json` has every run.")
        case _:
            assert_never(form)


def _check(report: StatusReport, axes: Axes) -> None:
    wanted = (*axes.rows, *axes.columns)
    if not wanted:
        return
    names = {run_name(row.run) for _, rows in report.rows for row in rows}
    keys = sorted({DATE, *(key for name in names for key in combination_of(name))})
    for unknown in (key for key in wanted if key not in keys):
        raise ReconcilerError(
            f"no backfill that is shown has the key {shown(unknown)}",
            hint=f"Rows and columns can be {', '.join(map(shown, keys))}.",
        )
