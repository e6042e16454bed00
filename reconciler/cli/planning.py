"""What `plan` does, between its options and its output."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.apply.checks import check_flows, flows_of
from reconciler.cli.clock import LocalClock
from reconciler.cli.comparing import Base, BaseOptions, find_base, own_configuration
from reconciler.cli.differing import find_edits_since, find_ledger_edits
from reconciler.cli.fetching import KnownLedger, read_ledgers
from reconciler.cli.forge_paths import rooted_review
from reconciler.cli.options import CommonOptions, Format
from reconciler.cli.reading import Workspace
from reconciler.cli.recalling import Recall
from reconciler.cli.saved_plan import save_plan
from reconciler.cli.saying import say, say_left_out
from reconciler.configuration import Environment
from reconciler.errors import ExitCode
from reconciler.git import Git
from reconciler.ledger import Ledger, read_events
from reconciler.model import Declared, Problem
from reconciler.plan import FlowCheck, Plan, plan_environment
from reconciler.plan.review import Review, refusals, wait_refusal
from reconciler.plan.values import find_awaited
from reconciler.render.json_output import json_pieces
from reconciler.render.plan_json import plans_json
from reconciler.render.plan_markdown import MOST_BYTES, Comment, plan_markdown
from reconciler.render.plan_text import plan_text
from reconciler.rules import edit_notes
from reconciler.schedule import schedule_runs


class Reviewed(Struct, frozen=True, kw_only=True):
    """The plan of one environment, and what a reviewer is told besides."""

    plan: Plan
    environment: Environment
    review: Review


class ShownPlans(Struct, frozen=True, kw_only=True):
    """Plans in one format."""

    pieces: Iterable[str]  # so that the JSON of many runs need not be in memory at once
    is_complete: bool = True  # False: a comment had to leave out something


class PlanReport(Struct, frozen=True, kw_only=True):
    """The plans of the environments asked for."""

    plans: list[Reviewed]
    options: CommonOptions
    prefix: str = ""  # path in the repository of the folder that paths are relative to

    def render(self, form: Format, most: int = MOST_BYTES) -> ShownPlans:
        """The plans in one of the formats that `plan` offers; `most`: bytes of a comment."""
        match form:
            case Format.TEXT:
                return ShownPlans(pieces=("\n".join(map(self._text, self.plans)),))
            case Format.JSON:
                return ShownPlans(pieces=self._json())
            case Format.MARKDOWN:
                comment = self._comment(most)
                return ShownPlans(pieces=(comment.text,), is_complete=comment.is_complete)
            case _:
                assert_never(form)

    def save(self, path: Path) -> None:
        """Write the plans as JSON, for `apply --plan`; see `save_plan`."""
        save_plan(path, self._json())

    @property
    def exit_code(self) -> ExitCode:
        """Whether a plan is refused."""
        refused = any(one.review.refused or one.plan.refused for one in self.plans)
        return ExitCode.PROBLEM if refused else ExitCode.OK

    @property
    def detailed_exit_code(self) -> ExitCode:
        """The same, and else whether anything is to be started or cancelled, now or later."""
        work = any(one.plan.has_work or find_awaited(one.plan).started for one in self.plans)
        return ExitCode.CHANGES if work and self.exit_code is ExitCode.OK else self.exit_code

    def _comment(self, most: int) -> Comment:
        shown = [rooted_review(one.plan, one.review, self.prefix) for one in self.plans]
        zones = (one.environment.gateway.zone for one in self.plans)
        return plan_markdown(
            [(plan, zone) for (plan, _), zone in zip(shown, zones, strict=True)],
            most,
            reviews=[review for _, review in shown],
        )

    def _json(self) -> Iterable[str]:
        return json_pieces(
            plans_json([one.plan for one in self.plans], [one.review for one in self.plans])
        )

    def _text(self, one: Reviewed) -> str:
        return plan_text(
            one.plan,
            one.environment.gateway.zone,
            color=self.options.color,
            verbose=self.options.verbose,
            review=one.review,
        )


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line asks of a plan."""

    base: BaseOptions = field(default_factory=BaseOptions)
    offline: bool = False
    online: bool = False  # ask the service about the flows
    max_runs: int | None = None  # how many an apply may start; None: as the configuration says


def make_plans(options: CommonOptions, asked: Asked) -> PlanReport:
    """Plan each environment.

    Raises ConfigurationError, GitError, LedgerError; where the service is asked, GatewayError.
    """
    workspace = Workspace.find(options)
    ledgers = read_ledgers(workspace, offline=asked.offline)
    anywhere = next(iter(ledgers.values()), None)  # any will do: all are of one branch
    base = find_base(workspace, anywhere, asked.base)
    edited = _find_edits(workspace, anywhere, asked, quiet=options.quiet)
    plans = []
    for environment in workspace.environments:
        known = ledgers[environment.name]
        known = replace(known, surroundings=known.surroundings.with_problems(edited))
        if base is not None and known.shared is not None:
            known = replace(known, note=None)  # the note says that files differ, as the plan will
        declared = schedule_runs(
            _read_declared(workspace, environment, known, quiet=options.quiet, last=base is None),
            known.ledger,
        )
        plan = _make_plan(workspace, environment, declared, known, online=asked.online)
        limit = asked.max_runs or environment.limits.max_runs_per_apply
        recall = Recall(git=workspace.git(), environment=environment, ledger=known.ledger)
        review = _review(workspace, plan, declared, recall, base, limit)
        plans.append(Reviewed(plan=plan, environment=environment, review=review))
    if base is not None and anywhere is not None and options.env is None:
        plans += _review_removals(workspace, base, anywhere)
    say_left_out(workspace.left_out, quiet=options.quiet)
    for words in base.notes if base is not None and not options.quiet else ():
        say(f"note: {words}")
    return PlanReport(plans=plans, options=options, prefix=workspace.shelf().prefix)


