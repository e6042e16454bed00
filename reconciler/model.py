"""The nouns: runs, the manifests that declare them, and the problems found on the way."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

RunId = NewType("RunId", str)  # `name`, or `name@N` for revision N > 1
Digest = NewType("Digest", str)  # lower-case hex SHA-256 of what the wire carries
ClaimId = NewType("ClaimId", str)  # a claim's nonce
InstanceId = NewType("InstanceId", str)  # EnOS flowInstanceId: read from an answer, never computed
EpochMs = NewType("EpochMs", int)  # Unix epoch, milliseconds, UTC

Parameters = tuple[tuple[str, str], ...]  # in the author's order, which the wire keeps


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where something stands: a file relative to the repository's root, line and column from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One finding. Problems sort by place, so that a report reads from top to bottom.

    `code` is stable and may be relied on by scripts (docs/manifest.md lists all).
    `pointer` is the RFC 6901 JSON Pointer of the value meant; "" is the whole document.
    """

    place: Place
    code: str
    pointer: str = ""
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The bytes of one file, wherever they were read from (working tree or commit)."""

    path: str  # relative to the repository's root, `/` between its parts
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run that a manifest declares, with everything the wire carries."""

    name: str
    revision: int
    flow_id: int
    trigger_time: EpochMs
    parameters: Parameters
    digest: Digest
    place: Place  # of the document in its file
    places: Mapping[str, Place]  # of the fields that problems speak of, by JSON Pointer
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    suspend: bool = False
    not_after: EpochMs | None = None
    duplicate_of: str | None = None

    @property
    def id(self) -> RunId:
        """The run's identity in its environment."""
        return run_id(self.name, self.revision)

    def place_of(self, pointer: str) -> Place:
        """Where the field stands, or the document if the field was left to its default."""
        return self.places.get(pointer, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What an environment's manifests declare, and everything that is wrong with them."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]
    files: tuple[str, ...]  # the paths that were read


def run_id(name: str, revision: int) -> RunId:
    """`name` for the first revision, `name@N` for the N-th."""
    return RunId(name if revision == 1 else f"{name}@{revision}")


def run_name(run: RunId) -> str:
    """The manifest's name in a run id."""
    return run.partition("@")[0]


def run_revision(run: RunId) -> int:
    """The revision in a run id; 1 where it names none."""
    _, _, revision = run.partition("@")
    return int(revision) if revision else 1


def wire_parameters(parameters: Parameters) -> list[dict[str, str]]:
    """The wire form: a list of pairs (EnOS reference, Update And Trigger Flow, sample)."""
    return [{"key": key, "value": value} for key, value in parameters]


def run_digest(flow_id: int, trigger_time: EpochMs, parameters: Parameters) -> Digest:
    """SHA-256 of the canonical JSON (sorted names, no spaces, UTF-8) of what the wire carries."""
    body = {
        "flowId": flow_id,
        "parameters": wire_parameters(parameters),
        "triggerTime": trigger_time,
    }
    canonical = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Digest(hashlib.sha256(canonical.encode()).hexdigest())
