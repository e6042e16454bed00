"""Parameters whose values are for the wire only: no output, and no name of a run, holds them."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from reconciler.schema import Finding
from reconciler.schema.paths import Path

SENSITIVE = (
    *("*PASSWORD*", "*PASSWD*", "*SECRET*", "*TOKEN", "*CREDENTIAL*"),
    *("*PRIVATE_KEY*", "*API_KEY*", "*ACCESS_KEY*"),
)  # unless limits.sensitiveParameters says otherwise


def sensitive_names(spec: Mapping[str, Any], patterns: tuple[str, ...]) -> frozenset[str]:
    """The sensitive ones of the manifest's own parameters."""
    named = spec.get("sensitive", ())
    return frozenset(
        key for key in spec.get("parameters", {}) if key in named or _matches(key, patterns)
    )


def sensitive_findings(
    spec: Mapping[str, Any], patterns: tuple[str, ...] = ()
) -> Iterator[Finding]:
    """What cannot be kept from view, and names that no parameter has: a slip would show a value."""
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
    return any(fnmatchcase(key.casefold(), pattern.casefold()) for pattern in patterns)