def _review(
    workspace: Workspace,
    plan: Plan,
    declared: Declared,
    recall: Recall,
    base: Base | None,
    limit: int,
) -> Review:
    """What a reviewer of one environment is told; `limit`: how many runs an apply may start."""
    environment, compared = recall.environment, None
    if base is not None:
        own = own_configuration(workspace)
        compared = recall.complete_changes(base.compare(environment, declared, recall.ledger, own))
    return Review(
        refused=refusals(plan, limit),
        refused_with_wait=wait_refusal(plan, limit),
        compared=compared,
        edited=recall.find_edited(plan, declared, compared),
        gateway=environment.gateway,
    )


def _review_removals(workspace: Workspace, base: Base, known: KnownLedger) -> Iterator[Reviewed]:
    """For each environment that the change removes, what becomes of the runs that wait there."""
    for environment in base.removed_environments():
        folder = workspace.shelf().prefix + environment.state
        files = known.shared.books.get(folder) if known.shared is not None else None
        content = files.content if files is not None else workspace.shelf().ledgers.get(folder, {})
        compared = base.compare_removed(environment, Ledger.of(read_events(content, folder)))
        if compared.changes:
            yield Reviewed(
                plan=Plan(
                    environment=environment.name,
                    commit=known.commit,
                    at=LocalClock().wall(),
                    runs=(),
                    problems=(),
                ),
                environment=environment,
                review=Review(compared=compared),
            )


def _read_declared(
    workspace: Workspace, environment: Environment, known: KnownLedger, *, quiet: bool, last: bool
) -> Declared:
    """What is declared, after saying what the user should know about the ledger and the manifests.

    `last`: nobody will ask the workspace for the runs again.
    """
    if known.note and not quiet:
        say(f"{environment.name}: {known.note}")
    declared = workspace.take(environment) if last else workspace.read_declared(environment)
    notes = (*declared.notes, *edit_notes(declared, known.ledger))
    for note in () if quiet else notes:
        say(f"note: {note}")
    return declared


def _make_plan(
    workspace: Workspace,
    environment: Environment,
    declared: Declared,
    known: KnownLedger,
    *,
    online: bool,
) -> Plan:
    """The environment's plan; with `online`, the service is asked about its flows first."""
    plan = plan_of(declared, known, environment, is_scheduled=True)
    if not online:
        return plan
    check_trust(workspace, known, environment)
    flows = asyncio.run(_ask(plan, workspace.root, environment))
    return plan_of(declared, known, environment, flows, is_scheduled=True)


def _find_edits(
    workspace: Workspace, known: KnownLedger | None, asked: Asked, *, quiet: bool
) -> list[Problem]:
    if known is not None and known.shared is not None:
        return find_ledger_edits(workspace, known.shared, quiet=quiet)
    if asked.base.revision is not None:  # offline, so compare with a revision that is here
        return find_edits_since(workspace, asked.base.revision, quiet=quiet)
    return []


def plan_of(
    declared: Declared,
    known: KnownLedger,
    environment: Environment,
    flows: Mapping[int, FlowCheck] = MappingProxyType({}),
    *,
    is_scheduled: bool = False,
) -> Plan:
    """What an apply would do now; `flows`: what the service said of the flows, if asked."""
    return plan_environment(
        environment,
        declared,
        known.ledger,
        LocalClock().wall(),
        commit=known.commit,
        flows=flows,
        surroundings=known.surroundings,
        is_scheduled=is_scheduled,
    )


def check_trust(workspace: Workspace, known: KnownLedger, environment: Environment) -> None:
    """Raise RefusedError unless the shared branch allows keys to be sent to the gateway."""
    from reconciler.cli.opening import check_gateway

    named = workspace.configuration.git
    branch = f"{named.remote}/{named.branch}" if named.branch else f"{named.remote}'s branch"
    tip = known.shared.place.commit if known.shared is not None else None
    check_gateway(Git.at(workspace.root), tip, environment, branch)


async def _ask(plan: Plan, root: Path, environment: Environment) -> dict[int, FlowCheck]:
    flows = flows_of(plan)
    if not flows:
        return {}
    from reconciler.cli.opening import open_environment

    async with open_environment(root, environment) as gateway:
        return await check_flows(flows, gateway, environment.gateway.user_id)
