"""The nouns: runs, the manifests that declare them, and the problems found on the way."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, tzinfo
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NewType, Protocol, Self, TypeVar, cast

import msgspec
from msgspec import Struct

from reconciler.numerous import Numerous

RunId = NewType("RunId", str)  # `name`, `@N` for revision N > 1, `#N` for the N-th attempt
Digest = NewType("Digest", str)  # lower-case hex SHA-256 of what the wire carries
Nonce = NewType("Nonce", str)  # a claim's nonce
InstanceId = NewType("InstanceId", str)  # EnOS flowInstanceId: read from an answer, never computed
EpochMs = NewType("EpochMs", int)  # Unix epoch, milliseconds, UTC

Parameters = tuple[tuple[str, str], ...]  # in the author's order, which the wire keeps
# Line and column, from 1, by JSON Pointer; "" is the document. Files that are alike may share them.
Marks = Mapping[str, tuple[int, int]]


class Place(Struct, frozen=True, kw_only=True, order=True):
    """Where something stands: a file relative to the repository's root, line and column from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(Struct, frozen=True, kw_only=True, order=True):
    """One finding. Problems sort by place, so that a report reads from top to bottom.

    `code` is stable and may be relied on by scripts (docs/codes.md explains all).
    `pointer` is the RFC 6901 JSON Pointer of the value at fault; "" is the whole document.
    """

    place: Place
    code: str
    pointer: str = ""
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.code}: {self.message}"


class Source(Struct, frozen=True, kw_only=True):
    """The bytes of one file, read from the working tree or from a commit."""

    path: str  # relative to the repository's root, with `/` between its parts
    content: bytes


class Retry(Struct, frozen=True, kw_only=True):
    """When a run that ended badly is started again."""

    max: int  # further attempts after the first
    on: frozenset[str]  # final statuses, by EnOS's names


class Match(Struct, frozen=True, kw_only=True):
    """An item of `dependsOn` that means only those runs whose keys equal the waiting run's."""

    names: tuple[str, ...]  # the name that the item gives; after a rename, the recorded ones too
    keys: tuple[str, ...]  # `businessDate`, and names of parameters


class Stagger(Struct, frozen=True, kw_only=True):
    """How a run may be moved away from others of its flow; chosen when it is claimed."""

    step: int  # milliseconds, whole minutes
    before: EpochMs  # exclusive: when the next business date or the backfill's next time begins
    # From when until when clocks show the previous date again, where they went back over midnight.
    pause: tuple[EpochMs, EpochMs] | None = None

    def times(self, first: EpochMs) -> Sequence[EpochMs]:
        """The times at which a run that is declared for `first` may start, the earliest first."""
        times = cast("Sequence[EpochMs]", range(first, self.before, self.step))
        if self.pause is None:
            return times
        since, until = self.pause
        return tuple(time for time in times if not since <= time < until)


class Times(Protocol):
    """The times of a backfill's schedule, inside its range and beyond."""

    def instant(self, label: str) -> EpochMs | None:
        """The time that run names write as this label; None if the backfill has no such time."""

    @property
    def counted_from(self) -> date | None:
        """The date whose day of the month all others share; None unless the step is in months."""

    def passes_over(self, day: date) -> bool:
        """Whether the date is in the range and the steps of months skip it."""


class Held(Enum):
    """Why a run cannot start until somebody edits its manifest; `plan.standing` has the words.

    What passes by itself is decided in `plan.decide`: runs that depend on it are not lost by it.
    """

    CANCELLED = auto()
    SUSPENDED = auto()
    MISSED = auto()  # its `notAfter` has passed


class Terms(Numerous, frozen=True, kw_only=True, gc=False):
    """What a manifest says once for all its runs. Many say the same, or nothing, and share it."""

    revision: int = 1
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    description: str = ""
    suspend: bool = False
    not_after: EpochMs | None = None
    depends_on: tuple[str, ...] = ()  # runs or whole backfills that must have succeeded before
    matching: tuple[Match, ...] = ()  # items of `depends_on` that mean only some of their runs
    max_active: int | None = None  # how many of its manifest's runs may be under way at once
    stop_after: int | None = None  # how many runs of its manifest, failed for good, stop the rest
    cancel: bool = False
    retry: Retry | None = None
    duplicate_of: str | None = None
    formerly: tuple[str, ...] = ()  # the names that its manifest had before
    sensitive: frozenset[str] = frozenset()  # the parameters whose values only the wire may show
    again: bool = False  # it may process dates that runs of the manifest have processed before
    times: Times | None = None  # of its backfill; not compared when runs are


_NO_TERMS = Terms()
_OF_TERMS = frozenset(Terms.__struct_fields__)


