"""What `validate` does, between its options and its output."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli.differing import edited_since, with_way_back
from reconciler.cli.forge_paths import rooted_problem
from reconciler.cli.machine import LocalClock
from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import Workspace
from reconciler.cli.saying import say, say_left_out
from reconciler.cli.unread import missed_folders, unread_manifests, unread_note
from reconciler.configuration import (
    CONFIGURATION,
    Configuration,
    Environment,
    InvalidConfigurationError,
)
from reconciler.errors import ConfigurationError, GitError, LedgerError
from reconciler.git import Git
from reconciler.identity import Surroundings
from reconciler.ledger import Ledger
from reconciler.manifest import is_manifest_path
from reconciler.manifest.read import SKIPPED, looks_like_manifest
from reconciler.model import Declared, EpochMs, Problem
from reconciler.render import problems as rendering
from reconciler.render.reports import problems_gitlab, problems_junit
from reconciler.repository.declaring import TooManyRunsError
from reconciler.repository.settings import find_root
from reconciler.rules import check, edit_notes
from reconciler.schedule import scheduled


class WantedPaths(Struct, frozen=True, kw_only=True):
    """What the user named, relative to the root: files and folders."""

    files: frozenset[str]
    folders: frozenset[str]  # "." is the root

    @classmethod
    def of(cls, root: Path, paths: Sequence[Path]) -> "WantedPaths":
        """Sort the paths into files and folders. Raises ConfigurationError for one outside."""
        files: set[str] = set()
        folders: set[str] = set()
        for path in paths:
            absolute = path.parent.resolve() / path.name if path.is_symlink() else path.resolve()
            if not absolute.is_relative_to(root):
                raise ConfigurationError(f"{path} is not in the repository {root}")
            found = absolute.relative_to(root).as_posix()
            (folders if absolute.is_dir() else files).add(found)
        return cls(files=frozenset(files), folders=frozenset(folders))

    def covers(self, file: str) -> bool:
        """Whether the file is one of the files, or lies in one of the folders."""
        if "." in self.folders or file in self.files:
            return True
        return any(_holds(folder, file) for folder in self.folders)

    def check(
        self, read: Collection[str], unread: Collection[str], configuration: Configuration
    ) -> Iterator[str]:
        """Notes about paths that were named and not validated; `read`: the manifests that were.

        Raises ConfigurationError for a path that would pass for valid although nothing ever reads
        it: a manifest or a folder outside every environment, or a name that only looks like a
        manifest's.
        """
        for path in sorted(self.files - set(read)):
            yield from _check_file(path, configuration, is_manifest=path in unread)
        for folder in sorted(self.folders):
            if not _is_of_an_environment(folder, configuration):
                raise ConfigurationError(
                    f"{folder} is no folder of an environment, so nothing in it is validated",
                    hint="See `manifests` and `state` in reconciler.yaml.",
                )
            if not any(_holds(folder, file) for file in read):
                yield f"{folder} holds no manifests of the environments that are validated"


def _check_file(path: str, configuration: Configuration, *, is_manifest: bool) -> Iterator[str]:
    """Notes about a file that was not read as a manifest. Raises ConfigurationError.

    `is_manifest`: whether its content is a manifest's.
    """
    for environment in configuration.environments.values():
        folder = environment.manifests
        if is_manifest_path(path, folder):  # of another environment, or it has a problem
            yield f"{path} is of the environment {environment.name}"
            return
        if _holds(folder, path) and looks_like_manifest(path, folder):
            raise ConfigurationError(
                f"{path} is not read, so it declares nothing: manifests end in .yaml or .yml, in "
                "small letters",
                hint="Rename it.",
            )
    if is_manifest or (path.endswith((".yaml", ".yml")) and "/" in path):
        raise ConfigurationError(
            f"{path} is in no environment's folder of manifests, so it declares nothing",
            hint="Move it there, or see `manifests` in reconciler.yaml.",
        )
    of_ledgers = any(_holds(one.state, path) for one in configuration.environments.values())
    if path != CONFIGURATION and not of_ledgers:
        yield f"{path} is no manifest: nothing of it is validated"


def _is_of_an_environment(folder: str, configuration: Configuration) -> bool:
    known = [
        one
        for environment in configuration.environments.values()
        for one in (environment.manifests, environment.state)
    ]
    return any(_holds(folder, one) or _holds(one, folder) for one in known)


def _holds(folder: str, path: str) -> bool:
    """Whether the path is the folder, or lies in it."""
    return folder in {".", path} or path.startswith(f"{folder}/")


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

    def with_problems(self, more: Sequence[Problem]) -> "Validation":
        """A copy with these problems added."""
        return replace(self, problems=tuple(sorted((*self.problems, *more))))

    def say_notes(self, options: CommonOptions, form: str) -> None:
        """Say the notes on stderr, where the format has no place for them."""
        for note in () if options.quiet or form != "text" else self.notes:
            say(f"note: {note}")

    def shown(self, form: str) -> str:
        """The report in one of the formats that `validate` offers."""
        match form:
            case "json":
                return rendering.problems_json(self.problems, self.files, self.runs, self.notes)
            case "text":
                return rendering.problems_text(self.problems, self.files, self.runs)
            case _:
                return self._for_forges(form)

    def _for_forges(self, form: str) -> str:
        """The report for a forge, which knows files by their paths from the repository's top."""
        prefix = _prefix(self.root)
        problems, notes = (
            tuple(rooted_problem(one, prefix) for one in these)
            for these in (self.problems, self.notes)
        )
        match form:
            case "gitlab":
                return problems_gitlab(problems, notes)
            case "junit":
                now = LocalClock().wall()
                return problems_junit(problems, self.files, self.runs, now, notes)
            case "sarif":
                return rendering.problems_sarif(problems, __version__, notes)
            case _:
                return rendering.problems_github(problems, self.files, self.runs, notes)


