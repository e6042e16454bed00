"""What `new` does: gather the answers, check the manifest together with all others, and write it.

Where the gateway's keys are at hand, it also says what the service knows of the flow.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click
from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.ports import Flow
from reconciler.cli.asking import Question, ask_person, missing_answers_error
from reconciler.cli.bounded import run_bounded
from reconciler.cli.checking import validate_workspace
from reconciler.cli.describing import last_time_question, question_of, value_question
from reconciler.cli.fetching import read_ledgers
from reconciler.cli.importing_runs import relative_schema_path
from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import Workspace
from reconciler.cli.saying import say
from reconciler.cli.settling import is_terminal
from reconciler.configuration import CONFIGURATION, Environment
from reconciler.counting import format_count
from reconciler.errors import ConfigurationError, ReconcilerError, RefusedError
from reconciler.git.default import NoBranchError
from reconciler.manifest import is_manifest_path
from reconciler.model import Source
from reconciler.render.safe import escape_line
from reconciler.repository.credentials import read_credentials
from reconciler.repository.declaring import TooManyRunsError
from reconciler.repository.putting import look_at_place, put
from reconciler.repository.settings import choose_environment
from reconciler.starting.declaration import (
    BackfillTimes,
    Declaration,
    TriggerTimes,
    is_date,
    wrong_time_message,
)

Pairs = tuple[tuple[str, str], ...]
_SECONDS = 10.0  # no more, because a person waits for the next question


class NewOptions(Struct, frozen=True, kw_only=True):
    """What the options of `new` said; None or empty: the option was not given."""

    kind: Literal["trigger", "backfill"]
    name: str | None
    flow_id: int | None
    at: str | None
    parameters: Pairs
    description: str | None
    suspend: bool
    out: Path | None
    offline: bool
    business_date: str | None = None
    trigger_time: str | None = None
    first: str | None = None
    last: str | None = None
    every: str | None = None
    cron: str | None = None
    matrix: Pairs = ()
    stagger: str | None = None
    sequential: bool = False
    max_active: int | None = None


def declare(options: CommonOptions, said: NewOptions) -> None:
    """Write the manifest, if it is valid together with all others, and say what to do next.

    Raises RefusedError, which quotes every problem that the manifest would bring.
    """
    workspace = Workspace.find(options)
    environment = choose_environment(workspace.configuration, options.env)
    asks = is_terminal()
    said = _ask_open_questions(said, asks=asks)
    said = _add_flow_answers(workspace, environment, said, asks=asks, quiet=options.quiet)
    declaration = _declaration(said)
    for wrong in question_of("name").check(declaration.name):
        raise click.BadParameter(wrong, param_hint="--name")
    path = _path(workspace, environment, said, declaration.name)
    text = declaration.text(relative_schema_path(workspace.root, (workspace.root / path).parent))
    found = look_at_place(workspace.root, {path: text})
    if not found.absent:
        raise RefusedError(
            f"{path} is there already, and was left as it is",
            hint="Choose another --name, or another file with --out.",
        )
    runs = _judge_manifest(options, Source(path=path, content=text.encode()))
    put(workspace.root, path, text)
    say(f"wrote {path}: {format_count(runs, 'run')}", err=False)
    if not options.quiet:
        say("To see what an apply would do: reconciler plan. To start it: commit, push, merge.")


def _ask_open_questions(said: NewOptions, *, asks: bool) -> NewOptions:
    """Ask a person for what was left out. Raises click.UsageError where nobody can be asked."""
    questions = list(_open_questions(said))
    if questions and not asks:
        raise missing_answers_error(question for _, question in questions)
    changes: dict[str, Any] = {}
    for field, question in questions:
        first = said.first or changes.get("first")
        whole = last_time_question(question, first) if field == "last" and first else question
        changes[field] = ask_person(whole)
    if "flow_id" in changes:
        changes["flow_id"] = int(changes["flow_id"])
    if "business_date" in changes and not is_date(changes["business_date"]):
        changes["trigger_time"] = changes.pop("business_date")
    return replace(said, **changes)


def _open_questions(said: NewOptions) -> Iterator[tuple[str, Question]]:
    """The questions that must be answered and are not, each with the name of its field."""
    needed = ["name", "flow_id"]
    needed += ["first", "last"] if said.kind == "backfill" else []
    needed += ["business_date"] if said.kind == "trigger" and said.trigger_time is None else []
    for field in needed:
        if getattr(said, field) is None:
            yield field, question_of(field)


def _add_flow_answers(
    workspace: Workspace,
    environment: Environment,
    said: NewOptions,
    *,
    asks: bool,
    quiet: bool,
) -> NewOptions:
    """Look the flow up, where that is possible, and ask a person for its parameters."""
    flow: Flow | str | None = None
    if said.flow_id is not None and not said.offline and has_keys(environment):
        flow = look_up_flow(workspace, environment, said.flow_id)
    given = {key for key, _ in (*said.parameters, *said.matrix)}
    offered = sorted((flow.parameters or frozenset()) - given) if isinstance(flow, Flow) else []
    if flow is not None and not quiet:
        say(f"flow {said.flow_id} {_describe_flow(flow)}")
        if offered and not asks:
            say(f"note: it declares, and is not given: {', '.join(offered)}")
    if not asks:
        return said
    if said.kind == "backfill" and not said.matrix:
        said = replace(said, matrix=tuple(_ask_pairs("matrix")))
        offered = [one for one in offered if one not in dict(said.matrix)]
    if said.matrix and said.stagger is None:
        said = replace(said, stagger=ask_person(question_of("stagger")) or None)
    if said.parameters:
        return said
    values = [(name, ask_person(value_question(name))) for name in offered]
    asked = [(name, value) for name, value in values if value]
    return replace(said, parameters=(*asked, *_ask_pairs("parameters")))


def _describe_flow(flow: Flow | str) -> str:
    if isinstance(flow, str):
        return flow
    called = f"is called {flow.name}" if flow.name else "is there"
    if flow.parameters is None:
        return called
    return f"{called}, and declares {', '.join(sorted(flow.parameters)) or 'no parameters'}"


def _ask_pairs(field: str) -> Iterator[tuple[str, str]]:
    question, explains = question_of(field), True
    while text := ask_person(question, explains=explains):
        key, _, value = text.partition("=")
        yield key, value
        explains = False


def _declaration(said: NewOptions) -> Declaration:
    times: TriggerTimes | BackfillTimes
    if said.kind == "trigger":
        times = TriggerTimes(business_date=said.business_date, trigger_time=said.trigger_time)
    else:
        for option, text in (("--from", said.first), ("--to", said.last)):
            why = wrong_time_message(text, or_number=True) if text else None
            if why is not None:
                raise RefusedError(f"nothing was written: {option} {why}")
        times = BackfillTimes(
            first=said.first or "", last=said.last or "", every=said.every, cron=said.cron
        )
    matrix: dict[str, tuple[str, ...]] = {}
    for key, values in said.matrix:
        matrix[key] = (*matrix.get(key, ()), *values.split(","))
    return Declaration(
        name=said.name or "",
        flow_id=said.flow_id or 0,
        times=times,
        at=said.at,
        description=said.description,
        parameters=dict(said.parameters),
        suspend=said.suspend,
        matrix=matrix,
        stagger=said.stagger,
        sequential=said.sequential,
        max_active=said.max_active,
    )


def _path(workspace: Workspace, environment: Environment, said: NewOptions, name: str) -> str:
    """The manifest's path from the root. Raises RefusedError if no environment would read it."""
    folder = environment.manifests
    if said.out is None:
        path = f"{folder}/{name}.yaml"
    else:
        out = Path(os.path.realpath(said.out.parent)) / said.out.name
        path = Path(os.path.relpath(out, workspace.root)).as_posix()
    if not is_manifest_path(path, folder) or ".." in path.split("/"):
        raise RefusedError(
            f"{path} would declare nothing: no environment reads it",
            hint=f"Manifests of {environment.name} end in .yaml and lie in {folder}, as "
            f"{CONFIGURATION} says.",
        )
    return path


