"""What `init` does: find the place, gather the answers, check everything, and only then write.

`init --check` reads what an earlier `init` wrote, and compares.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

from reconciler.cli.answering import InitOptions, collect_answers
from reconciler.cli.options import CommonOptions
from reconciler.cli.place import StartingPlace
from reconciler.cli.saying import say
from reconciler.cli.settling import is_terminal
from reconciler.cli.unheeded import list_unheeded_options
from reconciler.configuration import CONFIGURATION
from reconciler.errors import ConfigurationError, ExitCode
from reconciler.manifest import is_manifest_path
from reconciler.model import Source
from reconciler.repository.named_files import read_regular
from reconciler.repository.putting import OnDisk, exists, look_at_place, put
from reconciler.repository.worktree import MOST_BYTES, read_one, read_worktree
from reconciler.starting.choices import Beginning, CiKind
from reconciler.starting.next_steps import Around, next_steps
from reconciler.starting.outdated import list_outdated
from reconciler.starting.repository import (
    EDITOR,
    GITLAB_CI,
    GITLAB_INCLUDED,
    HOOKS,
    OWNERS,
    owned_paths,
    schema_path,
    starting_files,
)

_MOST_OF_PIPELINE = 1 << 20  # bytes
_VALIDATES = re.compile(r"\breconciler[- ]validate\b")
_YAML = (".yml", ".yaml")


def write_repository(options: CommonOptions, given: InitOptions) -> None:
    """Write the repository, and say what was written and what to do next."""
    place = StartingPlace.find(options)
    beginning = collect_answers(place, given, asks=is_terminal())
    files = starting_files(beginning, beside_a_pipeline=_has_pipeline(place, beginning))
    owners = next((one for one in OWNERS[beginning.ci] if exists(place.top, one)), None)
    if owners is not None and owners not in files:  # a forge reads only one CODEOWNERS
        files = {path: text for path, text in files.items() if path not in OWNERS[beginning.ci]}
        files[owners] = ""
    found = look_at_place(place.top, files)
    for path in found.absent:
        put(place.top, path, files[path])
    if not options.quiet:
        left = _list_outdated(place, beginning, besides=found.absent)
        others = _read_files(place.top, *found.others)
        kept = {
            path: text
            for path, text in others.items()
            if not any(line.startswith(f"{path} ") for line in left)  # has no line already
        }
        left += list_unheeded_options(given, place, beginning, kept)
        for line in (
            *_say_written(place, beginning, found, left),
            *_next_lines(place, beginning, found),
        ):
            say(line, err=False)


def _has_pipeline(place: StartingPlace, beginning: Beginning) -> bool:
    """Whether GitLab's file is another pipeline's, which must then include ours."""
    if beginning.ci is not CiKind.GITLAB or not exists(place.top, GITLAB_CI):
        return False
    return b"reconciler" not in read_regular(place.top / GITLAB_CI, _MOST_OF_PIPELINE)


def _say_written(
    place: StartingPlace, beginning: Beginning, found: OnDisk, left: Sequence[str]
) -> Iterator[str]:
    """Lines on what was done; `left`: lines on what was not done, though perhaps meant."""
    for path in found.absent:
        yield f"wrote  {path}"
    if place.configuration is not None:
        yield f"kept   {place.prefix}{CONFIGURATION}, it is there already: the rest is made from it"
    for path, text in _read_files(place.top, *found.others).items():
        yield f"kept   {path}, it is there already{_describe_lack(path, text, beginning)}"
    if not found.absent:
        yield "nothing to write: all files that init writes are there"
    for line in left:
        yield f"note   {line}"


def _next_lines(place: StartingPlace, beginning: Beginning, found: OnDisk) -> Iterator[str]:
    """Lines on what a person must do next, if anything was written."""
    if not found.absent:
        return
    around = Around(
        is_repository=place.git is not None,
        has_remote=bool(place.remote_url()),
        has_commits=place.has_commits(),
        uncommitted=_list_uncommitted(place, beginning, found),
    )
    yield ""
    yield f"Next, in {place.top}:"
    yield from next_steps(beginning, around, found.absent)


def _list_uncommitted(place: StartingPlace, beginning: Beginning, found: OnDisk) -> tuple[str, ...]:
    """What a commit must add, including what an earlier `init` wrote and nobody has committed."""
    of_it = [CONFIGURATION, *beginning.manifests]
    before = [place.prefix + one for one in of_it if exists(place.root, one)]
    before += [*found.same, *found.others]
    git = place.git
    if git is not None:
        before = [one for one in before if git.is_dirty([one])]
    return (*found.absent, *before)


def _describe_lack(path: str, text: str, beginning: Beginning) -> str:
    """Words on what a kept file lacks and a person may add; "" if nothing."""
    match path:
        case _ if path.endswith("CODEOWNERS"):
            lines = text.splitlines()
            owned = owned_paths(beginning, path)
            bare = [one for one in owned if not any(line.startswith(f"{one} ") for line in lines)]
            return f"; give it owners of {', '.join(bare)}" if bare else ""
        case _ if path == HOOKS and not _VALIDATES.search(text):
            return "; give it a hook that runs `reconciler validate`"
        case _ if path == EDITOR and schema_path(beginning.prefix, "trigger") not in text:
            return "; let yaml.schemas name schemas/trigger.schema.json for manifests"
        case _ if path == GITLAB_INCLUDED:
            return "; take it away to have it written anew"
        case _:
            return ""


def check_outdated(options: CommonOptions, given: InitOptions) -> ExitCode:
    """Print what is outdated, a line each; the exit code says whether anything is."""
    place = StartingPlace.find(options)
    if place.configuration is None:
        raise ConfigurationError(
            f"{place.root} has no {CONFIGURATION}", hint="Begin with `reconciler init`."
        )
    beginning = collect_answers(place, given, asks=False)
    lines = _list_outdated(place, beginning)
    for line in lines:
        say(line, err=False)
    if not lines and not options.quiet:
        say("nothing is outdated", err=False)
    return ExitCode.PROBLEM if lines else ExitCode.OK


def _list_outdated(
    place: StartingPlace, beginning: Beginning, besides: Collection[str] = ()
) -> list[str]:
    """A line for each file that is outdated; `besides`: pipelines that are not checked."""
    pipelines = _read_files(place.top, GITLAB_CI, GITLAB_INCLUDED, HOOKS)
    pipelines |= _read_folder(place.top, ".github/workflows", lambda path: path.endswith(_YAML))
    by_hand = _read_files(place.root, CONFIGURATION)
    for folder in beginning.manifests:
        by_hand |= _read_folder(place.root, folder, partial(is_manifest_path, folder=folder))
    schemas = _read_folder(place.root, "schemas", lambda path: path.endswith(".schema.json"))
    pipelines = {path: text for path, text in pipelines.items() if path not in besides}
    return list(list_outdated(beginning, pipelines, by_hand, schemas))


def _read_files(top: Path, *paths: str) -> dict[str, str]:
    """By path, the texts of the files that exist and can be read."""
    found = (read_one(top, path, MOST_BYTES) for path in paths)
    return {one.path: _decode_text(one) for one in found if isinstance(one, Source)}


def _read_folder(top: Path, folder: str, is_wanted: Callable[[str], bool]) -> dict[str, str]:
    """By path, the texts of the wanted files below; `validate` reports those it cannot read."""
    sources, _ = read_worktree(top, folder, is_wanted)
    return {one.path: _decode_text(one) for one in sources}


def _decode_text(source: Source) -> str:
    return source.content.decode("utf-8", "replace")
