"""What `apply` does, between its options and its output."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from reconciler.apply.news import WitnessedStore
from reconciler.apply.ports import Gateway, Options, Ports, Progress, Step, Watching
from reconciler.apply.protocol import apply
from reconciler.apply.result import ApplyResult
from reconciler.cli.differing import BranchPlace, find_unpushed_note
from reconciler.cli.journal import Journal
from reconciler.cli.machine import applier, new_apply
from reconciler.cli.measuring import MeasuredStore, Measures, open_measured_gateway
from reconciler.cli.notifying import tell_effect
from reconciler.cli.opening import SharedBranch, keep_trace
from reconciler.cli.options import CommonOptions, Format
from reconciler.cli.saved_plan import read_saved_plan
from reconciler.cli.saying import Outlet, ReaderGoneError, journal, say, show
from reconciler.cli.signals import SIGNALS, Remainder
from reconciler.configuration import Environment
from reconciler.errors import ExitCode, GitError, ReconcilerError
from reconciler.git import CheckoutResult, CommitId, FastForwarded, NotSafe
from reconciler.ledger import Event
from reconciler.manifest.read import notes_of
from reconciler.model import Problem
from reconciler.refused import InvalidManifestsError
from reconciler.render.apply_markdown import apply_annotations, apply_markdown
from reconciler.render.apply_outcomes import has_done_anything
from reconciler.render.apply_text import apply_json, apply_text
from reconciler.render.problems import problems_text
from reconciler.render.progress import (
    LiveProgress,
    PlainProgress,
    step_fields,
    step_level,
    step_message,
)
from reconciler.render.words import COMMIT_DIGITS
from reconciler.render.workflow_commands import error_annotation, problem_annotations


class ApplyReport(Struct, frozen=True, kw_only=True):
    """What an apply did, ready to be shown."""

    result: ApplyResult
    environment: Environment
    unpushed: str | None = None  # how manifests differ from the branch, and what to do about it

    def render(self, form: Format) -> str:
        """The result in one of the formats that `apply` offers."""
        name, zone = self.environment.name, self.environment.gateway.zone
        match form:
            case Format.TEXT:
                return apply_text(self.result, zone, name, unpushed=self.unpushed)
            case Format.JSON:
                return apply_json(self.result, name, self.unpushed)
            case Format.MARKDOWN:
                return apply_markdown(self.result, zone, name, self.unpushed)
            case _:
                assert_never(form)

    @property
    def annotations(self) -> str:
        """What needs a person, as GitHub annotations."""
        return apply_annotations(self.result, self.environment.name)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that follows from the result."""
        return self.result.exit_code


class Wanted(Struct, frozen=True, kw_only=True):
    """What the user asked of an apply."""

    runs: tuple[str, ...]  # none: all
    plan_file: Path | None
    max_runs: int | None
    preflight: bool
    wait: bool
    timeout: float | None  # seconds

    def options(self, environment: Environment) -> Options:
        """The same as options of the protocol. Raises RefusedError for a file that is no plan."""
        saved = read_saved_plan(self.plan_file, environment.name) if self.plan_file else None
        return Options(
            by=applier(),
            max_runs=self.max_runs,
            only=saved.starts if saved else None,
            cancels=saved.cancels if saved else None,
            runs=self.runs,
            preflight=self.preflight,
            wait=self.wait,
            wait_seconds=self.timeout,
        )


def apply_environment(options: CommonOptions, wanted: Wanted, outcomes: list[Event]) -> ApplyReport:
    """Apply one environment. Raises every ReconcilerError that stops an apply.

    `outcomes` gets what was recorded on the branch or, failing that, kept in a rescue file:
    however the apply ends, this is what it has done.
    """
    apply_id, measures, log = new_apply(), Measures(), journal()
    if log is not None:
        log.fields["apply"] = apply_id
    try:
        return _apply_environment(options, wanted, apply_id, measures, outcomes)
    finally:
        if log is not None:
            log.ending = measures.list_figures()


def _apply_environment(
    options: CommonOptions,
    wanted: Wanted,
    apply_id: str,
    measures: Measures,
    outcomes: list[Event],
) -> ApplyReport:
    shared = SharedBranch.find(options, cached=True)
    asked = wanted.options(shared.environment)
    store = WitnessedStore(MeasuredStore(shared.store, measures))
    remainder = Remainder()
    try:
        with _progress(options) as progress:
            ports = _measured_ports(shared, store, measures, _guard_progress(progress))
            ports = _with_rescue_copy(ports, outcomes)
            result = asyncio.run(_apply(ports, asked, remainder))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except InvalidManifestsError as error:
        show(problems_text(error.problems, 0, 0), err=True, level="error")
        raise
    finally:  # however the apply ended, tell what it has recorded
        recorded = store.effect.recorded if store.effect is not None else ()
        outcomes += [one for one in recorded if one not in outcomes]
        with measures.of("notify"):
            remainder.take(lambda: tell_effect(store.effect, apply_id, quiet=options.quiet))
    shared.store.keep_readings()
    _keep_trace_and_update(shared, CommitId(result.commit), remainder, quiet=options.quiet)
    if store.began_at is not None and not options.quiet:
        for passed_over in _list_unread_notes(shared, CommitId(store.began_at)):
            say(f"note: {passed_over}")
    note = _find_unpushed(shared, CommitId(result.commit))
    if note is not None and has_done_anything(result) and not options.quiet:
        say(f"{shared.environment.name}: {note}")  # otherwise the result says it
    return ApplyReport(result=result, environment=shared.environment, unpushed=note)


