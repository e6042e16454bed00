"""What `status` does, between its options and its output."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, assert_never

import msgspec
from msgspec import Struct

from reconciler.cli.choosing import Filter
from reconciler.cli.fetching import read_ledgers
from reconciler.cli.machine import LocalClock
from reconciler.cli.options import CommonOptions, Format
from reconciler.cli.planning import plan_of
from reconciler.cli.reading import Workspace
from reconciler.cli.saying import say, say_left_out
from reconciler.configuration import Environment, GatewayConfiguration
from reconciler.errors import ExitCode
from reconciler.ledger import Ledger, Record, RunState
from reconciler.ledger.brief import BriefRecord
from reconciler.ledger.records import Phase
from reconciler.model import (
    EpochMs,
    Run,
    RunId,
    first_attempt,
    manifest_of,
    run_attempt,
    run_name,
)
from reconciler.plan import Action, Plan, Reason
from reconciler.render.backfills import attempt_of, natural_order
from reconciler.render.status_markdown import status_markdown
from reconciler.render.status_row import FullRow, SuccessRow, detailed_exit_code, instance_url
from reconciler.render.status_text import (
    StatusRow,
    status_detail_text,
    status_text,
    statuses_json,
)
from reconciler.schedule import scheduled

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
        meant = _meant_by(wanted, [row for _, those in rows for row in those])
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

    def exit_code(self, *, detailed: bool = False) -> ExitCode:
        """The exit code that follows from the runs that are shown.

        Unless `detailed`, it depends only on whether a run was started twice and nobody has settled
        that.
        """
        rows = [row for _, those in self.rows for row in those]
        if detailed:
            return detailed_exit_code(rows)
        return ExitCode.IN_DOUBT if any(row.started_twice for row in rows) else ExitCode.OK

    def shown(self, form: Format) -> str:
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


def _meant_by(wanted: Filter, rows: Sequence[StatusRow]) -> list[frozenset[RunId]]:
    """The runs in the rows that each RUN means. Raises ReconcilerError if one means none."""
    if not wanted.runs:
        return []
    called = {RunId(row.declared_as): row.run for row in rows if row.declared_as is not None}
    called |= {row.run: row.run for row in rows}
    return [frozenset(called[one] for one in those) for those in wanted.meant(called)]


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
        declared = scheduled(workspace.take(environment), known.ledger)
        plan = plan_of(declared, known, environment, is_scheduled=True)
        most = environment.limits.max_runs_per_apply
        rows = status_rows(plan, known.ledger, now, most=most)
        rows = [with_gateway(row, environment.gateway) for row in rows]
        if environment.name in fresh:
            statuses = fresh[environment.name].statuses
            rows = [
                row.but(status=statuses[row.run]) if row.run in statuses else row for row in rows
            ]
        reported.append((environment, rows))
    every = [row for _, rows in reported for row in rows]
    wanted.check_keys(every)
    for note in () if options.quiet else wanted.unmet(every):
        say(f"note: {note}")
    say_left_out(workspace.left_out, quiet=options.quiet)
    return StatusReport.of(reported, wanted, options)


def with_gateway(row: StatusRow, gateway: GatewayConfiguration) -> StatusRow:
    """The row with what the gateway's configuration adds to it.

    It adds the URL of the run's instance, if `instanceUrl` is configured. For a run in doubt it
    adds the time from when a search that finds nothing proves that there is no instance.
    """
    template = gateway.instance_url
    if template is None and row.state is not RunState.IN_DOUBT:
        return row
    if row.state is RunState.IN_DOUBT:
        since = max(row.until or 0, row.trigger_time) + int(gateway.settle * 1000)
        row = row.but(settled_from=EpochMs(since))
    if template is None or row.instance is None:
        return row
    if isinstance(row, SuccessRow):
        return msgspec.structs.replace(row, template=template)
    return row.but(instance_url=instance_url(template, row.instance, row.flow_id))


def status_rows(plan: Plan, ledger: Ledger, now: EpochMs, *, most: int) -> list[StatusRow]:
    """A row for each run or attempt that is recorded, or declared and not recorded yet.

    Sorted by manifest, trigger time and name, so that each look has the same order. `most`: how
    many runs an apply may start.
    """
    of_manifest: dict[str, list[StatusRow]] = defaultdict(list)
    for row in _rows(plan, ledger, now, most=most):
        of_manifest[manifest_of(run_name(RunId(row.declared_as or row.run)))].append(row)
    found: list[StatusRow] = []
    for manifest in sorted(of_manifest, key=natural_order):
        by_time = sorted(of_manifest[manifest], key=_time)
        for _, alike in groupby(by_time, _time):
            those = list(alike)
            found += (
                sorted(those, key=lambda row: natural_order(row.run)) if len(those) > 1 else those
            )
    return found


def _time(row: StatusRow) -> EpochMs:
    return row.trigger_time


def _rows(plan: Plan, ledger: Ledger, now: EpochMs, *, most: int) -> list[StatusRow]:
    planned = {one.id: one for one in plan.runs}
    runs = {first_attempt(one.id): one.run for one in plan.runs if one.run is not None}
    starts = len(plan.of_action(Action.TRIGGER))
    over = (
        f"{starts:,} runs to start are more than limits.maxRunsPerApply, {most:,}: an apply "
        "refuses them"
    )

    def with_reason(row: StatusRow, newest: Run | None) -> StatusRow:
        one = planned.get(row.run)
        if newest is not None and newest.attempt > 1 and newest.attempt > attempt_of(row.run):
            row = row.but(followed_by=newest.id)
        if one is None or one.code is None:
            return _unplanned(row, now)
        if one.action is Action.TRIGGER and starts > most:
            return row.but(reason=Reason.OVER_LIMIT, why=over)
        why = _UNDER_WAY.get(one.code, one.reason)
        return row.but(reason=one.code, why=why, gist=one.gist, waits_for=one.waits_for)

    rows = [
        with_reason(_pending(run), runs.get(first_attempt(run.id)))
        for run in runs.values()
        if run.id not in ledger.records
    ]
    for record in ledger.records.values():
        declared = runs.get(first_attempt(record.run))
        rows.append(with_reason(_recorded(record, declared, ledger, now), declared))
    return rows


_UNDER_WAY = {
    Reason.NOT_DUE: "the service starts it at its time",
    Reason.RUNNING: "started, and not known to have ended",
}  # what the ledger knows; the row's status is what the service said last


def _unplanned(row: StatusRow, now: EpochMs) -> StatusRow:
    """The row of a run that is done, or of which the plan does not say why it is not."""
    match row.state:
        case RunState.FAILED:
            return row.but(reason=Reason.FAILED, why=_ended(row))
        case RunState.TRIGGERED:
            code = Reason.NOT_DUE if row.trigger_time > now else Reason.RUNNING
            return row.but(reason=code, why=_UNDER_WAY[code])
        case RunState.PENDING | RunState.REJECTED:
            gone = "this attempt is no longer wanted" if row.is_declared else "no longer declared"
            return row.but(reason=Reason.UNDECLARED, why=f"{gone}: will not start")
        case _:
            return row


def _ended(row: StatusRow) -> str:
    ended = f"it ended with {row.status}" if row.status else "it ended badly"
    return ended if row.followed_by is None else f"{ended}; {row.followed_by} follows"


def _pending(run: Run) -> StatusRow:
    return FullRow(
        run=run.id,
        state=RunState.PENDING,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        is_suspended=run.suspend,
        parameters=run.shown_parameters(),
        place=run.place,
        labels=run.labels,
    )


def _recorded(record: Record, run: Run | None, ledger: Ledger, now: EpochMs) -> StatusRow:
    claim = ledger.claims.get(record.claim) if record.claim else None
    is_early = max(record.until, record.trigger_time) > now
    is_renamed = run is not None and bool(run.declared_as)
    if (
        isinstance(record, BriefRecord)
        and record.phase is Phase.SUCCEEDED
        and claim is not None
        and not (is_early or is_renamed)
    ):
        return SuccessRow(record.run, record, run, claim)
    return FullRow(
        run=record.run,
        state=record.state(now),
        flow_id=record.flow_id or (run.flow_id if run else None),
        trigger_time=record.trigger_time,
        instance=record.instance,
        claimed_at=record.claimed_at,
        triggered_at=record.triggered_at,
        status=record.status,
        ended_at=record.ended_at,
        cancelled=record.cancelled,
        error=record.error,
        starts=record.starts,
        started_twice=record.started_twice,
        is_early=is_early,
        is_unwanted=run is not None and run.cancel,
        is_suspended=run is not None and run.suspend,
        parameters=run.shown_parameters() if run else None,
        declared_as=run.declared_id(run_attempt(record.run)) if run and is_renamed else None,
        place=run.place if run else None,
        labels=run.labels if run else {},
        evidence=record.evidence,
        until=record.until or None,
        claim=record.claim,
        by=claim.by if claim and not record.is_by_hand(record.claim) else None,
        commit=claim.commit if claim else None,
    )
