"""The validator that decides, the one that finds the words, and the code that reads: they agree.

jsonschema-rs has Rust's regular expressions and jsonschema has Python's; `\\s` and `$` differ.
"""

import copy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.configuration import InvalidConfigurationError, parse_configuration
from reconciler.manifest import read_file
from reconciler.manifest.document import read_documents
from reconciler.manifest.read import VERBATIM
from reconciler.model import Source
from reconciler.schema import SCHEMAS, SchemaName, _validator, load_schema
from reconciler.schema.paths import Path
from reconciler.schema.phrasing import schema_findings
from tests.corpus.examples import CORPUS
from tests.sampling import examples

# What regular expressions and other rules for text differ about.
ODD = "\n\r\t\x00\x1c\x1f\x7f\x85\xa0\xad\u0660\u06f0\u1680\u180e\u2000\u200b\u200d\u2028\u202f"
ODD += "\u205f\u2060\u3000\ufeff\uff10\U0001f600/@#%_-.:~^?*[\\ aZ09+"
PLACES: dict[SchemaName, list[str]] = {
    "trigger": ["manifests/valid/everything.yaml", "manifests/valid/backfill-everything.yaml"],
    "config": ["config/valid/everything.yaml"],
}


@cache
def documents(name: SchemaName) -> list[tuple[Any, list[Path]]]:
    """Valid documents, and the paths of everything in them that is no mapping and no list."""
    values = [
        document.value
        for path in PLACES[name]
        for document in read_documents(
            Source(path=path, content=(CORPUS / path).read_bytes()), VERBATIM
        )[0]
    ]
    assert not any(schema_findings(name, value) for value in values)
    return [(value, list(leaves(value, ()))) for value in values]


def leaves(value: Any, path: Path) -> Iterator[Path]:
    """The paths of all values that hold no others."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        if isinstance(one, dict | list):
            yield from leaves(one, (*path, key))
        else:
            yield (*path, key)


@contextmanager
def replaced(document: Any, path: Path, odd: str) -> Iterator[None]:
    """The document with the odd text put behind the text at the path, for a while."""
    *way, last = path
    parent = document
    for part in way:
        parent = parent[part]
    before = parent[last]
    parent[last] = f"{before}{odd}"
    yield
    parent[last] = before


@st.composite
def changed(draw: st.DrawFn, name: SchemaName) -> Any:
    """A valid document of which one value was replaced, or had something put into it."""
    value, paths = draw(st.sampled_from(documents(name)))
    value = copy.deepcopy(value)
    *way, last = draw(st.sampled_from(paths))
    parent = value
    for part in way:
        parent = parent[part]
    text = str(parent[last])
    odd = draw(st.text(st.sampled_from(ODD), min_size=1, max_size=2))
    at = draw(st.integers(0, len(text)))
    parent[last] = draw(
        st.sampled_from([text[:at] + odd + text[at:], text[:at] + odd + text[at + 1 :], odd])
        | st.sampled_from([0, 1.0, -0.0, 1e300, 2**53, 2**63 - 1, True, None, "", "a" * 1025])
    )
    return value


def check(name: SchemaName, value: Any) -> None:
    assert _validator(name).is_valid(value) == (not schema_findings(name, value))


@examples(120)
@given(changed("trigger"))
def test_the_two_validators_agree_on_every_manifest(value: Any) -> None:
    check("trigger", value)


@examples(120)
@given(changed("config"))
def test_the_two_validators_agree_on_every_configuration(value: Any) -> None:
    check("config", value)


@pytest.mark.parametrize("name", ["trigger", "config"])
def test_a_validator_of_others_finds_what_ours_finds_besides_formats(name: SchemaName) -> None:
    theirs = jsonschema.Draft202012Validator(load_schema(name))
    for value, paths in documents(name):
        for path in paths:
            for odd in "\n\x1c\x85\u0660\ufeff":
                with replaced(value, path, odd):
                    ours = [one for one in schema_findings(name, value) if one.code != "format"]
                    assert theirs.is_valid(value) == (not ours), (path, odd)


@examples(150)
@given(changed("trigger"))
def test_what_is_valid_can_be_read(value: Any) -> None:
    source = Source(path="a.yaml", content=json.dumps(value).encode())
    found = read_file(source, UTC)  # raises nothing
    assert found.problems or found.runs


@examples(100)
@given(changed("config"))
def test_a_valid_configuration_can_be_read(value: Any) -> None:
    with suppress(InvalidConfigurationError):  # and nothing else is raised
        parse_configuration(Source(path="reconciler.yaml", content=json.dumps(value).encode()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_pattern_says_what_dialects_read_otherwise(name: SchemaName) -> None:
    patterns = [*patterns_of(load_schema(name))]
    for pattern in patterns:
        assert not re.search(r"\\[sSdDwWbBpP]|\[:", pattern), "spell the characters out"
        assert pattern.endswith("$(?!\\n)"), "Python's $ lets a last line feed pass"


def patterns_of(schema: Any) -> Iterator[str]:
    """Every pattern in the schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from patterns_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from patterns_of(value)
