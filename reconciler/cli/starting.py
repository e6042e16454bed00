"""What `init` does: finds the place, gathers the answers, checks everything, and then writes.

`init --check` reads what a starting repository wrote, and compares.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from reconciler.cli.answering import Given, answered
from reconciler.cli.options import CommonOptions
from reconciler.cli.place import StartingPlace
from reconciler.cli.saying import say
from reconciler.cli.settling import is_terminal
from reconciler.configuration import CONFIGURATION
from reconciler.errors import ConfigurationError, ExitCode
from reconciler.manifest import is_manifest_path
from reconciler.model import Source
from reconciler.repository.named_files import read_regular
from reconciler.repository.putting import OnDisk, exists, look_before, put
from reconciler.repository.worktree import MOST_BYTES, read_one, read_worktree
from reconciler.starting.choices import Beginning, CiKind
from reconciler.starting.next_steps import Around, next_steps
from reconciler.starting.outdated import outdated
from reconciler.starting.repository import (
    EDITOR,
    GITLAB_CI,
    GITLAB_INCLUDED,
    HOOKS,
    OWNERS,
    owned_paths,
    starting_files,
)

_MOST_OF_PIPELINE = 1 << 20  # bytes
_YAML = (".yml", ".yaml")


def start(options: CommonOptions, given: Given) -> None:
    """Write the repository, and say what was written and what to do next."""
    place = StartingPlace.find(options)
    beginning = answered(place, given, asks=is_terminal())
    files = starting_files(beginning, beside_a_pipeline=_has_pipeline(place, beginning))
    owners = next((one for one in OWNERS[beginning.ci] if exists(place.top, one)), None)
    if owners is not None and owners not in files:  # of two, the forge reads one
        files = {path: text for path, text in files.items() if path not in OWNERS[beginning.ci]}
        files[owners] = ""
    found = look_before(place.top, files)
    for path in found.absent:
        put(place.top, path, files[path])
    if not options.quiet:
        for line in _told(place, beginning, found):
            say(line, err=False)


def _has_pipeline(place: StartingPlace, beginning: Beginning) -> bool:
    """Whether GitLab's file is another pipeline's, so that ours must be included by it."""
    if beginning.ci is not CiKind.GITLAB or not exists(place.top, GITLAB_CI):
        return False
    return b"reconciler" not in read_regular(place.top / GITLAB_CI, _MOST_OF_PIPELINE)


def _told(place: StartingPlace, beginning: Beginning, found: OnDisk) -> Iterator[str]:
    for path in found.absent:
        yield f"wrote  {path}"
    if place.configuration is not None:
        yield f"kept   {place.prefix}{CONFIGURATION}, it is there already: the rest is made from it"
    for path in found.others:
        yield f"kept   {path}, it is there already{_lacking(path, beginning)}"
    if not found.absent:
        yield "nothing to write: all that init writes is there"
        return
    around = Around(
        is_repository=place.git is not None,
        has_remote=bool(place.remote_url()),
        has_commits=place.has_commits(),
    )
    yield ""
    yield f"Next, in {place.top}:"
    yield from next_steps(beginning, around, found.absent)


def _lacking(path: str, beginning: Beginning) -> str:
    """What the file that is kept may lack."""
    match path:
        case _ if path.endswith("CODEOWNERS"):
            return f"; give it owners of {', '.join(owned_paths(beginning, path))}"
        case _ if path == HOOKS:
            return "; give it a hook that runs `reconciler validate`"
        case _ if path == EDITOR:
            return "; let yaml.schemas name schemas/trigger.schema.json for manifests"
        case _ if path == GITLAB_INCLUDED:
            return "; take it away to have it written anew"
        case _:
            return ""


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
    return {one.path: _text_there(one) for one in found if isinstance(one, Source)}


def _folder(top: Path, folder: str, is_wanted: Callable[[str], bool]) -> dict[str, str]:
    """The wanted files below; what cannot be read is for `validate` to tell."""
    sources, _ = read_worktree(top, folder, is_wanted)
    return {one.path: _text_there(one) for one in sources}


def _text_there(source: Source) -> str:
    return source.content.decode("utf-8", "replace")
