"""What both kinds of manifest have in common, and which parameters' values no output may show."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from sys import intern
from typing import Any, Protocol, TypedDict

from reconciler.enos.statuses import FAILED_BY_ITSELF
from reconciler.model import EpochMs, Marks, Match, Parameters, Place, Problem, Retry, Run, Terms
from reconciler.numerous import Numerous
from reconciler.schema import Finding, Where
from reconciler.schema.paths import Path, pointer
from reconciler.times import LAST_SHOWN, parse_instant

FIRST = EpochMs(0)
LAST = LAST_SHOWN

_NOT_AFTER: Path = ("spec", "notAfter")
_DEPENDS_ON: Path = ("spec", "dependsOn")
_PLACED_FIELDS = (
    *("flowId", "parameters", "triggerTime", "businessDate", "businessDates", "triggerTimes"),
    *("stagger", "matrix", "revision", "duplicateOf", "formerly"),
)
# The fields that rules point at: a mark is kept for each that the manifest has.
_PLACED = tuple((name, ("spec", name), f"/spec/{name}") for name in _PLACED_FIELDS)


class Manifest(Protocol):
    """A manifest that conforms to its schema, with the places of its values."""

    @property
    def file(self) -> str:
        """The manifest's file, relative to the repository's root."""

    @property
    def value(self) -> Any:
        """The manifest as a plain value."""

    def place(self, path: Path, where: Where = "value") -> Place:
        """The place of the value at the path."""

    def marks(self, paths: Callable[[Any], Mapping[str, Path]]) -> Marks:
        """Where the paths that `paths` finds in the value stand, by the names that it gives them.

        `paths` may look at nothing but the keys in the value and the lengths of its lists.
        """

    def problem(self, finding: Finding) -> Problem:
        """The finding at its place."""


class Expanded(Numerous, frozen=True, kw_only=True, gc=False):
    """The runs that a manifest declares, or else the reasons why it declares none."""

    runs: tuple[Run, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()  # on probable mistakes, which stop nothing
    made: int = 0  # runs that count against the bounds, including those that `exclude` leaves out


class NotExpandedError(Exception):
    """The manifest declares no run, for these reasons."""

    def __init__(self, findings: Iterable[Finding], made: int = 0) -> None:
        super().__init__()
        self.findings = tuple(findings)
        self.made = made  # runs that were counted until then


class SharedFields(TypedDict):
    """The fields that all runs of a manifest share."""

    flow_id: int
    file: str
    marks: Marks
    terms: Terms


def read_shared(manifest: Manifest, patterns: tuple[str, ...] = ()) -> SharedFields:
    """Read the shared fields. Raises NotExpandedError for a time out of range, or a contradiction.

    `patterns` match the names of parameters that are sensitive in every manifest.
    """
    metadata, spec = manifest.value["metadata"], manifest.value["spec"]
    terms = _plain_terms(
        tuple(metadata.get("labels", {}).items()),
        metadata.get("description", ""),
        sensitive_names(spec, patterns),
    )
    return SharedFields(
        flow_id=int(spec["flowId"]),  # 3377.0 is an integer to JSON Schema
        file=manifest.file,
        marks=manifest.marks(_marked_paths),
        terms=terms if spec.keys() <= _PLAIN else _read_terms(spec, terms),
    )


@lru_cache(maxsize=4_096)  # many manifests say no more, and share it
def _plain_terms(
    labels: tuple[tuple[str, str], ...], description: str, sensitive: frozenset[str]
) -> Terms:
    return Terms(labels=read_labels(labels), description=description, sensitive=sensitive)


def _read_terms(spec: Mapping[str, Any], plain: Terms) -> Terms:
    """All terms of a manifest; `plain`: those that it has besides its `spec`."""
    return Terms(
        labels=plain.labels,
        description=plain.description,
        sensitive=plain.sensitive,
        revision=int(spec.get("revision", 1)),
        suspend=spec.get("suspend", False),
        not_after=check_instant(read_instant(spec["notAfter"]), _NOT_AFTER)
        if "notAfter" in spec
        else None,
        duplicate_of=spec.get("duplicateOf"),
        depends_on=tuple(map(_name, spec.get("dependsOn", ()))),
        matching=_read_matches(spec.get("dependsOn", ())),
        retry=_retry(spec["retry"]) if "retry" in spec else None,
        cancel=spec.get("cancel", False),
        again=spec.get("again", False),
        formerly=_names(spec.get("formerly", ())),
    )


def parameters(spec: Mapping[str, Any]) -> Parameters:
    """The manifest's own parameters, in the author's order."""
    own = spec.get("parameters", {})
    return tuple(map(read_pair, own, own.values()))


@lru_cache(maxsize=16_384)  # runs share most of their parameters, so one tuple of each is kept
def read_pair(key: str, value: str) -> tuple[str, str]:
    """A parameter as a key and a value."""
    return intern(key), value


@lru_cache(maxsize=4_096)
def read_labels(pairs: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """The labels as a mapping. It is shared: do not change it."""
    return {intern(key): intern(value) for key, value in pairs}


def read_instant(value: str | float) -> EpochMs:
    """The instant of a time: RFC 3339, or milliseconds, perhaps as an integral float.

    Raises ValueError with words for a person.
    """
    return parse_instant(value) if isinstance(value, str) else EpochMs(int(value))


def check_instant(found: EpochMs, path: Path) -> EpochMs:
    """The instant. Raises NotExpandedError, pointing at the path, if no run can have it."""
    if not FIRST <= found <= LAST:
        raise NotExpandedError([instant_finding(path)])
    return found


def instant_finding(path: Path) -> Finding:
    """The finding for a time that no run can have."""
    words = "must lie between 1970-01-01 and 9999-12-30, UTC"
    return Finding(path=path, code="range", words=words)


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _name(item: str | Mapping[str, Any]) -> str:
    return item if isinstance(item, str) else item["name"]


def _read_matches(items: Sequence[str | Mapping[str, Any]]) -> tuple[Match, ...]:
    """The items with a `match`. Raises NotExpandedError if another item has the same name."""
    names = [_name(item) for item in items]
    found = []
    for index, item in enumerate(items):
        if isinstance(item, str):
            continue
        if names.count(item["name"]) > 1:
            words = f"means some of the runs that another item, {item['name']}, means: keep one"
            path = (*_DEPENDS_ON, index)
            raise NotExpandedError([Finding(path=path, code="exclusive", words=words)])
        found.append(Match(names=(item["name"],), keys=tuple(dict.fromkeys(item["match"]))))
    return tuple(found)


def _retry(value: Mapping[str, Any]) -> Retry:
    return Retry(max=int(value["max"]), on=frozenset(value.get("on", FAILED_BY_ITSELF)))


def _marked_paths(value: Mapping[str, Any]) -> dict[str, Path]:
    """The document's path, and those that the rules may point at, by JSON Pointer."""
    spec = value["spec"]
    paths: dict[str, Path] = {"": (), "/metadata/name": ("metadata", "name")}
    paths |= {pointer_: path for name, path, pointer_ in _PLACED if name in spec}
    paths["/spec"] = ("spec",)
    for index, item in enumerate(spec.get("dependsOn", ())):
        keys = () if isinstance(item, str) else item["match"]
        found: list[Path] = [(*_DEPENDS_ON, index)]
        found += [(*_DEPENDS_ON, index, "match", number) for number in range(len(keys))]
        paths |= {pointer(path): path for path in found}
    return paths


