"""What has become outdated in a repository since it was started, and what to do about it."""

import re
from collections.abc import Iterator, Mapping

from reconciler import DISTRIBUTION, PLACEHOLDER
from reconciler.manifest.write import modeline
from reconciler.schema import SCHEMAS, schema_text
from reconciler.starting.choices import Beginning, is_commit
from reconciler.starting.repository import COPIED, schema_path

# Each has the revision as its last group: a requirement for pip, an action, a hook's repository.
_INSTALLED = re.compile(
    rf"{DISTRIBUTION} @ git\+\S+?@(?P<rev>[\w.+-]+)(?=[\s\"',]|$)"  # ssh://git@host has one @ more
)
_USED = re.compile(r"^\s*-?\s*uses:\s*[\"']?(?P<name>[^\s\"'@]+)@(?P<rev>[^\s\"'#]+)", re.MULTILINE)
_HOOK = re.compile(
    r"^\s*-\s*repo:\s*[\"']?(?P<url>[^\s\"']+)[\"']?\s*\n\s*rev:\s*[\"']?(?P<rev>[^\s\"']+)",
    re.MULTILINE,
)
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_CONTENT = re.compile(r"^[^#\s]", re.MULTILINE)


def list_outdated(
    beginning: Beginning,
    pipelines: Mapping[str, str],
    written_by_hand: Mapping[str, str],
    schemas: Mapping[str, str],
) -> Iterator[str]:
    """A line for each thing that is outdated. All mappings are texts by path.

    `pipelines`: the files that install the reconciler, hooks too; `written_by_hand`: the
    configuration and the manifests; `schemas`: the copies that the repository has.
    """
    yield from _schemas(schemas)
    for path, text in pipelines.items():
        yield from _pins(path, text, beginning)
    for path, text in written_by_hand.items():
        lacking = _count_without_modeline(text)
        if lacking:
            which = "a document" if lacking == 1 else f"{lacking} documents"
            yield (
                f"{path}: {which} without the line that names its schema to editors: put "
                f"`{modeline('PATH')}` above it"
            )


def _schemas(schemas: Mapping[str, str]) -> Iterator[str]:
    for name in SCHEMAS:
        path = schema_path("", name)
        text = schemas.get(path)
        if text is None and name in COPIED:
            yield f"{path} is not there: reconciler init"
        elif text is not None and text != schema_text(name):
            yield f"{path} is not this version's: reconciler schema {name} >{path}"


def _pins(path: str, text: str, beginning: Beginning) -> Iterator[str]:
    """Where another version is installed. Only the remote knows whether a commit is a tag's."""
    home = beginning.home
    if PLACEHOLDER in text:
        there = "put where your team keeps the reconciler"
        what = f"let it install {home.install}" if home.is_known else there
        yield f"{path} still names {PLACEHOLDER}: {what}"
        return
    if not home.is_known:
        return
    name = home.action.partition("@")[0]
    pinned = [one["rev"] for one in _INSTALLED.finditer(text)]
    pinned += [one["rev"] for one in _USED.finditer(text) if name and one["name"] == name]
    pinned += [one["rev"] for one in _HOOK.finditer(text) if one["url"] == home.url]
    same = {home.revision, f"v{beginning.version}"}
    for revision in dict.fromkeys(pinned):
        if revision not in same and (home.is_pinned or not is_commit(revision)):
            yield f"{path} installs {revision}, and this is {home.revision}: put that in its place"


def _count_without_modeline(text: str) -> int:
    """How many documents with content have no line that names their schema."""
    documents = [one for one in _DOCUMENT.split(text) if _CONTENT.search(one)]
    return sum(not any(map(_is_modeline, one.split("\n"))) for one in documents)


def _is_modeline(line: str) -> bool:
    return line.startswith(modeline(""))
