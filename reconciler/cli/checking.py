"""What `validate` does, between its options and its output."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler import __version__
from reconciler.cli.options import CommonOptions
from reconciler.cli.reading import Workspace
from reconciler.cli.saying import say
from reconciler.configuration import InvalidConfigurationError
from reconciler.declaring import TooManyRunsError
from reconciler.errors import ConfigurationError
from reconciler.model import Problem
from reconciler.render import problems as rendering
from reconciler.rules import check
from reconciler.schedule import scheduled
from reconciler.settings import find_root


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Every problem found, and how much was looked at."""

    problems: tuple[Problem, ...]
    files: int
    runs: int

    def shown(self, form: str) -> str:
        """The report in one of the formats that `validate` offers."""
        match form:
            case "json":
                return rendering.problems_json(self.problems, self.files, self.runs)
            case "github":
                return rendering.problems_github(self.problems)
            case "sarif":
                return rendering.problems_sarif(self.problems, __version__)
            case _:
                return rendering.problems_text(self.problems, self.files, self.runs)


def validate(options: CommonOptions, paths: Sequence[Path]) -> Validation:
    """Read configuration, manifests and ledger of the working tree, and report all problems.

    With paths, those of other files are left out. Where the configuration cannot be used, or there
    are too many runs, that alone is reported, whatever the paths: nothing else is known then.
    Raises ConfigurationError, LedgerError.
    """
    try:
        return _validated(Workspace.find(options), options, paths)
    except InvalidConfigurationError as error:
        return Validation(problems=error.problems, files=0, runs=0)
    except TooManyRunsError as error:
        return Validation(problems=(error.problem,), files=0, runs=0)


def _validated(workspace: Workspace, options: CommonOptions, paths: Sequence[Path]) -> Validation:
    found: set[Problem] = set()
    files: set[str] = set()
    runs = 0
    for environment in workspace.environments:
        declared = workspace.declared(environment)
        own = workspace.local_book(environment)
        findings = check(
            scheduled(declared, own.ledger),
            own.ledger,
            same_minute_allowed=environment.gateway.same_minute_allowed,
            reserved_parameter=environment.gateway.correlation_parameter,
            surroundings=workspace.surroundings(environment, own),
        )
        found.update(declared.problems, findings.problems)
        files.update(declared.files)
        runs += len(declared.runs)
        if not declared.files and not options.quiet:
            note = f"{environment.name}: there are no manifests in {environment.manifests}"
            say(note)
    problems = tuple(sorted(found))
    if not paths:
        return Validation(problems=problems, files=len(files), runs=runs)
    wanted = _Wanted.of(find_root(options.repo), paths)
    wanted.check_known(files)
    return Validation(
        problems=tuple(problem for problem in problems if wanted.covers(problem.place.file)),
        files=sum(wanted.covers(file) for file in files),
        runs=runs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The files and folders that the user named, relative to the root."""

    paths: frozenset[str]

    @classmethod
    def of(cls, root: Path, paths: Sequence[Path]) -> "_Wanted":
        relative = set()
        for path in paths:
            absolute = path.parent.resolve() / path.name if path.is_symlink() else path.resolve()
            if not absolute.is_relative_to(root):
                raise ConfigurationError(f"{path} is not in the repository {root}")
            relative.add(absolute.relative_to(root).as_posix())
        return cls(paths=frozenset(relative))

    def covers(self, file: str) -> bool:
        parts = file.split("/")
        return "." in self.paths or any(
            "/".join(parts[:end]) in self.paths for end in range(1, len(parts) + 1)
        )

    def check_known(self, files: set[str]) -> None:
        """A manifest outside every environment would pass for valid, and never start."""
        for path in sorted(self.paths):
            is_manifest = path.endswith((".yaml", ".yml")) and "/" in path
            if is_manifest and path not in files:
                raise ConfigurationError(
                    f"{path} is in no environment's folder of manifests, so it declares nothing",
                    hint="Move it there, or see `manifests` in reconciler.yaml.",
                )