# None of these says anything of the terms; `sensitive` is read by itself.
_PLAIN = {"flowId", "triggerTime", "businessDate", "at", "parameters", "sensitive"}

SENSITIVE = (
    *("*PASSWORD*", "*PASSWD*", "*SECRET*", "*TOKEN", "*CREDENTIAL*"),
    *("*PRIVATE_KEY*", "*API_KEY*", "*ACCESS_KEY*"),
)  # unless limits.sensitiveParameters says otherwise


def sensitive_names(spec: Mapping[str, Any], patterns: tuple[str, ...]) -> frozenset[str]:
    """The names of the manifest's own parameters that are sensitive."""
    return _sensitive_keys(
        tuple(spec.get("parameters", ())), tuple(spec.get("sensitive", ())), patterns
    )


@lru_cache(maxsize=1_024)  # manifests have most names in common
def _sensitive_keys(
    keys: tuple[str, ...], named: tuple[str, ...], patterns: tuple[str, ...]
) -> frozenset[str]:
    return frozenset(key for key in keys if key in named or _matches(key, patterns))


def sensitive_findings(
    spec: Mapping[str, Any], patterns: tuple[str, ...] = ()
) -> Iterator[Finding]:
    """Sensitive keys of the matrix, and names of no parameter: both would show a value."""
    matrix = spec.get("matrix", {})
    named = spec.get("sensitive", ())
    for index, key in enumerate(named):
        if key not in matrix and key not in spec.get("parameters", {}):
            words = "is the name of no parameter of this manifest: correct it, or take it away"
            yield Finding(path=("spec", "sensitive", index), code="sensitive", words=words)
    for key in matrix:
        path: Path = ("spec", "matrix", key)
        if key in named:
            why = "stands in spec.sensitive, and"
        elif _matches(key, patterns):
            why = "is sensitive by limits.sensitiveParameters of reconciler.yaml, and"
        else:
            continue
        words = f"{why} values of a matrix stand in the names of runs: move it to parameters"
        yield Finding(path=path, code="sensitive", words=words, where="key")


@lru_cache(maxsize=4_096)
def _matches(key: str, patterns: tuple[str, ...]) -> bool:
    return any(_fits(key.casefold(), pattern.casefold()) for pattern in patterns)


def _fits(key: str, pattern: str) -> bool:
    """As `fnmatchcase`, which compiles an expression for each pattern; `*WORD*` needs none."""
    word = pattern.strip("*")
    if not _WILD.isdisjoint(word):
        return fnmatchcase(key, pattern)
    match pattern[:1] == "*", pattern[-1:] == "*":
        case True, True:
            return word in key
        case True, False:
            return key.endswith(word)
        case False, True:
            return key.startswith(word)
        case _:
            return key == word


_WILD = frozenset("*?[")
