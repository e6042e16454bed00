"""Names of parameters that a reader cannot tell apart."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from reconciler.schema import Finding


def alike_key_findings(spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding for each name of a parameter that looks like one before it, of the matrix as well.

    To a service they are two parameters, of which one is hardly meant.
    """
    own, varied = spec.get("parameters", ()), spec.get("matrix", ())
    if all(map(_is_plain, chain(own, varied))):
        return
    from reconciler.expansion.characters import alike_words, visible_form  # few need its tables

    first: dict[str, str] = {}
    for section, keys in (("parameters", own), ("matrix", varied)):
        for key in keys:
            before = first.setdefault(visible_form(key), key)
            if before != key:
                words = alike_words(key, before, "another key")
                path = ("spec", section, key)
                yield Finding(path=path, code="exclusive", words=words, where="key")


def _is_plain(key: str) -> bool:
    """Whether the text is its own visible form, as nearly all names are."""
    return key.isascii() and key.isprintable() and " " not in key
