"""What `init --check` does: it reads what a starting repository wrote, and compares."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from reconciler.cli.answering import Given, answered
from reconciler.cli.options import CommonOptions
from reconciler.cli.place import StartingPlace
from reconciler.cli.saying import say
from reconciler.configuration import CONFIGURATION
from reconciler.errors import ConfigurationError, ExitCode
from reconciler.manifest import is_manifest_path
from reconciler.model import Source
from reconciler.repository.worktree import MOST_BYTES, read_one, read_worktree
from reconciler.starting.outdated import outdated
from reconciler.starting.repository import GITLAB_CI, GITLAB_INCLUDED, HOOKS

_YAML = (".yml", ".yaml")


def check(options: CommonOptions, given: Given) -> ExitCode:
    """Say what is outdated, a line each; the exit code says whether anything is."""
    place = StartingPlace.find(options)
    if place.configuration is None:
        raise ConfigurationError(
            f"{place.root} has no {CONFIGURATION}", hint="Begin with `reconciler init`."
        )
    beginning = answered(place, given, asks=False)
    pipelines = _files(place.top, GITLAB_CI, GITLAB_INCLUDED, HOOKS)
    pipelines |= _folder(place.top, ".github/workflows", lambda path: path.endswith(_YAML))
    by_hand = _files(place.root, CONFIGURATION)
    for folder in beginning.manifests:
        by_hand |= _folder(place.root, folder, partial(is_manifest_path, folder=folder))
    schemas = _folder(place.root, "schemas", lambda path: path.endswith(".schema.json"))
    lines = list(outdated(beginning, pipelines, by_hand, schemas))
    for line in lines:
        say(line, err=False)
    if not lines and not options.quiet:
        say("nothing is outdated", err=False)
    return ExitCode.PROBLEM if lines else ExitCode.OK


def _files(top: Path, *paths: str) -> dict[str, str]:
    """Those that are there and can be read, by their paths."""
    found = (read_one(top, path, MOST_BYTES) for path in paths)
    return {one.path: _text(one) for one in found if isinstance(one, Source)}


def _folder(top: Path, folder: str, is_wanted: Callable[[str], bool]) -> dict[str, str]:
    """The wanted files below; what cannot be read is for `validate` to tell."""
    sources, _ = read_worktree(top, folder, is_wanted)
    return {one.path: _text(one) for one in sources}


def _text(source: Source) -> str:
    return source.content.decode("utf-8", "replace")
