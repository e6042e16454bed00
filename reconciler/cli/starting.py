"""What `init` does: finds the place, gathers the answers, checks everything, and then writes."""

from collections.abc import Iterator

from reconciler.cli.answering import Given, answered
from reconciler.cli.options import CommonOptions
from reconciler.cli.place import StartingPlace
from reconciler.cli.saying import say
from reconciler.cli.settling import is_terminal
from reconciler.configuration import CONFIGURATION
from reconciler.repository.putting import OnDisk, exists, look_before, put
from reconciler.repository.worktree import read_regular
from reconciler.starting.choices import Beginning, CiKind
from reconciler.starting.next_steps import Around, next_steps
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
