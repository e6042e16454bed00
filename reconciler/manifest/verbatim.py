"""Where in a document a value is the text that its author wrote: `012`, `no`, `12:30:00`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from reconciler.schema.paths import Path

ANY = "*"  # in a path of `Verbatim`: whatever key or index

Verbatim = frozenset[Path]  # the mappings and lists whose values are text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the value at a path is read. Without a rule, it and all in it follow YAML's core schema.

    Rules are found by descending with the value, so that no path has to be put together.
    """

    as_text: bool  # a scalar is text
    below: Mapping[str | int, "Rule"]  # by key or index
    elsewhere: "Rule | None"  # of all other keys and indexes


@cache
def rule_of_document(verbatim: Verbatim) -> Rule | None:
    """The rule for a whole document."""
    return _rule(frozenset((*path, ANY) for path in verbatim))


def _rule(paths: frozenset[Path]) -> Rule | None:
    """The rule for a value, by the paths from there to what is text."""
    if not paths:
        return None

    def below(*keys: str | int) -> Rule | None:
        return _rule(frozenset(path[1:] for path in paths if path and path[0] in keys))

    named = {path[0] for path in paths if path} - {ANY}
    rules = {key: rule for key in named if (rule := below(key, ANY))}
    return Rule(as_text=() in paths, below=rules, elsewhere=below(ANY))
