"""What `validate` does, between its options and its output."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli.clock import LocalClock
from reconciler.cli.options import CommonOptions, ProblemFormat
from reconciler.cli.reading import LinkedLedgerError, Workspace
from reconciler.cli.saying import say, say_left_out
from reconciler.cli.unread import list_unread_manifests, missed_folder_problems, unread_note
from reconciler.cli.wanted_paths import WantedPaths
from reconciler.configuration import (
    Environment,
    InvalidConfigurationError,
)
from reconciler.errors import ExitCode, LedgerError, ReconcilerError
from reconciler.identity import Surroundings
from reconciler.ledger import Ledger
from reconciler.manifest.read import SKIPPED
from reconciler.model import Declared, EpochMs, Problem
from reconciler.render.problems import problems_text
from reconciler.repository.declaring import TooManyRunsError
from reconciler.repository.settings import find_root
from reconciler.rules import check, edit_notes
from reconciler.schedule import schedule_runs


class Validation(Struct, frozen=True, kw_only=True):
    """Every problem found, and how many files and runs were checked."""

    problems: tuple[Problem, ...]
    files: int
    runs: int
    notes: tuple[Problem, ...] = ()  # probable mistakes, which stop nothing
    root: Path = Path()  # the folder that paths are relative to

    def strictly(self) -> "Validation":
        """A copy in which the notes are problems."""
        return replace(self, problems=tuple(sorted((*self.problems, *self.notes))), notes=())

    def with_edits(self, edited: Sequence[Problem]) -> "Validation":
        """A copy with the problems of edited ledgers, without others of the same ledgers."""
        from reconciler.cli.ledger_findings import leave_out_ledgers

        kept = leave_out_ledgers(self.problems, edited)
        return replace(self, problems=tuple(sorted({*kept, *edited})))

    @property
    def exit_code(self) -> ExitCode:
        """PROBLEM if there is any problem."""
        return ExitCode.PROBLEM if self.problems else ExitCode.OK

    def say_notes(self, options: CommonOptions, form: ProblemFormat) -> None:
        """Say the notes on stderr, where the format has no place for them."""
        for note in () if options.quiet or form is not ProblemFormat.TEXT else self.notes:
            say(f"note: {note}")

    def render(self, form: ProblemFormat) -> str:
        """The report in one of the formats that `validate` offers."""
        if form is ProblemFormat.TEXT:
            return problems_text(self.problems, self.files, self.runs)
        from reconciler.cli.forge_paths import path_from_top, rooted_problem
        from reconciler.render import reports

        is_of_here = form is ProblemFormat.JSON
        # A forge knows files by their paths from the repository's top.
        prefix = "" if is_of_here else path_from_top(self.root)
        problems = tuple(rooted_problem(one, prefix) for one in self.problems)
        notes = tuple(rooted_problem(one, prefix) for one in self.notes)
        files, runs = self.files, self.runs
        match form:
            case ProblemFormat.JSON:
                return reports.problems_json(problems, files, runs, notes)
            case ProblemFormat.GITHUB:
                return reports.problems_github(problems, files, runs, notes)
            case ProblemFormat.GITLAB:
                return reports.problems_gitlab(problems, notes)
            case ProblemFormat.JUNIT:
                return reports.problems_junit(problems, files, runs, LocalClock().wall(), notes)
            case ProblemFormat.SARIF:
                return reports.problems_sarif(problems, __version__, notes)
            case _:
                assert_never(form)


def validate_repository(
    options: CommonOptions, paths: Sequence[Path], base: str | None = None
) -> Validation:
    """Read configuration, manifests and ledger of the working tree, and report all problems.

    With paths, problems of other files are left out. Where the configuration cannot be used, or
    there are too many runs, only that is reported, whatever the paths: nothing else is known then.
    `base`: the revision that the ledgers are compared with, if any. Raises ConfigurationError,
    LedgerError, GitError.
    """
    return replace(_validate(options, paths, base), root=find_root(options.repo))


def report_refusal(options: CommonOptions, error: ReconcilerError) -> Validation:
    """The report of a validation that the error has stopped, for a program that waits for one."""
    from reconciler.cli.refusing import problem_without_place

    root = Path()
    with suppress(ReconcilerError):
        root = find_root(options.repo)
    return Validation(problems=(problem_without_place(error),), files=0, runs=0, root=root)


def _validate(options: CommonOptions, paths: Sequence[Path], base: str | None) -> Validation:
    edited: list[Problem] = []
    try:
        workspace = Workspace.find(options)
        if base is not None:
            from reconciler.cli.ledger_findings import find_edits

            edited = find_edits(workspace, base, quiet=options.quiet)
        found = validate_workspace(workspace, options, paths, base, goes_on=True)
        return found.with_edits(edited) if edited else found
    except InvalidConfigurationError as error:
        return Validation(problems=error.problems, files=0, runs=0)
    except TooManyRunsError as error:
        return Validation(problems=tuple(sorted({error.problem, *edited})), files=0, runs=0)


def _read_ledger(workspace: Workspace, environment: Environment) -> tuple[Ledger, Surroundings]:
    """The ledger and its surroundings, without its files, whose lines take half of all memory."""
    own = workspace.local_book(environment)
    return own.ledger, workspace.surroundings(environment, own)


def _rule_problems(
    environment: Environment,
    declared: Declared,
    ledger: Ledger,
    around: Surroundings,
    now: EpochMs,
) -> Sequence[Problem]:
    return check(
        schedule_runs(declared, ledger),
        ledger,
        same_minute_allowed=environment.gateway.same_minute_allowed,
        reserved_parameter=environment.gateway.correlation_parameter,
        surroundings=around,
        now=now,
    ).problems


def validate_workspace(
    workspace: Workspace,
    options: CommonOptions,
    paths: Sequence[Path] = (),
    base: str | None = None,
    *,
    goes_on: bool = False,
) -> Validation:
    """What `validate` finds where the configuration can be used.

    `goes_on`: a ledger that cannot be read is a problem, whatever the paths. The manifests of its
    environment then have only the problems that can be found without a ledger. Raises
    TooManyRunsError, ConfigurationError; LedgerError and LinkedLedgerError unless it goes on.
    """
    checking = _Checking(workspace, base, goes_on=goes_on)
    for environment in workspace.environments:
        declared = checking.check(environment)
        if not (declared.files or declared.notes or declared.problems or options.quiet):
            say(f"{environment.name}: there are no manifests in {environment.manifests}")
    say_left_out(workspace.left_out, quiet=options.quiet)
    wanted = WantedPaths.of(find_root(options.repo), paths or [workspace.root])
    checking.notes.update(unread_note([one for one in checking.unread if wanted.covers(one)]))
    if paths:
        for note in wanted.check(checking.files, checking.unread, workspace.configuration):
            if not options.quiet:
                say(f"note: {note}")
    return checking.conclude(wanted)


class _Checking:
    """What is found, environment by environment."""

    def __init__(self, workspace: Workspace, base: str | None, *, goes_on: bool) -> None:
        self._workspace = workspace
        self._base = base
        self._goes_on = goes_on
        self._now = LocalClock().wall()
        self._found: set[Problem] = set()
        self._of_ledgers: set[Problem] = set()
        self._runs: Counter[str] = Counter()  # by file
        self.unread = list_unread_manifests(workspace)
        self.notes: set[Problem] = set()
        self.files: set[str] = set()

    def check(self, environment: Environment) -> Declared:
        """Check one environment; gives what it declares. Raises as `validate_workspace`."""
        workspace = self._workspace
        declared = workspace.read_declared(environment)
        self.files.update(declared.files)
        self._runs.update(run.place.file for run in declared.runs)
        skipped = {note for note in declared.notes if note.code in SKIPPED}
        self._found.update(skipped, declared.problems)
        self.notes.update({*declared.notes} - skipped)
        try:
            ledger, around = _read_ledger(workspace, environment)
        except (LedgerError, LinkedLedgerError) as error:
            if not self._goes_on:
                raise
            from reconciler.cli.ledger_findings import unreadable_ledger_problem

            self._of_ledgers.add(unreadable_ledger_problem(workspace, environment, error))
            return declared
        missed = missed_folder_problems(
            workspace, environment, declared, ledger, unread=self.unread, base=self._base
        )
        self._found.update(missed, _rule_problems(environment, declared, ledger, around, self._now))
        self.notes -= {*missed}
        self.notes.update(edit_notes(declared, ledger))
        return declared

    def conclude(self, wanted: WantedPaths) -> Validation:
        """What was found in the wanted paths, and of every ledger."""
        found = {one for one in self._found if wanted.covers(one.place.file)}
        return Validation(
            problems=tuple(sorted(self._of_ledgers | found)),
            notes=tuple(sorted(one for one in self.notes if wanted.covers(one.place.file))),
            files=sum(map(wanted.covers, self.files)),
            runs=sum(number for file, number in self._runs.items() if wanted.covers(file)),
        )
