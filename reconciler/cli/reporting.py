"""What `status` does, between its options and its output."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import click

from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import Workspace, read_ledgers
from reconciler.configuration import Environment
from reconciler.errors import ReconcilerError
from reconciler.ledger import Ledger, Record, RunState
from reconciler.machine import LocalClock
from reconciler.model import Declared, EpochMs, Run
from reconciler.render.status import (
    StatusRow,
    status_detail_text,
    status_text,
    statuses_json,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which runs the user asked for; empty means all."""

    runs: tuple[str, ...]
    states: frozenset[str]
    labels: Mapping[str, str]

    @classmethod
    def of(
        cls, *, runs: tuple[str, ...], states: tuple[str, ...], labels: tuple[str, ...]
    ) -> "Filter":
        """Read the options. Raises click.BadParameter for a label without a value."""
        pairs = {}
        for label in labels:
            key, separator, value = label.partition("=")
            if not separator:
                raise click.BadParameter(f"{label!r} is not KEY=VALUE", param_hint="--label")
            pairs[key] = value
        return cls(runs=runs, states=frozenset(states), labels=pairs)

    def covers(self, row: StatusRow) -> bool:
        """Whether the row is among those asked for."""
        return (
            (not self.runs or row.run in self.runs)
            and (not self.states or row.state in self.states)
            and all(row.labels.get(key) == value for key, value in self.labels.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What the ledger says, by environment."""

    rows: list[tuple[Environment, list[StatusRow]]]
    detailed: bool
    options: CommonOptions

    def shown(self, form: str) -> str:
        """The report in one of the formats that `status` offers."""
        if form == "json":
            return statuses_json([(environment.name, rows) for environment, rows in self.rows])
        return "\n".join(self._text(environment, rows) for environment, rows in self.rows)

    def _text(self, environment: Environment, rows: list[StatusRow]) -> str:
        name, zone = environment.name, environment.gateway.zone
        if self.detailed:
            return "\n".join(status_detail_text(name, row, zone) for row in rows)
        return status_text(name, rows, zone, verbose=self.options.verbose, color=self.options.color)


def report_status(options: CommonOptions, wanted: Filter, *, offline: bool) -> StatusReport:
    """Read the ledger and what the manifests add to it.

    Raises ConfigurationError, GitError, LedgerError, and ReconcilerError for a run that is neither
    declared nor recorded.
    """
    workspace = Workspace.find(options)
    ledgers = read_ledgers(workspace, offline=offline)
    now = LocalClock().wall()
    reported = []
    for environment in workspace.environments:
        known = ledgers[environment.name]
        if known.note and not options.quiet:
            click.echo(f"{environment.name}: {known.note}", err=True)
        rows = list(status_rows(known.ledger, workspace.declared(environment), now))
        reported.append((environment, rows))
    _check_known(wanted, [row for _, rows in reported for row in rows])
    chosen = [(one, [row for row in rows if wanted.covers(row)]) for one, rows in reported]
    return StatusReport(rows=chosen, detailed=bool(wanted.runs), options=options)


def status_rows(ledger: Ledger, declared: Declared, now: EpochMs) -> Iterator[StatusRow]:
    """One row a run: those recorded, and those declared and not recorded yet."""
    runs = {run.id: run for run in declared.runs}
    for run in declared.runs:
        if run.id not in ledger.records:
            yield _pending(run)
    for record in ledger.records.values():
        yield _recorded(record, runs.get(record.run), ledger, now)


def _pending(run: Run) -> StatusRow:
    return StatusRow(
        run=run.id,
        state=RunState.PENDING,
        flow_id=run.flow_id,
        trigger_time=run.trigger_time,
        labels=run.labels,
    )


def _recorded(record: Record, run: Run | None, ledger: Ledger, now: EpochMs) -> StatusRow:
    claim = ledger.claims.get(record.claim) if record.claim else None
    return StatusRow(
        run=record.run,
        state=record.state(now),
        flow_id=record.flow_id or (run.flow_id if run else None),
        trigger_time=record.trigger_time,
        instance=record.instances[0] if record.instances else None,
        claimed_at=record.claimed_at,
        triggered_at=record.triggered_at,
        status=record.status,
        error=record.error,
        labels=run.labels if run else {},
        evidence=record.evidence,
        until=record.until or None,
        claim=record.claim,
        by=claim.by if claim else None,
    )


def _check_known(wanted: Filter, rows: list[StatusRow]) -> None:
    known = {row.run for row in rows}
    for run in wanted.runs:
        if run not in known:
            raise ReconcilerError(
                f"{run} is neither declared nor recorded",
                hint="`reconciler status` lists every run.",
            )