def _judge_manifest(options: CommonOptions, source: Source) -> int:
    """How many runs the manifest adds. Raises RefusedError with every problem that it brings.

    Problems that were there before do not count.
    """
    quietly = options._replace(quiet=True)
    before = validate_workspace(Workspace.find(options), quietly)
    try:
        # In a new workspace, because one that has read the manifests does not read them again.
        after = validate_workspace(replace(Workspace.find(options), unwritten=source), quietly)
    except TooManyRunsError as error:
        raise RefusedError(f"nothing was written: {error}") from None
    new = [problem for problem in after.problems if problem not in before.problems]
    if new:
        told = "\n".join(
            escape_line(str(problem)) for problem in new
        )  # file names may hold line feeds
        raise _InvalidDeclarationError(f"nothing was written: it would not be valid:\n{told}")
    return after.runs - before.runs


class _InvalidDeclarationError(RefusedError):
    """What was described makes no valid manifest."""

    has_lines = True


def has_keys(environment: Environment) -> bool:
    """Whether the environment's keys are set."""
    try:
        read_credentials(environment.gateway)
    except ConfigurationError:
        return False
    return True


def look_up_flow(workspace: Workspace, environment: Environment, flow_id: int) -> Flow | str:
    """The flow, or words on why nothing is known of it.

    As for every question to a gateway, keys are sent only where the shared branch says.
    """
    from reconciler.cli.opening import NotSharedError, open_environment
    from reconciler.cli.planning import check_trust

    async def ask() -> Flow | None:
        async with (
            asyncio.timeout(_SECONDS),
            open_environment(workspace.root, environment) as gateway,
        ):
            return await gateway.flow(flow_id)

    try:
        known = read_ledgers(workspace, offline=False)[environment.name]
        check_trust(workspace, known, environment)
        return run_bounded(ask()) or "does not exist, or is not visible to this user"
    except (NotSharedError, NoBranchError):
        return (
            "was not looked up, and nothing is wrong: the keys go only where the shared branch "
            f"says, and that does not have {environment.name} yet. Once reconciler.yaml is pushed "
            "and merged, flows are looked up"
        )
    except TimeoutError:
        return f"was not looked up: no answer within {_SECONDS:g} s"
    except ReconcilerError as error:
        return f"was not looked up: {error}"