def _keep_trace_and_update(
    shared: SharedBranch, commit: CommitId, remainder: Remainder, *, quiet: bool
) -> None:
    """Have the remote keep a trace and bring the checkout forward, or say that a signal came."""
    if not remainder.is_broken_off:
        # At the same time, since one of the two asks the remote: that one a signal can break off.
        with ThreadPoolExecutor(1) as beside:
            forward = beside.submit(_bring_forward, shared, commit, quiet=quiet)
            remainder.take(lambda: keep_trace(shared, quiet=quiet))
            forward.result()
    if remainder.is_broken_off:
        say("interrupted: doing nothing more but to report")


def _measured_ports(
    shared: SharedBranch, store: WitnessedStore, measures: Measures, progress: Progress
) -> Ports:
    def open_gateway(environment: Environment) -> AbstractAsyncContextManager[Gateway]:
        return open_measured_gateway(shared.open_gateway(environment, measures.requests), measures)

    ports = shared.ports(progress, asyncio.Event())
    return replace(ports, store=store, open_gateway=open_gateway)


def _with_rescue_copy(ports: Ports, kept: list[Event]) -> Ports:
    """The same ports; the list also gets every event that goes into a rescue file."""

    def rescue(events: Sequence[Event]) -> str:
        kept.extend(events)
        return ports.rescue(events)

    return replace(ports, rescue=rescue)


async def _apply(ports: Ports, options: Options, remainder: Remainder) -> ApplyResult:
    task = asyncio.ensure_future(apply(ports, options))
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, _interrupt, ports.stop, task)
    try:
        return await task
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        remainder.begin()  # at once: without an answer, the next signal would end the process


def _guard_progress(progress: Progress) -> Progress:
    """Progress that does not fail if its reader goes away: recording must not depend on that."""

    def tell(step: Step) -> None:
        with suppress(OSError, ValueError, ReaderGoneError):
            progress(step)

    return tell


def _interrupt(stop: asyncio.Event, task: "asyncio.Future[ApplyResult]") -> None:
    """At first, let the starts under way end and be recorded; the second time, break them off."""
    if stop.is_set():
        task.cancel()
        return
    stop.set()
    with suppress(OSError, ValueError, ReaderGoneError):
        say("interrupted: starting nothing more, recording what is known")


@contextmanager
def _progress(options: CommonOptions) -> Iterator[Progress]:
    log = journal()
    if options.quiet or sys.stderr is None:
        yield lambda _: None
    elif log is not None:
        yield _log_progress(log)
    elif sys.stderr.isatty() and not options.verbose:
        stream = sys.stderr.controllable if isinstance(sys.stderr, Outlet) else sys.stderr
        with LiveProgress(stream, color=options.color) as live:
            yield live
    else:
        with PlainProgress(sys.stderr, verbose=options.verbose) as plain:
            yield plain


def _log_progress(log: Journal) -> Progress:
    """Log each step, but a look at instances only where it has seen something new."""
    looked: list[Watching] = []

    def record(step: Step) -> None:
        if step in looked:
            return
        if isinstance(step, Watching):
            looked[:] = [step]
        log.record(step_level(step), step_message(step), **step_fields(step))

    return record


def _find_unpushed(shared: SharedBranch, commit: CommitId) -> str | None:
    place = BranchPlace(remote=shared.remote, branch=shared.store.branch, commit=commit)
    with suppress(GitError):  # a note must not decide an exit code
        return find_unpushed_note(shared.git, place, shared.environment)
    return None


def _list_unread_notes(shared: SharedBranch, commit: CommitId) -> Sequence[Problem]:
    """A note about each file of the commit that looks like a manifest and was not read."""
    git, folder = shared.git, shared.environment.manifests
    with suppress(GitError):  # a note must not decide an exit code
        entries = git.read_tree(commit).under(git.prefix + folder)
        files = (one.path.removeprefix(git.prefix) for one in entries if one.is_file)
        return sorted(notes_of(files, folder))
    return []


def _bring_forward(shared: SharedBranch, commit: CommitId, *, quiet: bool) -> None:
    """Bring the user's checkout forward to the commit, where that loses nothing."""
    moved: CheckoutResult
    try:
        moved = shared.git.fast_forward_checkout(shared.store.branch, commit)
    except GitError as error:
        moved = NotSafe(reason=str(error))
    if quiet:
        return
    if isinstance(moved, NotSafe):
        say(f"this checkout was left as it is: {moved.reason}", lines=True)
    elif isinstance(moved, FastForwarded):
        say(f"this checkout was brought forward to {commit[:COMMIT_DIGITS]}")


def annotate(lines: str) -> None:
    """Print annotations where GitHub reads them: on stderr, because stdout has the result.

    The job's page shows them without a click. Where stderr is a log of JSON, nothing is printed:
    every line of it must be an object.
    """
    if os.environ.get("GITHUB_ACTIONS") == "true" and journal() is None:
        show(lines, err=True, commands=True)


@contextmanager
def annotate_error() -> Iterator[None]:
    """Annotate the error that ends the block, if any, and raise it again."""
    try:
        yield
    except InvalidManifestsError as error:
        annotate(problem_annotations(error.problems))
        raise
    except ReconcilerError as error:
        annotate(error_annotation(str(error), error.hint))
        raise
