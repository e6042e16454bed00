"""What `plan` does, between its options and its output."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from reconciler.apply.flows import check_flows, flows_of
from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import KnownLedger, Workspace, read_ledgers
from reconciler.cli.saying import say, say_left_out
from reconciler.configuration import Environment
from reconciler.errors import ExitCode
from reconciler.git import Git
from reconciler.machine import LocalClock
from reconciler.model import Declared
from reconciler.plan import FlowCheck, Plan, make_plan
from reconciler.regular import write_regular
from reconciler.render.document import json_document
from reconciler.render.plan_json import plans_json
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.plan_text import plan_text
from reconciler.rules import edit_notes


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
        write_regular(path, self._json().encode())

    def exit_code(self, *, detailed: bool) -> ExitCode:
        """The exit code that follows from the plans."""
        if any(plan.problems or plan.refused for plan, _ in self.plans):
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


def make_plans(options: CommonOptions, *, offline: bool, online: bool = False) -> PlanReport:
    """Plan each environment; `online` asks the service about its flows.

    Raises ConfigurationError, GitError, LedgerError, and with `online` GatewayError.
    """
    workspace = Workspace.find(options)
    ledgers = read_ledgers(workspace, offline=offline)
    plans = []
    for environment in workspace.environments:
        known = ledgers[environment.name]
        if known.note and not options.quiet:
            say(f"{environment.name}: {known.note}")
        declared = workspace.declared(environment)
        notes = (*declared.notes, *edit_notes(declared, known.ledger))
        for note in () if options.quiet else notes:
            say(f"note: {note}")
        plan = plan_of(declared, known, environment)
        if online:
            _check_trust(workspace, known, environment)
            flows = asyncio.run(_ask(plan, workspace.root, environment))
            plan = plan_of(declared, known, environment, flows)
        plans.append((plan, environment))
    say_left_out(workspace.left_out, quiet=options.quiet)
    return PlanReport(plans=plans, options=options)


def plan_of(
    declared: Declared,
    known: KnownLedger,
    environment: Environment,
    flows: Mapping[int, FlowCheck] = MappingProxyType({}),
) -> Plan:
    """What an apply would do now. `flows` are those that the service was asked about."""
    return make_plan(
        declared,
        known.ledger,
        LocalClock().wall(),
        environment=environment.name,
        commit=known.commit,
        same_minute_allowed=environment.gateway.same_minute_allowed,
        reserved_parameter=environment.gateway.correlation_parameter,
        flows=flows,
        surroundings=known.surroundings,
    )


def _check_trust(workspace: Workspace, known: KnownLedger, environment: Environment) -> None:
    from reconciler.cli.trusting import check_gateway

    named = workspace.configuration.git
    branch = f"{named.remote}/{named.branch}" if named.branch else f"{named.remote}'s branch"
    check_gateway(Git.at(workspace.root), known.tip, environment, branch)


async def _ask(plan: Plan, root: Path, environment: Environment) -> dict[int, FlowCheck]:
    flows = flows_of(plan)
    if not flows:
        return {}
    from reconciler.cli.opening import open_environment  # httpx comes with it

    async with open_environment(root, environment) as gateway:
        return await check_flows(flows, gateway, environment.gateway.user_id)
