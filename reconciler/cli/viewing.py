"""How `status` shows its report: as a list or as grids, in each of its formats."""

from collections.abc import Iterable
from typing import assert_never

from msgspec import Struct

from reconciler.cli.options import Format
from reconciler.cli.reporting import StatusReport
from reconciler.errors import ReconcilerError
from reconciler.model import combination_of, run_name
from reconciler.render.grid import DATE, Axes
from reconciler.schema.paths import shown


class View(Struct, frozen=True, kw_only=True):
    """What the user wants to see of a report."""

    form: Format
    axes: Axes | None = None  # of grids; None: a list

    def of(self, report: StatusReport) -> str:
        """The report as text. Raises ReconcilerError for an axis that none of its backfills has."""
        return "".join(self.pieces(report))

    def pieces(self, report: StatusReport) -> Iterable[str]:
        """The same in pieces; see `StatusReport.pieces`."""
        return report.pieces(self.form) if self.axes is None else (self._grids(report, self.axes),)

    def _grids(self, report: StatusReport, axes: Axes) -> str:
        from reconciler.render.grid_forms import grid_markdown, grid_text

        _check(report, axes)
        match self.form:
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
                assert_never(self.form)


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