def _of_terms(read: "Callable[[Run], _Field]") -> "_Field":
    """A field that a run has from its terms."""
    return cast("_Field", property(read))


_Field = TypeVar("_Field")


class Run(Numerous, frozen=True, kw_only=True, eq=False, gc=False):
    """One run that a manifest declares, with everything the wire carries.

    There may be 100,000, and each field of its own takes eight bytes of each. So it shares its
    terms with other runs, and its places are made on demand.
    """

    name: str  # of the manifest, or of one run of a backfill: wind-march/2024-03-01/SITE=cn-01
    flow_id: int
    trigger_time: EpochMs  # as it is sent; the digest has the same, unless the run was staggered
    parameters: Parameters
    digest: Digest
    file: str  # that declares it, relative to the repository's root
    marks: Marks  # of the document, and of the fields that problems speak of
    terms: Terms = _NO_TERMS
    after: str | None = None  # of a sequential backfill: the run whose success it waits for
    stagger: Stagger | None = None
    delay: int = 0  # milliseconds that the trigger time was moved by, for the stagger
    attempt: int = 1
    sequence: EpochMs | None = None  # sorts instead of trigger_time, where the newest starts first
    declared_as: str = ""  # its name in the manifest, where it is recorded under another one

    revision = _of_terms(lambda run: run.terms.revision)
    labels = _of_terms(lambda run: run.terms.labels)
    description = _of_terms(lambda run: run.terms.description)
    suspend = _of_terms(lambda run: run.terms.suspend)
    not_after = _of_terms(lambda run: run.terms.not_after)
    depends_on = _of_terms(lambda run: run.terms.depends_on)
    matching = _of_terms(lambda run: run.terms.matching)
    max_active = _of_terms(lambda run: run.terms.max_active)
    stop_after = _of_terms(lambda run: run.terms.stop_after)
    cancel = _of_terms(lambda run: run.terms.cancel)
    retry = _of_terms(lambda run: run.terms.retry)
    duplicate_of = _of_terms(lambda run: run.terms.duplicate_of)
    formerly = _of_terms(lambda run: run.terms.formerly)
    sensitive = _of_terms(lambda run: run.terms.sensitive)
    again = _of_terms(lambda run: run.terms.again)
    times = _of_terms(lambda run: run.terms.times)

    def but(self, **fields: Any) -> Self:
        """A copy with these fields replaced, its terms' among them."""
        if _OF_TERMS.isdisjoint(fields):
            return super().but(**fields)
        told = {name: fields.pop(name) for name in _OF_TERMS & fields.keys()}
        others = {name: value for name, value in told.items() if value != getattr(self, name)}
        terms = self.terms.but(**others) if others else self.terms
        return super().but(terms=terms, **fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Run):
            return NotImplemented
        mine, others = (msgspec.structs.astuple(run.but(times=None)) for run in (self, other))
        return mine == others

    __hash__ = None  # type: ignore[assignment] # its marks have none

    @property
    def id(self) -> RunId:
        """The run's identity in its environment."""
        if (
            self.terms.revision == 1 and self.attempt == 1
        ):  # what `run_id` gives, for nearly all runs
            return self.name  # type: ignore[return-value] # a call for each of a million look-ups
        return run_id(self.name, self.revision, self.attempt)

    @property
    def manifest(self) -> str:
        """The manifest in the run's name. A renamed run has the one that it is recorded under."""
        return manifest_of(self.name)

    @property
    def declared_name(self) -> str:
        """The run's name in its manifest, even if it is recorded under another one."""
        return self.declared_as or self.name

    @property
    def declared_manifest(self) -> str:
        """The manifest that declares the run, even if it is recorded under another one."""
        return manifest_of(self.declared_name)

    def declared_id(self, attempt: int = 1) -> RunId:
        """The id of one of the run's attempts under its declared name; `id` uses the recorded."""
        return run_id(self.declared_name, self.revision, attempt)

    @property
    def turn(self) -> tuple[EpochMs, EpochMs, RunId]:
        """The key that sorts runs into the order in which they start."""
        first = self.trigger_time if self.sequence is None else self.sequence
        return first, self.trigger_time, self.id

    def shown_parameters(self, also: frozenset[str] = frozenset()) -> Parameters:
        """The parameters as outputs show them: sensitive values are replaced by a digest.

        `also`: further names to hide, such as those that only the changed manifest calls sensitive.
        """
        if not (self.terms.sensitive or also):
            return self.parameters
        hidden = self.sensitive | also
        return tuple(
            (key, mask_value(value) if key in hidden else value) for key, value in self.parameters
        )

    def hold_at(self, now: EpochMs | None) -> "Held | None":
        """Why the run is not started as its manifest stands; `now` None: the time is unknown."""
        if self.cancel:
            return Held.CANCELLED
        if self.suspend:
            return Held.SUSPENDED
        return Held.MISSED if self._is_missed(now) else None

    def is_called_off_or_missed(self, now: EpochMs | None) -> bool:
        """Whether the run is called off, or too late to start; `now` as above."""
        return self.cancel or self._is_missed(now)

    def _is_missed(self, now: EpochMs | None) -> bool:
        return now is not None and self.not_after is not None and now > self.not_after

    @property
    def place(self) -> Place:
        """Where the document begins that declares the run."""
        line, column = self.marks[""]
        return Place(file=self.file, line=line, column=column)

    def place_of(self, pointer: str) -> Place:
        """Where the field stands, or the document where the field was left out."""
        line, column = self.marks.get(pointer) or self.marks[""]
        return Place(file=self.file, line=line, column=column)


