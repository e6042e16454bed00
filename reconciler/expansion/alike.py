"""Names of parameters that a reader cannot tell apart, and the words for what looks alike."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from reconciler.expansion.characters import difference, visible_form
from reconciler.schema import Finding
from reconciler.schema.paths import quotable_text


def alike_key_findings(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding for each name of a parameter that looks like one before it, of the matrix as well.

    To a service they are two parameters, of which one is hardly meant.
    """
    own, varied = spec.get("parameters", ()), spec.get("matrix", ())
    if not _has_alike((*own, *varied)):
        return
    first: dict[str, str] = {}
    for section, keys in (("parameters", own), ("matrix", varied)):
        for key in keys:
            before = first.setdefault(visible_form(key), key)
            if before != key:
                words = alike_words(key, before, "another key")
                path = ("spec", section, key)
                yield Finding(path=path, code="exclusive", words=words, where="key")


@lru_cache(maxsize=1_024)  # manifests have most names in common
def _has_alike(keys: tuple[str, ...]) -> bool:
    different = set(keys)
    return len(set(map(visible_form, different))) < len(different)


def alike_words(one: str, other: str, where: str) -> str:
    """What is wrong with a text that looks like another one, and what to do."""
    return (
        f'"{quotable_text(one)}" looks like "{quotable_text(other)}", {where}, and is another '
        f"text: {difference(one, other)}; remove one of the two, or write them so that they can be "
        "told apart"
    )
