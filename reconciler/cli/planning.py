"""What `plan` does, between its options and its output."""

from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import Workspace, read_ledgers
from reconciler.configuration import Environment
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.machine import LocalClock
from reconciler.plan import Plan, make_plan
from reconciler.render.document import json_document
from reconciler.render.plan_json import plans_json
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.plan_text import plan_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """The plans of the environments asked for."""

    plans: list[tuple[Plan, Environment]]
    options: CommonOptions

    def shown(self, form: str) -> str:
        """The plans in one of the formats that `plan` offers."""
        match form:
            case "json":
                return self._json()
            case "markdown":
                return plan_markdown([(plan, one.gateway.zone) for plan, one in self.plans])
            case _:
                return "\n".join(self._text(plan, environment) for plan, environment in self.plans)

    def save(self, path: Path) -> None:
        """Write the plans as JSON, for `apply --plan`. Raises ReconcilerError."""
        try:
            path.write_text(self._json(), encoding="utf-8")
        except OSError as error:
            raise ReconcilerError(f"{path} cannot be written: {error.strerror}") from None

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """The exit code that follows from the plans."""
        if any(plan.problems for plan, _ in self.plans):
            return ExitCode.PROBLEM
        if detailed and any(plan.has_work for plan, _ in self.plans):
            return ExitCode.CHANGES
        return ExitCode.OK

    def _json(self) -> str:
        return json_document(plans_json([plan for plan, _ in self.plans]))

    def _text(self, plan: Plan, environment: Environment) -> str:
        return plan_text(
            plan,
            environment.gateway.zone,
            color=self.options.color,
            verbose=self.options.verbose,
            max_runs=environment.limits.max_runs_per_apply,
        )


def make_plans(options: CommonOptions, *, offline: bool) -> PlanReport:
    """Plan each environment. Raises ConfigurationError, GitError, LedgerError."""
    workspace = Workspace.find(options)
    ledgers = read_ledgers(workspace, offline=offline)
    now = LocalClock().wall()
    plans = []
    for environment in workspace.environments:
        known = ledgers[environment.name]
        if known.note and not options.quiet:
            click.echo(f"{environment.name}: {known.note}", err=True)
        plan = make_plan(
            workspace.declared(environment),
            known.ledger,
            now,
            environment=environment.name,
            commit=known.commit,
            same_minute_allowed=environment.gateway.same_minute_allowed,
            reserved_parameter=environment.gateway.correlation_parameter,
        )
        plans.append((plan, environment))
    return PlanReport(plans=plans, options=options)