class Declared(Struct, frozen=True, kw_only=True):
    """What an environment's manifests declare, and everything that is wrong with them."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]
    files: tuple[str, ...]  # the paths that were read
    notes: tuple[Problem, ...] = ()  # probable mistakes, which stop nothing
    zone: tzinfo = UTC  # the gateway's: business dates and the times in instance ids are in it


def run_id(name: str, revision: int, attempt: int = 1) -> RunId:
    """`name` for the first revision, `name@N` for the N-th; `#N` follows for the N-th attempt."""
    run = name if revision == 1 else f"{name}@{revision}"
    return RunId(run if attempt == 1 else f"{run}#{attempt}")


def run_name(run: RunId) -> str:
    """The name in a run id, without revision and attempt."""
    if "@" not in run and "#" not in run:
        return run
    return run.partition("#")[0].partition("@")[0]


def run_revision(run: RunId) -> int:
    """The revision in a run id; 1 where the id names none."""
    _, _, revision = run.partition("#")[0].partition("@")
    return int(revision) if revision else 1


def first_attempt(run: RunId) -> RunId:
    """The id of the run's first attempt."""
    return RunId(run.partition("#")[0]) if "#" in run else run


def run_attempt(run: RunId) -> int:
    """The attempt in a run id; 1 where the id names none."""
    if "#" not in run:
        return 1
    _, _, attempt = run.partition("#")
    return int(attempt) if attempt else 1


def manifest_of(name: str) -> str:
    """The manifest in the name of a run."""
    return name.partition("/")[0]


def backfill_of(run: RunId) -> str | None:
    """The backfill in a run id; None for the run of a `Trigger`."""
    manifest, separator, _ = run.partition("/")
    return manifest if separator else None


def label_of(name: str) -> str:
    """The date, or date and time, in the name of a backfill's run; "" for any other run."""
    return name.split("/", 2)[1] if "/" in name else ""


def combination_of(name: str) -> dict[str, str]:
    """The matrix values in the name of a backfill's run, by key, as the name writes them."""
    pairs = (segment.partition("=") for segment in name.split("/")[2:])
    return {key: value for key, _, value in pairs}


def covers(wanted: str, name: str) -> bool:
    """Whether a reference means the run of that name: the run itself, or a group that it is in."""
    return name == wanted or name.startswith(f"{wanted}/")


def covering_references(name: str) -> Iterator[str]:
    """Every reference that means the run of that name: the name, and each group that it is in."""
    yield name
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def wire_parameters(parameters: Parameters) -> list[dict[str, str]]:
    """The wire form: a list of pairs (EnOS reference, Update And Trigger Flow, sample)."""
    return [{"key": key, "value": value} for key, value in parameters]


def mask_value(value: str) -> str:
    """What outputs show for a sensitive value: enough to see that it changed, and no more."""
    return f"•••• {hashlib.sha256(value.encode()).hexdigest()[:_MASK_DIGITS]}"


_MASK_DIGITS = 6  # with more, whoever guesses the value could tell that the guess is right


def run_digest(flow_id: int, trigger_time: EpochMs, parameters: Parameters) -> Digest:
    """SHA-256 of the canonical JSON (sorted names, no spaces, UTF-8) of what the wire carries."""
    pairs = ",".join(map(_pair_in_json, parameters))
    canonical = f'{{"flowId":{flow_id},"parameters":[{pairs}],"triggerTime":{trigger_time}}}'
    return Digest(hashlib.sha256(canonical.encode()).hexdigest())


@lru_cache(maxsize=16_384)  # most pairs are the same in many runs
def _pair_in_json(pair: tuple[str, str]) -> str:
    return msgspec.json.encode({"key": pair[0], "value": pair[1]}).decode()