def validate(options: CommonOptions, paths: Sequence[Path], base: str | None = None) -> Validation:
    """Read configuration, manifests and ledger of the working tree, and report all problems.

    With paths, problems of other files are left out. Where the configuration cannot be used, or
    there are too many runs, only that is reported, whatever the paths: nothing else is known then.
    `base`: the revision that the ledgers are compared with, if any. Raises ConfigurationError,
    LedgerError, GitError.
    """
    return replace(_validate(options, paths, base), root=find_root(options.repo))


def _prefix(root: Path) -> str:
    try:
        return Git.at(root).prefix
    except GitError:
        return ""


def _validate(options: CommonOptions, paths: Sequence[Path], base: str | None) -> Validation:
    edited: list[Problem] = []
    try:
        workspace = Workspace.find(options)
        if base is not None:
            edited = edited_since(workspace, base, quiet=options.quiet)
        return validated(workspace, options, paths, base).with_problems(edited)
    except InvalidConfigurationError as error:
        return Validation(problems=error.problems, files=0, runs=0)
    except TooManyRunsError as error:
        return Validation(problems=(error.problem,), files=0, runs=0).with_problems(edited)
    except LedgerError as error:
        if not edited:
            raise with_way_back(workspace, error) from None
        return Validation(problems=tuple(edited), files=0, runs=0)


def _known(workspace: Workspace, environment: Environment) -> tuple[Ledger, Surroundings]:
    """The ledger and its surroundings, without its files, whose lines take half of all memory."""
    own = workspace.local_book(environment)
    return own.ledger, workspace.surroundings(environment, own)


def _broken_rules(
    environment: Environment,
    declared: Declared,
    ledger: Ledger,
    around: Surroundings,
    now: EpochMs,
) -> Sequence[Problem]:
    return check(
        scheduled(declared, ledger),
        ledger,
        same_minute_allowed=environment.gateway.same_minute_allowed,
        reserved_parameter=environment.gateway.correlation_parameter,
        surroundings=around,
        now=now,
    ).problems


def validated(
    workspace: Workspace,
    options: CommonOptions,
    paths: Sequence[Path] = (),
    base: str | None = None,
) -> Validation:
    """What `validate` finds where the configuration can be used.

    Raises TooManyRunsError, ConfigurationError, LedgerError.
    """
    unread = unread_manifests(workspace)
    found, notes = set[Problem](), set[Problem]()
    files: set[str] = set()
    runs: Counter[str] = Counter()  # by file
    now = LocalClock().wall()
    for environment in workspace.environments:
        declared = workspace.declared(environment)
        ledger, around = _known(workspace, environment)
        missed = missed_folders(workspace, environment, declared, ledger, unread=unread, base=base)
        skipped = {*missed, *(note for note in declared.notes if note.code in SKIPPED)}
        found.update(skipped, declared.problems)
        found.update(_broken_rules(environment, declared, ledger, around, now))
        notes.update({*declared.notes} - skipped, edit_notes(declared, ledger))
        files.update(declared.files)
        runs.update(run.place.file for run in declared.runs)
        if not (declared.files or declared.notes or options.quiet):
            say(f"{environment.name}: there are no manifests in {environment.manifests}")
    say_left_out(workspace.left_out, quiet=options.quiet)
    wanted = WantedPaths.of(find_root(options.repo), paths or [workspace.root])
    notes.update(unread_note([path for path in unread if wanted.covers(path)]))
    if paths:
        for note in wanted.check(files, unread, workspace.configuration):
            if not options.quiet:
                say(f"note: {note}")
    return Validation(
        problems=tuple(sorted(one for one in found if wanted.covers(one.place.file))),
        notes=tuple(sorted(one for one in notes if wanted.covers(one.place.file))),
        files=sum(map(wanted.covers, files)),
        runs=sum(number for file, number in runs.items() if wanted.covers(file)),
    )
