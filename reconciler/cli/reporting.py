"""What `status` does, between its options and its output: a list or grids, in each format."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, assert_never

from msgspec import Struct

from reconciler.cli.choosing import Filter
from reconciler.cli.clock import LocalClock
from reconciler.cli.fetching import read_ledgers
from reconciler.cli.options import CommonOptions, Format
from reconciler.cli.planning import plan_of
from reconciler.cli.reading import Workspace
from reconciler.cli.rows import status_rows, with_gateway
from reconciler.cli.saying import say, say_left_out
from reconciler.configuration import Environment
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.model import RunId, combination_of, run_name
from reconciler.plan.outlook import Outlook
from reconciler.render.grid import DATE, Axes
from reconciler.render.status_json import statuses_json
from reconciler.render.status_markdown import status_markdown
from reconciler.render.status_row import outlook, urgent_exit_code
from reconciler.render.status_text import (
    StatusRow,
    status_detail_text,
    status_text,
)
from reconciler.schedule import schedule_runs
from reconciler.schema.paths import quotable_text

if TYPE_CHECKING:
    from reconciler.cli.refreshing import FreshLedger  # httpx comes with it


class StatusReport(Struct, frozen=True, kw_only=True):
    """What the ledger says, by environment."""

    rows: list[tuple[Environment, list[StatusRow]]]
    narrowed: bool  # the user asked for some runs only
    detailed: bool  # every RUN that the user named means just one run
    options: CommonOptions

    @classmethod
    def of(
        cls,
        rows: list[tuple[Environment, list[StatusRow]]],
        wanted: Filter,
        options: CommonOptions,
    ) -> "StatusReport":
        """Report what was asked for. Raises ReconcilerError for a RUN that means nothing."""
        meant = _find_meant_runs(wanted, [row for _, those in rows for row in those])
        runs = {run for those in meant for run in those}
        chosen = rows
        if wanted.asks:
            chosen = [
                (
                    environment,
                    [row for row in those if (not meant or row.run in runs) and wanted.fits(row)],
                )
                for environment, those in rows
            ]
        left = {row.run for _, those in chosen for row in those} if meant else set()
        one_each = all(len(those & left) == 1 for those in meant)
        return cls(
            rows=chosen,
            narrowed=wanted.is_narrow,
            detailed=bool(meant) and one_each,
            options=options,
        )

    @property
    def exit_code(self) -> ExitCode:
        """Whether one of the runs that are shown was started twice and nobody has settled that."""
        return urgent_exit_code(row for _, those in self.rows for row in those)

    @property
    def detailed_exit_code(self) -> ExitCode:
        """What a person must react to first: in doubt, then failed, then still to come."""
        found = {outlook(row) for _, those in self.rows for row in those}
        if Outlook.IN_DOUBT in found:
            return ExitCode.IN_DOUBT
        if Outlook.AMISS in found:
            return ExitCode.PROBLEM
        return ExitCode.CHANGES if Outlook.COMING in found else ExitCode.OK

    def render(self, form: Format) -> str:
        """The report in one of the formats that `status` offers."""
        return "".join(self.pieces(form))

    def pieces(self, form: Format) -> Iterable[str]:
        """The same in pieces: one text would take more memory than all that it is made of."""
        statuses = [(one.name, one.gateway.zone, rows) for one, rows in self.rows]
        match form:
            case Format.JSON:
                return statuses_json(statuses)
            case Format.MARKDOWN:
                return (status_markdown(statuses, detailed=self.detailed),)
            case Format.TEXT:
                shown = [(one, rows) for one, rows in self.rows if rows or not self.detailed]
                return ("\n".join(self._text(environment, rows) for environment, rows in shown),)
            case _:
                assert_never(form)

    def _text(self, environment: Environment, rows: list[StatusRow]) -> str:
        name, zone, options = environment.name, environment.gateway.zone, self.options
        if self.detailed:
            return "\n".join(status_detail_text(name, row, zone) for row in rows)
        return status_text(
            name, rows, zone, options.verbose, unfolded=self.narrowed, color=options.color
        )


def _find_meant_runs(wanted: Filter, rows: Sequence[StatusRow]) -> list[frozenset[RunId]]:
    """The runs in the rows that each RUN means. Raises ReconcilerError if one means none."""
    if not wanted.runs:
        return []
    called = {RunId(row.declared_as): row.run for row in rows if row.declared_as is not None}
    called |= {row.run: row.run for row in rows}
    return [frozenset(called[one] for one in those) for those in wanted.find_meant_runs(called)]


def report_status(
    options: CommonOptions, wanted: Filter, *, offline: bool, refreshed: bool = False
) -> StatusReport:
    """Read the ledger and what the manifests add to it; `refreshed`: ask the service first.

    Raises ConfigurationError, GitError, LedgerError, and ReconcilerError for a RUN that means no
    declared or recorded run; where the service is asked, GatewayError.
    """
    workspace = Workspace.find(options)
    fresh: dict[str, FreshLedger] = {}
    if refreshed:
        from reconciler.cli.refreshing import refresh_ledgers

        names = [environment.name for environment in workspace.environments]
        fresh = refresh_ledgers(options, names, wanted.runs)
        ledgers = {name: one.known for name, one in fresh.items()}
    else:
        ledgers = read_ledgers(workspace, offline=offline)
    now = LocalClock().wall()
    reported = []
    for environment in workspace.environments:
        known = ledgers[environment.name]
        if known.note and not options.quiet:
            say(f"{environment.name}: {known.note}")
        declared = schedule_runs(workspace.take(environment), known.ledger)
        plan = plan_of(declared, known, environment, is_scheduled=True)
        most = environment.limits.max_runs_per_apply
        rows = status_rows(plan, known.ledger, now, most=most)
        rows = [with_gateway(row, environment.gateway) for row in rows]
        seen = fresh[environment.name].statuses if environment.name in fresh else {}
        rows = [row.but(status=seen[row.run]) if row.run in seen else row for row in rows]
        reported.append((environment, rows))
    every = [row for _, rows in reported for row in rows]
    wanted.check_keys(every)
    for note in () if options.quiet else wanted.unmet_notes(every):
        say(f"note: {note}")
    say_left_out(workspace.left_out, quiet=options.quiet)
    return StatusReport.of(reported, wanted, options)


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

        _check_axes(report, axes)
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


def _check_axes(report: StatusReport, axes: Axes) -> None:
    wanted = (*axes.rows, *axes.columns)
    if not wanted:
        return
    names = {run_name(row.run) for _, rows in report.rows for row in rows}
    keys = sorted({DATE, *(key for name in names for key in combination_of(name))})
    for unknown in (key for key in wanted if key not in keys):
        raise ReconcilerError(
            f"no backfill that is shown has the key {quotable_text(unknown)}",
            hint=f"Rows and columns can be {', '.join(map(quotable_text, keys))}.",
        )
